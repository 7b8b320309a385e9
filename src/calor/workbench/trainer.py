"""The job itself: from a folder of labelled photos to a trained model, its record and its pictures."""

import math
import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure

from calor.callbacks import EarlyStopping, ModelCheckpoint
from calor.data import load_image
from calor.errors import NonFiniteError
from calor.models import Sequential
from calor.schedules import CosineDecay
from calor.training.history import History
from calor.workbench.doctor import no_kernels
from calor.workbench.network import photo_network, varied
from calor.workbench.photos import Layout, Photos, count_by_class, find_layout, read_photos
from calor.workbench.plots import plot_curves, plot_predictions
from calor.workbench.run_folder import MODEL, make_run_folder, removed_if_empty, replacing

Say: TypeAlias = Callable[[str], object]

SHOWN = 15
"""How many pictures of the validation part ``predictions.png`` shows."""

FILES = {
    MODEL: "the network with the weights of its best epoch",
    "history.json": "settings and figures, epoch by epoch",
    "curves.png": "accuracy and loss, training and validation",
    "predictions.png": "pictures it never learned from, and what it takes them for",
}


@dataclass(frozen=True)
class Trained:
    """What ``train`` gives.

    Attributes:
        model: with the weights of its best epoch; its inputs are (height, width, 3), 0 to 255.
        history: the record of the run.
        folder: the run folder, with ``model.keras``, ``history.json``, ``curves.png`` and ``predictions.png``.
        class_names: by class number.
    """

    model: Sequential
    history: History
    folder: Path
    class_names: tuple[str, ...]


def train(
    folder: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    epochs: int = 30,
    image_size: tuple[int, int] = (96, 96),
    batch_size: int = 32,
    seed: int = 0,
    learning_rate: float = 2e-3,
    augment: bool = True,
    patience: int = 10,
    verbose: int = 1,
) -> Trained:
    """Train a classifier on a folder of photos, and write model, history, curves and predictions into a run folder.

    The model is saved whenever the validation loss is the lowest so far, so that a run which is killed leaves its best
    epoch. On Ctrl-C, or when the loss becomes NaN, all files are written with what was learned until then, and the
    exception goes on.

    Args:
        folder: a subfolder of photos for each class; or ``train/`` and ``validation/``, each with such subfolders.
            Without the latter a fifth of each class is held out.
        output: the run folder; by default the first of ``runs/FOLDER-1``, ``runs/FOLDER-2``, ... that is free.
        epochs: how many at the most.
        image_size: height and width in pixels that the photos are resized to.
        batch_size: photos a step.
        seed: fixes what is held out, the initial weights, the order and the augmentation.
        learning_rate: Adam's at the start; half a cosine wave takes it down to 0 at the last epoch.
        augment: whether the network sees the photos changed at random while it learns.
        patience: after how many epochs without a lower validation loss to stop.
        verbose: 0 silent, 1 live progress, 2 lines only.

    Raises:
        DataError: the folder has not the layout, or a class has no usable photo.
        ArgumentError: ``output`` is in use.
        NonFiniteError: the loss became NaN or infinite.
        OSError: a file cannot be written.
    """
    say = _say if verbose else _silent
    layout = find_layout(folder)
    run = make_run_folder(output, folder)
    with removed_if_empty(run):
        photos = read_photos(layout, image_size, seed=seed, progress=verbose == 1)
        for line in _description(layout, photos):
            say(line)
        if advice := no_kernels():
            say(advice)
        say(f"\nThe run goes to {run}. Ctrl-C ends it and keeps what was learned.\n")
        sample = _Sample.draw(photos, image_size, seed)
        steps = epochs * math.ceil(len(photos.training) / batch_size)
        falling = CosineDecay(learning_rate, steps)
        model = photo_network(image_size, len(photos.class_names), learning_rate=falling, seed=seed)
        model.class_names = photos.class_names
        settings = {
            "folder": str(folder),
            "class_names": list(photos.class_names),
            "image_size": list(image_size),
            "learning_rate": learning_rate,
            "augment": augment,
            "patience": patience,
        }
        best = EarlyStopping(patience=patience, restore_best_weights=True)
        try:
            batches = photos.training.shuffle(len(photos.training)).batch(batch_size)
            model.fit(
                varied(batches) if augment else batches,
                epochs=epochs,
                validation_data=photos.validation.batch(batch_size),
                callbacks=[best, ModelCheckpoint(run / MODEL, save_best_only=True)],
                verbose=verbose,
            )
        except (KeyboardInterrupt, NonFiniteError) as error:
            if model.step == 0:
                say("Nothing was learned yet, so nothing is kept.")
                raise
            if isinstance(error, KeyboardInterrupt):
                say("\nStopped. What was learned is kept; Ctrl-C again ends at once.")
            _write(model, run, best, sample, settings, say)
            raise
        _write(model, run, best, sample, settings, say)
        assert model.history is not None
        example = photos.validation.files
        if example:
            say("\nNext:")
            say(f"  calor predict {shlex.quote(str(run))} {shlex.quote(str(example[0]))}")
    return Trained(model, model.history, run, photos.class_names)


