"""``calor compare``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calor.cli.output import print_json, print_table

if TYPE_CHECKING:
    from calor.workbench import Compared, Comparison


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Run folders that `calor train` made: two or more.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="The picture with the curves of all runs, a PNG file."),
    ] = Path("compare.png"),
    photos: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the folder of photos is now, if it is not where it was."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Say which of several runs has the lowest validation loss, and whether that is more than chance.

    The runs must have held out the same photos: train with `--split RUN`. These must still be there; the sealed test
    part stays sealed.
    """
    if output.suffix.lower() != ".png":
        raise typer.BadParameter(f"{output} must be a file whose name ends in .png.", param_hint="--output")

    from calor import workbench

    found = workbench.compare(runs, photos=photos, progress=True)
    draw_curves(found, output)
    if json:
        print_json(_record(found, output))
    else:
        print_comparison(found, output)


def draw_curves(found: "Comparison", output: Path) -> None:
    """Draw the curves of all runs into a PNG file."""
    from calor import workbench
    from calor.workbench.run_folder import replacing

    with replacing(output) as temporary:
        figure = workbench.plot_comparison({run.name: run.history for run in found.runs})
        figure.savefig(temporary, format="png", dpi=110)


def print_comparison(found: "Comparison", curves: Path) -> None:
    """Print which run is best, by how much, and whether that is more than chance."""
    rows = []
    for run in found.runs:
        low, high = run.interval
        rows.append(
            (
                run.name,
                run.recipe,
                ", ".join(f"{name} {_value(value)}" for name, value in run.settings.items()),
                str(len(run.history.epoch)),
                "none" if run.best_epoch is None else str(run.best_epoch),
                f"{run.loss:.4f}",
                f"{run.accuracy:.1%} ({low:.1%} to {high:.1%})",
                f"{run.parameters:,}",
            )
        )
    head = ("Run", "Recipe", "Differs in", "Epochs", "Best", "Val. loss", "Val. accuracy (95 %)", "Parameters")
    print_table(head, rows, numbers=(3, 4, 5, 6, 7))
    print(f"The lowest validation loss is that of {found.best.name}.")
    print(found.difference)
    print(
        "This holds for these networks; the same settings with another seed give another one. These "
        f"photos chose its epoch, too; how good it is on others, once, at the end: calor evaluate {found.best.folder}"
    )
    print(f"{curves}: the curves of all runs.")


def _record(found: "Comparison", output: Path) -> dict[str, object]:
    difference = found.difference
    return {
        "best": str(found.best.folder),
        "runs": [_run(run) for run in found.runs],
        "difference": {
            "better": difference.better,
            "next": difference.next,
            "pictures": difference.loss.examples,
            "loss": difference.loss.mean,
            "error": difference.loss.error if difference.loss.examples > 1 else None,
            "interval": list(difference.loss.interval) if difference.loss.examples > 1 else None,
            "real": difference.real,
            "only_better": difference.only_better,
            "only_next": difference.only_next,
            "mcnemar_p": difference.p,
        },
        "curves": str(output),
    }


def _run(run: "Compared") -> dict[str, object]:
    return {
        "run": str(run.folder),
        "name": run.name,
        "recipe": run.recipe,
        "settings": dict(run.settings),
        "epochs": len(run.history.epoch),
        "best_epoch": run.best_epoch,
        "loss": run.loss,
        "accuracy": run.accuracy,
        "interval": list(run.interval),
        "parameters": run.parameters,
    }


def _value(value: object) -> str:
    return "×".join(map(str, value)) if isinstance(value, list) else str(value)
