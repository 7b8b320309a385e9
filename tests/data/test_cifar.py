"""The reader of CIFAR's binary files, on files made here and on mistaken ones."""

import numpy as np
import pytest

from calor.data.cifar import read_cifar
from calor.errors import DataError


def record(labels: list[int], red: int, green: int, blue: int) -> bytes:
    return bytes(labels) + bytes([red]) * 1024 + bytes([green]) * 1024 + bytes([blue]) * 1024


def test_colours_come_last_and_files_follow_each_other() -> None:
    files = {"one": record([3], 1, 2, 3) + record([9], 4, 5, 6), "two": record([0], 7, 8, 9)}
    pictures, labels = read_cifar(files, classes=[10])
    assert pictures.shape == (3, 32, 32, 3)
    assert pictures.dtype == np.uint8
    assert (pictures == np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])[:, None, None]).all()
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, [[3], [9], [0]])


def test_rows_come_before_columns() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
    pictures, _ = read_cifar({"one": b"\1" + planes.tobytes()}, classes=[10])
    for row, column, channel in ((0, 1, 0), (5, 0, 1), (31, 30, 2)):
        assert pictures[0, row, column, channel] == planes[channel, row, column]


def test_pictures_are_contiguous_and_read_only() -> None:
    pictures, _ = read_cifar({"one": record([3], 1, 2, 3)}, classes=[10])
    assert pictures.flags.c_contiguous
    assert not pictures.flags.writeable


def test_two_label_bytes() -> None:
    pictures, labels = read_cifar({"one": record([19, 99], 1, 2, 3)}, classes=[20, 100])
    np.testing.assert_array_equal(labels, [[19, 99]])
    assert (pictures == [1, 2, 3]).all()


@pytest.mark.parametrize("length", [0, 1, 3072, 3074, 2 * 3073 - 1])
def test_a_file_of_another_length(length: int) -> None:
    content = (record([1], 1, 2, 3) * 2)[:length]
    with pytest.raises(DataError, match=rf"two is cut off or no CIFAR file: its {length:,} bytes .* of 3,073 bytes"):
        read_cifar({"one": record([1], 1, 2, 3), "two": content}, classes=[10])


@pytest.mark.parametrize(
    ("labels", "message"), [([20, 0], "label 20 .* below 20"), ([0, 255], "label 255 .* below 100")]
)
def test_a_label_out_of_range(labels: list[int], message: str) -> None:
    content = record([1, 1], 0, 0, 0) + record(labels, 0, 0, 0)
    with pytest.raises(
        DataError, match="one is damaged or no CIFAR file: " + message.replace(".*", "of record 1 is not")
    ):
        read_cifar({"one": content}, classes=[20, 100])
