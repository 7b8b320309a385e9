"""A lock between processes: one works, the others wait. The system frees it when its process ends, however it ends."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # systems without it, such as Windows, do without the lock
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked"]


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], object], *, pause: float = 0.2) -> Iterator[None]:
    """Holds the lock of the file ``path``, which is made for it and removed afterwards.

    A file that a killed process left behind is nobody's lock and is taken over at once. Where files cannot be locked
    (some network folders, Windows) nothing is held and nobody waits.

    Args:
        path: The file; its folder must exist.
        waiting: Called each time the lock is found to be held by another; may raise, which ends the wait.
        pause: Seconds from one look to the next.

    Raises:
        OSError: The file cannot be made.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with locked(Path(folder, "photos.lock"), lambda: None):
        ...         print([path.name for path in Path(folder).iterdir()])
        ['photos.lock']
    """
    if fcntl is None:
        yield
        return
    while (descriptor := _taken(path)) is None:
        waiting()
        time.sleep(pause)
    try:
        yield
    finally:
        # Removed while it is held: whoever opened it before notices that it is gone, and makes a new one.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _taken(path: Path) -> int | None:
    """An open descriptor that holds the lock; None where another holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        except OSError:
            return descriptor
        os.close(descriptor)
