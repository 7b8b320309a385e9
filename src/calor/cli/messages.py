"""Errors and warnings as a user of the command line should meet them: what is wrong, without a traceback."""

import errno
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from calor.errors import CalorError, CalorWarning

_ADVICE = {
    errno.ENOSPC: "there is no room left on the disk. Make room, or choose another place with --output.",
    errno.EDQUOT: "your disk quota is used up. Make room, or choose another place with --output.",
    errno.EACCES: "permission denied. Change the permissions, or choose another place.",
    errno.EPERM: "permission denied. Change the permissions, or choose another place.",
    errno.EROFS: "this place is read-only. Choose another one with --output.",
}


def problem(error: Exception) -> str | None:
    """What to tell of an error that is nobody's mistake in the program; None for one that is."""
    if isinstance(error, CalorError):
        return f"calor: {error}"
    if isinstance(error, OSError) and error.errno is not None:
        reason = _ADVICE.get(error.errno, f"{error.strerror}.")
        return f"calor: {error.filename}: {reason}" if error.filename is not None else f"calor: {reason}"
    return None


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show Calor's own warnings without Python's file and line, and no others."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        print(f"calor: {message}", file=sys.stderr, flush=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", CalorWarning)
        warnings.showwarning = show
        yield
