"""``calor report``."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder that `calor train` made.")],
    photos: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the folder of photos is now, if it is not where it was."),
    ] = None,
    learning_curve: Annotated[
        bool,
        typer.Option("--learning-curve", help="Train on a quarter and on half of the photos first: would more help?"),
    ] = False,
) -> None:
    """Write RUN/report.html: how good the network is, why, and what to do next.

    One file that opens in any browser and loads nothing. It shows the photos that were held out, so these must still be
    there; the sealed test part stays sealed.
    """
    from calor.data.reading_bar import reading
    from calor.workbench.report import write_report

    if learning_curve:
        from calor.workbench.learning_curve import measure_learning_curve

        print(measure_learning_curve(run).sentence, flush=True)
    with reading(True, 0) as progress:
        file = write_report(run, photos=photos, progress=progress)
    print(f"{file}: open it in a browser.")
