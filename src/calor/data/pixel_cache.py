"""The cache of decoded pictures: one file for each folder and its settings, so that a second start decodes nothing.

A file has the pixels of all usable pictures, one after the other; a checksum of each; a description in JSON, which
also names the unusable pictures; and at its end the description's length, a hash of all but the pixels, and the
format. It is written under a temporary name and renamed when it is whole. Pixels are read from it with ``preadv`` and
checked then: a file that was cut off, or that a failing disk does not give back, would end the program if it were
mapped into memory.
"""

import contextlib
import hashlib
import itertools
import json
import os
import re
import shutil
import struct
import tempfile
import time
import weakref
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from calor._cache import SPARE, KeptFile, cache_folder, cache_is_off, kept_files, private_folder, remove_oldest
from calor.data.source import workers
from calor.errors import ArgumentError, warn

try:
    import fcntl
except ImportError:  # systems without it, such as Windows, keep nothing
    fcntl = None  # type: ignore[assignment]

DEFAULT_LIMIT = 10 * 10**9
"""The most bytes of decoded pictures that are kept, where CALOR_CACHE_LIMIT does not say."""

LEAST = 4 * 10**6
"""Picture files that have fewer bytes in all are not worth keeping decoded: that takes a fraction of a second."""

_FOLDER = "pictures"
_SUFFIX = ".pixels"
_PART = ".part"
_END = struct.Struct("<Q16s8s")  # the length of the description, the hash, the format
_FORMAT = b"calorpx1"
_RUN = 4 << 20
"""About how many bytes are read at once."""

_DAY = 24 * 60 * 60
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


class Damaged(Exception):
    """A cache file has not the bytes that were written."""


@dataclass(frozen=True)
class Request:
    """What is kept, or asked for.

    Attributes:
        folder: where the pictures come from.
        settings: how they are decoded, for people.
        selection: what of the folder is kept, such as its class folders.
        fingerprint: of the files' names, sizes and times, and of all that the pixels depend on.
        shape: of the array of a picture.
    """

    folder: Path
    settings: str
    selection: tuple[str, ...]
    fingerprint: str
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """The bytes of a picture."""
        return int(np.prod(self.shape))

    @property
    def name(self) -> str:
        """Of the file. It is the same after the folder has changed, so that the old pixels make way."""
        parts = [str(self.folder), self.settings, *self.selection]
        return _hash(json.dumps(parts).encode()).hex() + _SUFFIX


@dataclass(frozen=True)
class Entry:
    """A file of the cache, as ``calor cache`` lists it.

    Attributes:
        file: where it is.
        folder: where its pictures come from; empty where it cannot be read.
        settings: how they were decoded.
        pictures: how many.
        size: the bytes of the file.
        used: when it was last used, in seconds since 1970.
    """

    file: Path
    folder: str
    settings: str
    pictures: int
    size: int
    used: float


def cache_limit() -> int:
    """The most bytes of decoded pictures that are kept: CALOR_CACHE_LIMIT, such as ``20 GB``, or ten billion.

    Raises:
        ArgumentError: CALOR_CACHE_LIMIT is no such thing.

    >>> cache_limit()
    10000000000
    """
    text = os.environ.get("CALOR_CACHE_LIMIT", "")
    if not text:
        return DEFAULT_LIMIT
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]?)b?\s*", text.lower())
    if found is None:
        raise ArgumentError(f"CALOR_CACHE_LIMIT={text!r}: write bytes, or a size such as 500 MB or 20 GB.")
    return int(float(found[1]) * _UNITS[found[2]])


def find(request: Request) -> "KeptPixels | None":
    """What the cache has for a request; None where there is nothing, or nothing of use.

    A damaged file is removed, with a warning.
    """
    if _is_off():
        return None
    try:
        path = private_folder(_FOLDER) / request.name
        descriptor = os.open(path, os.O_RDONLY)
    except (OSError, RuntimeError):  # What is wrong with the folder is said when something is to be written.
        return None
    try:
        description, checksums = _ending(descriptor)
        row_bytes = int(np.prod(description["shape"]))
        if os.fstat(descriptor).st_size != len(checksums) * (row_bytes + 4) + description["length"] + _END.size:
            raise Damaged("it has too many bytes or too few")
    except (Damaged, OSError) as error:
        _remove(path, descriptor, error)
        os.close(descriptor)
        return None
    if description["fingerprint"] != request.fingerprint:
        os.close(descriptor)
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # It was used: the times of reading are often not kept.
    problems = {int(place): message for place, message in description["problems"].items()}
    return KeptPixels(path, descriptor, request.shape, checksums, problems)


