"""The demo's pictures: boats, houses, stars and trees, drawn, so that a first run needs no download.

Every thing has a random place, size, turn, stretch and colours, on a cluttered background and partly hidden; the
clutter is made of the same simple shapes as the things. So neither colour nor place gives a class away: a net has to
learn shapes and patterns.
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

Range: TypeAlias = tuple[float, float]

_SUPERSAMPLING = 2
_SIDES = (96, 200)
# Light things on dark ground or dark ones on light ground, so that every thing can be seen.
_DARK: Range = (0.15, 0.5)
_LIGHT: Range = (0.6, 1.0)


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
    ground, things = (_DARK, _LIGHT) if random.random() < 0.5 else (_LIGHT, _DARK)
    picture = _background(size, random, ground)
    for _ in range(random.integers(2, 7)):
        _clutter(picture, random, things, scale=random.uniform(0.03, 0.11))
    _thing(picture, KINDS[kind](random, things), random)
    for _ in range(random.integers(0, 3)):
        _clutter(picture, random, things, scale=random.uniform(0.03, 0.07))
    picture = picture.reduce(_SUPERSAMPLING)
    if random.random() < 0.25:
        picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.4, 1.0)))
    grain = random.normal(0.0, random.uniform(2.0, 8.0), (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))


# The four kinds. Each gives its polygons from back to front; shapes and colours vary within a kind.


def _boat(random: np.random.Generator, values: Range) -> list[Part]:
    hull, mast, sail, flag, water = _colours(random, 5, values)
    deck, keel, depth = 0.25, random.uniform(0.45, 0.75), random.uniform(0.65, 0.85)
    top, lean = random.uniform(-1.0, -0.8), random.uniform(-0.15, 0.15)
    parts = [(_box(lean - 0.04, top, lean + 0.04, deck), mast)]
    parts.append((_points((lean + 0.08, top + 0.1), (lean + 0.08, 0.1), (random.uniform(0.6, 0.95), 0.1)), sail))
    if random.random() < 0.7:
        parts.append((_points((lean - 0.08, top + 0.3), (lean - 0.08, 0.1), (random.uniform(-0.8, -0.45), 0.1)), sail))
    if random.random() < 0.5:
        parts.append((_points((lean, top - 0.1), (lean + 0.3, top), (lean, top + 0.1)), flag))
    parts.append((_points((-1.0, deck), (1.0, deck), (keel, depth), (-keel, depth)), hull))
    parts.append((_box(-0.95, deck + 0.1, 0.95, deck + 0.18), _shade(hull)))
    along = np.linspace(-1.15, 1.15, 24)
    for row in range(random.integers(2, 4)):
        wave = depth - 0.05 + 0.17 * row + 0.05 * np.sin(along * random.uniform(9.0, 13.0) + random.uniform(0.0, 6.0))
        parts.append((np.stack([[*along, *along[::-1]], [*wave, *wave[::-1] + 0.07]], 1), water))
    return parts


def _house(random: np.random.Generator, values: Range) -> list[Part]:
    wall, roof, door, window = _colours(random, 4, values)
    eaves, ridge, half = random.uniform(-0.25, 0.05), random.uniform(-1.0, -0.8), random.uniform(0.65, 0.8)
    parts = []
    if random.random() < 0.6:
        left = random.choice([-0.55, 0.3])
        parts.append((_box(left, ridge + 0.05, left + 0.22, eaves), door))
    parts.append((_box(-half, eaves, half, 0.95), wall))
    rows = np.linspace(eaves, 0.95, int(random.integers(5, 8)))[1:-1]
    parts.extend((_box(-half, row, half, row + 0.03), _shade(wall)) for row in rows)
    tip, flat = random.uniform(-0.25, 0.25), random.choice([0.0, 0.0, random.uniform(0.2, 0.45)])
    parts.append((_points((-half - 0.2, eaves), (tip - flat, ridge), (tip + flat, ridge), (half + 0.2, eaves)), roof))
    place = random.choice([-0.45, -0.13, 0.2])
    parts.append((_box(place, 0.4, place + 0.27, 0.95), door))
    for left in (-0.5, 0.2):
        low = eaves + 0.12
        parts.append((_box(left, low, left + 0.3, low + 0.3), window))
        parts.append((_box(left, low + 0.13, left + 0.3, low + 0.17), _shade(window)))
        parts.append((_box(left + 0.13, low, left + 0.17, low + 0.3), _shade(window)))
    return parts


def _star(random: np.random.Generator, values: Range) -> list[Part]:
    body, middle = _colours(random, 2, values)
    tips, inner = int(random.integers(5, 8)), random.uniform(0.38, 0.5)
    angles = np.arange(2 * tips) * np.pi / tips
    outline = np.stack([np.sin(angles), -np.cos(angles)], 1) * np.where(np.arange(2 * tips) % 2, inner, 1.0)[:, None]
    parts = [(outline, _shade(body)), (outline * 0.85, body)]
    if random.random() < 0.6:
        parts.append((outline * random.uniform(0.35, 0.6), middle))
    return parts


def _tree(random: np.random.Generator, values: Range) -> list[Part]:
    trunk, crown = _colours(random, 2, values)
    thick = random.uniform(0.09, 0.16)
    parts = [(_box(-thick, -0.1, thick, 1.0), trunk), (_box(thick / 3, -0.1, thick, 1.0), _shade(trunk))]
    if random.random() < 0.5:
        tiers = int(random.integers(3, 5))
        for tier in range(tiers):
            low, half = 0.55 - tier / tiers, 0.75 * (1.0 - 0.65 * tier / tiers)
            peak = low - 1.5 / tiers
            parts.append((_points((-half, low), (half, low), (0.0, peak)), crown))
            parts.append((_points((half * 0.2, low), (half, low), (0.0, peak)), _shade(crown)))
    else:
        centres = random.uniform((-0.42, -0.6), (0.42, 0.0), (int(random.integers(4, 8)), 2))
        parts.extend((_ellipse(x, y, *random.uniform(0.32, 0.45, 2)), crown) for x, y in centres)
        leaves = centres.repeat(6, axis=0) + random.normal(0.0, 0.16, (6 * len(centres), 2))
        parts.extend((_ellipse(x, y, 0.07, 0.05), _shade(crown)) for x, y in leaves)
    return parts


KINDS: dict[str, Callable[[np.random.Generator, Range], list[Part]]] = {
    "boat": _boat,
    "house": _house,
    "star": _star,
    "tree": _tree,
}
"""What is drawn; the names are the classes'."""


