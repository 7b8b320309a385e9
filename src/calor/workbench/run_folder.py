"""The folder that a run leaves its files in: never one that is in use, and no file by halves."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from calor.data.lock import locked
from calor.errors import ArgumentError

RUNS = "runs"
"""Where run folders are made by default."""

MODEL = "model.keras"
RECORD = "run.json"
SPLIT = "split.json"
HISTORY = "history.json"
CHECKPOINT = "checkpoint"


def make_run_folder(output: str | os.PathLike[str] | None, photos: str | os.PathLike[str]) -> Path:
    """A new folder: ``output``, or else the first of ``runs/PHOTOS-1``, ``runs/PHOTOS-2``, ... that is free.

    Raises:
        ArgumentError: ``output`` is in use (a file, or a folder that is not empty), or lies among the photos.
        OSError: it cannot be made.
    """
    source = Path(photos).resolve()
    if output is not None:
        folder = Path(output)
        if source in folder.resolve().parents:
            raise ArgumentError(
                f"{folder} lies in {photos}, where it would be taken for a class: choose another place."
            )
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise ArgumentError(
                f"{folder} is in use, and a run never overwrites another: choose a new folder, "
                "or leave the output out to get one."
            )
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    here = Path.cwd()
    # A run among the pictures would be taken for a class the next time.
    inside = here == source or source in here.parents
    return first_free((source.parent if inside else Path()) / RUNS / (source.name or "photos"))


def first_free(stem: Path) -> Path:
    """Make the first folder of STEM-1, STEM-2, ... that does not exist yet."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = stem.with_name(f"{stem.name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Let one process at a time train in a run folder.

    Raises:
        ArgumentError: another one does.
    """

    def taken() -> None:
        raise ArgumentError(f"{folder} is being trained in by another process: wait for its end, or stop it.")

    with locked(folder / ".training", taken):
        yield


@contextlib.contextmanager
def removed_if_empty(folder: Path) -> Iterator[None]:
    """Leave no folder behind that holds nothing, or only how the run was to be, when the work fails."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # it is gone already, or may not be changed
            if {path.name for path in folder.iterdir()} <= {RECORD, SPLIT}:
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()
        raise


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name to write a file under, which is renamed to ``path`` once it is whole.

    Raises:
        OSError: it cannot be written; with the path, which the system leaves out when a disk is full.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
