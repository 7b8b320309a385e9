"""Examples that come one after the other, from a Python generator or the like, and cannot be read by number."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from calor.data.cursor import Block
from calor.data.maps import HostStage, resolve
from calor.data.operations import Batch, Cache, Map, Operation, Repeat, Shuffle, Skip, Take
from calor.data.schedule import PASS_BITS, Deck
from calor.data.source import as_arrays, size_in_bytes, spec_of
from calor.data.stream import batches_per_block, entropy_key, joined
from calor.errors import ArgumentError, DataError

Item = tuple[np.ndarray, Any]
"""Running numbers, () or (batch,), with the element or the batch that they number."""


class Feed:
    """What gives the elements: a function that returns an iterable, an iterable, or a sequence.

    A sequence is anything with ``len`` and indices, Keras' ``Sequence`` and ``PyDataset`` among them (their
    ``on_epoch_end`` is called). An iterator, such as a generator that runs already, can be read once only.

    Args:
        source: one of these.
        batched: whether the elements are batches.

    Raises:
        ArgumentError: it is none of these.
    """

    def __init__(self, source: Any, *, batched: bool) -> None:
        self.batched = batched
        self.memo: dict[int, list[Item]] = {}
        self.length: int | None = None
        self._source = source
        self._first: Any = None
        self._peeked: Iterator[Any] | None = None
        self._sequence = hasattr(source, "__getitem__") and hasattr(source, "__len__")
        if self._sequence and not isinstance(source, Mapping):
            self.length = len(source)
        elif isinstance(source, Mapping) or not (callable(source) or isinstance(source, Iterable)):
            raise ArgumentError(
                "The elements must come from a generator, a function that returns one, or a sequence, "
                f"not from {type(source).__name__}."
            )

    @property
    def once(self) -> bool:
        """Whether it can be read once only."""
        return isinstance(self._source, Iterator)

    def first(self) -> Any:
        """The first element that there ever was; a pass begins with it all the same.

        Raises:
            DataError: there are no elements.
        """
        if self._first is None:
            elements = self._begin()
            try:
                value = next(elements)
            except StopIteration:
                used = " It can be read once only: has it been used before?" if self.once else ""
                raise DataError(f"The generator gives no elements.{used}") from None
            self._first = self._element(value)
            self._peeked = itertools.chain([value], elements)
        return self._first

    def items(self) -> Iterator[Item]:
        """The elements of a pass, numbered from 0."""
        elements, self._peeked = self._peeked or self._begin(), None
        number = 0
        for value in elements:
            element = self._element(value)
            size = len(jax.tree.leaves(element)[0]) if self.batched else 1
            numbers = np.arange(number, number + size, dtype=np.int32)
            number += size
            yield (numbers if self.batched else numbers[0]), element

    def _begin(self) -> Iterator[Any]:
        if self._sequence:
            return self._indexed()
        return iter(self._source() if callable(self._source) else self._source)

    def _indexed(self) -> Iterator[Any]:
        for index in range(len(self._source)):
            yield self._source[index]
        if hasattr(self._source, "on_epoch_end"):
            self._source.on_epoch_end()

    def _element(self, value: Any) -> Any:
        value = tuple(value) if isinstance(value, list) else value
        # (x, y, None) is how Keras' generators say that there are no weights.
        value = tuple(part for part in value if part is not None) if isinstance(value, tuple) else value
        value = value[0] if isinstance(value, tuple) and len(value) == 1 else value
        element = as_arrays(value, "What the generator gives")
        if self.batched:
            shapes = [leaf.shape for leaf in jax.tree.leaves(element)]
            if len({shape[:1] for shape in shapes}) != 1 or not shapes[0] or shapes[0][0] == 0:
                raise DataError(f"The generator gives a batch whose arrays have different lengths or none: {shapes}.")
        return element


class FeedRun:
    """A run over a feed: its elements with the operations applied.

    Args:
        feed: the elements.
        operations: the dataset's.
        entropy: fixes the shuffles and the keys of functions that run on the host.

    Attributes:
        program: the stages that are left to the compiled program.
        spec: shapes and types of an element in the end.
    """

    def __init__(self, feed: Feed, operations: Sequence[Operation], entropy: Sequence[int] = (0,)) -> None:
        self._feed = feed
        self._operations = tuple(operations)
        first = feed.first()
        self.stages, self.spec = resolve(operations, spec_of(first), lambda: first, batched=feed.batched)
        last = max((place + 1 for place, stage in enumerate(self.stages) if not stage.traceable), default=0)
        self._hosts = [HostStage(stage) for stage in self.stages[:last]]
        self.program = tuple(self.stages[last:])
        self._decks = {
            place: Deck(entropy if operation.seed is None else (operation.seed,), place)
            for place, operation in enumerate(operations)
            if isinstance(operation, Shuffle)
        }
        self._key = entropy_key(entropy)
        sizes = [operation.size for operation in operations if isinstance(operation, Batch)]
        self.batch_size = sizes[0] if sizes else len(jax.tree.leaves(first)[0]) if feed.batched else None
        handed = self._hosts[-1].stage.gives if self._hosts else spec_of(first)
        whole = feed.batched or (bool(self._hosts) and self._hosts[-1].stage.batched)
        self.batch_bytes = size_in_bytes(handed) * (1 if whole else self.batch_size or 1)

    def items(self, pass_: int = 0) -> Iterator[Item]:
        """The elements of a pass, all operations applied but the maps in ``program``."""
        return self._after(len(self._operations), pass_)

    def _after(self, count: int, pass_: int) -> Iterator[Item]:
        """The items after the first ``count`` operations."""
        if count == 0:
            return self._feed.items()
        operation = self._operations[count - 1]
        before = partial(self._after, count - 1)
        match operation:
            case Map():
                number = sum(isinstance(earlier, Map) for earlier in self._operations[: count - 1])
                return self._mapped(number, before(pass_), pass_)
            case Cache():
                return self._cached(count, before)
            case Shuffle():
                generator = self._decks[count - 1].to(pass_ if operation.reshuffle else 0)
                return _window(before(pass_), operation.buffer_size, generator)
            case Repeat():
                return _repeated(before, operation.count, pass_)
            case Batch():
                return _batched(before(pass_), operation)
            case Take():
                return itertools.islice(before(pass_), operation.count)
            case Skip():
                return itertools.islice(before(pass_), operation.count, None)

    def _mapped(self, number: int, items: Iterator[Item], pass_: int) -> Iterator[Item]:
        if number >= len(self._hosts):
            yield from items
            return
        host = self._hosts[number]
        for step, (numbers, element) in enumerate(items):
            key = None
            if host.stage.keyed:
                base = jax.random.fold_in(jax.random.fold_in(self._key, pass_ % (1 << 31)), step)
                keys = host.stage.keys(np.atleast_1d(numbers), base)
                key = keys if host.stage.batched else keys[0]
            yield numbers, host(element, f"element {step} of the generator", key)

    def _cached(self, count: int, before: Callable[[int], Iterator[Item]]) -> Iterator[Item]:
        if count not in self._feed.memo:
            items = []
            for item in before(0):
                items.append(item)
                yield item
            self._feed.memo[count] = items
            return
        yield from self._feed.memo[count]

    def blocks(self, memory_limit: int, step: int) -> Iterator[Block | None]:
        """The blocks of a run from a step on, with None after each pass."""
        batch_size = self.batch_size or 1
        batches = min(batches_per_block(self.batch_bytes, memory_limit), 8)
        for pass_ in itertools.count():
            items = self.items(pass_)
            skipped = sum(1 for _ in itertools.islice(items, step))
            step -= skipped
            given = False
            while group := list(itertools.islice(items, batches)):
                given = True
                # A batch may be larger than the first was; the columns grow then, and stay as large.
                batch_size = max(batch_size, *(len(numbers) for numbers, _ in group))
                yield _block(group, batches, batch_size)
            if given:
                yield None
            elif not skipped:
                return


def _block(group: Sequence[Item], batches: int, batch_size: int) -> Block:
    try:
        columns = joined([element for _, element in group], batches * batch_size)
    except ValueError as error:
        raise DataError(f"The generator must give arrays of the same shapes in every batch: {error}.") from error
    indices = np.full((len(group), batch_size), -1, np.int32)
    source = indices.copy()
    start = 0
    for row, (numbers, _) in enumerate(group):
        indices[row, : len(numbers)] = np.arange(start, start + len(numbers))
        source[row, : len(numbers)] = numbers
        start += len(numbers)
    return Block(columns, indices, source)


def _window(items: Iterator[Item], size: int, generator: np.random.Generator) -> Iterator[Item]:
    """The items in random order, each drawn from the next ``size`` ones."""
    buffer: list[Item] = []
    for item in items:
        if len(buffer) < size:
            buffer.append(item)
            continue
        place = generator.integers(size)
        drawn, buffer[place] = buffer[place], item
        yield drawn
    for place in generator.permutation(len(buffer)):
        yield buffer[place]


def _repeated(before: Callable[[int], Iterator[Item]], count: int | None, pass_: int) -> Iterator[Item]:
    for number in itertools.count() if count is None else range(count):
        empty = True
        for item in before(pass_ << PASS_BITS | number):
            empty = False
            yield item
        if empty:
            return


def _batched(items: Iterator[Item], operation: Batch) -> Iterator[Item]:
    while group := list(itertools.islice(items, operation.size)):
        if len(group) < operation.size and operation.drop_remainder:
            return
        try:
            columns = jax.tree.map(lambda *leaves: np.stack(leaves), *(element for _, element in group))
        except ValueError as error:
            raise DataError(f"The generator must give elements of the same shape to be batched: {error}.") from error
        yield np.array([number for number, _ in group], np.int32), columns
