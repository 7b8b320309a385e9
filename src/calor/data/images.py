"""Reading one picture: whatever Pillow opens, as the bytes of a picture of the size and colours that are asked for."""

import math
import operator
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from calor.errors import ArgumentError, ImageError, UnknownNameError

EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""The endings, in lower case, of the files that are taken for pictures."""

COLOR_MODES = {"rgb": 3, "grayscale": 1, "rgba": 4}
"""The channels of each colour mode."""

_MODES = {"rgb": "RGB", "grayscale": "L", "rgba": "RGBA"}
"""Pillow's names for them."""

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}

_SMOOTH = ("bilinear", "bicubic", "lanczos")
"""The filters that are wide enough to hide that a JPEG was decoded at a reduced scale."""

_EXACT = ("nearest", "box", "hamming")
"""The filters whose results are those of Keras, pixel for pixel: JPEGs are decoded whole and in colour for them."""

_REDUCED = 1.1
"""How many times the target's width and height a JPEG keeps at least when it is decoded at a reduced scale.

At that, photos differ from full decoding by less than results of bilinear and of Lanczos filtering do, in their means
and their largest differences, at a half, a quarter and an eighth of the scale; at 1.0 the largest are beyond.
"""

MOST_PIXELS = 400_000_000
"""No picture with more is read, even where the program has lifted Pillow's limit: decoded, it takes 1.2 GB or more."""

RESIZE_MODES = ("stretch", "pad", "crop")

# Pillow would also hand files to programs such as Ghostscript, whatever they are called.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

