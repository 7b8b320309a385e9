"""The bar that moves while a folder of pictures is decoded."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

Progress: TypeAlias = Callable[[int, int], object]
"""Told how many files are done, and how many there are."""

AFTER = 1.0
"""The seconds after which the bar appears: what is done sooner needs none."""


@contextmanager
def reading(progress: Progress | bool, total: int) -> Iterator[Progress]:
    """What to tell how far the work is.

    Args:
        progress: a function to tell; True draws a bar with images per second on standard error, where a person looks
            and it takes more than a second; False tells nobody.
        total: how many files there are.

    >>> with reading(True, 2) as advance:
    ...     advance(1, 2)
    """
    if callable(progress):
        yield progress
        return
    console = Console(stderr=True)
    if not (progress and (console.is_terminal or console.is_jupyter)):
        yield lambda done, total: None
        return
    columns = (
        TextColumn("Reading pictures"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]:.0f} images/s"),
        TimeRemainingColumn(),
    )
    start = time.monotonic()
    with Bar(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=total, pace=0.0, visible=False)
        shown = start + AFTER

        def advance(done: int, total: int) -> None:
            nonlocal shown
            now = time.monotonic()
            if now >= shown:
                shown = now + 0.1
                bar.update(task, completed=done, pace=done / (now - start), visible=True, refresh=True)

        yield advance
