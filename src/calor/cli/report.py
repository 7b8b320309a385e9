"""``calor report``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder that `calor train` made.")],
    photos: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the folder of photos is now, if it is not where it was."),
    ] = None,
) -> None:
    """Write RUN/report.html: how good the network is, why, and what to do next.

    One file that opens in any browser and loads nothing. It shows the photos that were held out, so these must still be
    there; the sealed test part stays sealed.
    """
    from calor.workbench.report import write_report

    with _bar() as progress:
        file = write_report(run, photos=photos, progress=progress)
    print(f"{file}: open it in a browser.")


@contextmanager
def _bar() -> Iterator[Any]:
    """A bar for the photos, where there is a terminal for it."""
    from calor.data.reading_bar import reading

    with reading(True, 0) as progress:
        yield progress
