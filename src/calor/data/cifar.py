"""The binary format of CIFAR-10 and CIFAR-100: records of label bytes and the 3,072 pixels of one picture.

The format is the one that https://www.cs.toronto.edu/~kriz/cifar.html describes: one label byte (CIFAR-100: the
superclass, then the class), then 1,024 bytes of red, as many of green and of blue, each 32x32, row by row.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from calor.errors import DataError

__all__ = ["read_cifar"]

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32


def read_cifar(contents: Mapping[str, bytes], *, classes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Reads pictures and labels, one file after the other.

    Args:
        contents: The bytes of each file, by the name that errors call it by.
        classes: How many classes each label byte of a record distinguishes: ``[10]``, or ``[20, 100]`` for CIFAR-100.

    Returns:
        The pictures, uint8 ``(examples, 32, 32, 3)`` and read-only, and the labels, int32
        ``(examples, len(classes))``.

    Raises:
        DataError: A file is empty or no whole number of records long, or a label is out of range.

    Example:
        >>> pictures, labels = read_cifar({"batch.bin": bytes([7]) + bytes(3072)}, classes=[10])
        >>> pictures.shape, labels.tolist()
        ((1, 32, 32, 3), [[7]])
    """
    files = [_records(name, content, classes) for name, content in contents.items()]
    labels = np.concatenate([records[:, : len(classes)] for records in files]).astype(np.int32)
    pictures = np.empty((len(labels), *_SHAPE[1:], _SHAPE[0]), np.uint8)
    planes = [records[:, len(classes) :].reshape(-1, *_SHAPE).transpose(0, 2, 3, 1) for records in files]
    np.concatenate(planes, out=pictures)
    pictures.setflags(write=False)
    return pictures, labels


def _records(name: str, content: bytes, classes: Sequence[int]) -> np.ndarray:
    length = len(classes) + _PIXELS
    if not content or len(content) % length:
        raise DataError(
            f"{name} is cut off or no CIFAR file: its {len(content):,} bytes are not a whole number of records of "
            f"{length:,} bytes; delete it and fetch it again."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, length)
    for column, count in enumerate(classes):
        wrong = np.flatnonzero(records[:, column] >= count)
        if len(wrong):
            raise DataError(
                f"{name} is damaged or no CIFAR file: label {records[wrong[0], column]} of record {wrong[0]:,} is not "
                f"below {count}; delete it and fetch it again."
            )
    return records
