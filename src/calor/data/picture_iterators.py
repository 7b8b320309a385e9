"""What ``ImageDataGenerator`` flows: batches of pictures, one by one as Keras gives them, or as a ``Dataset``.

An iterator is both. ``next(iterator)`` and ``iterator[i]`` make one batch on the host, from NumPy's random numbers,
with Keras' results. Its ``dataset`` describes the same batches for a compiled run: decoded once, changed and
standardised inside the program, from the run's random key.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from calor._arguments import integer
from calor.data.dataset import Dataset
from calor.data.picture_listings import part_of
from calor.data.picture_maps import Change, Finish, Layout, Preprocessing
from calor.data.source import ArraySource, Source, as_array
from calor.errors import ArgumentError, DataError, ShapeError, warn

if TYPE_CHECKING:
    from calor.data.image_data_generator import ImageDataGenerator


@dataclass(frozen=True)
class Saving:
    """Where the pictures of the batches are written, for looking at them; nowhere without a folder."""

    folder: str | os.PathLike[str] | None = None
    prefix: str = ""
    format: str = "png"

    def __call__(self, batch: np.ndarray, numbers: np.ndarray, random: Any) -> None:
        """Write a batch, each picture stretched to 0 to 255.

        Raises:
            DataError: a file cannot be written.
        """
        if self.folder is None:
            return
        for picture, number in zip(batch, numbers, strict=True):
            path = Path(self.folder, f"{self.prefix}_{number}_{random.randint(10**7)}.{self.format}")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _as_picture(picture).save(path)
            except (OSError, ValueError) as error:
                raise DataError(f"save_to_dir: {path} cannot be written: {error}.") from error


def _as_picture(values: np.ndarray) -> Image.Image:
    values = values - values.min()
    pixels = (values * (255 / (values.max() or 1))).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


@dataclass(frozen=True)
class Flowing:
    """How an iterator goes through its pictures.

    Attributes:
        batch_size: pictures in a batch; the last of a pass may have fewer.
        shuffle: a new order in every pass.
        seed: fixes the order and the changes.
        saving: where to write the batches' pictures.
        subset: the part of the pictures that it has, or None for all.
    """

    batch_size: int
    shuffle: bool
    seed: int | None
    saving: Saving
    subset: str | None


class PictureIterator(ABC):
    """Batches of changed, standardised pictures, in an endless stream or by number.

    Args:
        generator: changes and standardises the pictures.
        n: the number of pictures.
        flowing: how to go through them.

    Attributes:
        n: the number of pictures; also ``samples``.
        batch_size, shuffle, seed, subset: as in ``Flowing``.
        batch_index: the number of the next batch in the pass.
        total_batches_seen: the batches made so far.
        index_array: the order of the current pass, None before the first.
    """

    def __init__(self, generator: "ImageDataGenerator", n: int, flowing: Flowing) -> None:
        seed = flowing.seed
        self.image_data_generator = generator
        self.n = self.samples = n
        self.batch_size = integer(self, "batch_size", flowing.batch_size)
        self.shuffle = bool(flowing.shuffle)
        self.seed = None if seed is None else integer(self, "seed", seed, least=0)
        self.subset = flowing.subset
        self.batch_index = 0
        self.total_batches_seen = 0
        self.index_array: np.ndarray | None = None
        self._saving = flowing.saving
        # Without a seed, NumPy's own numbers: who fixes those with np.random.seed fixes the batches.
        self._random: Any = np.random if seed is None else np.random.RandomState(seed % (1 << 32))

    @property
    def dtype(self) -> np.dtype:
        """The type of the pictures in the batches."""
        return np.dtype(self.image_data_generator.dtype)

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the pictures."""

    def __len__(self) -> int:
        """The batches in a pass."""
        return -(-self.n // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        """A batch by its number in the pass.

        Raises:
            ArgumentError: there is no such batch.
        """
        if not -len(self) <= index < len(self):
            raise ArgumentError(f"There is no batch {index}: the iterator has {len(self)}, numbered from 0.")
        self._reseed()
        self.total_batches_seen += 1
        if self.index_array is None:
            self._deal()
        return self._batch_at(index % len(self))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """The next batch; after the last of a pass comes the first of another."""
        self._reseed()
        if self.batch_index == 0:
            self._deal()
        self.total_batches_seen += 1
        place, self.batch_index = self.batch_index, (self.batch_index + 1) % len(self)
        return self._batch_at(place)

    def reset(self) -> None:
        """Begin a new pass."""
        self.batch_index = 0

    def on_epoch_end(self) -> None:
        """Put the pictures in a new order, where they are shuffled."""
        self._deal()

    @property
    def dataset(self) -> Dataset:
        """The same batches as a ``Dataset``, which ``fit``, ``evaluate`` and ``predict`` use in the iterator's place.

        Pictures are read once and kept as they are, uint8 those from files; what the generator does to them becomes
        part of the compiled program. Of a ``preprocessing_function`` that JAX cannot trace, all up to it runs on the
        host, for every batch. With ``save_to_dir`` everything does, for the pictures to be written.

        The iterator's seed fixes the order. The changes come from it and the run's seed together.
        """
        if self._saving.folder is not None:
            return Dataset.from_batches(self)
        dataset = Dataset(self._source)
        if self.shuffle:
            dataset = dataset.shuffle(self.n, seed=self.seed)
        dataset = dataset.batch(self.batch_size)
        generator = self.image_data_generator
        changes, standardization = generator.changes, generator.standardization()
        function = generator.preprocessing_function
        if changes.any:
            scale = 1.0
            if function is None and standardization.rescale:
                scale, standardization = standardization.rescale, replace(standardization, rescale=None)
            dataset = dataset.map(Change(changes, self.seed or 0, scale))
        if function is not None:
            dataset = dataset.map(Preprocessing(function))
        return dataset.map(Finish(standardization, self._layout))

    @cached_property
    @abstractmethod
    def _source(self) -> Source:
        """The pictures with what belongs to them, (picture, column, ...)."""

    @property
    @abstractmethod
    def _layout(self) -> Layout:
        """How the columns become an element."""

    @abstractmethod
    def _pictures(self, positions: np.ndarray) -> np.ndarray:
        """The pictures at these positions as they are, (pictures, height, width, channels)."""

    @abstractmethod
    def _element(self, batch: np.ndarray, positions: np.ndarray) -> Any:
        """What the iterator gives for these finished pictures."""

    def _reseed(self) -> None:
        if self.seed is not None:
            self._random.seed((self.seed + self.total_batches_seen) % (1 << 32))

    def _deal(self) -> None:
        self.index_array = self._random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def _batch_at(self, place: int) -> Any:
        assert self.index_array is not None
        positions = self.index_array[place * self.batch_size : (place + 1) * self.batch_size]
        batch = self.image_data_generator.finished(self._pictures(positions), self._random)
        self._saving(batch, positions, self._random)
        return self._element(batch, positions)


class NumpyArrayIterator(PictureIterator):
    """Batches of the pictures in an array; made by ``ImageDataGenerator.flow``, which describes the arguments.

    Attributes:
        x: the pictures of the subset, shape (pictures, height, width, channels).
        x_misc: further inputs, a list of arrays.
        y: the labels, or None.
        sample_weight: the weights, or None.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: "ImageDataGenerator",
        flowing: Flowing,
        *,
        sample_weight: Any,
        ignore_class_split: bool,
    ) -> None:
        subset = flowing.subset
        misc: Any = []
        if isinstance(x, tuple | list):
            if len(x) != 2:
                raise ArgumentError(
                    f"x must be an array of pictures, or (pictures, further inputs), not {len(x)} parts."
                )
            x, misc = x
            misc = misc if isinstance(misc, list) else [misc]
        parts = {"x": x, "y": y, "sample_weight": sample_weight} | {f"x[1][{i}]": part for i, part in enumerate(misc)}
        arrays = {name: np.asarray(part) for name, part in parts.items() if part is not None}
        x = arrays["x"]
        if x.ndim != 4 or 0 in x.shape or x.dtype.kind not in "biuf":
            raise ShapeError(
                "flow takes an array of pictures, numbers of shape (pictures, height, width, channels), "
                f"not {x.dtype.name} of shape {x.shape}."
            )
        for name, array in arrays.items():
            if array.shape[:1] != x.shape[:1]:
                raise DataError(
                    f"{name} must have one row for each of the {len(x)} pictures, and its shape is {array.shape}."
                )
        if x.shape[-1] not in (1, 3, 4):
            warn(f"Pictures have 1, 3 or 4 channels, on their last axis; x has the shape {x.shape}.")
        if subset is not None and y is not None and not ignore_class_split:
            _check_split(arrays["y"], image_data_generator.validation_split)
        split = image_data_generator.validation_split
        arrays = {name: part_of(array, subset, split) for name, array in arrays.items()}
        self.x = arrays["x"]
        self.x_misc = [array for name, array in arrays.items() if name.startswith("x[")]
        self.y = arrays.get("y")
        self.sample_weight = arrays.get("sample_weight")
        if not len(self.x):
            raise DataError(f"The {subset} subset is empty: {len(x)} pictures are too few for this validation_split.")
        super().__init__(image_data_generator, len(self.x), flowing)
        if image_data_generator.brightness_range is not None and self.x.dtype.kind == "f" and self.x.max() <= 1:
            warn(
                "brightness_range is for values from 0 to 255, whole ones: pictures up to 1 become black. Use rescale."
            )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.x.shape[1:]

    @cached_property
    def _source(self) -> Source:
        return ArraySource(
            (
                as_array(self.x, "x"),
                *(as_array(array, "A further input") for array in self.x_misc),
                *(as_array(array, name) for array, name in self._labelling),
            )
        )

    @property
    def _labelling(self) -> list[tuple[np.ndarray, str]]:
        """Labels and weights, where given; weights without labels do not count."""
        given = [] if self.y is None else [(self.y, "y"), (self.sample_weight, "sample_weight")]
        return [(array, name) for array, name in given if array is not None]

    @property
    def _layout(self) -> Layout:
        return Layout(inputs=len(self.x_misc), targets=int(self.y is not None))

    def _pictures(self, positions: np.ndarray) -> np.ndarray:
        return self.x[positions]

    def _element(self, batch: np.ndarray, positions: np.ndarray) -> Any:
        inputs = [batch, *(array[positions] for array in self.x_misc)] if self.x_misc else batch
        labelling = [array[positions] for array, _ in self._labelling]
        return (inputs, *labelling) if labelling else inputs


def _check_split(labels: np.ndarray, validation_split: float) -> None:
    """Both subsets must have the same classes."""
    cut = int(len(labels) * validation_split)
    if not np.array_equal(np.unique(labels[:cut]), np.unique(labels[cut:])):
        raise DataError(
            "The training and the validation subset have different classes: are the arrays sorted by class? Shuffle "
            "x and y together first, or give ignore_class_split=True where y holds no classes."
        )
