"""A folder of labelled photos: whether its subfolders are classes, or parts with classes; and its photos, in parts."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from calor.data import Dataset
from calor.data.folder import list_folder
from calor.errors import DataError
from calor.workbench.split import Split

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
    """The parts of a folder of photos that are open in training.

    Attributes:
        training: (uint8 (height, width, 3), label).
        validation: likewise.
        class_names: by label.
        split: which files are in these parts, and in the sealed one.
        class_weight: how much each class counts, as ``fit`` takes it; None: every photo counts the same.
    """

    training: Dataset
    validation: Dataset
    class_names: tuple[str, ...]
    split: Split
    class_weight: dict[int, float] | None = None


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


def fingerprint(split: Split) -> str:
    """A hash that changes when a photo of the parts that are open does, or its name in the folder, class or part."""
    whole = hashlib.sha256()
    for part in (split.training, split.validation):
        for file, label, contents in zip(part.files, part.labels, part.hashes, strict=True):
            whole.update(f"{file}\n{label}\n{contents}\n".encode(errors="surrogateescape"))
        whole.update(b"\n")
    return whole.hexdigest()


def _has_classes(folder: Path, names: tuple[str, ...]) -> bool:
    try:
        list_folder(folder, names)
    except DataError:
        return False
    return True


def _subfolders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
