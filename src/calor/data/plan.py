"""What a run needs of a dataset: where the data are, how to take batches of them, and what the program does to them."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from calor.data.cursor import Cursor, StreamingCursor, resident_cursor
from calor.data.feed import Feed, FeedRun
from calor.data.maps import Stage, transform
from calor.data.memory import available_memory
from calor.data.operations import Batch, Operation, cardinality, last_batching
from calor.data.pipeline import pipeline
from calor.data.schedule import Endless, Finite
from calor.data.source import Source, numeric
from calor.data.stream import Reader, batches_per_block
from calor.errors import DataError


@dataclass(frozen=True, eq=False)
class Plan:
    """A dataset as a run consumes it.

    Attributes:
        kind: ``"resident"``: the data lie on the device; ``"streaming"``: threads make blocks of them ahead.
        batch_size: examples in a batch; the last may have fewer.
        steps: batches in a pass; None without end, or where the number is not known.
        endless: whether a pass never ends.
        spec: shapes and types of a batch, as ``transform`` returns it.
    """

    kind: str
    batch_size: int
    steps: int | None
    endless: bool
    spec: Any
    _stages: tuple[Stage, ...] = field(repr=False)
    _begin: Callable[[tuple[int, ...], int], Cursor] = field(repr=False)

    @property
    def transform_key(self) -> Hashable:
        """Equal for plans whose ``transform`` is the same program."""
        return self._stages

    @property
    def varied(self) -> bool:
        """Whether a ``map`` function in the program draws random numbers, as augmentation does."""
        return any(stage.keyed for stage in self._stages)

    @property
    def transform(self) -> Callable[[Any, Any, Any], Any]:
        """``transform(columns, indices, key)``: the batch that the ``map`` functions make.

        Pure, traced inside the compiled step, and without a hold on the data, which a program that is kept would
        keep with it. ``columns`` are the examples, gathered, with a leading axis (batch,); ``indices`` their
        positions in the source, (batch,) int32; ``key`` is this step's random key.
        """
        return partial(transform, self._stages)

    def start(self, entropy: tuple[int, ...], step: int = 0) -> Cursor:
        """Begin a run over the data.

        Args:
            entropy: integers that fix all orders.
            step: batches already consumed; the run goes on exactly as the unbroken one would.
        """
        return self._begin(tuple(number % (1 << 64) for number in entropy), step)


def make_plan(
    source: Source, positions: np.ndarray | None, operations: Sequence[Operation], memory_limit: int | None
) -> Plan:
    """The plan of examples that can be read by number.

    Args:
        source: the examples.
        positions: which of them the dataset has, None for all.
        operations: the dataset's.
        memory_limit: the bytes that the data may take up, by default half of what is available; 0 makes them stream.

    Raises:
        DataError: the dataset is not batched or has no batches, or a ``map`` function does not work.
    """
    limit = available_memory() // 2 if memory_limit is None else memory_limit
    batch_size = _batch_size(operations)
    ready = pipeline(source, operations, limit, positions)
    if not numeric(ready.spec):
        raise DataError("The elements are names of files: map() a function over them that reads the files.")
    order = ready.order((0,))
    endless = isinstance(order, Endless)
    steps = order.length if isinstance(order, Finite) else None
    if steps == 0:
        raise _no_batches()
    resident = ready.host is None and 0 < ready.source.nbytes <= limit
    batches = batches_per_block(ready.batch_bytes(batch_size), limit)

    def begin(entropy: tuple[int, ...], step: int) -> Cursor:
        order = ready.order(entropy)
        if resident:
            return resident_cursor(ready.source.on_device(), order, step)
        reader = Reader(ready.source, ready.host, entropy)
        return StreamingCursor(reader.blocks(order, batches, step), ahead=True)

    kind = "resident" if resident else "streaming"
    return Plan(kind, batch_size, steps, endless, ready.spec, ready.program, begin)


def make_feed_plan(feed: Feed, operations: Sequence[Operation], memory_limit: int | None) -> Plan:
    """The plan of examples from a generator; arguments and exceptions as in ``make_plan``."""
    limit = available_memory() // 2 if memory_limit is None else memory_limit
    run = FeedRun(feed, operations)
    steps = cardinality(feed.length, operations)
    if run.batch_size is None:
        raise _not_batched()
    if steps == 0:
        raise _no_batches()

    def begin(entropy: tuple[int, ...], step: int) -> Cursor:
        # A user's generator may cost something or do something when it is started again.
        return StreamingCursor(FeedRun(feed, operations, entropy).blocks(limit, step), ahead=feed.replayable)

    known = steps if isinstance(steps, int) else None
    return Plan("streaming", run.batch_size, known, isinstance(steps, float), run.spec, run.program, begin)


def _batch_size(operations: Sequence[Operation]) -> int:
    batching = last_batching(operations)
    if not isinstance(batching, Batch):
        raise _not_batched()
    return batching.size


def _no_batches() -> DataError:
    return DataError(
        "The dataset has no batches: too much was skipped, or fewer examples than a batch were dropped "
        "(drop_remainder=True), or the filter left none."
    )


def _not_batched() -> DataError:
    return DataError("The dataset is not batched: call .batch(32), say, before it is trained on.")
