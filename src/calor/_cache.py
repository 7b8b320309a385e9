"""The user's cache folder, and in it the programs that XLA compiled: a second start compiles nothing."""

import contextlib
import functools
import os
import shutil
import stat
import sys
from pathlib import Path

LIMIT = 2 << 30
"""The most bytes of compiled programs that are kept; those not used for the longest time go first."""

_NEEDED = 256 << 20
"""On a disk with less room than that, nothing is kept."""


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

    if compiled_programs() is not None or os.environ.get("CALOR_CACHE", "").lower() == "off":
        return
    try:
        folder = cache_folder() / "xla"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _only_ours(folder) or shutil.disk_usage(folder).free < _NEEDED:
            return
        remove_oldest(folder, LIMIT)
    except (OSError, RuntimeError):  # RuntimeError: a user without a home
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Small programs, too: a start consists of many.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _only_ours(folder: Path) -> bool:
    """Whether this user, and nobody else, can write there: what lies in it will be run."""
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022 and os.access(folder, os.W_OK | os.X_OK)


def remove_oldest(folder: Path, limit: int) -> None:
    """Remove the files that were not used for the longest time, until the others have at most ``limit`` bytes.

    JAX's own limit needs one more package, locks the folder at every access, and fails where files cannot be locked.

    Raises:
        OSError: the folder cannot be read.
    """
    files = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process removes them, too
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):  # XLA keeps folders there, too
                continue
            files.append((max(found.st_atime, found.st_mtime), found.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= limit:
            break
        path.unlink(missing_ok=True)
        total -= size
