"""Curves in a terminal, of dots: each character is two dots wide and four high."""

import math
from collections.abc import Sequence
from itertools import pairwise

from rich.text import Text

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bits of Unicode's braille patterns, column by column from the top."""

_BLANK = 0x2800

STYLES = ("cyan", "yellow")


def draw(title: str, curves: Sequence[Sequence[float]], epochs: int, width: int, height: int) -> list[Text]:
    """The lines of a plot: its title, then ``height`` lines of ``width`` characters.

    Args:
        title: above.
        curves: figures epoch by epoch, each curve in the style of its place in ``STYLES``; NaN is left out.
        epochs: how many the full width has room for.
        width: characters of each line, the numbers at the left included.
        height: lines.

    >>> for line in draw("loss", [[3.0, 2.0, 1.0]], 3, 12, 2):
    ...     print(line.plain)
    loss
     3.00⠉⠢⢄⠀⠀⠀⠀
     1.00⠀⠀⠀⠉⠒⠤⣀
    """
    finite = [value for curve in curves for value in curve if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    labels = [f"{high:5.2f}", *[" " * 5] * (height - 2), f"{low:5.2f}"]
    columns = width - len(labels[0])
    cells = [[0] * columns for _ in range(height)]
    styles = [[""] * columns for _ in range(height)]
    for curve, style in zip(curves, STYLES, strict=False):
        for x, y in _points(curve, epochs, 2 * columns, 4 * height, low, high):
            cells[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
            styles[y // 4][x // 2] = style
    lines = [Text(title)]
    for label, row, colours in zip(labels, cells, styles, strict=True):
        line = Text(label, style="dim")
        for bits, style in zip(row, colours, strict=True):
            line.append(chr(_BLANK + bits), style=f"not dim {style}")
        lines.append(line)
    return lines


def _points(
    curve: Sequence[float], epochs: int, width: int, height: int, low: float, high: float
) -> list[tuple[int, int]]:
    """The dots of a curve, one in each column from its first epoch to its last."""
    known = [(epoch, value) for epoch, value in enumerate(curve) if math.isfinite(value)]
    if not known:
        return []

    def place(value: float) -> int:
        share = (value - low) / (high - low) if high > low else 0.5
        return min(int((1 - share) * height), height - 1)

    scale = (width - 1) / max(epochs - 1, 1)
    dots = [(round(known[0][0] * scale), place(known[0][1]))]
    for (epoch, value), (following, target) in pairwise(known):
        start, stop = round(epoch * scale), round(following * scale)
        slope = (target - value) / max(stop - start, 1)
        dots += [(x, place(value + slope * (x - start))) for x in range(start + 1, stop + 1)]
    return dots
