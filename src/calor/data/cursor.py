"""A run over the data: taking batches, pass by pass, from memory or from blocks that threads make ahead."""

import atexit
import queue
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from calor.data.schedule import Endless, Finite, Order


@dataclass(slots=True)
class Block:
    """Some batches.

    Attributes:
        columns: a tree of arrays: all the data on the device, the same objects at every take; or this block's
            examples as NumPy arrays of the same shapes at every take.
        indices: positions in the columns, (batches, batch size) int32; -1 is padding.
        source: positions in the source, likewise.
    """

    columns: Any
    indices: np.ndarray
    source: np.ndarray


class Cursor(Protocol):
    """A run over the data."""

    def take(self, batches: int) -> Block | None:
        """Up to that many batches of this pass; None once where it ends, and for ever where the data are used up."""

    def close(self) -> None:
        """Stop the threads."""


class FiniteCursor:
    """Batches of data that lie on the device, in passes.

    Args:
        columns: the data.
        order: of batches.
        step: how many batches to leave out.
    """

    def __init__(self, columns: Any, order: Finite, step: int) -> None:
        self._columns = columns
        self._order = order
        self._pass, self._place = divmod(step, order.length)
        self._rows: np.ndarray | None = None

    def take(self, batches: int) -> Block | None:
        """As in ``Cursor``."""
        if self._rows is None:
            self._rows = self._order.rows(self._pass)
        start = self._place
        if start == len(self._rows):
            self._pass, self._place, self._rows = self._pass + 1, 0, None
            return None
        rows = self._rows[start : start + batches]
        self._place = start + len(rows)
        return Block(self._columns, rows, rows)

    def close(self) -> None:
        """Nothing runs."""


class EndlessCursor:
    """Batches of data that lie on the device, in an endless stream; arguments as in ``FiniteCursor``."""

    def __init__(self, columns: Any, order: Endless, step: int) -> None:
        self._columns = columns
        self._order = order
        self._place = step

    def take(self, batches: int) -> Block | None:
        """As in ``Cursor``."""
        rows = self._order.rows(self._place, self._place + batches)
        self._place += batches
        return Block(self._columns, rows, rows)

    def close(self) -> None:
        """Nothing runs."""


def resident_cursor(columns: Any, order: Order, step: int) -> Cursor:
    """A run over data on the device."""
    return EndlessCursor(columns, order, step) if isinstance(order, Endless) else FiniteCursor(columns, order, step)


AHEAD = 2
"""How many blocks wait ready-made, besides the one in use and the one in the making."""

PATIENCE = 5.0
"""Seconds to wait for a thread that was told to stop."""


_open: "weakref.WeakSet[StreamingCursor]" = weakref.WeakSet()
_threads: "weakref.WeakSet[threading.Thread]" = weakref.WeakSet()


@atexit.register
def _end_threads() -> None:
    # A thread that is still within JAX or NumPy when the interpreter goes away would abort the program.
    for cursor in list(_open):
        cursor.close()
    for thread in list(_threads):
        thread.join(PATIENCE)


class StreamingCursor:
    """Batches from blocks that a background thread makes ahead.

    Args:
        blocks: gives blocks, None after each pass; when it ends, the data are used up for good.
        ahead: whether to make the next pass's first blocks before they are asked for. Not with a user's generator,
            which may cost something or do something when it is started again.
    """

    def __init__(self, blocks: Iterator[Block | None], *, ahead: bool) -> None:
        self._queue: queue.Queue[Block | Exception | None] = queue.Queue(AHEAD)
        self._stop = threading.Event()
        self._onward = threading.Semaphore(0)
        self._block: Block | None = None
        self._place = 0
        self._between_passes = False
        self._end: Exception | None = None
        # The thread must not hold the cursor, so that it stops when the cursor is dropped.
        arguments = (blocks, self._queue, self._stop, None if ahead else self._onward)
        weakref.finalize(self, _halt, self._stop, self._onward)
        self._thread = threading.Thread(target=_produce, args=arguments, daemon=True, name="calor-stream")
        self._thread.start()
        _open.add(self)
        _threads.add(self._thread)

    def take(self, batches: int) -> Block | None:
        """As in ``Cursor``.

        Raises:
            DataError: reading or mapping an example failed; the message names it.
        """
        if self._block is None:
            if self._between_passes:
                self._onward.release()
            self._block, self._place = self._next(), 0
            self._between_passes = self._block is None
            if self._block is None:
                return None
        block, rows = self._block, slice(self._place, self._place + batches)
        self._place += batches
        if self._place >= len(block.indices):
            self._block = None
        return Block(block.columns, block.indices[rows], block.source[rows])

    def _next(self) -> Block | None:
        if self._end is None:
            item = self._queue.get()
            if not isinstance(item, Exception):
                return item
            self._end = item
        if isinstance(self._end, _End):
            return None
        raise self._end

    def close(self) -> None:
        """Stop the thread and wait until it has stopped."""
        _halt(self._stop, self._onward)
        # A user's generator may be waiting for something that never comes; its thread ends with the program then.
        self._thread.join(PATIENCE)
        self._end = self._end or _End()


class _End(Exception):
    """What the thread puts last: there is no more."""


def _halt(stop: threading.Event, onward: threading.Semaphore) -> None:
    stop.set()
    onward.release()


def _produce(
    blocks: Iterator[Block | None],
    out: "queue.Queue[Block | Exception | None]",
    stop: threading.Event,
    onward: threading.Semaphore | None,
) -> None:
    last: Exception = _End()
    try:
        for block in blocks:
            if not _put(out, block, stop):
                return
            if block is None and onward is not None:
                onward.acquire()
                if stop.is_set():
                    return
    except Exception as error:  # It is raised again where the block is taken.
        last = error
    _put(out, last, stop)


def _put(out: "queue.Queue[Any]", item: Any, stop: threading.Event) -> bool:
    """Hand an item over as soon as there is room; False when nobody wants it any more."""
    while not stop.is_set():
        try:
            out.put(item, timeout=0.05)
        except queue.Full:
            continue
        return True
    return False