_ORIENTATION = 0x0112
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to turn a picture upright, by the EXIF orientation (Exif 2.3, 4.6.4 A)."""


@dataclass(frozen=True)
class Decoding:
    """How picture files become arrays; the arguments of ``load_image``, checked.

    With ``whole``, JPEGs are decoded whole and in colour, whatever the interpolation.

    Raises:
        ArgumentError: a size, colour mode, interpolation, resize mode or fill value that does not exist.
    """

    size: tuple[int, int] | None = None
    color_mode: str = "rgb"
    interpolation: str = "bilinear"
    resize: str = "stretch"
    fill_value: int = 0
    whole: bool = False

    def __post_init__(self) -> None:
        if self.color_mode not in COLOR_MODES:
            raise UnknownNameError("color_mode", self.color_mode, COLOR_MODES)
        if self.interpolation not in INTERPOLATIONS:
            raise UnknownNameError("interpolation", self.interpolation, INTERPOLATIONS)
        if self.resize not in RESIZE_MODES:
            raise UnknownNameError("resize", self.resize, RESIZE_MODES)
        if self.size is not None:
            object.__setattr__(self, "size", checked_size(self.size))
        try:
            grey = operator.index(self.fill_value)
        except TypeError:
            grey = -1
        if not 0 <= grey <= 255:
            raise ArgumentError(f"fill_value={self.fill_value!r}: it must be a grey level, a whole number of 0 to 255.")
        object.__setattr__(self, "fill_value", grey)

    def __str__(self) -> str:
        size = "own size" if self.size is None else f"{self.size[0]} × {self.size[1]}"
        fill = f" on {self.fill_value}" if self.resize == "pad" else ""
        whole = ", JPEGs whole" if self.whole else ""
        return f"{size}, {self.color_mode}, {self.interpolation}, {self.resize}{fill}{whole}"

    @property
    def channels(self) -> int:
        """3, 1 or 4."""
        return COLOR_MODES[self.color_mode]


def decoder() -> str:
    """What else the pixels depend on: the version of Pillow, and its settings.

    >>> decoder().startswith("Pillow ")
    True
    """
    truncated = ", truncated files" if ImageFile.LOAD_TRUNCATED_IMAGES else ""
    return f"Pillow {PIL.__version__}, at most {Image.MAX_IMAGE_PIXELS} pixels{truncated}"


def load_image(
    path: str | os.PathLike[str],
    size: tuple[int, int] | None = None,
    color_mode: str = "rgb",
    interpolation: str = "bilinear",
    resize: str = "stretch",
    fill_value: int = 0,
) -> np.ndarray:
    """A picture file as an array.

    The EXIF orientation is applied. Transparent pictures are laid on white, except with ``"rgba"``, of animated ones
    the first frame is taken, and 16 bits a channel are scaled to 8.

    With ``"bilinear"``, ``"bicubic"`` and ``"lanczos"`` a JPEG much larger than ``size`` is decoded at a half, a
    quarter or an eighth of its scale, never below 1.1 times ``size``, which takes half the time. Photos of cats and
    dogs at 150 by 150 change by that by 0.75 grey levels on average, by 9 or less in 99.9 % of the values and by 34
    at most; by the choice between bilinear and Lanczos, they change by 1.8, 20 and 54. For grey arrays the colours
    of a JPEG are not decoded, which makes a difference of 4 at most. ``"area"`` averages all pixels, so the whole
    picture is decoded. ``"nearest"``, ``"box"`` and ``"hamming"`` give the same pixels as Keras' ``load_img``.

    Args:
        path: a JPEG, PNG, WebP, BMP, GIF, TIFF or PPM file, whatever its name ends in.
        size: height and width in pixels; None keeps the picture's own.
        color_mode: ``"rgb"``, ``"grayscale"``, or ``"rgba"``, whose fourth channel is the opacity, 0 to 255.
        interpolation: ``"bilinear"``, ``"bicubic"``, ``"lanczos"``, ``"hamming"``, ``"area"`` or Keras' name for it,
            ``"box"``, all of them antialiased when the picture gets smaller; or ``"nearest"``, which is not.
        resize: how a picture of other proportions than ``size`` gets that size. ``"stretch"`` distorts it; ``"pad"``
            keeps all of it, in the middle of a frame of ``fill_value``; ``"crop"`` takes the largest part from the
            middle that has the proportions.
        fill_value: the grey level of the frame, 0 (black) to 255; the frame is opaque.

    Returns:
        uint8, shape (height, width, 3), or (height, width, 1) in grey, or (height, width, 4) with the opacity.

    Raises:
        ImageError: the file cannot be read, or has more pixels than Pillow's ``Image.MAX_IMAGE_PIXELS``, 89 million
            unless the program sets it, or than 400 million, whatever it sets: small files can be made that fill the
            memory. The message names the file and says why.
        ArgumentError: a setting that does not exist.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "red.png")
    ...     Image.new("RGB", (40, 20), "red").save(path)
    ...     stretched = load_image(path, size=(2, 2))
    ...     padded = load_image(path, size=(4, 2), resize="pad")
    >>> stretched.shape, stretched[0, 0].tolist()
    ((2, 2, 3), [255, 0, 0])
    >>> padded[:, 0, 0].tolist()
    [0, 255, 0, 0]
    """
    return decode(path, Decoding(size, color_mode, interpolation, resize, fill_value))


def decode(path: str | os.PathLike[str], how: Decoding) -> np.ndarray:
    """``load_image`` with checked settings."""
    with opened(path) as image:
        return _pixels(image, how)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A picture file, open but not decoded yet; what goes wrong until it is closed becomes an error that names it.

    Raises:
        ImageError: the file cannot be read, or has too many pixels.
    """
    try:
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise ImageError(f"{path} is a pipe, a socket or a device, not a file.")  # reading it could take for ever
        if found.st_size == 0:
            raise ImageError(f"{path} is empty (0 bytes).")
        with Path(path).open("rb") as file, Image.open(file, formats=_FORMATS) as image:
            _check_pixels(path, image)
            yield image
    except ImageError:
        raise
    except Exception as error:  # Pillow's readers raise a dozen kinds on damaged files, struct.error among them.
        raise ImageError(f"{path} {_reason(error)}") from error


def upright(image: Any, mode: str) -> tuple[Any, int]:
    """An open picture, decoded in ``"RGB"`` or ``"L"`` and turned upright; and the EXIF orientation that it had."""
    orientation = _orientation(image)  # before loading: TIFF files are turned by Pillow then, and lose theirs
    image.load()
    turns = _TRANSPOSITIONS.get(_orientation(image))
    image = _plain(image, mode)
    return (image if turns is None else image.transpose(turns)), orientation


