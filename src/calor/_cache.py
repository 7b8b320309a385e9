"""The user's cache folder, and in it the programs that XLA compiled: a second start compiles nothing."""

import contextlib
import errno
import functools
import os
import shutil
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

PROGRAMS = "xla"
"""The folder of compiled programs in the cache folder."""

LIMIT = 2 << 30
"""The most bytes of compiled programs that are kept; those not used for the longest time go first."""

SPARE = 256 << 20
"""What a disk must have left, in bytes, for anything to be kept on it."""


class KeptFile(NamedTuple):
    """A file in the cache: when it was last used, in seconds since 1970, its bytes, and where it is."""

    used: float
    size: int
    path: Path


def cache_folder() -> Path:
    """The folder for what can be fetched or computed again; it need not exist yet.

    It is what CALOR_CACHE names, else ``~/Library/Caches/calor`` on macOS and ``$XDG_CACHE_HOME/calor`` or
    ``~/.cache/calor`` elsewhere. CALOR_CACHE=off names none: no compiled programs are kept, and data sets go where
    they go without it.

    Example:
        >>> cache_folder().is_absolute()
        True
    """
    if (chosen := os.environ.get("CALOR_CACHE")) and chosen.lower() != "off":
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "calor"
    shared = Path(os.environ.get("XDG_CACHE_HOME") or "")
    # The XDG specification says that a relative path is to be ignored.
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "calor"


def cache_is_off() -> bool:
    """Whether CALOR_CACHE=off says that nothing is to be kept."""
    return os.environ.get("CALOR_CACHE", "").lower() == "off"


def private_folder(name: str) -> Path:
    """A folder in the cache folder, made where it is missing, that nobody but this user can write to.

    Raises:
        OSError: it cannot be made or written to, or others can write to it: what lies in it is trusted.
        RuntimeError: the user has no home.
    """
    folder = cache_folder() / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "Others can write to it", str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))
    return folder


def compiled_programs() -> str | None:
    """The folder in which JAX keeps what XLA compiles; None where it keeps nothing."""
    import jax

    return jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]


@functools.cache
def keep_compiled_programs() -> None:
    """Have JAX keep what XLA compiles in ``xla`` in the cache folder; only the first call does something.

    JAX's own setting goes first: where ``jax_compilation_cache_dir`` is set, everything is left as it is. A folder
    that cannot be used, or that others can write to, turns it off, and so does CALOR_CACHE=off.
    """
    import jax

    if compiled_programs() is not None or cache_is_off():
        return
    try:
        folder = private_folder(PROGRAMS)
        if shutil.disk_usage(folder).free < SPARE:
            return
        remove_oldest(kept_files(folder), LIMIT)
    except (OSError, RuntimeError):  # RuntimeError: a user without a home
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Small programs, too: a start consists of many.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def programs() -> list[KeptFile]:
    """The compiled programs in the cache folder, those first that were not used for the longest time.

    Raises:
        OSError: the folder cannot be read.
    """
    return kept_files(cache_folder() / PROGRAMS)


def clear_programs(before: float | None = None) -> int:
    """Remove the compiled programs, or only those last used before that time, in seconds since 1970.

    Returns:
        How many bytes were freed.

    Raises:
        OSError: the folder cannot be read, or a file cannot be removed.
    """
    freed = 0
    for file in programs():
        if before is None or file.used < before:
            file.path.unlink(missing_ok=True)
            freed += file.size
    return freed


def kept_files(folder: Path, *, reading_counts: bool = True) -> list[KeptFile]:
    """The files in a folder of the cache, those first that were not used for the longest time; none without a folder.

    Args:
        folder: the folder.
        reading_counts: whether a file was used when it was read, and not only when its time of change was set.

    Raises:
        OSError: the folder cannot be read.
    """
    files = []
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # another process removes them, too
            found = path.stat()
            if stat.S_ISREG(found.st_mode):  # XLA keeps folders there, too
                used = max(found.st_atime, found.st_mtime) if reading_counts else found.st_mtime
                files.append(KeptFile(used, found.st_size, path))
    return sorted(files)


def remove_oldest(files: Iterable[KeptFile], limit: int) -> None:
    """Remove the first of the files, until the others have at most ``limit`` bytes.

    JAX's own limit needs one more package, locks the folder at every access, and fails where files cannot be locked.

    Raises:
        OSError: a file cannot be removed.
    """
    files = list(files)
    total = sum(file.size for file in files)
    for file in files:
        if total <= limit:
            break
        file.path.unlink(missing_ok=True)
        total -= file.size
