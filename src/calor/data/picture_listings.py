"""Finding the pictures that ``ImageDataGenerator`` flows, and their labels: in class folders, or named by a table."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from calor.errors import ArgumentError, DataError, UnknownNameError, warn

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff")
"""The endings, in lower case, that Keras' iterators take for pictures."""

CLASS_MODES = ("categorical", "binary", "sparse")
"""What labels that are classes can be like."""

FOLDER_MODES = (*CLASS_MODES, "input", None)
TABLE_MODES = (*CLASS_MODES, "input", "multi_output", "raw", None)


@dataclass(frozen=True)
class Listing:
    """Pictures, and what belongs to them.

    Attributes:
        directory: where they lie, as it was given.
        filenames: relative to it.
        targets: columns of labels, arrays of shape (files, ...); for classes one, of their numbers, (files,) int32, or
            where pictures have several, rows of 0 and 1, (files, classes) uint8.
        class_indices: the number of each class, by its name.
        classes: the number of each picture's class; a list of them for several; None where there are no classes.
        weights: how much each picture counts, (files,), where given.
        selection: what tells this list from others of the same folder, even if files are added.
    """

    directory: str | os.PathLike[str]
    filenames: list[str]
    targets: tuple[np.ndarray, ...] = ()
    class_indices: dict[str, int] = field(default_factory=dict)
    classes: Any = None
    weights: np.ndarray | None = None
    selection: tuple[str, ...] = ()

    @property
    def paths(self) -> list[str]:
        """The files as they are opened."""
        return [os.path.join(self.directory, name) for name in self.filenames]  # noqa: PTH118 names may be absolute


def list_directory(
    directory: str | os.PathLike[str],
    *,
    classes: Sequence[str] | None,
    class_mode: str | None,
    follow_links: bool,
    subset: str | None,
    validation_split: float,
) -> Listing:
    """The pictures in a folder with a subfolder for each class; see ``ImageDataGenerator.flow_from_directory``.

    Raises:
        DataError: there is no such folder, or it has no class folders or no pictures.
        ArgumentError: an argument has a value that cannot work.
    """
    _check_mode(class_mode, FOLDER_MODES)
    names = _class_folders(directory, classes)
    numbers: list[int] = []
    filenames: list[str] = []
    for number, name in enumerate(names):
        found = _pictures_in(str(Path(directory, name)), follow_links=follow_links)
        paths = part_of(found, subset, validation_split)
        filenames += [str(Path(path).relative_to(directory)) for path in paths]
        numbers += [number] * len(paths)
    print(f"Found {len(filenames)} images belonging to {len(names)} classes.", flush=True)
    if not filenames:
        which = f"the {subset} subset of the" if subset else "the"
        raise DataError(
            f"There are no pictures in {which} class folders of {directory}: {', '.join(names)}. "
            "It must hold a subfolder of pictures for each class, such as photos/cats/1.jpg."
        )
    labels = np.array(numbers, np.int32)
    indices = {name: number for number, name in enumerate(names)}
    targets = (labels,) if class_mode in CLASS_MODES else ()
    part = f"{subset} {validation_split}" if subset else "all"
    selection = ("directory", part, f"follow_links={follow_links}", *names)
    return Listing(directory, filenames, targets, indices, labels, selection=selection)


