"""Pictures in files that are listed one by one: reading them as ``ImageDataGenerator`` does, as a source of data."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image

from calor.data import images
from calor.data.source import Source, spec_of, workers
from calor.errors import ArgumentError, ImageError, UnknownNameError

INTERPOLATIONS = images.INTERPOLATIONS | {"box": Image.Resampling.BOX, "hamming": Image.Resampling.HAMMING}
"""How pictures are resized, under Keras' names too."""


class PictureReader:
    """Reads one file as Keras' iterators do: whole, and resized by Pillow.

    Unlike there, the EXIF orientation is applied, and transparent pictures are laid on white.

    Args:
        target_size: height and width in pixels that the pictures are resized to.
        color_mode: as in ``load_image``.
        interpolation: one of ``INTERPOLATIONS``.
        keep_aspect_ratio: cut out the middle, in the target's proportions, instead of stretching.

    Attributes:
        shape: of every picture, (height, width, channels).

    Raises:
        ArgumentError: a size, colour mode or interpolation that does not exist.
    """

    def __init__(
        self, target_size: tuple[int, int], color_mode: str, interpolation: str, *, keep_aspect_ratio: bool
    ) -> None:
        if interpolation not in INTERPOLATIONS:
            raise UnknownNameError("interpolation", interpolation, INTERPOLATIONS)
        if color_mode not in images.COLOR_MODES:
            raise UnknownNameError("color_mode", color_mode, images.COLOR_MODES)
        try:
            height, width = (int(side) for side in target_size)
        except (TypeError, ValueError):
            height = width = 0
        if min(height, width) < 1:
            raise ArgumentError(f"target_size is (height, width) in pixels, both at least 1, not {target_size!r}.")
        self.shape = (height, width, images.COLOR_MODES[color_mode])
        self._color_mode = color_mode
        self._interpolation = interpolation
        self._crops = keep_aspect_ratio

    def __call__(self, path: str) -> np.ndarray:
        """The picture, uint8.

        Raises:
            ImageError: the file cannot be read; the message names it.
        """
        height, width, _ = self.shape
        if self._interpolation in images.INTERPOLATIONS and not self._crops:
            return images.load_image(path, (height, width), self._color_mode, self._interpolation)
        pixels = images.load_image(path, None, self._color_mode)
        box = _middle((pixels.shape[0], pixels.shape[1]), (height, width)) if self._crops else None
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        resized = picture.resize((width, height), INTERPOLATIONS[self._interpolation], box=box)
        return np.array(resized).reshape(self.shape)


def _middle(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest box in the middle with the target's proportions: left, upper, right, lower, in whole pixels."""
    (height, width), (target_height, target_width) = size, target
    inner_height = min(height, width * target_height // target_width)
    inner_width = min(width, height * target_width // target_height)
    left, upper = (width - inner_width) // 2, (height - inner_height) // 2
    return left, upper, left + inner_width, upper + inner_height


class PictureSource(Source):
    """Pictures that are listed file by file, each with its labels: (uint8 picture, column, ...).

    Where all fit in memory they are decoded once, at the first need; otherwise whenever they are read.

    Args:
        files: the paths.
        reader: reads one.
        columns: what belongs to the pictures, arrays of shape (files, ...).
        classes: the class of each, (files,) int32, where they have one.
        class_names: the classes in the order of these numbers.
    """

    def __init__(
        self,
        files: Sequence[str],
        reader: PictureReader,
        columns: tuple[np.ndarray, ...],
        *,
        classes: np.ndarray | None = None,
        class_names: Iterable[str] | None = None,
    ) -> None:
        super().__init__()
        self.class_names = None if class_names is None else tuple(class_names)
        self._files = files
        self._reader = reader
        self._columns = columns
        self._classes = classes
        self._pixels: np.ndarray | None = None

    @property
    def length(self) -> int:
        return len(self._files)

    @property
    def spec(self) -> Any:
        return jax.ShapeDtypeStruct(self._reader.shape, np.uint8), *spec_of(self._columns, axis=1)

    @property
    def labels(self) -> np.ndarray | None:
        return self._classes

    @property
    def files(self) -> Sequence[Path]:
        return [Path(file) for file in self._files]

    def describe(self, position: int) -> str:
        return self._files[position]

    def prepare(self, memory_limit: int) -> None:
        if self._pixels is None and self.nbytes <= memory_limit:
            self._pixels = self._decoded(np.arange(self.length))

    def pixels(self, positions: np.ndarray) -> np.ndarray:
        """The pictures at these positions, uint8 (pictures, height, width, channels)."""
        return self._decoded(positions) if self._pixels is None else self._pixels[positions]

    def read(self, positions: np.ndarray) -> Any:
        return self.pixels(positions), *(column[positions] for column in self._columns)

    def on_device(self) -> Any:
        if self._device is None:
            assert self._pixels is not None, "prepare() keeps what is to be resident"
            # The pixels are our own and never change, so the device may share their memory.
            self._device = jax.device_put((self._pixels, *self._columns))
        return self._device

    def _decoded(self, positions: np.ndarray) -> np.ndarray:
        pixels = np.empty((len(positions), *self._reader.shape), np.uint8)

        def decode(row: int) -> ImageError | None:
            try:
                pixels[row] = self._reader(self._files[positions[row]])
            except ImageError as error:
                return error
            return None

        problems = [error for error in workers().map(decode, range(len(positions))) if error is not None]
        if problems:
            shown = "\n  ".join([str(error) for error in problems[:10]] + ["..."] * (len(problems) > 10))
            plural = "pictures cannot" if len(problems) > 1 else "picture cannot"
            raise ImageError(
                f"{len(problems)} {plural} be read: take such files away. (Dataset.from_image_folder leaves them "
                f"out by itself.)\n  {shown}"
            ) from problems[0]
        return pixels
