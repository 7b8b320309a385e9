"""The IDX format of MNIST and its successors: a four-byte magic number, the sizes, and the values, big-endian.

The format is the one that http://yann.lecun.com/exdb/mnist/ describes: two zero bytes, the type (0x08: unsigned
byte), the number of axes, one 32-bit size for each axis, and the values with the last axis fastest.
"""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from calor.errors import DataError

__all__ = ["idx_digest", "read_idx"]

_UNSIGNED_BYTE = 0x08
_LARGEST = 1 << 30


def _contents(path: Path) -> bytes:
    """The uncompressed bytes of a file, gzipped or not, at most ``_LARGEST`` of them."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if zipped else path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise DataError(f"{path} unpacks to more than {_LARGEST:,} bytes; it is not used.")
    return content


def idx_digest(path: Path) -> str:
    """The SHA-256 of a file's uncompressed bytes; of the bytes as they are where they cannot be uncompressed.

    The same contents are served under differing gzip wrappers, so that only this hash holds everywhere.
    """
    try:
        content = _contents(path)
    except (OSError, EOFError, zlib.error, DataError):
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def read_idx(path: Path, *, axes: int, sha256: str | None = None) -> np.ndarray:
    """Reads an IDX file of unsigned bytes, gzipped or not.

    Args:
        path: The file.
        axes: The number of axes it must have: 3 for pictures, 1 for labels.
        sha256: The hash of the uncompressed bytes that it must have; None: any.

    Returns:
        A read-only uint8 array of the shape that the header gives.

    Raises:
        DataError: The file is cut off, is not IDX, has another number of axes or another hash; the message names it.
        OSError: The file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "labels-idx1-ubyte")
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 9, 0, 7]))
        ...     read_idx(path, axes=1)
        array([9, 0, 7], dtype=uint8)
    """
    try:
        content = _contents(path)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is cut off or damaged ({error}); delete it and fetch it again.") from error
    magic, header = bytes([0, 0, _UNSIGNED_BYTE, axes]), 4 + 4 * axes
    if not content.startswith(magic):
        raise DataError(
            f"{path} is not an IDX file of unsigned bytes with {axes} axes: it begins with {content[:4].hex(' ')!r}, "
            f"not with {magic.hex(' ')!r}; delete it and fetch it again."
        )
    if len(content) < header:
        raise DataError(f"{path} is cut off in its header ({len(content)} bytes); delete it and fetch it again.")
    shape = struct.unpack(f">{axes}I", content[4:header])
    if len(content) != header + math.prod(shape):
        raise DataError(
            f"{path} holds {len(content) - header:,} values where its header promises {math.prod(shape):,} (shape "
            f"{shape}); delete it and fetch it again."
        )
    if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise DataError(
            f"{path} is not the file that is expected: its contents have SHA-256 {found}, not {sha256}; "
            "delete it and fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