def list_table(
    dataframe: Any,
    directory: str | os.PathLike[str] | None,
    *,
    x_col: str,
    y_col: Any,
    weight_col: str | None,
    classes: Sequence[str] | None,
    class_mode: str | None,
    validate_filenames: bool,
    subset: str | None,
    validation_split: float,
) -> Listing:
    """The pictures that a table names; see ``ImageDataGenerator.flow_from_dataframe``.

    Raises:
        DataError: no rows are left, or a column holds something else than it should.
        ArgumentError: this is no table, a column is missing, or an argument has a value that cannot work.
    """
    _check_mode(class_mode, TABLE_MODES)
    if class_mode == "multi_output" and not _is_list(y_col):
        raise ArgumentError(f"class_mode='multi_output' needs a list of columns, not y_col={y_col!r}.")
    names = _column(dataframe, x_col)
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise DataError(f"The column x_col={x_col!r} must hold file names, and has {wrong[0]!r}.")
    every = Listing(directory or "", names)
    rows = _usable_rows(every, x_col) if validate_filenames else list(range(len(names)))
    labelled: dict[int, Any] = {}
    indices: dict[str, int] = {}
    if class_mode in CLASS_MODES:
        labelled, indices = _numbered(_column(dataframe, y_col), rows, y_col, class_mode, classes)
        rows = list(labelled)
    elif classes:
        warn(f"classes={list(classes)} is not used: with class_mode={class_mode!r} the labels are no classes.")
    rows = part_of(rows, subset, validation_split)
    kind = "validated" if validate_filenames else "non-validated"
    belonging = f" belonging to {len(indices)} classes" if class_mode in CLASS_MODES else ""
    print(f"Found {len(rows)} {kind} image filenames{belonging}.", flush=True)
    if not rows:
        raise DataError(
            f"There are no pictures to read: none of the {len(names)} rows is left. Look at the names in "
            f"x_col={x_col!r}, at directory={str(every.directory)!r}, and at classes and subset, where given."
        )
    numbers = [labelled[row] for row in rows] if class_mode in CLASS_MODES else None
    targets: tuple[np.ndarray, ...] = ()
    if numbers is not None:
        targets = (_class_column(numbers, len(indices)),)
    elif class_mode == "raw":
        targets = (_array(dataframe, y_col, rows),)
    elif class_mode == "multi_output":
        targets = tuple(_array(dataframe, name, rows) for name in y_col)
    weights = None if weight_col is None else _array(dataframe, weight_col, rows)
    if weights is not None and weights.dtype.kind not in "biuf":
        raise DataError(f"The column weight_col={weight_col!r} must hold numbers, not {weights.dtype}.")
    filenames = [names[row] for row in rows]
    return Listing(every.directory, filenames, targets, indices, numbers, weights, ("table", *filenames))


def _check_mode(class_mode: str | None, known: Sequence[str | None]) -> None:
    if class_mode not in known:
        raise UnknownNameError("class_mode", class_mode, map(str, known))


def _usable_rows(listing: Listing, x_col: str) -> list[int]:
    """The rows whose names are those of picture files that exist; the others are warned of."""
    rows: list[int] = []
    lost: list[int] = []
    for row, path in enumerate(listing.paths):
        (rows if path.lower().endswith(ENDINGS) and Path(path).is_file() else lost).append(row)
    if lost:
        warn(
            f"{len(lost)} of the file names in the column x_col={x_col!r} are no picture files and are left out, such "
            f"as {listing.paths[lost[0]]}."
        )
    return rows


def _numbered(
    column: Sequence[Any], rows: Sequence[int], y_col: Any, class_mode: str | None, classes: Sequence[str] | None
) -> tuple[dict[int, Any], dict[str, int]]:
    """The number of each row's class, or a list of them; and the number of each class.

    Classes that were not asked for are left out, and so are rows that have no others.
    """
    several = class_mode == "categorical"
    found = {row: list(column[row]) if several and _is_list(column[row]) else [column[row]] for row in rows}
    if wrong := [label for labels in found.values() for label in labels if not isinstance(label, str)]:
        wanted = "names of classes, or lists of them" if several else "names of classes"
        raise DataError(
            f"With class_mode={class_mode!r} the column y_col={y_col!r} must hold {wanted}, as text, and has "
            f"{wrong[0]!r}. Turn it into text, or give class_mode='raw' for numbers."
        )
    names = (
        list(dict.fromkeys(classes)) if classes else sorted({label for labels in found.values() for label in labels})
    )
    if class_mode == "binary" and len(names) != 2:
        raise DataError(f"class_mode='binary' is for 2 classes, and here are {len(names)}: {', '.join(names[:5])}.")
    indices = {name: number for number, name in enumerate(names)}
    kept = {row: [indices[label] for label in labels if label in indices] for row, labels in found.items()}
    return {row: kept[row] if _is_list(column[row]) else kept[row][0] for row in rows if kept[row]}, indices


