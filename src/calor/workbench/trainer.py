"""The job itself: from a folder of labelled photos to a trained model, its record and its pictures."""

import math
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calor.callbacks import EarlyStopping, ModelCheckpoint
from calor.errors import NonFiniteError
from calor.models import Sequential
from calor.schedules import CosineDecay
from calor.training.history import History
from calor.workbench.doctor import no_kernels
from calor.workbench.network import photo_network, varied
from calor.workbench.photos import Layout, Photos, count_by_class, find_layout, read_photos
from calor.workbench.results import Sample, Say, write_results
from calor.workbench.run_folder import MODEL, make_run_folder, removed_if_empty
from calor.workbench.run_record import Environment, RunRecord
from calor.workbench.settings import Settings


@dataclass(frozen=True)
class Trained:
    """What ``train`` gives.

    Attributes:
        model: with the weights of its best epoch; its inputs are (height, width, 3), 0 to 255.
        history: the record of the run.
        folder: the run folder, with ``model.keras``, ``run.json``, ``history.json``, ``curves.png`` and
            ``predictions.png``.
        class_names: by class number.
    """

    model: Sequential
    history: History
    folder: Path
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class _Run:
    """A run that is ready to begin."""

    settings: Settings
    folder: Path
    photos: Photos
    sample: Sample
    say: Say
    verbose: int


def train(
    folder: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    verbose: int = 1,
    **settings: Any,
) -> Trained:
    """Train a classifier on a folder of photos, and write model, history, curves and predictions into a run folder.

    The model is saved whenever the validation loss is the lowest so far, so that a run which is killed leaves its best
    epoch. On Ctrl-C, or when the loss becomes NaN, all files are written with what was learned until then, and the
    exception goes on.

    Args:
        folder: a subfolder of photos for each class; or ``train/`` and ``validation/``, each with such subfolders.
            Without the latter a fifth of each class is held out.
        output: the run folder; by default the first of ``runs/FOLDER-1``, ``runs/FOLDER-2``, ... that is free.
        verbose: 0 silent, 1 live progress, 2 lines only.
        **settings: those of ``Settings``: ``epochs``, ``image_size``, ``batch_size``, ``seed``, ...

    Raises:
        DataError: the folder has not the layout, or a class has no usable photo.
        ArgumentError: ``output`` is in use, or a setting cannot work.
        NonFiniteError: the loss became NaN or infinite.
        OSError: a file cannot be written.
    """
    chosen = Settings.from_dict({"folder": folder, **settings})
    layout = find_layout(folder)
    run = make_run_folder(output, folder)
    with removed_if_empty(run):
        RunRecord(chosen, Environment.now()).save(run)
        return _finish(*_learn(_prepare(chosen, layout, run, verbose)))


def _prepare(settings: Settings, layout: Layout, run: Path, verbose: int) -> _Run:
    """Read the photos, and say what the run will be."""
    say = _say if verbose else _silent
    photos = read_photos(layout, settings.image_size, seed=settings.seed, progress=verbose == 1)
    for line in _description(layout, photos):
        say(line)
    if advice := no_kernels():
        say(advice)
    say(f"\nThe run goes to {run}. Ctrl-C ends it and keeps what was learned.\n")
    sample = Sample.draw(photos, settings.image_size, settings.seed)
    return _Run(settings, run, photos, sample, say, verbose)


def _learn(run: _Run) -> tuple[_Run, Sequential, EarlyStopping]:
    """Train the network; when that ends early, write what there is before the exception goes on."""
    settings, photos, say = run.settings, run.photos, run.say
    model = _network(settings, photos)
    batches = photos.training.shuffle(len(photos.training)).batch(settings.batch_size)
    best = EarlyStopping(patience=settings.patience, restore_best_weights=True)
    try:
        model.fit(
            varied(batches) if settings.augment else batches,
            epochs=settings.epochs,
            validation_data=photos.validation.batch(settings.batch_size),
            callbacks=[best, ModelCheckpoint(run.folder / MODEL, save_best_only=True)],
            verbose=run.verbose,
        )
    except (KeyboardInterrupt, NonFiniteError) as error:
        if model.step == 0:
            say("Nothing was learned yet, so nothing is kept.")
            raise
        if isinstance(error, KeyboardInterrupt):
            say("\nStopped. What was learned is kept; Ctrl-C again ends at once.")
        write_results(model, run.folder, best, run.sample, settings, say)
        raise
    return run, model, best


def _network(settings: Settings, photos: Photos) -> Sequential:
    steps = settings.epochs * math.ceil(len(photos.training) / settings.batch_size)
    falling = CosineDecay(settings.learning_rate, steps)
    model = photo_network(settings.image_size, len(photos.class_names), learning_rate=falling, seed=settings.seed)
    model.class_names = photos.class_names
    return model


def _finish(run: _Run, model: Sequential, best: EarlyStopping) -> Trained:
    """Write the results, and say what comes next."""
    history = write_results(model, run.folder, best, run.sample, run.settings, run.say)
    if example := run.photos.validation.files:
        run.say("\nNext:")
        run.say(f"  calor predict {shlex.quote(str(run.folder))} {shlex.quote(str(example[0]))}")
    return Trained(model, history, run.folder, run.photos.class_names)


def _description(layout: Layout, photos: Photos) -> Iterator[str]:
    """What was found, for the start of the run."""
    counts = [count_by_class(part) for part in (photos.training, photos.validation)]
    totals = [int(count.sum()) for count in counts]
    source = f"a fifth of each class, held out of {layout.training}" if layout.validation is None else layout.validation
    yield f"{len(photos.class_names)} classes in {layout.training}"
    by_class = zip(photos.class_names, *counts, strict=True)
    rows = [("class", "training", "validation"), *by_class, ("together", *totals)]
    width = max(len(row[0]) for row in rows)
    for name, *numbers in rows:
        yield f"  {name:<{width}}" + "".join(f"{number:>12}" for number in numbers)
    yield f"Validation: {source}."
    if layout.unused:
        yield f"Not used: {', '.join(layout.unused)}."


def _say(text: str) -> None:
    print(text, flush=True)


def _silent(text: str) -> None:
    pass
