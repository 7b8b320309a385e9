"""IDX files: right ones, gzipped or not, and damaged ones, each with the file's name in the error."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from calor.data.idx import idx_digest, read_idx
from calor.errors import DataError

ARRAY = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]) + ARRAY.tobytes()


@pytest.mark.parametrize("content", [CONTENT, gzip.compress(CONTENT, mtime=0)])
def test_an_array_is_read_and_cannot_be_changed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    array = read_idx(path, axes=3, sha256=hashlib.sha256(CONTENT).hexdigest())
    np.testing.assert_array_equal(array, ARRAY)
    assert array.dtype == np.uint8
    assert not array.flags.writeable
    assert idx_digest(path) == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-1], r"holds 23 values where its header promises 24 \(shape \(2, 3, 4\)\)"),
        (CONTENT + b"x", "holds 25 values"),
        (CONTENT[:10], r"cut off in its header \(10 bytes\)"),
        (b"", "is not an IDX file"),
        (b"<html>", "begins with '3c 68 74 6d', not with '00 00 08 03'"),
        (bytes([0, 0, 13]) + CONTENT[3:], "is not an IDX file of unsigned bytes"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 0]), "with 3 axes"),
        (gzip.compress(CONTENT, mtime=0)[:-12], "cut off or damaged"),
        (gzip.compress(CONTENT, mtime=0)[:10], "cut off or damaged"),
        (gzip.compress(CONTENT, mtime=0)[:-8] + bytes(8), "cut off or damaged"),
        (gzip.compress(CONTENT, mtime=0)[:12] + bytes(20), "cut off or damaged"),
        (gzip.compress(CONTENT[:-1] + b"x", mtime=0), "not the file that is expected"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path, axes=3, sha256=hashlib.sha256(CONTENT).hexdigest())
    assert str(path) in str(caught.value)
    assert idx_digest(path) != hashlib.sha256(CONTENT).hexdigest()


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calor.data.idx._LARGEST", 1_000)
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(bytes(10_000), mtime=0))
    with pytest.raises(DataError, match="unpacks to more than 1,000 bytes"):
        read_idx(path, axes=1)
    assert idx_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()