class KeptPixels:
    """The pixels of a folder's usable pictures, in a file of the cache.

    Attributes:
        problems: the unusable files, by their number among all, and why they are.
    """

    def __init__(
        self, path: Path, descriptor: int, shape: tuple[int, ...], checksums: np.ndarray, problems: dict[int, str]
    ) -> None:
        self.problems = problems
        self._path = path
        self._descriptor = descriptor
        self._shape = shape
        self._checksums = checksums
        # At the program's end threads may still be reading.
        weakref.finalize(self, os.close, descriptor).atexit = False

    def __len__(self) -> int:
        return len(self._checksums)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """These pictures, (rows, height, width, channels) uint8.

        Raises:
            Damaged: the file has not the bytes that were written, or cannot be read any more.
        """
        pixels = np.empty((len(rows), *self._shape), np.uint8)
        size = int(np.prod(self._shape))
        flat = pixels.reshape(len(rows), size)

        def fetch(runs: list[tuple[int, int]]) -> None:
            for start, stop in runs:
                try:
                    found = os.preadv(self._descriptor, [flat[start:stop].data], int(rows[start]) * size)
                except OSError as error:
                    raise Damaged(f"it cannot be read: {error.strerror}") from error
                if found < (stop - start) * size:
                    raise Damaged("it is cut off")
                for place in range(start, stop):
                    if zlib.crc32(flat[place]) != self._checksums[rows[place]]:
                        raise Damaged("a checksum is wrong")

        # A share for each thread: handing over single pictures would take longer than reading them.
        runs, threads = _runs(rows, max(_RUN // size, 1)), os.cpu_count() or 1
        for _ in workers().map(fetch, [runs[first::threads] for first in range(threads)]):
            pass
        return pixels

    def discard(self, error: Damaged) -> None:
        """Remove the file, and say why."""
        _remove(self._path, self._descriptor, error)


class Writer:
    """Writes a file of the cache, which appears when it is whole.

    Whatever goes wrong is said in one warning; then nothing more is written, and the work goes on without. It must be
    used as a context: what was not finished is removed at its end.

    Args:
        request: what is kept.
        most: how many pictures there may be.
    """

    def __init__(self, request: Request, most: int) -> None:
        self._request = request
        self._checksums: list[int] = []
        self._file: IO[bytes] | None = None
        if _is_off():
            return
        try:
            self._file = self._begun(most * (request.row_bytes + 4))
        except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
            self._give_up(error)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def _begun(self, size: int) -> IO[bytes] | None:
        limit = cache_limit()
        if size > limit:
            warn(
                f"{self._request.folder}: the decoded pictures are not kept, and will be decoded again: they have "
                f"{size / 1e9:.1f} GB, and {limit / 1e9:.1f} GB are allowed. Set CALOR_CACHE_LIMIT to allow more."
            )
            return None
        folder = private_folder(_FOLDER)
        _remove_leftovers(folder)
        (folder / self._request.name).unlink(missing_ok=True)  # The folder of pictures has changed since.
        remove_oldest((file for file in _files(folder) if file.path.suffix == _SUFFIX), limit - size)
        if (free := shutil.disk_usage(folder).free) < size + SPARE:
            raise OSError(f"the disk has {free / 1e9:.1f} GB left, and {size / 1e9:.1f} GB are needed")
        file = tempfile.NamedTemporaryFile(dir=folder, prefix=self._request.name, suffix=_PART, delete=False)  # noqa: SIM115
        with contextlib.suppress(OSError):  # Not all file systems lock.
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file

    def add(self, pixels: np.ndarray) -> None:
        """Append pictures, (pictures, height, width, channels) uint8."""
        if self._file is None:
            return
        try:
            self._file.write(np.ascontiguousarray(pixels).data)
        except OSError as error:
            self._give_up(error)
            return
        self._checksums.extend(zlib.crc32(picture.reshape(-1)) for picture in pixels)

    def finish(self, problems: Mapping[int, str]) -> "KeptPixels | None":
        """Complete the file, and open it.

        Args:
            problems: the unusable files, by their number among all, and why they are.
        """
        if self._file is None:
            return None
        file, request = self._file, self._request
        description = {
            "folder": str(request.folder),
            "settings": request.settings,
            "fingerprint": request.fingerprint,
            "shape": request.shape,
            "pictures": len(self._checksums),
            "problems": dict(problems),
        }
        text = json.dumps(description).encode()
        table = np.array(self._checksums, "<u4").tobytes()
        try:
            file.write(table + text + _END.pack(len(text), _hash(table + text), _FORMAT))
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(Path(file.name).with_name(request.name))
        except OSError as error:
            self._give_up(error)
            return None
        self._file = None
        file.close()
        return find(request)

    def abandon(self) -> None:
        """Remove what was written, unless it is finished."""
        if self._file is not None:
            Path(self._file.name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # What is still in the buffer has no room either.
                self._file.close()
            self._file = None

    def _give_up(self, error: Exception) -> None:
        where = self._file.name if self._file is not None else cache_folder() / _FOLDER
        self.abandon()
        reason = getattr(error, "strerror", None) or error
        warn(
            f"{self._request.folder}: the decoded pictures cannot be kept in {where}: {reason}. The next start decodes "
            "them again. Make room or mend the folder, or choose another one with CALOR_CACHE; CALOR_CACHE=off keeps "
            "nothing."
        )


def fingerprint(names: Iterable[str], numbers: np.ndarray, *more: str) -> str:
    """A hash of files' names, of numbers that change with them, (files, any), and of whatever else counts."""
    joined = "\0".join(names).encode(errors="surrogateescape")
    return _hash(json.dumps(more).encode() + b"\0" + joined + b"\0" + numbers.astype("<i8").tobytes()).hex()


def entries() -> list[Entry]:
    """The files of the cache, those first that were not used for the longest time.

    Raises:
        OSError: the folder cannot be read.
    """
    return [_entry(file) for file in _files(cache_folder() / _FOLDER)]


def clear(before: float | None = None) -> int:
    """Remove the files, and what killed programs left of others.

    Args:
        before: only what was last used before that time, in seconds since 1970.

    Returns:
        How many bytes were freed.

    Raises:
        OSError: the folder cannot be read, or a file cannot be removed.
    """
    folder = cache_folder() / _FOLDER
    freed = _remove_leftovers(folder)
    for file in _files(folder):
        if file.path.suffix == _SUFFIX and (before is None or file.used < before):
            file.path.unlink(missing_ok=True)
            freed += file.size
    return freed


def _is_off() -> bool:
    return fcntl is None or cache_is_off()


def _files(folder: Path) -> list[KeptFile]:
    return kept_files(folder, reading_counts=False)  # looking at what there is uses nothing


def _entry(file: KeptFile) -> Entry:
    description: dict[str, Any] = {}
    if file.path.suffix == _SUFFIX:
        with contextlib.suppress(Damaged, OSError):
            descriptor = os.open(file.path, os.O_RDONLY)
            try:
                description, _ = _ending(descriptor)
            finally:
                os.close(descriptor)
    what = "unfinished" if file.path.suffix == _PART else "damaged"
    return Entry(
        file.path,
        description.get("folder", ""),
        description.get("settings", what),
        description.get("pictures", 0),
        file.size,
        file.used,
    )


def _ending(descriptor: int) -> tuple[dict[str, Any], np.ndarray]:
    """The description, with its own length, and the checksums.

    Raises:
        Damaged: they are not as they were written.
        OSError: they cannot be read.
    """
    size = os.fstat(descriptor).st_size
    end = os.pread(descriptor, _END.size, max(size - _END.size, 0))
    if len(end) < _END.size:
        raise Damaged("it is cut off")
    length, digest, form = _END.unpack(end)
    if form != _FORMAT or length > size - _END.size:
        raise Damaged("its end is wrong")
    text = os.pread(descriptor, length, size - _END.size - length)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        description = json.loads(text)
        table_size = 4 * description["pictures"]
        if 0 <= table_size <= size - _END.size - length:
            table = os.pread(descriptor, table_size, size - _END.size - length - table_size)
            if _hash(table + text) == digest:
                return description | {"length": length}, np.frombuffer(table, "<u4")
    raise Damaged("its description has a wrong checksum")


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _runs(rows: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Where rows follow one another, as (first, after the last) places, with at most so many rows in one."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    edges = [0, *breaks.tolist(), len(rows)]
    return [
        (place, min(place + most, stop))
        for start, stop in itertools.pairwise(edges)
        for place in range(start, stop, most)
    ]


def _remove(path: Path, descriptor: int, error: Exception) -> None:
    """Remove a damaged file, unless another process has put a new one in its place."""
    with contextlib.suppress(OSError):
        if os.path.samestat(path.stat(), os.fstat(descriptor)):
            path.unlink()
    warn(f"The decoded pictures kept in {path} are damaged: {error}. They are removed, and decoded again.")


def _remove_leftovers(folder: Path) -> int:
    """Remove what killed programs left: what nobody locks, or what is old where files cannot be locked."""
    freed = 0
    for file in _files(folder):
        if file.path.suffix != _PART:
            continue
        with contextlib.suppress(OSError), file.path.open("rb") as opened:
            try:
                fcntl.flock(opened.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.time() - file.used < _DAY:
                    continue
            file.path.unlink(missing_ok=True)
            freed += file.size
    return freed
