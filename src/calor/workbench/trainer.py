"""The job itself: from a folder of labelled photos to a trained model, its record and its pictures."""

import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calor._files import tidy
from calor.callbacks import BackupAndRestore, EarlyStopping, ModelCheckpoint
from calor.errors import ArgumentError, DataError, NonFiniteError, warn
from calor.models import Sequential
from calor.training import checkpoint
from calor.training.history import History
from calor.workbench import recipes
from calor.workbench.budget import settle
from calor.workbench.doctor import no_kernels
from calor.workbench.estimate import measure
from calor.workbench.live import view
from calor.workbench.photos import Photos, find_layout, fingerprint
from calor.workbench.prepare import prepare
from calor.workbench.rate_finder import find_rate
from calor.workbench.recipes import Training
from calor.workbench.report import write_report_after_training
from calor.workbench.results import Sample, Say, write_results
from calor.workbench.run_folder import CHECKPOINT, HISTORY, MODEL, SPLIT, claimed, make_run_folder, removed_if_empty
from calor.workbench.run_record import Environment, RunRecord
from calor.workbench.settings import Settings

BACKUP_SECONDS = 60.0
"""After how long the state is backed up within an epoch, too."""

_NOTHING = "Nothing was learned yet, so nothing is kept."


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
    """A run that is ready to begin, or to go on."""

    settings: Settings
    folder: Path
    photos: Photos
    sample: Sample
    say: Say
    verbose: int

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT


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
            ``split_folder`` says what is held out.
        output: the run folder; by default the first of ``runs/FOLDER-1``, ``runs/FOLDER-2``, ... that is free.
        verbose: 0 silent, 1 live progress, 2 lines only.
        **settings: those of ``Settings``: ``recipe``, ``minutes``, ``epochs``, ``image_size``, ``seed``, ...; what is
            not given is the recipe's, or as the time allows.

    Raises:
        DataError: the folder has not the layout, or a class has no usable photo.
        ArgumentError: ``output`` is in use, or a setting cannot work.
        NonFiniteError: the loss became NaN or infinite.
        OSError: a file cannot be written.
    """
    return start(RunRecord(settle({"folder": folder, **settings}), Environment.now()), output, verbose)


def start(record: RunRecord, output: str | os.PathLike[str] | None, verbose: int) -> Trained:
    """Begin a run in a new folder: what ``train`` does with its settings, and ``reproduce`` with those of a run.

    Args:
        record: the settings; where it has a hash of photos, they must have it.
        output: as for ``train``.
        verbose: as for ``train``.
    """
    folder = record.settings.folder
    _layout(record.settings)  # before there is a run folder
    run = make_run_folder(output, folder)
    record = replace(record, environment=Environment.now())
    with removed_if_empty(run):
        record.save(run)
        with claimed(run):
            return _go(record, run, verbose)


def resume(run: str | os.PathLike[str], *, folder: str | os.PathLike[str] | None = None, verbose: int = 1) -> Trained:
    """Go on with a run that was cut off, to the result that it would have had.

    On the same machine history and weights are equal in every bit to those of an unbroken run. One that was cut off
    before its first checkpoint begins anew, with its settings.

    Args:
        run: the run folder.
        folder: where its photos are now; by default where they were.
        verbose: 0 silent, 1 live progress, 2 lines only.

    Raises:
        DataError: it is no run, or its photos are not there or have changed.
        ArgumentError: it has ended, or goes on in another process.
        ModelFileError: its checkpoints are damaged.
        NonFiniteError, OSError: as for ``train``.

    Warns:
        CalorWarning: it was begun by other versions or on another machine, so that its last bits may differ.
    """
    place = Path(run)
    record = RunRecord.load(place)
    if (place / HISTORY).exists() and not checkpoint.exists(place / CHECKPOINT):
        raise ArgumentError(
            f"The run in {run} has ended: there is nothing to go on with. `calor train {record.settings.folder}` "
            f"begins another, and `calor reproduce {run}` the same again."
        )
    if folder is not None:
        record = replace(record, settings=replace(record.settings, folder=Path(folder)))
    if others := Environment.now().differences(record.environment):
        told = ", ".join(f"{name} {then} then and {now} now" for name, (now, then) in others.items())
        warn(f"{run} was begun elsewhere: {told}. It goes on, but may not end as the unbroken run would have.")
    with claimed(place):
        tidy(place)
        return _go(record, place, verbose)


def _go(record: RunRecord, run: Path, verbose: int) -> Trained:
    """The whole of a run, from its record on."""
    ready = _prepare(record, run, verbose)
    try:
        return _finish(ready, *_learn(ready))
    except OSError:  # a full disk, say
        _say_how_to_go_on(ready)
        raise


def _prepare(record: RunRecord, run: Path, verbose: int) -> _Run:
    """Read the photos, and say what the run will be."""
    settings, say = record.settings, _say if verbose else _silent
    _layout(settings, run)
    photos = prepare(settings, run, progress=verbose == 1, say=say)
    _check_unchanged(record, photos, run)
    if advice := no_kernels():
        say(advice)
    sample = Sample.draw(photos, settings.image_size, settings.seed)
    say(f"\nThe run goes to {run}. Ctrl-C ends it and keeps what was learned.\n")
    return _Run(settings, run, photos, sample, say, verbose)


def _layout(settings: Settings, run: Path | None = None) -> None:
    """Insist that the photos are there."""
    try:
        find_layout(settings.folder)
    except DataError as error:
        if run is None or settings.folder.is_dir():
            raise
        raise DataError(
            f"{error} Bring the photos back, or say where they are now: "
            f"calor train NEW_PLACE --resume {shlex.quote(str(run))}"
        ) from None


def _check_unchanged(record: RunRecord, photos: Photos, run: Path) -> None:
    """See that the photos are those with which the run began, and write them down when it begins."""
    found = fingerprint(photos.split)
    if record.photos and record.photos != found:
        raise DataError(
            f"The photos in {record.settings.folder} are not those with which the run in {run} began: some were "
            "changed, added or removed. What it learned would be of both. Bring them back, or train anew."
        )
    replace(record, photos=found).save(run)
    photos.split.save(run / SPLIT)  # with the place where the photos are now


def _learn(run: _Run) -> tuple[Sequential, EarlyStopping]:
    """Train the network; when that ends early, write what there is before the exception goes on."""
    settings, photos, say = run.settings, run.photos, run.say
    training = _training(settings, photos)
    say(str(training))
    if settings.find_lr:
        training = find_rate(training, photos.training, run.folder, settings.seed, say)
    model = training.model(seed=settings.seed)
    model.class_names = photos.class_names
    batches, validation = training.batches(photos.training), photos.validation.batch(settings.batch_size)
    best = EarlyStopping(patience=settings.patience, restore_best_weights=True)
    try:
        say("Compiling the network, and trying a few steps ...")
        estimate = measure(model, batches, validation)
        if estimate is not None:
            say(f"{estimate.sentence(settings.epochs)}\n")
        model.fit(
            batches,
            epochs=settings.epochs,
            validation_data=validation,
            callbacks=[
                best,
                ModelCheckpoint(run.folder / MODEL, save_best_only=True),
                BackupAndRestore(run.checkpoint, delete_checkpoint=False, seconds=BACKUP_SECONDS),
            ],
            verbose=view(run.verbose, estimate),
            class_weight=photos.class_weight,
        )
    except KeyboardInterrupt:
        if model.step == 0:
            say("Nothing new was learned." if checkpoint.exists(run.checkpoint) else _NOTHING)
            _say_how_to_go_on(run)
            raise
        say("\nStopped. What was learned is kept; Ctrl-C again ends at once.")
        write_results(model, run.folder, best, run.sample, settings, say)
        _say_how_to_go_on(run)
        say(f"For a report on what it learned so far: calor report {shlex.quote(str(run.folder))}")
        raise
    except NonFiniteError:
        if model.step:
            write_results(model, run.folder, best, run.sample, settings, say)
        else:
            say(_NOTHING)
        checkpoint.remove(run.checkpoint)  # it would only come to the same end
        raise
    return model, best


def _say_how_to_go_on(run: _Run) -> None:
    if checkpoint.exists(run.checkpoint):
        run.say(f"\nTo go on from its last checkpoint: calor train --resume {shlex.quote(str(run.folder))}")


def _training(settings: Settings, photos: Photos) -> Training:
    return recipes.get(settings.recipe).training(
        (*settings.image_size, 3),
        classes=len(photos.class_names),
        examples=len(photos.training),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        patience=settings.patience,
        augment=settings.augment,
    )


def _finish(run: _Run, model: Sequential, best: EarlyStopping) -> Trained:
    """Write the results, and say what comes next."""
    history = write_results(model, run.folder, best, run.sample, run.settings, run.say)
    checkpoint.remove(run.checkpoint)
    write_report_after_training(run.folder, run.say)
    if example := run.photos.validation.files:
        run.say("\nTo put it to work:")
        run.say(f"  calor predict {shlex.quote(str(run.folder))} {shlex.quote(str(example[0]))}")
        if len(run.photos.split.test):
            run.say(f"  calor evaluate {shlex.quote(str(run.folder))}  # once, when all is decided: the sealed photos")
    return Trained(model, history, run.folder, run.photos.class_names)


def _say(text: str) -> None:
    print(text, flush=True)


def _silent(text: str) -> None:
    pass
