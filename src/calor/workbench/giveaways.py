"""What tells the classes of pictures apart without showing them: a size, a border or a camera that one class has alone.

A network takes the easiest way. Where all pictures of one class have a white border, it learns to look for that, is
right on all pictures of this collection, and knows nothing about others.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from calor.training.interval import wilson_interval
from calor.workbench.examine import SIDES, Colour, Picture

MARGIN = 0.25
"""By how much more frequent something must be in one group than in another, at the least that the counts allow."""

CONFIDENCE = 0.999
"""Of the counts' intervals. Hundreds of sizes and colours are tried, so that 95 % would find some by chance. With it
and the margin, "all of one class and none of the other" is noticed from 18 pictures a class on."""

SAME_COLOUR = 40
"""How far two colours of a border may be apart in red, green and blue together to count as one."""

_COLOURS = {
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
    "white": (255, 255, 255),
    "red": (220, 30, 30),
    "orange": (255, 150, 0),
    "yellow": (250, 230, 30),
    "green": (30, 170, 50),
    "turquoise": (30, 200, 200),
    "blue": (40, 70, 220),
    "violet": (140, 40, 200),
    "pink": (255, 120, 190),
    "brown": (130, 80, 40),
}


@dataclass(frozen=True)
class Giveaway:
    """Something that is frequent in one group of pictures and rare in another.

    Attributes:
        value: what it is, in words.
        shares: how frequent it is in each group, (groups,).
        places: the pictures that have it, by position.
    """

    value: str
    shares: tuple[float, ...]
    places: tuple[int, ...]


def telling(values: Sequence[Hashable], groups: np.ndarray, count: int) -> Iterator[tuple[Hashable, tuple[float, ...]]]:
    """The values that are much more frequent in one group than in another, and their shares in all groups.

    Args:
        values: of each picture; None is no value.
        groups: the number of each picture's group, (pictures,).
        count: how many groups there are.

    >>> list(telling(["small"] * 30 + ["large"] * 5, np.repeat([0, 1], [30, 5]), 2))
    []
    >>> list(telling(["small"] * 30 + [None] * 30, np.repeat([0, 1], 30), 2))
    [('small', (1.0, 0.0))]
    """
    totals = np.bincount(groups, minlength=count)
    found: dict[Hashable, Counter[int]] = {}
    for value, group in zip(values, groups.tolist(), strict=True):
        if value is not None:
            found.setdefault(value, Counter())[group] += 1
    for value, counter in found.items():
        intervals = [
            wilson_interval(counter[group], int(total), CONFIDENCE) for group, total in enumerate(totals) if total
        ]
        if max(low for low, _ in intervals) - min(high for _, high in intervals) >= MARGIN:
            yield value, tuple(counter[group] / max(int(total), 1) for group, total in enumerate(totals))


def attributes(pictures: Sequence[Picture], names: Sequence[str]) -> dict[str, list[Hashable]]:
    """What of a picture could give it away, by kind: a value for each picture, in words, or None.

    Args:
        pictures: all of them.
        names: the class names, which may be part of a file's name.
    """
    return {
        "size": [f"{picture.size[0]} × {picture.size[1]} pixels" for picture in pictures],
        "mode": [picture.mode for picture in pictures],
        "format": [picture.format for picture in pictures],
        "origin": [picture.origin or None for picture in pictures],
        "name": [name_pattern(picture.file.stem, names) for picture in pictures],
    }


def giveaways(values: Sequence[Hashable], groups: np.ndarray, count: int) -> list[Giveaway]:
    """The values that tell the groups apart, the most telling first; as for ``telling``."""
    found = [
        Giveaway(str(value), shares, tuple(place for place, other in enumerate(values) if other == value))
        for value, shares in telling(values, groups, count)
    ]
    return sorted(found, key=lambda one: min(one.shares) - max(one.shares))


def bordered(pictures: Sequence[Picture], groups: np.ndarray, count: int) -> list[Giveaway]:
    """The coloured edges that tell the groups apart; as for ``telling``."""
    found: dict[str, Giveaway] = {}
    for side in range(len(SIDES)):
        colours = [picture.borders[side] for picture in pictures]
        for colour in _frequent(colours, groups, count):
            places = tuple(
                place
                for place, other in enumerate(colours)
                if other is not None and np.linalg.norm(np.subtract(other, colour)) < SAME_COLOUR
            )
            name, having = colour_name(colour), set(places)
            has = [name if place in having else None for place in range(len(colours))]
            for _, shares in telling(has, groups, count):
                # A frame has the same colour on four sides: it is told once, of the side where most pictures have it.
                word = name.partition(" ")[0]
                if word not in found or len(places) > len(found[word].places):
                    found[word] = Giveaway(name, shares, places)
    return sorted(found.values(), key=lambda one: min(one.shares) - max(one.shares))


def _frequent(colours: Sequence[Colour | None], groups: np.ndarray, count: int) -> Iterator[Colour]:
    """The middle of the colours of each group, where it has edges of one colour."""
    for group in range(count):
        own = [colour for colour, other in zip(colours, groups.tolist(), strict=True) if colour and other == group]
        if own:
            red, green, blue = (int(value) for value in np.median(own, axis=0))
            yield red, green, blue


def colour_name(colour: Iterable[int]) -> str:
    """A plain word, and the colour as in HTML.

    >>> colour_name((250, 250, 252))
    'white (#fafafc)'
    """
    values = tuple(colour)
    name = min(_COLOURS, key=lambda one: float(np.linalg.norm(np.subtract(values, _COLOURS[one]))))
    return f"{name} (#{''.join(f'{value:02x}' for value in values)})"


def name_pattern(stem: str, names: Sequence[str]) -> str | None:
    """A file's name without its numbers, and without the class's own name, which says nothing new.

    >>> name_pattern("cat.12", ["cats", "dogs"]), name_pattern("IMG_0042", ["cats", "dogs"]), name_pattern("42", [])
    ('CLASS.0', 'img_0', None)
    >>> name_pattern("b7", ["a", "b"])  # a letter alone may be any word's
    'b0'
    """
    pattern = re.sub(r"\d+", "0", stem.lower())
    for name in sorted((name.lower() for name in names), key=len, reverse=True):
        for word in (name, name.removesuffix("s")):
            if len(word) > 1:
                pattern = pattern.replace(word, "CLASS")
    return pattern if pattern.strip("0") else None
