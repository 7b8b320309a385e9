"""What one picture file tells at one opening: whether it can be read, its shape and origin, and what it looks like."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from calor.data.images import opened, upright
from calor.errors import ImageError

Colour: TypeAlias = tuple[int, int, int]

ENDINGS = {
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jpg", ".jpeg", ".jfif"),
    "PNG": (".png",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
"""What the files of a format may end in; the first is the usual one."""

THUMBNAIL = 32
"""Pixels on a side of the grey thumbnails that near duplicates are found by."""

SIDES = ("top", "bottom", "left", "right")

LARGE = 1000
"""Pixels on either side down to which JPEG files are decoded at a reduced scale, twice as fast, losing nothing here."""

_FLAT = 8
"""By how many grey levels a border may vary and be of one colour: JPEG compression makes that much of a flat one."""

_COARSE = 64
_FRAME = 20
"""A frame is looked for on that many pixels a side, and may take up that many from each edge."""

_MAKE, _MODEL, _SOFTWARE = 0x010F, 0x0110, 0x0131


@dataclass(frozen=True, slots=True)
class Picture:
    """A readable picture.

    Attributes:
        file: where it lies.
        format: ``"JPEG"``, ``"PNG"``, ... whatever the name ends in.
        mode: Pillow's name for its kind of pixels: ``"RGB"``, ``"L"`` (grey), ``"RGBA"``, ``"P"``, ``"CMYK"``, ...
        size: width and height in pixels, upright.
        orientation: that of EXIF, 1 to 8; 1 is upright.
        origin: camera and software, as EXIF has them; empty where it does not say.
        digest: equal for equal sizes and pixels, 16 bytes.
        contents: a hash of the bytes of the file, as ``content_hash`` gives it.
        borders: the colour of the top, bottom, left and right edge; None for an edge of more than one.
        thumbnail: grey, without a frame of one colour, uint8 (32, 32).
    """

    file: Path
    format: str
    mode: str
    size: tuple[int, int]
    orientation: int
    origin: str
    digest: bytes
    contents: str
    borders: tuple[Colour | None, ...]
    thumbnail: np.ndarray

    @property
    def wrong_ending(self) -> bool:
        """Whether the file's name says another format."""
        return self.file.suffix.lower() not in ENDINGS[self.format]


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that is no readable picture.

    Attributes:
        file: where it lies.
        reason: why it cannot be read, with its name.
        cut_off: whether its end is missing.
    """

    file: Path
    reason: str
    cut_off: bool


def examine(file: str | os.PathLike[str]) -> Picture | Damaged:
    """Open and decode a picture file once, and note all that ``check`` asks.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (40, 30), 200).save(Path(folder, "grey.png"))
    ...     found = examine(Path(folder, "grey.png"))
    >>> found.format, found.mode, found.size, found.borders[0]
    ('PNG', 'L', (40, 30), (200, 200, 200))
    """
    file = Path(file)
    try:
        with opened(file) as image:
            contents = _hash_of(image.fp)
            form = "JPEG" if image.format == "MPO" else image.format  # JPEG with further pictures behind the first
            mode, size = image.mode, image.size
            exif = _exif(image)
            if form == "JPEG":
                image.draft(None, (LARGE, LARGE))
            pixels, orientation = upright(image, "RGB")
    except ImageError as error:
        return Damaged(file, str(error), isinstance(error.__cause__, OSError) and "truncated" in str(error.__cause__))
    if orientation >= 5:
        size = size[::-1]
    array = np.asarray(pixels)
    digest = hashlib.blake2b(repr(size).encode(), digest_size=16)
    digest.update(array.data)
    return Picture(
        file,
        form,
        mode,
        size,
        orientation,
        _origin(exif),
        digest.digest(),
        contents,
        _borders(array),
        _thumbnail(pixels),
    )


def content_hash(path: str | os.PathLike[str]) -> str:
    """A hash of what is in a file, BLAKE2b with 128 bits in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        return _hash_of(file)


def _hash_of(file: Any) -> str:
    """The hash of an open file, which is left where it was."""
    place = file.tell()
    file.seek(0)
    found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
    file.seek(place)
    return found.hexdigest()


def _exif(image: Any) -> Any:
    try:
        return image.getexif()
    except Exception:  # A camera's broken notes do not make the picture unusable.
        return {}


def _origin(exif: Any) -> str:
    values = (exif.get(tag) for tag in (_MAKE, _MODEL, _SOFTWARE))
    return ", ".join(value.strip("\0 ") for value in values if isinstance(value, str) and value.strip("\0 "))


def _borders(pixels: np.ndarray) -> tuple[Colour | None, ...]:
    """The colour of each edge that has only one."""
    depth = max(min(pixels.shape[:2]) // 200, 1)
    strips = (pixels[:depth], pixels[-depth:], pixels[:, :depth], pixels[:, -depth:])
    return tuple(map(_one_colour, strips))


def _one_colour(strip: np.ndarray) -> Colour | None:
    values = strip.reshape(-1, 3)
    if values.std(axis=0).max() > _FLAT:
        return None
    red, green, blue = (int(value) for value in np.median(values, axis=0))
    return red, green, blue


def _thumbnail(image: Any) -> np.ndarray:
    grey = image.convert("L")
    coarse = np.asarray(grey.resize((_COARSE, _COARSE), Image.Resampling.BOX), np.int16)
    top, bottom = _frame(coarse)
    left, right = _frame(coarse.T)
    across, down = grey.width / _COARSE, grey.height / _COARSE
    box = (left * across, top * down, (_COARSE - right) * across, (_COARSE - bottom) * down)
    return np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX, box))


def _frame(rows: np.ndarray) -> Sequence[int]:
    """How many rows at the beginning and at the end are of one grey level, that of the outermost."""
    return [_leading(rows), _leading(rows[::-1])]


def _leading(rows: np.ndarray) -> int:
    part = rows[: _FRAME + 2]
    differs = np.abs(part - np.median(part[0])) > 2 * _FLAT
    uneven = differs.any(axis=1)
    first = int(uneven.argmax())
    # A frame ends along the whole edge. Where a sky or a wall ends here and there, copies would be cut differently.
    return first if uneven.any() and differs[first : first + 2].any(axis=0).mean() > 0.5 else 0
