"""The order of a dataset's elements, pass by pass, as arrays of source positions that are made on the host.

Operations that only change the order act on these integers along axis 0: (elements,) before ``batch`` and
(batches, batch size) after it, -1 marking what pads the last batch. So one piece of code serves eager iteration,
streaming and resident data.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from calor.data.operations import Batch, Cache, Keep, Operation, Repeat, Shard, Shuffle, Skip, Take, Unbatch

HANDS = 64
"""For how many passes at a time a small deck is dealt."""

SMALL = 256
"""Cards in the largest deck that counts as small."""

PASS_BITS = 32
"""A pass inside a repetition is numbered (outer pass) * 2**32 + (inner pass), so that no two deal the same cards."""


class Deck:
    """Random permutations, each fixed by the key and the number of a pass alone.

    The generator is Philox, which jumps to any pass at no cost: its key is (entropy, number of the shuffle), the
    upper words of its counter are the pass. Passes over a few examples are dealt ``HANDS`` at a time, because finding
    the place costs more than dealing there.

    Args:
        entropy: non-negative integers.
        number: which of the dataset's shuffles this is.

    >>> Deck((7,), 0).deal(5, pass_=3).tolist() == Deck((7,), 0).deal(5, pass_=3).tolist()
    True
    """

    def __init__(self, entropy: Sequence[int], number: int) -> None:
        key = np.random.SeedSequence(list(entropy), spawn_key=(number,)).generate_state(2, np.uint64)
        self._philox = np.random.Philox(key=key)
        self._generator = np.random.Generator(self._philox)
        # Setting the state is three times as fast as making a generator, and small data have many passes.
        self._start = self._philox.state
        self._hands: tuple[tuple[int, int], np.ndarray] | None = None

    def to(self, pass_: int) -> np.random.Generator:
        """The generator at the beginning of a pass."""
        word = (1 << 64) - 1
        self._start["state"]["counter"][:] = (0, pass_ & word, (pass_ >> 64) & word, (pass_ >> 128) & word)
        self._philox.state = self._start
        return self._generator

    def deal(self, length: int, pass_: int) -> np.ndarray:
        """A permutation of 0 .. length - 1."""
        if length > SMALL:
            return self.to(pass_).permutation(length)
        group, hand = divmod(pass_, HANDS)
        if self._hands is None or self._hands[0] != (length, group):
            ordered = np.broadcast_to(np.arange(length), (HANDS, length))
            self._hands = (length, group), self.to(group).permuted(ordered, axis=1)
        return self._hands[1][hand]


class Finite:
    """An order that ends: ``length`` rows in each pass.

    Args:
        length: rows in a pass.
        make: the rows of a pass, by its number.
        fixed: whether all passes are the same; then they are made once.
    """

    def __init__(self, length: int, make: Callable[[int], np.ndarray], *, fixed: bool) -> None:
        self.length = length
        self.fixed = fixed
        self._make = make
        self._rows: np.ndarray | None = None

    def rows(self, pass_: int) -> np.ndarray:
        """The rows of a pass: (length,) or (length, batch size) int32."""
        if not self.fixed:
            return self._make(pass_)
        if self._rows is None:
            self._rows = self._make(0)
        return self._rows


class Endless:
    """An order without end, made of chunks of ``period`` rows.

    Args:
        period: rows in a chunk, at least 1.
        make: the rows of a chunk, by its number and that of the pass around the whole.
        fixed: whether the stream is the same in every pass.
    """

    def __init__(self, period: int, make: Callable[[int, int], np.ndarray], *, fixed: bool) -> None:
        self.period = period
        self.fixed = fixed
        self._make = make
        self._latest: tuple[tuple[int, int], np.ndarray] | None = None

    def rows(self, start: int, stop: int, pass_: int = 0) -> np.ndarray:
        """The rows from position ``start`` up to, not including, ``stop``."""
        first, last = start // self.period, max(stop - 1, start) // self.period
        chunks = [self._chunk(number, pass_) for number in range(first, last + 1)]
        rows = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
        return rows[start - first * self.period : stop - first * self.period]

    def _chunk(self, number: int, pass_: int) -> np.ndarray:
        if self._latest is None or self._latest[0] != (number, pass_):
            self._latest = (number, pass_), self._make(number, pass_)
        return self._latest[1]


Order: TypeAlias = Finite | Endless


def schedule(operations: Sequence[Operation], positions: np.ndarray, entropy: Sequence[int]) -> Order:
    """The order that the operations give.

    Args:
        operations: applied one after the other; ``Map`` changes no order.
        positions: the source positions to begin with, (elements,) int32.
        entropy: non-negative integers that fix all shuffles without a seed of their own.

    >>> order = schedule([Repeat(None), Batch(2, False)], np.arange(3, dtype=np.int32), (0,))
    >>> order.rows(0, 3).tolist()
    [[0, 1], [2, 0], [1, 2]]
    """
    order: Order = Finite(len(positions), lambda _: positions, fixed=True)
    shuffles = 0
    for operation in operations:
        match operation:
            case Cache():
                order = _cached(order)
            case Shuffle():
                seeds = entropy if operation.seed is None else (operation.seed,)
                order = _shuffled(order, Deck(seeds, shuffles), reshuffle=operation.reshuffle)
                shuffles += 1
            case Repeat():
                order = _repeated(order, operation.count)
            case Batch():
                order = _batched(order, operation.size, drop_remainder=operation.drop_remainder)
            case Take():
                order = _taken(order, operation.count)
            case Skip():
                order = _skipped(order, operation.count)
            case Shard():
                order = _sharded(order, operation.count, operation.index)
            case Unbatch():
                order = _chosen(order, lambda rows: rows[rows >= 0])
            case Keep(mask):
                order = _chosen(order, partial(_kept, mask))
            case _:
                pass
    return order


def _cached(order: Order) -> Order:
    if isinstance(order, Endless):
        return order
    return Finite(order.length, lambda _: order.rows(0), fixed=True)


def _shuffled(order: Order, deck: Deck, *, reshuffle: bool) -> Order:
    if isinstance(order, Finite):
        return Finite(
            order.length,
            lambda pass_: order.rows(pass_)[deck.deal(order.length, pass_ if reshuffle else 0)],
            fixed=order.fixed and not reshuffle,
        )

    def chunk(number: int, pass_: int) -> np.ndarray:
        rows = order.rows(number * order.period, (number + 1) * order.period, pass_)
        return rows[deck.deal(order.period, pass_ << PASS_BITS | number if reshuffle else 0)]

    return Endless(order.period, chunk, fixed=order.fixed and not reshuffle)


def _repeated(order: Order, count: int | None) -> Order:
    if isinstance(order, Endless):
        return order if count != 0 else Finite(0, lambda _: order.rows(0, 0), fixed=True)
    if count is None and order.length:
        return Endless(order.length, lambda number, pass_: order.rows(pass_ << PASS_BITS | number), fixed=order.fixed)
    if not count:
        return Finite(0, lambda pass_: order.rows(pass_)[:0], fixed=True)
    return Finite(
        order.length * count,
        lambda pass_: np.concatenate([order.rows(pass_ << PASS_BITS | number) for number in range(count)]),
        fixed=order.fixed,
    )


def _batched(order: Order, size: int, *, drop_remainder: bool) -> Order:
    if isinstance(order, Endless):
        period = -(-order.period // size)

        def chunk(number: int, pass_: int) -> np.ndarray:
            start, stop = number * period * size, (number + 1) * period * size
            return order.rows(start, stop, pass_).reshape(period, size)

        return Endless(period, chunk, fixed=order.fixed)

    length = order.length // size if drop_remainder else -(-order.length // size)
    padding = np.full(max(length * size - order.length, 0), -1, np.int32)

    def rows(pass_: int) -> np.ndarray:
        flat = order.rows(pass_)[: length * size]
        return (np.concatenate([flat, padding]) if len(padding) else flat).reshape(length, size)

    return Finite(length, rows, fixed=order.fixed)


def _taken(order: Order, count: int) -> Order:
    if isinstance(order, Endless):
        return Finite(count, lambda pass_: order.rows(0, count, pass_), fixed=order.fixed)
    return Finite(min(count, order.length), lambda pass_: order.rows(pass_)[:count], fixed=order.fixed)


def _skipped(order: Order, count: int) -> Order:
    if isinstance(order, Endless):

        def chunk(number: int, pass_: int) -> np.ndarray:
            return order.rows(number * order.period + count, (number + 1) * order.period + count, pass_)

        return Endless(order.period, chunk, fixed=order.fixed)
    return Finite(max(order.length - count, 0), lambda pass_: order.rows(pass_)[count:], fixed=order.fixed)


def _sharded(order: Order, count: int, index: int) -> Order:
    if isinstance(order, Endless):

        def chunk(number: int, pass_: int) -> np.ndarray:
            start, stop = number * order.period * count, (number + 1) * order.period * count
            return order.rows(start, stop, pass_)[index::count]

        return Endless(order.period, chunk, fixed=order.fixed)
    length = len(range(index, order.length, count))
    return Finite(length, lambda pass_: order.rows(pass_)[index::count], fixed=order.fixed)


def _kept(mask: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return rows[mask[rows]]


def _chosen(order: Order, choose: Callable[[np.ndarray], np.ndarray]) -> Order:
    """The order of what ``choose`` leaves of the rows, which must be as many in every pass, or chunk."""
    if isinstance(order, Finite):
        return Finite(len(choose(order.rows(0))), lambda pass_: choose(order.rows(pass_)), fixed=order.fixed)
    period = len(choose(order.rows(0, order.period)))
    if period == 0:
        return Finite(0, lambda pass_: choose(order.rows(0, order.period, pass_)), fixed=True)

    def chunk(number: int, pass_: int) -> np.ndarray:
        return choose(order.rows(number * order.period, (number + 1) * order.period, pass_))

    return Endless(period, chunk, fixed=order.fixed)
