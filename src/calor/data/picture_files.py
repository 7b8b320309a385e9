"""Pictures in files for ``ImageDataGenerator``: finding them in Keras' order, and reading them as a source of data."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image

from calor.data import images
from calor.data.source import Source, spec_of, workers
from calor.errors import ArgumentError, DataError, ImageError, UnknownNameError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff")
"""The endings, in lower case, that Keras' iterators take for pictures."""

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
        size, channels = images.check_settings(target_size, color_mode, "nearest")
        assert size is not None
        self.shape = (*size, channels)
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


def class_folders(directory: str | os.PathLike[str], classes: Sequence[str] | None) -> list[str]:
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


def list_pictures(folder: str, *, follow_links: bool) -> list[str]:
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
        paths += [str(Path(inside, name)) for name in sorted(names) if is_picture(name) and not name.startswith(".")]
    return paths


def is_picture(path: str) -> bool:
    """Whether a path ends as pictures do."""
    return path.lower().endswith(ENDINGS)


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
