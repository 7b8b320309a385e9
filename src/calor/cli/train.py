"""``calor train`` and ``calor demo``."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from calor.workbench.settings import Settings

PER_CLASS = 150
"""How many pictures of each kind the demo draws."""


def _image_size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)(?:[xX×](\d+))?", text)
    sides = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if min(sides) < 8:
        raise typer.BadParameter(
            f"{text!r} is no size of at least 8 pixels: write one number, or HEIGHTxWIDTH such as 120x160."
        )
    return sides


def train(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="A subfolder of photos for each class; or train/ and validation/, each with such subfolders.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The new run folder; by default runs/FOLDER-1, -2, ...")
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=1, metavar="N", help="How often to go through the photos, at the most.")
    ] = Settings.epochs,
    image_size: Annotated[
        Any, typer.Option(parser=_image_size, metavar="SIZE", help="Pixels: one number, or HEIGHTxWIDTH.")
    ] = "96",
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Photos a step.")] = Settings.batch_size,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same run.")] = Settings.seed,
    learning_rate: Annotated[
        float, typer.Option(min=1e-6, metavar="RATE", help="The step size at the start; it falls to 0 in the run.")
    ] = Settings.learning_rate,
    augment: Annotated[
        bool, typer.Option("--augment/--no-augment", help="Learn from photos that are changed at random.")
    ] = Settings.augment,
    patience: Annotated[
        int, typer.Option(min=1, metavar="N", help="Stop after so many epochs without improvement.")
    ] = Settings.patience,
) -> None:
    """Train a classifier on a folder of photos.

    Writes a run folder: model.keras, run.json, history.json, curves.png and predictions.png. The model is saved after
    every epoch that is the best so far; Ctrl-C ends the run and keeps what was learned.
    """
    from calor import workbench

    with two_interrupts():
        workbench.train(
            folder,
            output=output,
            epochs=epochs,
            image_size=image_size,
            batch_size=batch_size,
            seed=seed,
            learning_rate=learning_rate,
            augment=augment,
            patience=patience,
        )


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
        print(f"They lie in {pictures}. Now: calor train {pictures} --output {run}\n", flush=True)
        trainer.train(pictures, output=run, seed=seed)


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
