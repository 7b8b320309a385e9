"""Writing a file whole or not at all, and on the disk before it has its name."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_ADVICE = {
    errno.ENOSPC: "there is no room left on the disk; make room or save elsewhere",
    errno.EDQUOT: "your disk quota is used up; make room or save elsewhere",
    errno.EFBIG: "files may not become that large here (ulimit -f); raise the limit or save elsewhere",
    errno.EACCES: "you may not write in that folder; change its permissions or save elsewhere",
    errno.EPERM: "you may not write in that folder; change its permissions or save elsewhere",
    errno.EROFS: "that folder is read-only; save elsewhere",
    errno.ENOENT: "that folder does not exist; make it first",
    errno.ENOTDIR: "that folder is a file; save elsewhere",
    errno.EISDIR: "there is a folder of that name; choose another name",
    errno.ENAMETOOLONG: "that name is too long; choose a shorter one",
}

_TEMPORARY = ".calor-"


def advice(error: OSError) -> str:
    """Why a file could not be written, and what to do.

    >>> advice(OSError(28, "No space left on device"))
    'there is no room left on the disk; make room or save elsewhere'
    """
    return _ADVICE.get(error.errno or 0, f"{error.strerror or error}; save elsewhere")


def tidy(folder: Path) -> None:
    """Remove what processes that were killed while writing have left in a folder.

    >>> tidy(Path("nowhere"))
    """
    for leftover in folder.glob(f"{_TEMPORARY}*"):
        leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write under a temporary name, renamed to ``path`` once it is whole and on the disk.

    Raises:
        OSError: it cannot be written; a file that was there before is untouched.
    """
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    temporary = target.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Put the rename itself on the disk. Some file systems cannot, and then the file is still whole."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
