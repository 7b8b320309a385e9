"""``report.html`` of a run: read what the run left, measure, and write one file that opens anywhere."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from calor.errors import CalorError, DataError
from calor.workbench.classify import Classifier, load_classifier
from calor.workbench.report.evidence.learning_curve import read_learning_curve
from calor.workbench.report.evidence.photos import Photos
from calor.workbench.report.gather import gather
from calor.workbench.report.page import render
from calor.workbench.report.record import Record, command, read_record
from calor.workbench.run_folder import SPLIT, replacing
from calor.workbench.settings import Settings
from calor.workbench.split import Split

REPORT = "report.html"
"""The file in the run folder."""


def write_report(
    run_folder: str | os.PathLike[str],
    *,
    photos: str | os.PathLike[str] | None = None,
    validation: Photos | None = None,
    training: Photos | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Path:
    """Show the network of a run the photos that it never learned from, and write ``report.html`` into the run folder.

    One file without scripts that loads nothing, with thumbnails of up to 1,200 photos in it (about 6 MB). It says how
    good the network is, beside simple methods; the verdict on the run; what is taken for what; the surest mistakes;
    whether it is as sure as it should be, and when it should say 'I don't know'; what it looks at; whether it cheats;
    and how to do it again. The sealed test part is never read.

    Args:
        run_folder: as ``train`` left it: ``model.keras``, and ``split.json`` unless ``validation`` is given. What else
            is missing there is missing in the report.
        photos: where the folder of photos is now; by default where it was.
        validation: photos that the network never learned from; by default the validation part of the split.
        training: photos that it learned from, for the simple methods to do the same; by default the training part of
            the split, or none where ``validation`` is given.
        progress: told how many photos are done, and how many there are.

    Returns:
        The file.

    Raises:
        ModelFileError: the folder has no ``model.keras``, or it cannot be read.
        ModelStateError: the model does not classify pictures.
        DataError: there is no ``split.json``, its classes are not the model's, or none of its photos can be read.
        OSError: the file cannot be written.
    """
    run = Path(run_folder)
    classifier = load_classifier(run)
    record = read_record(run)
    if validation is None:
        validation, training, changed = _parts(run, photos, classifier)
    else:
        changed = 0
        _check_labels(validation, classifier)
    evidence = gather(classifier, validation, training, seed=int(record.settings.get("seed", 0)), progress=progress)
    page = render(classifier, record, evidence, read_learning_curve(run), _how_to(record), changed=changed)
    with replacing(run / REPORT) as temporary:
        # Names of files may hold bytes that are no letters.
        temporary.write_text(page, encoding="utf-8", errors="replace")
    return run / REPORT


def _parts(run: Path, folder: str | os.PathLike[str] | None, classifier: Classifier) -> tuple[Photos, Photos, int]:
    """The validation and the training part, and how many photos of the former have changed since."""
    if not (run / SPLIT).is_file():
        raise DataError(
            f"{run} has no {SPLIT}, which says which photos were held out: an older Calor made this run. Train anew: "
            "what is measured on photos that it learned from is worth nothing."
        )
    split = Split.load(run / SPLIT, folder)
    if split.class_names != classifier.class_names:
        raise DataError(
            f"{run / SPLIT} is of another run: it has the classes {', '.join(split.class_names)}, the model "
            f"{', '.join(classifier.class_names)}."
        )
    if not split.folder.is_dir():
        raise DataError(
            f"The folder of photos {split.folder} is not there, and a report is made from its photos. Bring it back, "
            "or say where it is now: calor report RUN --photos FOLDER."
        )
    changed = sum(what == "has changed" for what in split.changed("validation").values())
    parts = (
        Photos(tuple(split.paths(name)), split.part(name).labels.astype(int)) for name in ("validation", "training")
    )
    return *parts, changed  # type: ignore[return-value]


def _check_labels(validation: Photos, classifier: Classifier) -> None:
    classes = len(classifier.class_names)
    wrong = (validation.labels < 0) | (validation.labels >= classes)
    if wrong.any():
        raise DataError(
            f"{wrong.sum()} of the labels of validation are not between 0 and {classes - 1}, such as "
            f"{validation.labels[wrong][0]}: the network has {classes} classes."
        )


def _how_to(record: Record) -> list[tuple[str, str]]:
    """Commands to repeat all of it, with what each does."""
    run = record.folder
    steps = [("Make this report again", command("calor", "report", run))]
    if record.environment:
        steps.insert(0, ("Train again, and see whether the result is the same", command("calor", "reproduce", run)))
    if record.settings.get("folder"):
        steps.insert(0, ("Train with the same settings", command("calor", "train", *_options(record.settings))))
    return steps


def _options(settings: Mapping[str, Any]) -> Iterator[object]:
    """The folder and the options of ``calor train`` that give these settings, but for what is so by default."""
    usual = Settings(settings["folder"]).as_dict() | {"seed": None}
    yield settings["folder"]
    for name, value in settings.items():
        if name in usual and value != usual[name] and name != "folder":
            option = name.replace("_", "-")
            if isinstance(value, bool):
                yield f"--{option}" if value else f"--no-{option}"
            else:
                yield f"--{option}"
                yield "none" if value is None else "x".join(map(str, value)) if isinstance(value, list) else value


def write_report_after_training(run_folder: Path, say: Callable[[str], object]) -> None:
    """The report at the end of a run: what keeps it from being made is said, and spoils nothing else.

    Args:
        run_folder: what the run has written by then.
        say: takes a line for the user.
    """
    if not (run_folder / SPLIT).is_file():
        return
    try:
        write_report(run_folder)
    except CalorError as error:
        say(f"There is no {REPORT}: {error}")
    else:
        say(f"  {REPORT:<16} how good it is, why, and what to do next: open it in a browser")
