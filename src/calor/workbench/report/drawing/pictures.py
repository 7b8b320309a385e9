"""Pictures inside a page: thumbnails of files, and pictures with what the network looks at, as ``data:`` addresses."""

import base64
import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from calor.data.images import opened, upright
from calor.errors import ImageError

SIDE = 104
"""The longer side of a thumbnail in pixels: one takes about 5 kB of the page."""

MAP_SIDE = 176
"""The longer side of a picture with what the network looks at."""

HEAT, COARSE = "magma", 10
"""The colours of a map, and the places in a row of it."""


def thumbnails(files: Iterable[Path]) -> list[str]:
    """A small JPEG of each file in its own proportions, as a ``data:`` address; empty where it cannot be read."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_thumbnail, files))


def _thumbnail(file: Path) -> str:
    try:
        with opened(file) as image:
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            small, _ = upright(image, "RGB")
            small.thumbnail((SIDE, SIDE))
    except (ImageError, OSError):  # gone since the network saw it
        return ""
    return _address(small, 72)


def picture(pixels: NDArray[np.uint8]) -> str:
    """A picture as the network sees it, (height, width, channels), as a ``data:`` address."""
    return _address(_enlarged(pixels), 85)


def heated(pixels: NDArray[np.uint8], importance: NDArray[np.float64]) -> str:
    """The same in grey, and over it in warm colours how much each place matters, (height, width)."""
    image = _enlarged(pixels).convert("L")
    largest = float(importance.max())
    heat = importance / largest if largest > 0 else importance
    size = image.size
    # Patches leave edges that mean nothing: the map is drawn as coarse as it is, and smooth.
    coarse = Image.fromarray(heat.astype(np.float32)).resize((COARSE, COARSE), Image.Resampling.BOX)
    smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)).clip(0, 1)
    warm = colormaps[HEAT](0.25 + 0.7 * smooth)[..., :3]
    weight = (0.75 * smooth**0.8)[..., None]
    grey = np.asarray(image, np.float64)[..., None] / 255
    mixed = (1 - weight) * grey * 0.85 + weight * warm
    return _address(Image.fromarray(np.round(255 * mixed).astype(np.uint8)), 85)


def _enlarged(pixels: NDArray[np.uint8]) -> Image.Image:
    channels = pixels.shape[2]
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels[..., :3])
    scale = MAP_SIDE / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.BICUBIC)


def _address(image: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