def checked_size(size: Any) -> tuple[int, int]:
    """Height and width as integers.

    Raises:
        ArgumentError: they are not two whole numbers of pixels.
    """
    try:
        height, width = (int(side) for side in size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ArgumentError(f"A picture's size is (height, width) in pixels, both at least 1, not {size!r}.")
    return height, width


def _check_pixels(path: str | os.PathLike[str], image: Any) -> None:
    """Pillow itself only warns up to twice its limit, and has none where the program says so."""
    limit, pixels = Image.MAX_IMAGE_PIXELS, f"{image.width} × {image.height}"
    if image.width * image.height > MOST_PIXELS:
        raise ImageError(
            f"{path} has too many pixels ({pixels}): Calor reads at most {MOST_PIXELS:,}. Make it smaller."
        )
    if limit is not None and image.width * image.height > limit:
        raise ImageError(f"{path} {_too_many(f'{pixels}, more than {limit:,}')}")


def _too_many(pixels: object) -> str:
    return (
        f"has too many pixels ({pixels}); small files can be made like that to fill the memory. "
        "Make it smaller, or set PIL.Image.MAX_IMAGE_PIXELS if it is right."
    )


def _reason(error: Exception) -> str:
    match error:
        case UnidentifiedImageError():
            return "is not a picture, or is damaged at its beginning."
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return _too_many(error)
        case PermissionError():
            return "cannot be read: there is no permission."
        case IsADirectoryError():
            return "is a folder, not a picture."
        case FileNotFoundError():
            return "does not exist."
        case OSError() if "truncated" in str(error):
            return f"is cut off: {error}."
        case _:
            return f"is damaged or cannot be read: {str(error) or type(error).__name__}."


def _pixels(image: Any, how: Decoding) -> np.ndarray:
    jpeg = isinstance(image, JpegImageFile)
    if not jpeg:
        image.load()  # Pillow turns TIFF files upright itself when it loads them, and drops their orientation.
    orientation = _orientation(image)
    mode = _MODES[how.color_mode]
    frame = None
    if how.size is None:
        image = _plain(image, mode)
    else:
        frame = how.size[::-1]
        box, target = _framed(image.size, frame if orientation < 5 else how.size, how.resize)
        if jpeg and not how.whole and how.interpolation not in _EXACT:
            box = _reduce(image, mode, box, target, reduced=how.interpolation in _SMOOTH)
        image = _plain(image, mode).resize(target, INTERPOLATIONS[how.interpolation], box)
    if orientation in _TRANSPOSITIONS:
        image = image.transpose(_TRANSPOSITIONS[orientation])
    if frame is not None and image.size != frame:
        padded = Image.new(mode, frame, (*[how.fill_value] * min(how.channels, 3), *[255] * (mode == "RGBA")))
        padded.paste(image, ((frame[0] - image.width) // 2, (frame[1] - image.height) // 2))
        image = padded
    pixels = np.array(image)
    return pixels[..., np.newaxis] if mode == "L" else pixels


def _framed(size: Sequence[int], frame: Sequence[int], resize: str) -> tuple[Sequence[float], tuple[int, int]]:
    """Which part of a picture becomes a picture of how many pixels, all in widths and heights.

    The part is (left, top, right, bottom). It is cropped as Keras' ``load_img(keep_aspect_ratio=True)`` does.
    """
    width, height = size
    wide, high = frame
    if resize == "crop":
        inner = min(width, max(height * wide // high, 1)), min(height, max(width * high // wide, 1))
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        return (left, top, left + inner[0], top + inner[1]), (wide, high)
    if resize == "pad":
        scale = min(wide / width, high / height)
        wide, high = max(round(width * scale), 1), max(round(height * scale), 1)
    return (0, 0, width, height), (wide, high)


def _reduce(image: Any, mode: str, box: Sequence[float], target: Sequence[int], *, reduced: bool) -> Sequence[float]:
    """Have a JPEG decoded in grey, and at the smallest scale that still has the target's pixels, where that will do.

    Returns:
        The part of the picture as it will be decoded. Its sides need not be whole: of 375 rows 188 are decoded at
        half the scale, which are 187.5 and a half that repeats the last one.
    """
    width, height = image.size
    left, top, right, bottom = box
    across, down = target[0] / (right - left), target[1] / (bottom - top)
    least = math.ceil(_REDUCED * width * across), math.ceil(_REDUCED * height * down)
    drafted = image.draft(mode, least if reduced else None)
    if drafted is None:
        return box
    across, down = drafted[1][2] / width, drafted[1][3] / height
    return left * across, top * down, right * across, bottom * down


def _orientation(image: Any) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # A camera's broken notes do not make the picture unusable.
        return 1


def _plain(image: Any, mode: str) -> Any:
    """The picture in 8 bits a channel and in that mode, without transparency where the mode has none."""
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_eight_bits(image.mode, np.asarray(image)))
    elif mode != "RGBA" and (image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)  # which would copy it


def _eight_bits(mode: str, values: np.ndarray) -> np.ndarray:
    """Grey values of 16 or 32 bits as uint8: the range that the format has is scaled, never clipped to white."""
    values = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    largest = float(values.max(initial=0.0))
    if mode.startswith("F"):
        full = 1.0 if largest <= 1.0 else 255.0
    else:
        full = 255.0 if mode == "I" and largest <= 255.0 else 65535.0
    return np.round(np.clip(values, 0.0, None) * (255.0 / max(full, largest))).astype(np.uint8)
