"""A trained model at work: what it takes pictures for, and how often it is right."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from calor import activations, layers
from calor.data import Dataset, load_image
from calor.data.folder import list_folder
from calor.data.images import COLOR_MODES, EXTENSIONS
from calor.errors import DataError, ImageError, ModelFileError, ModelStateError
from calor.models import Sequential, load_model
from calor.training.interval import wilson_interval
from calor.workbench.run_folder import MODEL

AT_ONCE = 64
"""How many pictures are decoded and predicted together."""


@dataclass(frozen=True)
class Classifier:
    """A model whose inputs are pictures and whose outputs are classes.

    Attributes:
        model: the network.
        class_names: by class number; ``class 0`` and so on where the model does not know its own.
        image_size: the height and width that it takes.
        color_mode: as in ``load_image``.
    """

    model: Sequential
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    color_mode: str

    def probabilities(self, images: Any) -> np.ndarray:
        """A row of probabilities for each picture, (pictures, classes), whatever the network ends in.

        Args:
            images: (pictures, height, width, channels), 0 to 255; or a batched data set of them.
        """
        outputs = self.model.predict(images)
        if _gives_logits(self.model):
            outputs = np.asarray(jax.nn.sigmoid(outputs) if outputs.shape[-1] == 1 else jax.nn.softmax(outputs))
        return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[-1] == 1 else outputs


@dataclass(frozen=True)
class Prediction:
    """What a picture was taken for, or why it could not be read.

    Attributes:
        file: the picture.
        probabilities: by class name, highest first; empty where it could not be read.
        error: why not; None where it could.
    """

    file: Path
    probabilities: dict[str, float]
    error: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """How a model does on a folder of labelled pictures.

    Attributes:
        loss: the mean of the model's loss; None where it was saved without one.
        accuracy: the share of pictures whose most probable class is theirs.
        class_names: by class number.
        pictures: how many there are of each class, (classes,).
        right: how many of these were recognised, (classes,).
    """

    loss: float | None
    accuracy: float
    class_names: tuple[str, ...]
    pictures: np.ndarray
    right: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        """The range that covers the true accuracy in 95 of 100 cases (Wilson)."""
        return wilson_interval(int(self.right.sum()), int(self.pictures.sum()))


def load_classifier(path: str | os.PathLike[str]) -> Classifier:
    """The model in a ``.keras`` file or in a run folder.

    Raises:
        ModelFileError: there is none, or it cannot be read.
        ModelStateError: the model does not classify pictures.
    """
    file = model_file(path)
    model = load_model(file)
    shape, outputs = model.input_shape or (), model.output_shape or ()
    modes = {channels: mode for mode, channels in COLOR_MODES.items()}
    if len(shape) != 3 or shape[2] not in modes:
        raise ModelStateError(f"The model in {file} takes inputs of shape {shape}: these are no pictures.")
    if len(outputs) != 1:
        raise ModelStateError(f"The model in {file} gives outputs of shape {outputs}: these are no classes.")
    classes = max(outputs[0], 2)
    names = tuple(model.class_names or (f"class {number}" for number in range(classes)))
    if len(names) != classes:
        raise ModelStateError(
            f"The model in {file} has {classes} classes and {len(names)} class names: {', '.join(names)}."
        )
    return Classifier(model, names, (shape[0], shape[1]), modes[shape[2]])


def model_file(path: str | os.PathLike[str]) -> Path:
    """The model file itself, where a run folder may be given instead.

    Raises:
        ModelFileError: the folder holds none.
    """
    file = Path(path)
    if not file.is_dir():
        return file
    if not (file / MODEL).is_file():
        raise ModelFileError(
            f"The folder {file} holds no {MODEL}: give a run folder that `calor train` made, or the model file itself."
        )
    return file / MODEL


def predict(classifier: Classifier, paths: Iterable[str | os.PathLike[str]]) -> Iterator[Prediction]:
    """What each picture is taken for, in order; of a folder all pictures in it and below, sorted by path.

    Files that cannot be read come with their ``error``; so do folders without pictures.
    """
    waiting: list[Prediction] = []
    images: list[np.ndarray] = []
    for path in paths:
        for file in _expanded(Path(path)):
            prediction, image = _read(classifier, file)
            waiting.append(prediction)
            if image is not None:
                images.append(image)
            if len(waiting) == AT_ONCE:
                yield from _predicted(classifier, waiting, images)
                waiting, images = [], []
    yield from _predicted(classifier, waiting, images)


def evaluate(classifier: Classifier, folder: str | os.PathLike[str]) -> Evaluation:
    """Measure a model on a folder with a subfolder of pictures for each of its classes.

    Raises:
        DataError: the folder's classes are not the model's, or it has not the layout.
    """
    names = classifier.class_names
    known = classifier.model.class_names is not None
    found = list_folder(folder).class_names
    if set(found) != set(names) if known else len(found) != len(names):
        parts = [name for name in found if name in ("train", "validation", "valid", "val", "test")]
        hint = f" Perhaps you mean {Path(folder) / parts[-1]}?" if parts else ""
        raise DataError(
            f"The classes of {folder} are not the model's: "
            f"the folder has {', '.join(found)}, the model {', '.join(names)}.{hint}"
        )
    names = names if known else found
    pictures = Dataset.from_image_folder(
        folder, image_size=classifier.image_size, color_mode=classifier.color_mode, class_names=names
    )
    return measure(classifier, pictures, names)


def measure(classifier: Classifier, pictures: Dataset, names: tuple[str, ...]) -> Evaluation:
    """Measure a model on a data set of (picture, label), not batched, whose labels have these names."""
    labels = np.asarray(pictures.labels)
    batches = pictures.batch(AT_ONCE)
    loss = None
    if classifier.model.loss is not None:
        loss = float(classifier.model.evaluate(batches, verbose=0, return_dict=True)["loss"])
    right = classifier.probabilities(batches).argmax(axis=1) == labels
    counts = np.bincount(labels, minlength=len(names))
    return Evaluation(
        loss, float(right.mean()), names, counts, np.bincount(labels, weights=right, minlength=len(names)).astype(int)
    )


def _gives_logits(model: Sequential) -> bool:
    """Whether the outputs still want a softmax or sigmoid: the last layer has none, and the loss knows it."""
    last = model.layers[-1]
    ends_in = activations.name_of(getattr(last, "activation", None) or activations.linear)
    if isinstance(last, layers.Softmax) or ends_in in ("softmax", "sigmoid"):
        return False
    return bool(getattr(model.loss, "from_logits", False))


def _expanded(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in EXTENSIONS and file.is_file())
    return [file for file in files if not file.name.startswith(".")] or [path]


def _read(classifier: Classifier, file: Path) -> tuple[Prediction, np.ndarray | None]:
    if file.is_dir():
        return Prediction(file, {}, f"{file} is a folder without pictures."), None
    try:
        return Prediction(file, {}), load_image(file, size=classifier.image_size, color_mode=classifier.color_mode)
    except ImageError as error:
        return Prediction(file, {}, str(error)), None


def _predicted(
    classifier: Classifier, predictions: Sequence[Prediction], images: Sequence[np.ndarray]
) -> Iterator[Prediction]:
    rows = iter(classifier.probabilities(np.stack(images)) if images else ())
    for prediction in predictions:
        if prediction.error is not None:
            yield prediction
            continue
        row = next(rows)
        order = np.argsort(-row, kind="stable")
        yield Prediction(prediction.file, {classifier.class_names[place]: float(row[place]) for place in order})