@dataclass(frozen=True)
class _Sample:
    """Some pictures of the validation part, in its order, to show what they are taken for."""

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    @classmethod
    def draw(cls, photos: Photos, image_size: tuple[int, int], seed: int) -> "_Sample":
        files, labels = photos.validation.files, photos.validation.labels
        assert files is not None
        assert labels is not None
        places = np.sort(np.random.default_rng(seed).permutation(len(files))[:SHOWN])
        images = np.stack([load_image(files[place], size=image_size) for place in places])
        return cls(images, labels[places], photos.class_names)


def _write(
    model: Sequential, run: Path, best: EarlyStopping, sample: _Sample, settings: dict[str, Any], say: Say
) -> None:
    """All that a run leaves behind, and where it lies."""
    history = model.history
    assert history is not None
    if best.best_epoch is None:  # otherwise the model was saved then, and has that epoch's weights again
        model.save(run / MODEL)
    history.params |= settings
    verdict = history.verdict()
    history.params["verdict"] = verdict.as_dict()
    with replacing(run / "history.json") as path:
        history.save(path)
    if history.epoch:
        _save_figure(plot_curves(history.history), run / "curves.png")
    shares = model.predict(sample.images)
    _save_figure(plot_predictions(sample.images, shares, sample.labels, sample.class_names), run / "predictions.png")

    if best.best_epoch is not None:
        place = history.epoch.index(best.best_epoch)
        accuracy, loss = (history.history[name][place] for name in ("val_accuracy", "val_loss"))
        early = f"; {best.patience} epochs without a better one ended the run" if best.stopped_epoch is not None else ""
        say(f"\nThe best epoch was {best.best_epoch + 1}: validation accuracy {accuracy:.1%}, loss {loss:.4f}{early}.")
    elif history.epoch:
        say(
            "\nThe validation loss was never a number, so no epoch was the best: training diverged. "
            "Try a smaller learning rate."
        )
    else:
        say("\nNo epoch was finished, so there are no curves.")
    if history.epoch:
        say(f"\n{verdict}\n")
    say(f"In {run}:")
    meanings = FILES if best.best_epoch is not None else FILES | {MODEL: "the network as it was at the end"}
    for name, meaning in meanings.items():
        if (run / name).exists():
            say(f"  {name:<16} {meaning}")


def _save_figure(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _description(layout: Layout, photos: Photos) -> Iterator[str]:
    """What was found, for the start of the run."""
    counts = [count_by_class(part) for part in (photos.training, photos.validation)]
    totals = [int(count.sum()) for count in counts]
    source = f"a fifth of each class, held out of {layout.training}" if layout.validation is None else layout.validation
    yield f"{len(photos.class_names)} classes in {layout.training}"
    by_class = zip(photos.class_names, *counts, strict=True)
    rows = [("class", "training", "validation"), *by_class, ("together", *totals)]
    width = max(len(row[0]) for row in rows)
    for name, *numbers in rows:
        yield f"  {name:<{width}}" + "".join(f"{number:>12}" for number in numbers)
    yield f"Validation: {source}."
    if layout.unused:
        yield f"Not used: {', '.join(layout.unused)}."


def _say(text: str) -> None:
    print(text, flush=True)


def _silent(text: str) -> None:
    pass
