"""What a run says while it goes: a live bar for the epoch under way and a line for each that is done."""

import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from calor.training.history import History

WORTH_A_WORD = 0.05
"""The share of an epoch spent waiting for data from which on its line says so."""


def figures(logs: Mapping[str, float]) -> str:
    """``accuracy: 0.9117 - loss: 0.2392``, small numbers in powers of ten."""
    return " - ".join(
        f"{name}: {value:.4f}" if abs(value) >= 1e-3 or value == 0 else f"{name}: {value:.4e}"
        for name, value in logs.items()
    )


def pace(seconds: float, steps: int) -> str:
    """``6s 3ms/step`` as Keras writes it."""
    each = seconds / max(steps, 1)
    step = f"{each:.1f}s" if each >= 1 else f"{each * 1e3:.0f}ms" if each >= 1e-3 else f"{each * 1e6:.0f}us"
    return f"{seconds:.0f}s {step}/step" if seconds >= 1 else f"{seconds:.2f}s {step}/step"


def waiting(waited: float, seconds: float) -> str:
    """The share of an epoch's time in which the program waited for data, where that is worth a word.

    >>> waiting(0.3, 2.0)
    ' - 15% of the time waiting for data'
    """
    share = min(waited / seconds, 1.0)
    return f" - {share:.0%} of the time waiting for data" if share > WORTH_A_WORD and waited > 1e-3 else ""


class Display(Protocol):
    """What the loop tells of a run."""

    live: bool
    """Whether the run should come back to the host several times a second, for a bar to move."""

    def goes_on(self, history: History) -> None: ...
    def compiled(self, seconds: float) -> None: ...
    def epoch_begins(self, epoch: int, epochs: int, steps: int | None) -> None: ...
    def steps_done(self, steps: int, logs: Mapping[str, float]) -> None: ...
    def epoch_ends(self, steps: int, seconds: float, waited: float, logs: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


class Silent:
    """``verbose=0``."""

    live = False

    def goes_on(self, history: History) -> None:
        """The run goes on with one that was cut off, which left this record."""

    def compiled(self, seconds: float) -> None:
        pass

    def epoch_begins(self, epoch: int, epochs: int, steps: int | None) -> None:
        pass

    def steps_done(self, steps: int, logs: Mapping[str, float]) -> None:
        pass

    def epoch_ends(self, steps: int, seconds: float, waited: float, logs: Mapping[str, float]) -> None:
        pass

    def close(self) -> None:
        pass


class LinePerEpoch(Silent):
    """``verbose=2``: one line an epoch, for logs."""

    def goes_on(self, history: History) -> None:
        print(f"Going on after {len(history.epoch)} finished epochs.", flush=True)

    def compiled(self, seconds: float) -> None:
        print(f"Compiled in {seconds:.1f} s", flush=True)

    def epoch_begins(self, epoch: int, epochs: int, steps: int | None) -> None:
        self._head = f"Epoch {epoch + 1}/{epochs}"

    def epoch_ends(self, steps: int, seconds: float, waited: float, logs: Mapping[str, float]) -> None:
        line = f"{self._head} - {steps}/{steps} - {pace(seconds, steps)} - {figures(logs)}"
        print(line + waiting(waited, seconds), flush=True)


class Live(LinePerEpoch):
    """``verbose=1``: a bar that moves while an epoch runs, replaced by the epoch's line. For a terminal."""

    live = True

    def __init__(self) -> None:
        self._console = Console(file=sys.stdout)
        self._bar: Progress | None = None
        self._stepped = False

    def compiled(self, seconds: float) -> None:
        self._console.print(f"[dim]Compiled in {seconds:.1f} s[/dim]", highlight=False)

    def epoch_begins(self, epoch: int, epochs: int, steps: int | None) -> None:
        super().epoch_begins(epoch, epochs, steps)
        self._start = time.perf_counter()
        self._bar = Progress(
            TextColumn(self._head),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            transient=True,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("", total=steps, figures="" if self._stepped else "compiling ...")
        self._bar.start()

    def steps_done(self, steps: int, logs: Mapping[str, float]) -> None:
        self._stepped = True
        if self._bar is not None:
            self._bar.update(self._task, completed=steps, figures=figures(logs))
            self._bar.refresh()

    def epoch_ends(self, steps: int, seconds: float, waited: float, logs: Mapping[str, float]) -> None:
        self.close()
        super().epoch_ends(steps, seconds, waited, logs)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def display(verbose: Any) -> Display:
    """The display for Keras' ``verbose``: 0 or False silent, 1 or True live, 2 a line an epoch, "auto" 1, or one's own.

    Where the output is no terminal, a live bar has nothing to move on, so 1 is the same as 2.
    """
    if isinstance(verbose, Silent):
        return verbose
    if verbose in (0, False):
        return Silent()
    return Live() if verbose in (1, True, "auto") and Console(file=sys.stdout).is_terminal else LinePerEpoch()
