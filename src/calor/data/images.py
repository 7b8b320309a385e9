"""Reading one picture: whatever Pillow opens, as the bytes of a grey or RGB picture of the size that is asked for."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from calor.errors import ArgumentError, ImageError, UnknownNameError

EXTENSIONS = frozenset({".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""The endings, in lower case, of the files that are taken for pictures."""

COLOR_MODES = {"rgb": 3, "grayscale": 1}
"""The channels of each colour mode."""

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}

# Pillow would also hand files to programs such as Ghostscript, whatever they are called.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")

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


def load_image(
    path: str | os.PathLike[str],
    size: tuple[int, int] | None = None,
    color_mode: str = "rgb",
    interpolation: str = "bilinear",
) -> np.ndarray:
    """A picture file as an array.

    The EXIF orientation is applied. Transparent pictures are laid on white, of animated ones the first frame is
    taken, and 16 bits a channel are scaled to 8. The picture is stretched to ``size``.

    Args:
        path: a JPEG, PNG, WebP, BMP, GIF or TIFF file, whatever its name ends in.
        size: height and width in pixels; None keeps the picture's own.
        color_mode: ``"rgb"`` or ``"grayscale"``.
        interpolation: ``"bilinear"``, ``"bicubic"``, ``"lanczos"`` or ``"area"``, all of them antialiased when the
            picture gets smaller; or ``"nearest"``, which is not.

    Returns:
        uint8, shape (height, width, 3), or (height, width, 1) in grey.

    Raises:
        ImageError: the file cannot be read; the message names it and says why.
        ArgumentError: a size, colour mode or interpolation that does not exist.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "red.png")
    ...     Image.new("RGB", (40, 30), "red").save(path)
    ...     load_image(path, size=(2, 1)).tolist()
    [[[255, 0, 0]], [[255, 0, 0]]]
    """
    size, _ = check_settings(size, color_mode, interpolation)
    try:
        with Path(path).open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise ImageError(f"{path} is empty (0 bytes).")
            with Image.open(file, formats=_FORMATS) as image:
                return _pixels(image, size, color_mode, interpolation)
    except ImageError:
        raise
    except Exception as error:  # Pillow's readers raise a dozen kinds on damaged files, struct.error among them.
        raise ImageError(f"{path} {_reason(error)}") from error


def check_settings(
    size: tuple[int, int] | None, color_mode: str, interpolation: str
) -> tuple[tuple[int, int] | None, int]:
    """The size as two integers and the channels of the colour mode.

    Raises:
        ArgumentError: a size, colour mode or interpolation that does not exist.
    """
    if color_mode not in COLOR_MODES:
        raise UnknownNameError("color_mode", color_mode, COLOR_MODES)
    if interpolation not in INTERPOLATIONS:
        raise UnknownNameError("interpolation", interpolation, INTERPOLATIONS)
    if size is not None:
        try:
            height, width = (int(side) for side in size)
        except (TypeError, ValueError):
            height = width = 0
        if min(height, width) < 1:
            raise ArgumentError(f"A picture's size is (height, width) in pixels, both at least 1, not {size!r}.")
        size = (height, width)
    return size, COLOR_MODES[color_mode]


def _reason(error: Exception) -> str:
    match error:
        case UnidentifiedImageError():
            return "is not a picture, or is damaged at its beginning."
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return f"has too many pixels; such files are made to fill the memory. Make it smaller. ({error})"
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


def _pixels(image: Any, size: tuple[int, int] | None, color_mode: str, interpolation: str) -> np.ndarray:
    if image.format != "JPEG":
        image.load()  # Pillow turns TIFF files upright itself when it loads them, and drops their orientation.
    orientation = _orientation(image)
    if size is not None:
        height, width = size if orientation < 5 else size[::-1]
        if image.format == "JPEG" and interpolation != "nearest":
            # Decoding at a reduced scale that is still twice the target's differs less than resampling itself does.
            image.draft(None, (2 * width, 2 * height))
    image = _plain(image).convert("L" if color_mode == "grayscale" else "RGB")
    if size is not None and image.size != (width, height):
        image = image.resize((width, height), INTERPOLATIONS[interpolation])
    if orientation in _TRANSPOSITIONS:
        image = image.transpose(_TRANSPOSITIONS[orientation])
    pixels = np.array(image)
    return pixels[..., np.newaxis] if color_mode == "grayscale" else pixels


def _orientation(image: Any) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # A camera's broken notes do not make the picture unusable.
        return 1


def _plain(image: Any) -> Any:
    """The picture in 8 bits a channel and without transparency."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(image.mode, np.asarray(image)))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def _eight_bits(mode: str, values: np.ndarray) -> np.ndarray:
    """Grey values of 16 or 32 bits as uint8: the range that the format has is scaled, never clipped to white."""
    values = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    largest = float(values.max(initial=0.0))
    if mode.startswith("F"):
        full = 1.0 if largest <= 1.0 else 255.0
    else:
        full = 255.0 if mode == "I" and largest <= 255.0 else 65535.0
    return np.round(np.clip(values, 0.0, None) * (255.0 / max(full, largest))).astype(np.uint8)
