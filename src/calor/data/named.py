"""What loading a named data set gives: its class names, split sizes and examples, as arrays or as folders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from calor.data.dataset import Dataset
from calor.errors import ArgumentError, UnknownNameError

__all__ = ["NamedArrays", "NamedData", "NamedFolders"]


class NamedData:
    """A loaded data set: class names, the number of examples in each split, and the examples.

    Attributes:
        name: Its name in the catalogue.
        class_names: The names of the classes; label ``i`` means ``class_names[i]``.
        splits: The number of examples in each split.
    """

    name: str
    class_names: tuple[str, ...]
    splits: Mapping[str, int]

    def dataset(self, split: str, *, image_size: tuple[int, int] | None = None) -> Dataset:
        """The examples of a split as a Dataset of (image, label); see the data set's own class for the shapes."""
        raise NotImplementedError

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """The images and labels of a split as arrays, for data sets that are arrays."""
        raise ArgumentError(
            f"{self.name} is a folder of pictures of many sizes, not arrays; use dataset({split!r}, image_size=...), "
            f"or folder({split!r}) for the files."
        )

    def folder(self, split: str) -> Path:
        """The folder of a split's pictures, one subfolder for each class, for data sets that are folders."""
        raise ArgumentError(
            f"{self.name} is arrays, not a folder of pictures; use dataset({split!r}) or arrays({split!r})."
        )

    @property
    def train(self) -> Dataset:
        """The training examples."""
        return self.dataset("train")

    @property
    def test(self) -> Dataset:
        """The test examples."""
        return self.dataset("test")

    @property
    def validation(self) -> Dataset:
        """The validation examples."""
        return self.dataset("validation")

    def _check(self, split: str) -> None:
        if split not in self.splits:
            raise UnknownNameError(f"split of {self.name}", split, self.splits)


@dataclass(frozen=True, eq=False)
class NamedArrays(NamedData):
    """Images of one size as arrays: uint8 ``(examples, height, width, channels)`` and int32 labels, in their order."""

    name: str
    class_names: tuple[str, ...]
    splits: Mapping[str, int]
    columns: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(repr=False)

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """The images, uint8 ``(examples, height, width, channels)``, read-only; the labels, int32 ``(examples,)``."""
        self._check(split)
        return self.columns[split]

    def dataset(self, split: str, *, image_size: tuple[int, int] | None = None) -> Dataset:
        """The examples of a split: (uint8 ``(height, width, channels)``, int32), in the original order.

        Raises:
            UnknownNameError: There is no such split.
            ArgumentError: ``image_size`` is given and is not the images' size.
        """
        images, labels = self.arrays(split)
        if image_size is not None and tuple(image_size) != images.shape[1:3]:
            raise ArgumentError(
                f"The images of {self.name} are {images.shape[1]}x{images.shape[2]}; leave image_size={image_size} out."
            )
        return Dataset.from_arrays(images, labels)


@dataclass(frozen=True, eq=False)
class NamedFolders(NamedData):
    """Pictures of many sizes, a folder for each split with a subfolder for each class."""

    name: str
    class_names: tuple[str, ...]
    splits: Mapping[str, int]
    folders: Mapping[str, Path]
    image_size: tuple[int, int]

    def folder(self, split: str) -> Path:
        """The folder of a split's pictures, with one subfolder for each class."""
        self._check(split)
        return self.folders[split]

    def dataset(self, split: str, *, image_size: tuple[int, int] | None = None) -> Dataset:
        """The pictures of a split, resized: (uint8 ``(height, width, 3)``, integer label).

        Args:
            split: One of ``splits``.
            image_size: Height and width in pixels; by default the data set's own ``image_size``.

        Raises:
            UnknownNameError: There is no such split.
        """
        return Dataset.from_image_folder(self.folder(split), image_size=image_size or self.image_size)
