"""Checkpoint files: a record in JSON and arrays, checked by a checksum, of which the latest two are kept.

A file is data, never code: NumPy's ``.npz`` without pickles, behind a line that names the format and its SHA-256.
"""

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from calor._files import advice, replacing, tidy
from calor.errors import ModelFileError, warn

_HEAD = "calor checkpoint 1 "
_RECORD = "record"
_NAME = re.compile(r"(\d+)\.checkpoint")


def save(folder: Path, record: dict[str, Any], arrays: dict[str, np.ndarray], *, keep: int = 2) -> Path:
    """Write the next checkpoint of a folder, which is made where it is missing.

    Args:
        folder: for checkpoints alone.
        record: in JSON's types; floats keep every bit.
        arrays: by name.
        keep: how many of the latest checkpoints to keep.

    Returns:
        The new file.

    Raises:
        ModelFileError: it cannot be written; those before it are untouched.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     file = save(Path(place), {"epoch": 3}, {"kernel": np.zeros(2)})
    ...     load(file)[0]
    {'epoch': 3}
    """
    packed = io.BytesIO()
    named: dict[str, Any] = {_RECORD: np.array(json.dumps(record, default=float)), **arrays}
    np.savez(packed, **named)
    contents = packed.getbuffer()
    before = _found(folder)
    file = folder / f"{max(before, default=0) + 1:08}.checkpoint"
    try:
        folder.mkdir(exist_ok=True)
        with replacing(file) as out:
            out.write(f"{_HEAD}{hashlib.sha256(contents).hexdigest()}\n".encode())
            out.write(contents)
        for _, old in sorted(_found(folder).items())[:-keep]:
            old.unlink(missing_ok=True)
        tidy(folder)
    except OSError as error:
        last = f"{before[max(before)]} is unchanged, and the run can go on from there." if before else "There is none."
        raise ModelFileError(
            f"The checkpoint {file} was not written: {advice(error)}. The one before it: {last}"
        ) from error
    return file


def load(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The record and the arrays of a checkpoint.

    Raises:
        ModelFileError: it cannot be read, or it is not what was written.
    """
    try:
        head, _, contents = file.read_bytes().partition(b"\n")
    except OSError as error:
        raise ModelFileError(f"{file} cannot be read: {error.strerror}.") from error
    if head != f"{_HEAD}{hashlib.sha256(contents).hexdigest()}".encode():
        raise ModelFileError(f"{file} is damaged: its checksum is not that of what was written.")
    with np.load(io.BytesIO(contents), allow_pickle=False) as packed:
        arrays = {name: packed[name] for name in packed.files}
    return json.loads(str(arrays.pop(_RECORD))), arrays


def latest(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """The newest checkpoint that is whole; None where there never was one.

    Raises:
        ModelFileError: there are some, and none is whole.

    Warns:
        CalorWarning: the newest is damaged, and the one before it is used.
    """
    problems = []
    for _, file in sorted(_found(folder).items(), reverse=True):
        try:
            found = load(file)
        except ModelFileError as error:
            problems.append(str(error))
            continue
        if problems:
            warn(f"{' '.join(problems)} The run goes on from the checkpoint before it, {file}.")
        return found
    if problems:
        raise ModelFileError(f"{' '.join(problems)} There is no other: remove {folder} and train again.")
    return None


def exists(folder: Path) -> bool:
    """Whether there is a checkpoint, whole or not."""
    return bool(_found(folder))


def remove(folder: Path) -> None:
    """Remove the checkpoints, and the folder where nothing else is in it."""
    for file in _found(folder).values():
        file.unlink(missing_ok=True)
    tidy(folder)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _found(folder: Path) -> dict[int, Path]:
    names = {path: _NAME.fullmatch(path.name) for path in folder.glob("*.checkpoint")}
    return {int(name[1]): path for path, name in names.items() if name}
