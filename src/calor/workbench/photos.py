"""A folder of labelled photos, ready for training: which part is learned from, and which is held out."""

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calor.data import Dataset
from calor.data.folder import list_folder
from calor.data.source import workers
from calor.errors import DataError

HELD_OUT = 0.2
"""The share of each class that is held out where the folder has no validation part."""

_VALIDATION = ("validation", "valid", "val")


@dataclass(frozen=True)
class Layout:
    """Where the pictures of a folder lie.

    Attributes:
        training: the folder whose subfolders are the classes.
        validation: likewise, for the pictures that are held out; None: some of ``training`` are.
        test: likewise, for the pictures that are measured on at the end; None where there is none.
        unused: the folder's other parts.
        class_names: sorted.
    """

    training: Path
    validation: Path | None
    test: Path | None
    unused: tuple[str, ...]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Photos:
    """The two parts of a folder of photos: data sets of (uint8 (height, width, 3), label)."""

    training: Dataset
    validation: Dataset
    class_names: tuple[str, ...]


def find_layout(folder: str | os.PathLike[str]) -> Layout:
    """See whether the subfolders are classes, or parts with classes: ``train``, ``validation`` and ``test``.

    The validation part may also be called ``valid`` or ``val``. A folder ``test`` without a subfolder for each class is
    not used.

    Raises:
        DataError: there is no such folder, it has neither layout, or the two parts have different classes.
    """
    root = Path(folder)
    training = root / "train"
    # A folder train with pictures right in it is a class: trains beside cars, say.
    if not (training.is_dir() and any(_subfolders(training))):
        return Layout(root, None, None, (), list_folder(root).class_names)
    parts = _subfolders(root)
    validation = next((root / name for name in _VALIDATION if name in parts), None)
    names = list_folder(training).class_names
    if validation is not None and (others := list_folder(validation).class_names) != names:
        raise DataError(
            f"{training} and {validation} must have the same classes: "
            f"the one has {', '.join(names)}, the other {', '.join(others)}."
        )
    test = root / "test" if "test" in parts and _has_classes(root / "test", names) else None
    used = {"train", *(part.name for part in (validation, test) if part is not None)}
    return Layout(training, validation, test, tuple(name for name in parts if name not in used), names)


def read_photos(
    layout: Layout,
    image_size: tuple[int, int],
    *,
    seed: int = 0,
    progress: bool = True,
) -> Photos:
    """Find out which pictures are usable, decoding them where that was not done before.

    Args:
        layout: from ``find_layout``.
        image_size: height and width that all are resized to.
        seed: fixes which are held out, where the folder does not say.
        progress: whether to draw a bar while files are decoded, where a person looks.

    Raises:
        DataError: a class has no usable picture, or there are too few to hold some out.
    """
    training = Dataset.from_image_folder(layout.training, image_size=image_size, progress=progress)
    if layout.validation is None:
        _check_enough(layout, training)
        training, validation = training.split(HELD_OUT, seed=seed)
    else:
        validation = Dataset.from_image_folder(layout.validation, image_size=image_size, progress=progress)
    return Photos(training, validation, layout.class_names)


def count_by_class(dataset: Dataset) -> np.ndarray:
    """How many pictures of each class a data set has, (classes,)."""
    counts = Counter(np.asarray(dataset.labels).tolist())
    return np.array([counts[label] for label in range(len(dataset.class_names or ()))])


def fingerprint(photos: Photos, folder: Path) -> str:
    """A hash that changes when a photo does, or its name in the folder, its class or its part."""
    whole = hashlib.sha256()
    for part in (photos.training, photos.validation):
        files, labels = part.files or [], np.asarray(part.labels)
        for file, label, contents in zip(files, labels, workers().map(_contents, files), strict=True):
            whole.update(f"{file.absolute().relative_to(folder).as_posix()}\n{label}\n{contents}\n".encode())
        whole.update(b"\n")
    return whole.hexdigest()


def _contents(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _check_enough(layout: Layout, pictures: Dataset) -> None:
    few = [name for name, count in zip(layout.class_names, count_by_class(pictures), strict=True) if count < 2]
    if few:
        raise DataError(
            f"In {layout.training} there is one usable picture only of {', '.join(few)}: a class needs at least two, "
            "one to learn from and one to hold out."
        )


def _has_classes(folder: Path, names: tuple[str, ...]) -> bool:
    try:
        list_folder(folder, names)
    except DataError:
        return False
    return True


def _subfolders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
