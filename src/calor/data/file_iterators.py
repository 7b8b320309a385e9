"""The iterators of ``ImageDataGenerator`` over picture files: in class folders, or named by a table."""

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calor.data.picture_files import PictureReader, PictureSource, class_folders, is_picture, list_pictures, part_of
from calor.data.picture_iterators import PictureIterator, Saving
from calor.data.picture_maps import Layout
from calor.data.source import Source, as_array
from calor.errors import ArgumentError, DataError, UnknownNameError, warn

if TYPE_CHECKING:
    from calor.data.image_data_generator import ImageDataGenerator

FOLDER_MODES = ("categorical", "binary", "sparse", "input", None)
TABLE_MODES = (*FOLDER_MODES[:-1], "multi_output", "raw", None)
CLASSES = ("categorical", "binary", "sparse")
"""The modes whose labels are classes."""


class FileIterator(PictureIterator):
    """Batches of pictures that are read from files, with labels of one kind or another.

    Attributes:
        class_mode: what the labels are.
        target_size, color_mode, interpolation, keep_aspect_ratio: how the pictures are read.
        subset: the part of the files that it has, or None.
        class_indices: the number of each class, by its name; empty where there are no classes.
        num_classes: how many there are.
        filenames: the files, relative to ``directory``.
        filepaths: the files as they are opened.
        sample_weight: the weight of each picture, or None.
    """

    def __init__(
        self,
        image_data_generator: "ImageDataGenerator",
        *,
        class_mode: str | None,
        target_size: tuple[int, int],
        color_mode: str,
        batch_size: int,
        shuffle: bool,
        seed: int | None,
        saving: Saving,
        subset: str | None,
        interpolation: str,
        keep_aspect_ratio: bool,
    ) -> None:
        self.class_mode = class_mode
        self.target_size = target_size
        self.color_mode = color_mode
        self.interpolation = interpolation
        self.keep_aspect_ratio = keep_aspect_ratio
        self.subset = subset
        self.class_indices: dict[str, int] = {}
        self.filenames: list[str] = []
        self.filepaths: list[str] = []
        self.sample_weight: np.ndarray | None = None
        self._classes: Any = None
        self._targets: tuple[np.ndarray, ...] = ()
        self._reader = PictureReader(target_size, color_mode, interpolation, keep_aspect_ratio=keep_aspect_ratio)
        self._find(image_data_generator.validation_split)
        super().__init__(image_data_generator, len(self.filepaths), batch_size, shuffle, seed, saving)

    def _find(self, validation_split: float) -> None:
        """Set the files and what belongs to them."""
        raise NotImplementedError

    @property
    def num_classes(self) -> int:
        return len(self.class_indices)

    @property
    def classes(self) -> Any:
        """The number of each picture's class, in the order of the files; a list of them for several classes."""
        return self._classes

    @property
    def labels(self) -> Any:
        """``classes``, or in the modes "raw" and "multi_output" the labels themselves."""
        if self.class_mode == "raw":
            return self._targets[0]
        return list(self._targets) if self.class_mode == "multi_output" else self._classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self._reader.shape

    @cached_property
    def _source(self) -> Source:
        columns = tuple(as_array(target, "A column of labels") for target in self._targets)
        if self._weighted:
            columns += (as_array(self.sample_weight, "The column of weights"),)
        single = self.class_mode in CLASSES and self._targets[0].ndim == 1
        return PictureSource(
            self.filepaths,
            self._reader,
            columns,
            classes=self._targets[0] if single else None,
            class_names=self.class_indices or None,
        )

    @property
    def _weighted(self) -> bool:
        return self.sample_weight is not None and self.class_mode is not None

    @property
    def _layout(self) -> Layout:
        return Layout(
            targets=len(self._targets),
            classes=self.num_classes if self.class_mode == "categorical" else 0,
            mirrored=self.class_mode == "input",
        )

    def _pictures(self, positions: np.ndarray) -> np.ndarray:
        assert isinstance(self._source, PictureSource)
        return self._source.pixels(positions)

    def _element(self, batch: np.ndarray, positions: np.ndarray) -> Any:
        labels: Any = [target[positions] for target in self._targets]
        match self.class_mode:
            case None:
                return batch
            case "input":
                labels = batch.copy()
            case "categorical":
                rows = np.eye(self.num_classes)[labels[0]] if labels[0].ndim == 1 else labels[0]
                labels = rows.astype(self.dtype)
            case "binary" | "sparse":
                labels = labels[0].astype(self.dtype)
            case "raw":
                labels = labels[0]
        return batch, labels, *([] if self.sample_weight is None else [self.sample_weight[positions]])