def _class_column(numbers: Sequence[Any], count: int) -> np.ndarray:
    """Class numbers as they are, or where there are several as rows of 0 and 1."""
    if not any(map(_is_list, numbers)):
        return np.array(numbers, np.int32)
    hot = np.zeros((len(numbers), count), np.uint8)
    for row, number in enumerate(numbers):
        hot[row, number] = 1
    return hot


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _column(dataframe: Any, name: Any) -> list[Any]:
    """A column of a table as a list.

    Raises:
        ArgumentError: this is no table, or it has no such column.
    """
    if isinstance(dataframe, str | list | tuple | np.ndarray) or not hasattr(dataframe, "__getitem__"):
        raise ArgumentError(
            "dataframe must be a pandas DataFrame, or another table where dataframe['filename'] gives a column, such "
            f"as a dictionary of lists, not {type(dataframe).__name__}."
        )
    try:
        return list(dataframe[name])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        columns: Iterable[Any] = getattr(dataframe, "columns", dataframe)
        raise ArgumentError(f"The table has no column {name!r}; it has {', '.join(map(repr, columns))}.") from error


def _array(dataframe: Any, name: Any, rows: Sequence[int]) -> np.ndarray:
    """These rows of a column, (rows, ...), or of a list of columns, (rows, columns)."""
    if _is_list(name):
        return np.stack([_array(dataframe, each, rows) for each in name], axis=1)
    column = _column(dataframe, name)
    try:
        return np.array([column[row] for row in rows])
    except ValueError as error:
        raise DataError(f"The rows of the column {name!r} differ in shape: {error}.") from error


def _class_folders(directory: str | os.PathLike[str], classes: Sequence[str] | None) -> list[str]:
    """The names of the class folders: those that were asked for, or all that are not hidden, sorted.

    Raises:
        DataError: there is no such folder, or it has no such subfolders.
    """
    root = Path(directory)
    if not root.is_dir():
        raise DataError(f"{root} {'is a file, not a folder' if root.exists() else 'does not exist'}.")
    found = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not found:
        raise DataError(
            f"The folder {root} has no subfolders: it must hold one for each class, such as photos/cats and "
            "photos/dogs. For pictures without classes, give the folder above and classes=['its name'], "
            "class_mode=None."
        )
    if not classes:
        return found
    if isinstance(classes, str):
        raise ArgumentError(f"classes must be a list of names, such as [{classes!r}], not one string.")
    if missing := [name for name in classes if not (root / name).is_dir()]:
        raise DataError(f"The folder {root} has no subfolder {', '.join(map(repr, missing))}; it has {found}.")
    if len(set(classes)) < len(classes):
        raise ArgumentError(f"Each class needs a name of its own, not {list(classes)}.")
    return list(classes)


def _pictures_in(folder: str, *, follow_links: bool) -> list[str]:
    """The pictures in a folder and the folders inside it, folder by folder in Keras' order; hidden ones left out.

    Args:
        folder: its path.
        follow_links: whether to look into folders that are symbolic links.

    Returns:
        Paths that begin with ``folder``.
    """
    paths = []
    for inside, _, names in sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0]):
        if any(part.startswith(".") for part in Path(inside).relative_to(folder).parts):
            continue
        paths += [str(Path(inside, name)) for name in sorted(names) if _is_picture(name)]
    return paths


def _is_picture(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def part_of(items: Any, subset: str | None, validation_split: float) -> Any:
    """The part of these that a subset has: the first ones are for validation, as in Keras.

    Args:
        items: a sequence or an array.
        subset: ``"training"``, ``"validation"``, or None for all.
        validation_split: the share for validation.

    Raises:
        ArgumentError: no such subset, or a subset where nothing was split.
    """
    if subset is None:
        return items
    if subset not in ("training", "validation"):
        raise UnknownNameError("subset", subset, ("training", "validation"))
    if not validation_split:
        raise ArgumentError(
            f"subset={subset!r} needs a split: make the generator with ImageDataGenerator(validation_split=0.2), say."
        )
    cut = int(validation_split * len(items))
    return items[:cut] if subset == "validation" else items[cut:]
