"""The demo's pictures: boats, houses, stars and trees, drawn, so that a first run needs no download.

Every thing has a random place, size, turn, stretch and colours, on a cluttered background and partly hidden; the
clutter is made of the same simple shapes as the things. So neither colour nor place gives a class away: a net has to
learn shapes.
"""

import colorsys
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from calor.errors import ArgumentError

__all__ = ["KINDS", "draw_pictures"]

Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = NDArray[np.float64]
Part: TypeAlias = tuple[Points, Colour]
"""A polygon in a thing's own coordinates, -1 to 1 with y downwards, and its colour."""

_SUPERSAMPLING = 2
_SIDES = (96, 200)


def draw_pictures(
    folder: str | os.PathLike[str],
    *,
    per_class: int = 250,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Draws labelled pictures of four kinds of thing into one subfolder for each kind.

    Args:
        folder: Where to draw; made where it is missing. Pictures of the same names are drawn over.
        per_class: How many of each kind.
        seed: The same seed gives the same pictures; picture ``i`` of a kind does not depend on ``per_class``.
        progress: Called after each picture with the number that is drawn and the number that will be.

    Returns:
        ``folder``, with ``boat/``, ``house/``, ``star/`` and ``tree/``: JPEG files and some PNG files of 96 to 200
        pixels on either side.

    Raises:
        ArgumentError: ``per_class`` is below 1.
        OSError: The folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     folder = draw_pictures(place, per_class=1)
        ...     sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
        ['boat/000.png', 'house/000.png', 'star/000.png', 'tree/000.png']
    """
    if per_class < 1:
        raise ArgumentError(f"per_class is {per_class}; draw at least one picture of each kind.")
    folder = Path(folder)
    for label, kind in enumerate(KINDS):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            picture = _picture(kind, np.random.default_rng((seed, label, number)))
            # PNG files are large and slow to write, so they are few.
            if number % 10:
                picture.save(folder / kind / f"{number:03}.jpg", quality=88)
            else:
                picture.save(folder / kind / f"{number:03}.png", compress_level=1)
            if progress is not None:
                progress(label * per_class + number + 1, len(KINDS) * per_class)
    return folder


def _picture(kind: str, random: np.random.Generator) -> Image.Image:
    width, height = (int(side) for side in random.integers(_SIDES[0], _SIDES[1] + 1, 2))
    size = (width * _SUPERSAMPLING, height * _SUPERSAMPLING)
    picture = _background(size, random)
    for _ in range(random.integers(2, 7)):
        _clutter(picture, random, scale=random.uniform(0.04, 0.13))
    _thing(picture, KINDS[kind](random), random)
    for _ in range(random.integers(0, 3)):
        _clutter(picture, random, scale=random.uniform(0.03, 0.07))
    picture = picture.reduce(_SUPERSAMPLING)
    if random.random() < 0.25:
        picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.4, 1.2)))
    grain = random.normal(0.0, random.uniform(2.0, 9.0), (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))


# The four kinds. Each gives its polygons from back to front; shapes and colours vary within a kind.


def _boat(random: np.random.Generator) -> list[Part]:
    hull, mast, sail, flag = _colours(random, 4)
    deck, keel, depth = 0.35, random.uniform(0.45, 0.75), random.uniform(0.75, 0.95)
    top, lean = random.uniform(-1.0, -0.8), random.uniform(-0.15, 0.15)
    parts = [(_box(lean - 0.04, top, lean + 0.04, deck), mast)]
    parts.append((_points((lean + 0.08, top + 0.1), (lean + 0.08, 0.2), (random.uniform(0.6, 0.95), 0.2)), sail))
    if random.random() < 0.7:
        parts.append((_points((lean - 0.08, top + 0.3), (lean - 0.08, 0.2), (random.uniform(-0.8, -0.45), 0.2)), sail))
    if random.random() < 0.5:
        parts.append((_points((lean, top - 0.1), (lean + 0.3, top), (lean, top + 0.1)), flag))
    parts.append((_points((-1.0, deck), (1.0, deck), (keel, depth), (-keel, depth)), hull))
    return parts


def _house(random: np.random.Generator) -> list[Part]:
    wall, roof, door, window = _colours(random, 4)
    eaves, ridge, half = random.uniform(-0.25, 0.05), random.uniform(-1.0, -0.8), random.uniform(0.65, 0.8)
    parts = [(_box(-half, eaves, half, 0.95), wall)]
    if random.random() < 0.6:
        left = random.choice([-0.55, 0.3])
        parts.insert(0, (_box(left, ridge + 0.05, left + 0.22, eaves), door))
    tip = random.uniform(-0.25, 0.25) if random.random() < 0.7 else 0.0
    flat = random.uniform(0.2, 0.45) if random.random() < 0.3 else 0.0
    parts.append((_points((-half - 0.2, eaves), (tip - flat, ridge), (tip + flat, ridge), (half + 0.2, eaves)), roof))
    place = random.choice([-0.45, -0.13, 0.2])
    parts.append((_box(place, 0.4, place + 0.27, 0.95), door))
    windows = [_box(left, eaves + 0.12, left + 0.3, eaves + 0.4) for left in (-0.5, 0.2)]
    return parts + [(points, window) for points in windows if random.random() < 0.85]


def _star(random: np.random.Generator) -> list[Part]:
    body, middle = _colours(random, 2)
    tips, inner = int(random.integers(5, 8)), random.uniform(0.38, 0.5)
    angles = np.arange(2 * tips) * np.pi / tips
    outline = np.stack([np.sin(angles), -np.cos(angles)], 1) * np.where(np.arange(2 * tips) % 2, inner, 1.0)[:, None]
    parts = [(outline, body)]
    if random.random() < 0.5:
        parts.append((outline * random.uniform(0.4, 0.65), middle))
    return parts


def _tree(random: np.random.Generator) -> list[Part]:
    trunk, crown, light = _colours(random, 3)
    thick = random.uniform(0.09, 0.16)
    parts = [(_box(-thick, -0.1, thick, 1.0), trunk)]
    if random.random() < 0.5:
        tiers = int(random.integers(2, 5))
        for tier in range(tiers):
            low = 0.55 - 1.0 * tier / tiers
            half = 0.75 * (1.0 - 0.65 * tier / tiers)
            parts.append((_points((-half, low), (half, low), (0.0, low - 1.5 / tiers)), crown if tier % 2 else light))
    else:
        for _ in range(random.integers(4, 8)):
            centre = (random.uniform(-0.42, 0.42), random.uniform(-0.6, 0.0))
            parts.append((_ellipse(*centre, *random.uniform(0.3, 0.45, 2)), crown if random.random() < 0.7 else light))
    return parts


KINDS: dict[str, Callable[[np.random.Generator], list[Part]]] = {
    "boat": _boat,
    "house": _house,
    "star": _star,
    "tree": _tree,
}
"""What is drawn; the names are the classes'."""


def _background(size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """A gradient between two or three colours in a random direction."""
    width, height = size
    angle = random.uniform(0.0, 2.0 * np.pi)
    x, y = np.meshgrid(np.linspace(-1.0, 1.0, width // 8), np.linspace(-1.0, 1.0, height // 8))
    along = (x * np.cos(angle) + y * np.sin(angle) + 1.4) / 2.8
    stops = np.array(_colours(random, int(random.integers(2, 4)), dullest=0.0, brightest=0.4), np.float64)
    levels = [np.interp(along, np.linspace(0.0, 1.0, len(stops)), stops[:, channel]) for channel in range(3)]
    small = Image.fromarray(np.stack(levels, -1).astype(np.uint8))
    return small.resize(size, Image.Resampling.BILINEAR)


def _clutter(picture: Image.Image, random: np.random.Generator, scale: float) -> None:
    """A blob, a bar, a triangle or a line somewhere in the picture."""
    shape = random.integers(4)
    if shape == 0:
        points = _ellipse(0.0, 0.0, 1.0, random.uniform(0.4, 1.0))
    elif shape == 1:
        points = _box(-1.0, -random.uniform(0.2, 1.0), 1.0, random.uniform(0.2, 1.0))
    elif shape == 2:
        points = random.uniform(-1.0, 1.0, (3, 2))
    else:
        points = _box(-4.0, -0.12, 4.0, 0.12)
    _paint(picture, [(points, _colours(random, 1)[0])], random.uniform(0.0, 1.0, 2), scale, np.pi, random)


def _thing(picture: Image.Image, parts: Sequence[Part], random: np.random.Generator) -> None:
    scale = random.uniform(0.34, 0.48)
    place = random.uniform(scale * 0.85, 1.0 - scale * 0.85, 2)
    _paint(picture, parts, place, scale, np.deg2rad(18.0), random)


def _paint(
    picture: Image.Image,
    parts: Sequence[Part],
    place: Points,
    scale: float,
    turn: float,
    random: np.random.Generator,
) -> None:
    """Draws polygons at a place (a share of width and height), scaled by the smaller side, turned up to ``turn``."""
    angle = random.uniform(-turn, turn)
    stretch = np.exp(random.uniform(-0.22, 0.22))
    flip = random.choice([-1.0, 1.0])
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.diag([flip * stretch, 1.0 / stretch]) @ matrix * scale * min(picture.size)
    shadow = random.uniform(-0.05, 0.05, 2) * scale * min(picture.size)
    drawn = [(points @ matrix + place * picture.size, colour) for points, colour in parts]
    # Drawing in RGBA on an RGB picture blends, so that the shadow lets the ground through.
    draw = ImageDraw.Draw(picture, "RGBA")
    for points, _ in drawn:
        draw.polygon((points + shadow).ravel().tolist(), fill=(0, 0, 0, 60))
    for points, colour in drawn:
        draw.polygon(points.ravel().tolist(), fill=colour)


def _colours(random: np.random.Generator, count: int, *, dullest: float = 0.4, brightest: float = 0.9) -> list[Colour]:
    """Colours from the whole wheel, dark and light, of a range of saturations: no kind of thing has its own."""
    low, high = [[0.0], [dullest], [0.25]], [[1.0], [brightest], [1.0]]
    return [
        tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(*colour))  # type: ignore[misc]
        for colour in random.uniform(low, high, (3, count)).T
    ]


def _points(*points: tuple[float, float]) -> Points:
    return np.array(points)


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return _points((left, top), (right, top), (right, bottom), (left, bottom))


def _ellipse(x: float, y: float, across: float, down: float) -> Points:
    angles = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], 1)
