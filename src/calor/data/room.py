"""Memory for batches that is used again: for each to be read into, and for a compiled program to take as it is."""

from typing import Any

import numpy as np

ALIGNMENT = 64
"""The multiple of bytes at which memory has to begin for XLA to compute on it in place, rather than on a copy."""


class Room:
    """Arrays that are handed out again for every batch.

    New memory would be given by the system page by page, with zeros: for a batch of photos that takes as long as
    reading them.

    >>> room = Room()
    >>> for _ in range(2):
    ...     room.begin()
    ...     batch = room((100, 8), np.float32)
    >>> batch.shape, room.holds(batch[3:])
    ((100, 8), True)
    """

    def __init__(self) -> None:
        self._pieces: list[np.ndarray] = []
        self._used = 0

    def begin(self) -> None:
        """From now on, what was handed out before is handed out again."""
        self._used = 0

    def __call__(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array with anything in it, at the address of the array that had its place in the batch before."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self._used == len(self._pieces):
            self._pieces.append(_aligned(size))
        elif len(self._pieces[self._used]) < size:
            self._pieces[self._used] = _aligned(size)
        piece = self._pieces[self._used]
        self._used += 1
        return piece[:size].view(dtype).reshape(shape)

    def holds(self, array: np.ndarray) -> bool:
        """Whether an array lies in this memory, and so will be overwritten."""
        return any(np.may_share_memory(array, piece) for piece in self._pieces)


def _aligned(size: int) -> np.ndarray:
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]
