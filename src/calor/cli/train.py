"""``calor train`` and ``calor demo``."""

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calor.cli.compare import draw_curves, print_comparison
from calor.cli.messages import problem
from calor.cli.report import report
from calor.workbench.settings import Settings

if TYPE_CHECKING:
    from calor.workbench import Trials

_GIVEN = "COMMANDLINE"

PER_CLASS = 150
"""How many pictures of each kind the demo draws."""


class ClassWeight(Enum):
    """Whether rare classes count more."""

    AUTO = "auto"
    BALANCED = "balanced"
    NONE = "none"


def _image_size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)(?:[xX×](\d+))?", text)
    sides = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if min(sides) < 8:
        raise typer.BadParameter(
            f"{text!r} is no size of at least 8 pixels: write one number, or HEIGHTxWIDTH such as 120x160."
        )
    return sides


def train(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="A subfolder of photos for each class; or train/ and validation/, each with such subfolders.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Go on with a run that was cut off, with its settings; with FOLDER where its photos have been moved.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The new run folder; by default runs/FOLDER-1, -2, ...")
    ] = None,
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="How to train: default, quick, notes or notes-plain.")
    ] = Settings.recipe,
    several: Annotated[
        str | None,
        typer.Option(
            "--try", metavar="A,B,...", help="Train each of these recipes on the same split, and compare them."
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="M", help="Make the best of so much time: sets image size and epochs."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How often to go through the photos, at the most. [the recipe's]"),
    ] = None,
    image_size: Annotated[
        Any,
        typer.Option(parser=_image_size, metavar="SIZE", help="Pixels: one number, or HEIGHTxWIDTH. [the recipe's]"),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, metavar="N", help="Photos a step. [the recipe's]")] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same run.")] = Settings.seed,
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-6, metavar="RATE", help="The highest step size. [the recipe's]")
    ] = None,
    find_lr: Annotated[
        bool, typer.Option("--find-lr", help="Find out first how high the learning rate can be, and use that.")
    ] = Settings.find_lr,
    augment: Annotated[
        bool, typer.Option("--augment/--no-augment", help="Learn from photos that are changed at random.")
    ] = Settings.augment,
    patience: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Stop after so many epochs without improvement. [the recipe's]"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Look for damaged files and copies first.")
    ] = Settings.check,
    leave_out: Annotated[
        Path | None, typer.Option(metavar="LIST", help="Files to leave out, as `calor check --write-list` writes them.")
    ] = None,
    split: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Keep to the split of an earlier run, or to a split.json.")
    ] = None,
    test_share: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=0.5, metavar="SHARE", help="The share of the photos to seal for `calor evaluate`; 0 for none."
        ),
    ] = None,
    class_weight: Annotated[
        ClassWeight, typer.Option(help="Let rare classes count more; auto: where one is 3 times as large as another.")
    ] = ClassWeight.AUTO,
    learning_curve: Annotated[
        bool,
        typer.Option("--learning-curve", help="Then train on a quarter and on half of the photos: would more help?"),
    ] = False,
) -> None:
    """Train a classifier on a folder of photos.

    Writes a run folder: model.keras, run.json, history.json, curves.png and predictions.png. The model is saved after
    every epoch that is the best so far; Ctrl-C ends the run and keeps what was learned. A run that was stopped or
    killed goes on with --resume, to the same result as if it had not been.
    """
    from calor import workbench

    with two_interrupts():
        if resume is not None:
            given = [
                name for name in context.params if getattr(context.get_parameter_source(name), "name", "") == _GIVEN
            ]
            if others := [name for name in given if name not in ("folder", "resume")]:
                option = f"--{others[0].replace('_', '-').replace('several', 'try')}"
                raise typer.BadParameter(
                    f"a run that goes on keeps its settings: leave {option} out, or begin a new run."
                )
            workbench.resume(resume, folder=folder)
            return
        if folder is None:
            raise typer.BadParameter("name the FOLDER of photos, or a run to go on with: --resume RUN.")
        settings = {
            "minutes": minutes,
            "epochs": epochs,
            "image_size": image_size,
            "batch_size": batch_size,
            "seed": seed,
            "learning_rate": learning_rate,
            "find_lr": find_lr,
            "augment": augment,
            "patience": patience,
            "check": check,
            "leave_out": leave_out,
            "split": split,
            "test_share": test_share,
            "class_weight": None if class_weight is ClassWeight.NONE else class_weight.value,
        }
        if several is not None:
            for name in ("recipe", "learning_curve"):
                if getattr(context.get_parameter_source(name), "name", "") == _GIVEN:
                    raise typer.BadParameter(f"--try names the recipes, so leave --{name.replace('_', '-')} out.")
            names = [name.strip() for name in several.split(",") if name.strip()]
            if len(names) < 2:
                raise typer.BadParameter("--try takes two recipes or more: --try default,quick.")
            _print_trials(workbench.try_recipes(folder, names, output=output, **settings))
            return
        trained = workbench.train(folder, output=output, recipe=recipe, **settings)
        if learning_curve:
            report(trained.folder, learning_curve=True)


def _print_trials(trials: "Trials") -> None:
    if trials.comparison is None:
        print(f"\nThere is nothing to compare: {len(trials.runs)} of the recipes came to an end.")
        return
    print()
    curves = trials.folder / "compare.png"
    draw_curves(trials.comparison, curves)
    print_comparison(trials.comparison, curves)


def reproduce(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run that has ended.")],
    output: Annotated[
        Path | None, typer.Option(metavar="NEW", help="The new run folder; by default RUN-again-1, -2, ...")
    ] = None,
) -> None:
    """Train a run again, with its settings on its photos, and say whether the same comes out.

    History and weights are compared bit by bit. Where they differ it says where first, and which versions, threads or
    kernels differ, which is the probable cause.

    The exit code is 0 for the same, 1 for different, and 2 where the run could not be trained again.
    """
    from calor import workbench

    with two_interrupts():
        try:
            found = workbench.reproduce(run, output=output)
        except Exception as error:
            if (message := problem(error)) is None:
                raise
            print(message, file=sys.stderr)
            raise typer.Exit(2) from None
    print(f"\n{found}", flush=True)
    raise typer.Exit(0 if found.same else 1)


def demo(
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The new folder for all of it; by default runs/demo-1, -2, ...")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="The same seed gives the same pictures and the same run.")
    ] = 0,
) -> None:
    """Draw a small folder of pictures, and train a classifier on it.

    Nothing is downloaded. What happens to the pictures is what `calor train` does to photos.
    """
    from calor.workbench import demo, run_folder, trainer

    with two_interrupts():
        folder = run_folder.make_run_folder(output, "demo")
        pictures = folder / "pictures"
        print(f"Drawing {PER_CLASS} pictures each of {', '.join(demo.KINDS)} ...", flush=True)
        demo.draw_pictures(pictures, per_class=PER_CLASS, seed=seed)
        run = folder / "run"
        print(f"They lie in {pictures}. Now: calor train {pictures} --recipe quick --output {run}\n", flush=True)
        trainer.train(pictures, output=run, seed=seed, recipe="quick")


@contextmanager
def two_interrupts() -> Iterator[None]:
    """Let the first Ctrl-C end the work in order, and the second one end the program at once."""

    def interrupted(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