def _background(size: tuple[int, int], random: np.random.Generator, values: Range) -> Image.Image:
    """A gradient between two or three dull colours in a random direction."""
    width, height = size
    angle = random.uniform(0.0, 2.0 * np.pi)
    x, y = np.meshgrid(np.linspace(-1.0, 1.0, width // 8), np.linspace(-1.0, 1.0, height // 8))
    along = (x * np.cos(angle) + y * np.sin(angle) + 1.4) / 2.8
    stops = np.array(_colours(random, int(random.integers(2, 4)), values, saturations=(0.0, 0.5)), np.float64)
    levels = [np.interp(along, np.linspace(0.0, 1.0, len(stops)), stops[:, channel]) for channel in range(3)]
    small = Image.fromarray(np.stack(levels, -1).astype(np.uint8))
    return small.resize(size, Image.Resampling.BILINEAR)


def _clutter(picture: Image.Image, random: np.random.Generator, values: Range, scale: float) -> None:
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
    [colour] = _colours(random, 1, values)
    _paint(picture, [(points, colour)], random.uniform(0.0, 1.0, 2), scale, np.pi, random)


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


def _colours(
    random: np.random.Generator, count: int, values: Range, *, saturations: Range = (0.35, 0.9)
) -> list[Colour]:
    """Colours from the whole wheel, of a range of values and saturations: no kind of thing has its own."""
    low, high = zip((0.0, 1.0), saturations, values, strict=True)
    return [
        tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(*colour))  # type: ignore[misc]
        for colour in random.uniform(low, high, (count, 3))
    ]


def _shade(colour: Colour) -> Colour:
    """A darker shade of a light colour, a lighter one of a dark colour."""
    return tuple(channel // 2 if max(colour) > 140 else (channel + 255) // 2 for channel in colour)  # type: ignore[return-value]


def _points(*points: tuple[float, float]) -> Points:
    return np.array(points)


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return _points((left, top), (right, top), (right, bottom), (left, bottom))


def _ellipse(x: float, y: float, across: float, down: float) -> Points:
    angles = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], 1)
