"""The operations that a dataset is described by: plain facts, which the planner reads."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias


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


Operation: TypeAlias = Map | Cache | Shuffle | Repeat | Batch | Take | Skip


def cardinality(length: int | None, operations: Iterable[Operation]) -> int | float | None:
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
            case _:
                pass
    return count
