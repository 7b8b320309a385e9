"""Plots as SVG inside a page: lines, points and ranges on two axes, in the colours that the page's style gives them.

Every shape has a class instead of a colour, so that one drawing serves light and dark.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 440, 270
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 44
"""Room around the axes for their numbers and names."""


@dataclass
class Plot:
    """Axes that shapes are added to.

    Args:
        x: the range of the horizontal axis.
        y: that of the vertical one.
        x_name: what the horizontal axis shows.
        y_name: what the vertical axis shows.
        percent: the axes, of ``"x"`` and ``"y"``, whose numbers are shares to be written in percent.
        whole: the axes whose numbers are whole.

    >>> plot = Plot((1, 5), (0, 1), x_name="Epoch", y_name="Loss")
    >>> plot.line([1, 5], [0.9, 0.2], "training")
    >>> 'class="line training"' in plot.svg("The loss falls.")
    True
    """

    x: tuple[float, float]
    y: tuple[float, float]
    x_name: str
    y_name: str
    percent: str = ""
    whole: str = ""
    shapes: list[Markup] = field(default_factory=list)

    def line(self, xs: Sequence[float], ys: Sequence[float], name: str) -> None:
        """A line through points, left out where a value is no number."""
        finite = np.isfinite(ys)
        pieces: list[str] = []
        for place, (x, y) in enumerate(zip(xs, ys, strict=True)):
            if finite[place]:
                pieces.append(f"{'L' if place and finite[place - 1] else 'M'}{self._x(x):.1f} {self._y(y):.1f}")
        self._add('<path class="line {}" d="{}"/>', name, "".join(pieces))

    def points(self, xs: Sequence[float], ys: Sequence[float], name: str, radius: float = 3.0) -> None:
        """Points, left out where a value is no number."""
        for x, y in zip(xs, ys, strict=True):
            if np.isfinite(y):
                self._add(
                    '<circle class="point {}" cx="{:.1f}" cy="{:.1f}" r="{}"/>', name, self._x(x), self._y(y), radius
                )

    def squares(self, xs: Sequence[float], ys: Sequence[float], name: str, side: float = 6.5) -> None:
        """Square points, for what must be told apart from round ones without colours."""
        for x, y in zip(xs, ys, strict=True):
            if np.isfinite(y):
                left, top = self._x(x) - side / 2, self._y(y) - side / 2
                self._add(
                    '<rect class="point {}" x="{:.1f}" y="{:.1f}" width="{side}" height="{side}"/>',
                    name,
                    left,
                    top,
                    side=side,
                )

    def ranges(self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], name: str) -> None:
        """Upright strokes from low to high."""
        for x, low, high in zip(xs, lows, highs, strict=True):
            across = self._x(x)
            self._add('<path class="range {}" d="M{:.1f} {:.1f}V{:.1f}"/>', name, across, self._y(low), self._y(high))

    def upright(self, x: float, name: str) -> None:
        """A line from the bottom to the top."""
        self._add('<path class="line {}" d="M{:.1f} {}V{}"/>', name, self._x(x), HEIGHT - BOTTOM, TOP)

    def text(
        self, x: float, y: float, words: str, *, anchor: str = "start", down: float = 0, across: float = 0
    ) -> None:
        """Words at a place, moved by so many units down and across."""
        self._add(
            '<text class="note" text-anchor="{}" x="{:.1f}" y="{:.1f}">{}</text>',
            anchor,
            self._x(x) + across,
            self._y(y) + down,
            words,
        )

    def svg(self, description: str) -> Markup:
        """The whole drawing.

        Args:
            description: what it shows, for those who cannot see it.
        """
        return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>').format(
            WIDTH, HEIGHT, description, Markup("").join(self._axes()), Markup("").join(self.shapes)
        )

    def _axes(self) -> Iterable[Markup]:
        bottom = HEIGHT - BOTTOM
        for value, words in _ticks(self.y, "y" in self.percent, "y" in self.whole, 5):
            y = self._y(value)
            yield Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(LEFT, y, WIDTH - RIGHT)
            yield Markup('<text text-anchor="end" x="{}" y="{:.1f}">{}</text>').format(LEFT - 8, y + 4, words)
        for value, words in _ticks(self.x, "x" in self.percent, "x" in self.whole, 6):
            yield Markup('<text text-anchor="middle" x="{:.1f}" y="{}">{}</text>').format(
                self._x(value), bottom + 18, words
            )
        yield Markup('<path class="axis" d="M{} {}H{}"/>').format(LEFT, bottom, WIDTH - RIGHT)
        yield Markup('<text class="name" text-anchor="middle" x="{}" y="{}">{}</text>').format(
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, self.x_name
        )
        yield Markup(
            '<text class="name" text-anchor="middle" transform="translate(12 {}) rotate(-90)">{}</text>'
        ).format((TOP + bottom) / 2, self.y_name)

    def _x(self, value: float) -> float:
        return LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT)

    def _y(self, value: float) -> float:
        share = (min(max(value, self.y[0]), self.y[1]) - self.y[0]) / (self.y[1] - self.y[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def _add(self, pattern: str, *values: object, **named: object) -> None:
        self.shapes.append(Markup(pattern).format(*values, **named))


def _ticks(ends: tuple[float, float], percent: bool, whole: bool, most: int) -> Iterable[tuple[float, str]]:
    for value in MaxNLocator(most, integer=whole, steps=[1, 2, 2.5, 5, 10]).tick_values(*ends):
        if ends[0] - 1e-9 <= value <= ends[1] + 1e-9:
            yield float(value), f"{100 * value:.3g} %" if percent else f"{value:.4g}"