class DirectoryIterator(FileIterator):
    """Batches of the pictures in a folder with a subfolder for each class.

    Made by ``ImageDataGenerator.flow_from_directory``, which describes the arguments.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        image_data_generator: "ImageDataGenerator",
        *,
        classes: Sequence[str] | None,
        class_mode: str | None,
        follow_links: bool,
        **settings: Any,
    ) -> None:
        if class_mode not in FOLDER_MODES:
            raise UnknownNameError("class_mode", class_mode, map(str, FOLDER_MODES))
        self.directory = directory
        self._names = class_folders(directory, classes)
        self._follow_links = bool(follow_links)
        super().__init__(image_data_generator, class_mode=class_mode, **settings)

    def _find(self, validation_split: float) -> None:
        self.class_indices = {name: number for number, name in enumerate(self._names)}
        classes: list[int] = []
        for name, number in self.class_indices.items():
            found = list_pictures(str(Path(self.directory, name)), follow_links=self._follow_links)
            paths = part_of(found, self.subset, validation_split)
            self.filenames += [str(Path(path).relative_to(self.directory)) for path in paths]
            classes += [number] * len(paths)
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]  # noqa: PTH118 as in Keras
        self._classes = np.array(classes, np.int32)
        if self.class_mode in CLASSES:
            self._targets = (self._classes,)
        print(f"Found {len(classes)} images belonging to {self.num_classes} classes.", flush=True)
        if not classes:
            which = f"the {self.subset} subset of the" if self.subset else "the"
            raise DataError(
                f"There are no pictures in {which} class folders of {self.directory}: {', '.join(self._names)}. "
                "It must hold a subfolder of pictures for each class, such as photos/cats/1.jpg."
            )


class DataFrameIterator(FileIterator):
    """Batches of the pictures that a table names.

    Made by ``ImageDataGenerator.flow_from_dataframe``, which describes the arguments.
    """

    def __init__(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None,
        image_data_generator: "ImageDataGenerator",
        *,
        x_col: str,
        y_col: Any,
        weight_col: str | None,
        classes: Sequence[str] | None,
        class_mode: str | None,
        validate_filenames: bool,
        **settings: Any,
    ) -> None:
        if class_mode not in TABLE_MODES:
            raise UnknownNameError("class_mode", class_mode, map(str, TABLE_MODES))
        self.directory = directory or ""
        self._dataframe = dataframe
        self._columns = (x_col, y_col, weight_col)
        self._names = list(dict.fromkeys(classes)) if classes else None
        self._validates = validate_filenames
        super().__init__(image_data_generator, class_mode=class_mode, **settings)
        del self._dataframe

    def _find(self, validation_split: float) -> None:
        x_col, y_col, weight_col = self._columns
        names = _column(self._dataframe, x_col)
        if wrong := [name for name in names if not isinstance(name, str)]:
            raise DataError(f"The column x_col={x_col!r} must hold file names, and has {wrong[0]!r}.")
        rows: Sequence[int] = range(len(names))
        paths = [os.path.join(self.directory, name) for name in names]  # noqa: PTH118 as in Keras
        if self._validates:
            rows = [row for row in rows if is_picture(paths[row]) and Path(paths[row]).is_file()]
            if missing := len(names) - len(rows):
                example = next(path for row, path in enumerate(paths) if row not in set(rows))
                warn(
                    f"{missing} of the file names in the column x_col={x_col!r} are no picture files and are left out, "
                    f"such as {example}."
                )
        given: list[Any] = []
        kept: dict[int, list[str]] = {}
        if self.class_mode in CLASSES:
            given = _column(self._dataframe, y_col)
            kept = self._kept_classes(rows, given)
            rows = list(kept)
        elif self._names:
            warn(f"classes={self._names} is not used: with class_mode={self.class_mode!r} the labels are no classes.")
        rows = part_of(rows, self.subset, validation_split)
        self.filenames = [names[row] for row in rows]
        self.filepaths = [paths[row] for row in rows]
        if self.class_mode in CLASSES:
            self._number_classes([given[row] for row in rows], [kept[row] for row in rows])
        elif self.class_mode == "raw":
            self._targets = (_array(self._dataframe, y_col, rows),)
        elif self.class_mode == "multi_output":
            if not isinstance(y_col, list | tuple):
                raise ArgumentError(f"class_mode='multi_output' needs a list of columns, not y_col={y_col!r}.")
            self._targets = tuple(_array(self._dataframe, name, rows) for name in y_col)
        if weight_col is not None:
            weights = np.asarray(_column(self._dataframe, weight_col))
            if weights.dtype.kind not in "biuf":
                raise DataError(f"The column weight_col={weight_col!r} must hold numbers, not {weights.dtype}.")
            self.sample_weight = weights[list(rows)]
        kind = "validated" if self._validates else "non-validated"
        classes = f" belonging to {self.num_classes} classes" if self.class_mode in CLASSES else ""
        print(f"Found {len(rows)} {kind} image filenames{classes}.", flush=True)
        if not rows:
            raise DataError(
                f"There are no pictures to read: none of the {len(names)} rows is left. Look at the names in "
                f"x_col={x_col!r}, at directory={str(self.directory)!r}, and at classes and subset, where given."
            )

    def _kept_classes(self, rows: Sequence[int], given: Sequence[Any]) -> dict[int, list[str]]:
        """The classes of each row that has any, once those that were not asked for are gone. Sets ``class_indices``."""
        y_col, several = self._columns[1], self.class_mode == "categorical"
        found = {row: list(given[row]) if several and _is_list(given[row]) else [given[row]] for row in rows}
        if wrong := [label for labels in found.values() for label in labels if not isinstance(label, str)]:
            wanted = "names of classes, or lists of them" if several else "names of classes"
            raise DataError(
                f"With class_mode={self.class_mode!r} the column y_col={y_col!r} must hold {wanted}, as text, and has "
                f"{wrong[0]!r}. Turn it into text, or give class_mode='raw' for numbers."
            )
        names = self._names or sorted({label for labels in found.values() for label in labels})
        if self.class_mode == "binary" and len(names) != 2:
            raise DataError(f"class_mode='binary' is for 2 classes, and here are {len(names)}: {', '.join(names[:5])}.")
        self.class_indices = {name: number for number, name in enumerate(names)}
        kept = {row: [label for label in labels if label in self.class_indices] for row, labels in found.items()}
        return {row: labels for row, labels in kept.items() if labels}

    def _number_classes(self, given: Sequence[Any], kept: Sequence[list[str]]) -> None:
        numbers = [[self.class_indices[name] for name in names] for names in kept]
        self._classes = [row if _is_list(label) else row[0] for row, label in zip(numbers, given, strict=True)]
        if any(map(_is_list, given)):
            hot = np.zeros((len(numbers), self.num_classes), np.uint8)
            for place, row in enumerate(numbers):
                hot[place, row] = 1
            self._targets = (hot,)
        else:
            self._targets = (np.array(self._classes, np.int32),)


def _is_list(label: Any) -> bool:
    return isinstance(label, list | tuple)


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
