"""The iterators of ``ImageDataGenerator`` over picture files."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calor.data.images import Decoding, checked_size
from calor.data.picture_files import PictureSource
from calor.data.picture_iterators import Flowing, PictureIterator
from calor.data.picture_listings import CLASS_MODES, Listing
from calor.data.picture_maps import Layout
from calor.data.source import Source, as_array

if TYPE_CHECKING:
    from calor.data.image_data_generator import ImageDataGenerator


@dataclass(frozen=True)
class Reading:
    """How the pictures are read, in the words of Keras' ``flow_from_directory``.

    Raises:
        ArgumentError: a size, colour mode or interpolation that does not exist.
    """

    target_size: tuple[int, int]
    color_mode: str
    interpolation: str
    keep_aspect_ratio: bool

    @cached_property
    def decoding(self) -> Decoding:
        """The same for ``calor.data.images``."""
        size, resize = checked_size(self.target_size), "crop" if self.keep_aspect_ratio else "stretch"
        # Pictures that keep their proportions are to be Keras' to the pixel.
        return Decoding(size, self.color_mode, self.interpolation, resize, whole=self.keep_aspect_ratio)


class FileIterator(PictureIterator):
    """Batches of pictures that are read from files, with labels of one kind or another.

    Attributes:
        directory: where the files lie, as it was given.
        class_mode: what the labels are.
        target_size, color_mode, interpolation, keep_aspect_ratio: how the pictures are read.
        class_indices: the number of each class, by its name; empty where there are no classes.
        num_classes: how many there are.
        classes: the number of each picture's class, in the order of the files; a list of them for several classes.
        filenames: the files, relative to ``directory``.
        filepaths: the files as they are opened.
        sample_weight: the weight of each picture, or None.
    """

    def __init__(
        self,
        listing: Listing,
        image_data_generator: "ImageDataGenerator",
        class_mode: str | None,
        reading: Reading,
        flowing: Flowing,
    ) -> None:
        self.directory: str | os.PathLike[str] = listing.directory
        self.class_mode = class_mode
        self.target_size = reading.target_size
        self.color_mode = reading.color_mode
        self.interpolation = reading.interpolation
        self.keep_aspect_ratio = reading.keep_aspect_ratio
        self.class_indices = listing.class_indices
        self.num_classes = len(listing.class_indices)
        self.classes = listing.classes
        self.filenames = listing.filenames
        self.filepaths = listing.paths
        self.sample_weight = listing.weights
        self._targets = listing.targets
        self._selection = listing.selection
        self._how = reading.decoding
        super().__init__(image_data_generator, len(self.filepaths), flowing)

    @property
    def labels(self) -> Any:
        """``classes``, or in the modes "raw" and "multi_output" the labels themselves."""
        if self.class_mode == "raw":
            return self._targets[0]
        return list(self._targets) if self.class_mode == "multi_output" else self.classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (*checked_size(self.target_size), self._how.channels)

    @cached_property
    def _source(self) -> Source:
        columns = tuple(as_array(target, "A column of labels") for target in self._targets)
        if self._weighted:
            columns += (as_array(self.sample_weight, "The column of weights"),)
        single = self.class_mode in CLASS_MODES and self._targets[0].ndim == 1
        return PictureSource(
            Path(self.directory),
            self.filenames,
            self._how,
            columns,
            selection=self._selection,
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
    """Batches of the pictures in a folder with a subfolder for each class; ``flow_from_directory`` makes it."""


class DataFrameIterator(FileIterator):
    """Batches of the pictures that a table names; ``flow_from_dataframe`` makes it."""
