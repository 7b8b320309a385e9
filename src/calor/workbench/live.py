"""What a run of the workbench shows while it goes: progress, both curves as they grow, the time that is left."""

import sys
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from rich.console import Console, Group
from rich.live import Live as Screen
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from calor.training.history import History
from calor.training.progress import Display, LinePerEpoch, Silent, figures, pace, waiting
from calor.workbench.curves import STYLES, draw
from calor.workbench.estimate import Estimate, duration

HEIGHT = 7
"""Lines of each plot."""

NARROW, WIDE = 50, 120
"""Characters below which there is no room for two plots, and above which they grow no more."""

PAUSE = 0.15
"""Seconds from one picture to the next, at the least."""


class Lines(LinePerEpoch):
    """A line an epoch, with the time that is left at the most: for logs, and where nothing can move.

    Args:
        estimate: of the run, for its first epoch; None where there is none.
    """

    def __init__(self, estimate: Estimate | None) -> None:
        self._estimate = estimate
        self._epochs = self._epoch = 0
        self._lasted: list[float] = []

    def epoch_begins(self, epoch: int, epochs: int, steps: int | None) -> None:
        super().epoch_begins(epoch, epochs, steps)
        self._epoch, self._epochs = epoch, epochs

    def line(self, steps: int, seconds: float, waited: float, logs: Mapping[str, float]) -> str:
        """What is said of an epoch that is done."""
        told = f"{steps}/{steps} - {pace(seconds, steps)} - {figures(logs)}"
        return f"{self._head} - {told}{waiting(waited, seconds)}"

    def epoch_ends(self, steps: int, seconds: float, waited: float, logs: Mapping[str, float]) -> None:
        self._lasted.append(seconds)
        left = self.left_after(self._epoch)
        ending = f" - at most {duration(left)} left" if left else ""
        print(self.line(steps, seconds, waited, logs) + ending, flush=True)

    def epoch_seconds(self) -> float:
        """How long an epoch takes, by the latest ones, or else as it was estimated."""
        latest = self._lasted[-3:]
        if latest:
            return sum(latest) / len(latest)
        return self._estimate.epoch_seconds if self._estimate is not None else 0.0

    def left_after(self, epoch: int) -> float:
        """Seconds for the epochs after this one."""
        return (self._epochs - epoch - 1) * self.epoch_seconds()


class Live(Lines):
    """For a terminal: lines of the epochs that are done, and below them what moves.

    Args:
        estimate: as for ``Lines``.
        console: to draw on.
    """

    live = True

    def __init__(self, estimate: Estimate | None, console: Console) -> None:
        super().__init__(estimate)
        self._console = console
        self._screen: Screen | None = None
        self._history: dict[str, list[float]] = {}
        self._now: Mapping[str, float] = {}
        self._steps, self._done = 1, 0
        self._drawn = 0.0
        self._waited = self._spent = 0.0

    def goes_on(self, history: History) -> None:
        super().goes_on(history)
        self._history = {name: list(values) for name, values in history.history.items()}
        self._lasted = list(history.epoch_seconds)

    def epoch_begins(self, epoch: int, epochs: int, steps: int | None) -> None:
        super().epoch_begins(epoch, epochs, steps)
        self._steps, self._done, self._now = steps or 1, 0, {}
        if self._screen is None:
            self._screen = Screen(console=self._console, auto_refresh=False, transient=True)
            self._screen.start()
        self._draw()

    def steps_done(self, steps: int, logs: Mapping[str, float]) -> None:
        self._done, self._now = steps, logs
        if perf_counter() - self._drawn >= PAUSE:
            self._draw()

    def epoch_ends(self, steps: int, seconds: float, waited: float, logs: Mapping[str, float]) -> None:
        self._lasted.append(seconds)
        self._waited += waited
        self._spent += seconds
        for name, value in logs.items():
            self._history.setdefault(name, []).append(value)
        self._console.print(self.line(steps, seconds, waited, logs), highlight=False, markup=False)
        self._done = self._steps
        self._draw()

    def close(self) -> None:
        if self._screen is not None:
            self._screen.stop()
            self._screen = None

    def _draw(self) -> None:
        if self._screen is not None:
            self._screen.update(self.picture(), refresh=True)
            self._drawn = perf_counter()

    def picture(self) -> Group:
        """What is on the screen now."""
        share = self._done / self._steps
        of_epoch = self.epoch_seconds()
        left = self.left_after(self._epoch) + (1 - share) * of_epoch
        bars = Table.grid(padding=(0, 2))
        for _ in range(3):
            bars.add_column(no_wrap=True)
        bars.add_row(
            Text(self._head),
            ProgressBar(total=self._steps, completed=self._done, width=24),
            Text(f"{self._done}/{self._steps} steps   {figures(self._now)}"),
        )
        waited = f"   {self._waited / self._spent:.0%} of the time waiting for data" if self._spent else ""
        bars.add_row(
            Text("The run"),
            ProgressBar(total=self._epochs, completed=self._epoch + share, width=24),
            Text(f"at most {duration(left)} left{waited}" if left else "is measured ..."),
        )
        return Group(Text(), *self._plots(), bars)

    def _plots(self) -> list[Any]:
        shown = [name for name in ("loss", "accuracy") if len(self._history.get(name, ())) > 1]
        if not shown or self._console.height < HEIGHT + 8:
            return []
        width = min(self._console.width, WIDE)
        if width < 2 * NARROW:
            shown = shown[:1]
        each = width // len(shown) - 2
        plots = [
            draw(name, [self._history[name], self._history.get(f"val_{name}", [])], self._epochs, each, HEIGHT)
            for name in shown
        ]
        grid = Table.grid(padding=(0, 2))
        for lines in zip(*plots, strict=True):
            grid.add_row(*lines)
        legend = Text("     ")
        for name, style in zip(("training", "validation"), STYLES, strict=True):
            legend.append(f"━━ {name}   ", style=style)
        return [grid, legend, Text()]


def view(verbose: int, estimate: Estimate | None) -> Display:
    """The display for ``train``'s ``verbose``: 0 silent, 1 what moves where there is a terminal, 2 lines."""
    console = Console(file=sys.stdout)
    if not verbose:
        return Silent()
    # Where letters are ASCII, there are no dots to draw with.
    return (
        Live(estimate, console)
        if verbose == 1 and console.is_terminal and not console.options.ascii_only
        else (Lines(estimate))
    )
