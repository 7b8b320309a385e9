"""The operations that a dataset is described by: plain facts, which the planner reads."""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np


@dataclass(frozen=True)
class Map:
    """Each element is replaced by a function of it."""

    function: Callable[..., Any]


@dataclass(frozen=True)
class Cache:
    """What comes before is the same in every pass."""


@dataclass(frozen=True)
class Shuffle:
    """The elements of a pass come in random order; only sources of unknown length need the buffer."""

    buffer_size: int
    seed: int | None
    reshuffle: bool


@dataclass(frozen=True)
class Repeat:
    """The passes before follow one another ``count`` times, for ever when it is None."""

    count: int | None


@dataclass(frozen=True)
class Batch:
    """Elements are put together; the last batch may be smaller."""

    size: int
    drop_remainder: bool


@dataclass(frozen=True)
class Take:
    """Only the first elements."""

    count: int


@dataclass(frozen=True)
class Skip:
    """All but the first elements."""

    count: int


@dataclass(frozen=True)
class Filter:
    """Only the elements for which a function is true."""

    predicate: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Keep:
    """A filter whose function was evaluated: true for each position of the source whose example stays."""

    mask: np.ndarray


@dataclass(frozen=True)
class TakeWhile:
    """The elements before the first one for which a function is false."""

    predicate: Callable[..., Any]


@dataclass(frozen=True)
class Shard:
    """Every ``count``-th element, from the one at ``index`` on."""

    count: int
    index: int


@dataclass(frozen=True)
class Unbatch:
    """Batches are taken apart into their elements."""


@dataclass(frozen=True, eq=False)
class PaddedBatch(Batch):
    """A batch of elements of different shapes: each is filled up to the largest, or to a given shape.

    Attributes:
        shapes: a tree of shapes in which None means as large as the largest; None for all dimensions of all.
        values: a tree of what to fill up with, or one value for all.
    """

    shapes: Any = None
    values: Any = 0


Operation: TypeAlias = (
    Map | Cache | Shuffle | Repeat | Batch | Take | Skip | Filter | Keep | TakeWhile | Shard | Unbatch
)


def name_of(operation: Operation) -> str:
    """The method that makes an operation.

    >>> name_of(Unbatch())
    'unbatch'
    """
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", type(operation).__name__).lower()


def takes_key(function: Callable[..., Any]) -> bool:
    """Whether a function has a parameter named ``key``."""
    try:
        return "key" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # Functions written in C may have no signature.
        return False


def last_batching(operations: Sequence[Operation]) -> Batch | Unbatch | None:
    """The last operation that decides whether elements are batches, None where they are what the source gives."""
    return next((operation for operation in reversed(operations) if isinstance(operation, Batch | Unbatch)), None)


def settled(operations: Sequence[Operation]) -> bool:
    """Whether single examples stay the same, and in the same order, in every pass of every run."""
    endless = False
    for place, operation in enumerate(operations):
        cached = any(isinstance(later, Cache) for later in operations[place:])
        match operation:
            case Map(function) if takes_key(function) and not cached:
                return False
            case Shuffle() if operation.seed is None or (operation.reshuffle and not cached):
                return False
            case Repeat(count=None):
                endless = True
            case Take():
                endless = False
            case _:
                pass
    return not endless and not isinstance(last_batching(operations), Batch)


def filtered_by_number(operations: Sequence[Operation]) -> bool:
    """Whether it is the same examples that a filter leaves, and as many, in every pass after these operations.

    So that it can be evaluated once. The order may change from pass to pass, but it must not decide which examples
    are left.
    """
    shuffled = False
    for place, operation in enumerate(operations):
        match operation:
            case Map(function) if takes_key(function):
                if not any(isinstance(later, Cache) for later in operations[place:]):
                    return False
            case Shuffle():
                shuffled = True
            case Take() | Skip() | Shard() if shuffled:
                return False
            case Batch():  # Also one that was taken apart: endless batches straddle passes.
                return False
            case _:
                pass
    return True


def unbatched_by_number(operations: Sequence[Operation]) -> bool:
    """Whether the batches that these operations make can be taken apart without computing anything.

    No function has changed them, and the smaller ones among them come at the same places in every pass.
    """
    for operation in reversed(operations):
        if isinstance(operation, Batch):
            return True
        if isinstance(operation, Map | Shuffle):
            return False
    return False


def cardinality(length: int | float | None, operations: Iterable[Operation]) -> int | float | None:
    """How many elements the operations make of ``length``: None when unknown, infinity without end.

    >>> cardinality(10, [Repeat(2), Batch(8, drop_remainder=False)])
    3
    """
    count: int | float | None = length
    for operation in operations:
        match operation:
            case Repeat(count=0):
                count = 0
            case Repeat():
                times = math.inf if operation.count is None else operation.count
                count = count * times if count else count
            case Batch() if count is not None and count != math.inf:
                count = count // operation.size if operation.drop_remainder else -(-count // operation.size)
            case Take():
                count = None if count is None else min(count, operation.count)
            case Skip():
                count = None if count is None else max(count - operation.count, 0)
            case Shard() if count is not None and count != math.inf:
                count = max(-(-(int(count) - operation.index) // operation.count), 0)
            case Filter() | Keep() | TakeWhile() | Unbatch():
                count = None if count else count
            case _:
                pass
    return count
