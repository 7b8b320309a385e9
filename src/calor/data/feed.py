"""Examples that come one after the other, from a Python generator or the like, and cannot be read by number."""

import contextlib
import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from calor.data.cursor import Block
from calor.data.maps import HostStage, Resolver, Stage, on_host, row_of, with_axis
from calor.data.operations import (
    Batch,
    Cache,
    Filter,
    Map,
    Operation,
    PaddedBatch,
    Repeat,
    Shard,
    Shuffle,
    Skip,
    Take,
    TakeWhile,
    Unbatch,
    cardinality,
    last_batching,
)
from calor.data.padding import padded, padded_spec
from calor.data.schedule import PASS_BITS, Deck
from calor.data.signature import conforming
from calor.data.source import as_arrays, size_in_bytes, spec_of
from calor.data.stream import batches_per_block, entropy_key, joined
from calor.errors import ArgumentError, DataError

Item = tuple[np.ndarray, Any]
"""Running numbers, () or (batch,), with the element or the batch that they number."""


@dataclass(frozen=True)
class Kept:
    """The elements of a ``cache``.

    Attributes:
        operations: those before it; kept, as their ids name the elements and must not be given to others.
        seed: the integers that fixed the elements, None where none did.
        items: the elements.
    """

    operations: tuple[Operation, ...]
    seed: tuple[int, ...] | None
    items: list[Item]


class Feed(ABC):
    """Elements that come one after the other, pass by pass.

    Attributes:
        name: what it is, in messages.
        once: whether it can be read once only.
        replayable: whether a pass can be begun at any time: nothing runs then but Calor and functions given to it.
        class_names: the classes in the order of their labels, where known.
        memo: what a ``cache`` keeps, with the operations before it.
    """

    name = "the generator"
    once = False
    replayable = False
    class_names: tuple[str, ...] | None = None

    def __init__(self) -> None:
        self.memo: dict[tuple[int, ...], Kept] = {}
        self._first: Any = None
        self._peeked: Iterator[Any] | None = None

    @property
    @abstractmethod
    def batched(self) -> bool:
        """Whether the elements are batches."""

    @property
    @abstractmethod
    def length(self) -> int | float | None:
        """The number of elements: None where it is not known, infinity without end."""

    @abstractmethod
    def begin(self, entropy: Sequence[int], pass_: int) -> Iterator[Any]:
        """The elements of a pass, trees of arrays; the integers ``entropy`` fix what is random."""

    @property
    def seedless(self) -> bool:
        """Whether no seed changes the elements: the pass that gave the first one may be gone on with in any run."""
        return self.once

    def first(self) -> Any:
        """The first element that there ever was; a pass begins with it all the same.

        Raises:
            NoElementsError: there are no elements.
        """
        if self._first is None:
            elements = self.begin((0,), 0)
            try:
                self._first = next(elements)
            except StopIteration:
                used = " It can be read once only: has it been used before?" if self.once else ""
                raise NoElementsError(f"{_sentence(self.name)} gives no elements.{used}") from None
            if self.seedless:
                self._peeked = itertools.chain([self._first], elements)
        return self._first

    def items(self, entropy: Sequence[int], pass_: int) -> Iterator[Item]:
        """The elements of a pass, numbered from 0."""
        elements, self._peeked = self._peeked or self.begin(entropy, pass_), None
        number = 0
        for element in elements:
            size = len(jax.tree.leaves(element)[0]) if self.batched else 1
            numbers = np.arange(number, number + size, dtype=np.int32)
            number += size
            yield (numbers if self.batched else numbers[0]), element


class NoElementsError(DataError):
    """There is nothing to go through."""


class GeneratorFeed(Feed):
    """What a user's code gives: a function that returns an iterable, an iterable, or a sequence.

    A sequence is anything with ``len`` and indices, Keras' ``Sequence`` and ``PyDataset`` among them (their
    ``on_epoch_end`` is called). An iterator, such as a generator that runs already, can be read once only.

    Args:
        source: one of these.
        batched: whether the elements are batches.
        signature: shapes and types that the elements must have, None where they are taken as they come; types are
            converted, and None in a shape stands for any size.

    Raises:
        ArgumentError: it is none of these.
    """

    def __init__(self, source: Any, *, batched: bool, signature: Any = None) -> None:
        super().__init__()
        self._batched = batched
        self._source = source
        self._signature = signature
        self._sequence = hasattr(source, "__getitem__") and hasattr(source, "__len__")
        mapping = isinstance(source, Mapping)
        if mapping or not (self._sequence or callable(source) or isinstance(source, Iterable)):
            raise ArgumentError(
                "The elements must come from a generator, a function that returns one, or a sequence, "
                f"not from {type(source).__name__}."
            )
        self.once = isinstance(source, Iterator)

    @property
    def batched(self) -> bool:
        return self._batched

    @property
    def seedless(self) -> bool:
        # A user's code may cost something, or do something, when it is started again.
        return True

    @property
    def length(self) -> int | None:
        return len(self._source) if self._sequence else None

    def begin(self, entropy: Sequence[int], pass_: int) -> Iterator[Any]:
        if self._sequence:
            elements = self._indexed()
        else:
            elements = iter(self._source() if callable(self._source) else self._source)
        return map(self._element, elements)

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
        if self._signature is not None:
            return conforming(value, self._signature)
        element = as_arrays(value, "What the generator gives")
        if self.batched:
            shapes = [leaf.shape for leaf in jax.tree.leaves(element)]
            if len({shape[:1] for shape in shapes}) != 1 or not shapes[0] or shapes[0][0] == 0:
                raise DataError(f"The generator gives a batch whose arrays have different lengths or none: {shapes}.")
        return element


class DerivedFeed(Feed):
    """What other datasets give, put together.

    Args:
        name: what it is, in messages: "the zipped dataset".
        make: gives the elements of a pass, by the integers that fix what is random, and the pass.
        length: gives the number of elements.
        inputs: the datasets, for ``explain``.
        batched: whether the elements are batches; None where ``found_batched`` says so with the first element.
        once, replayable, class_names: as in ``Feed``.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[Sequence[int], int], Iterator[Any]],
        length: Callable[[], int | float | None],
        inputs: Sequence[Any],
        *,
        batched: bool | None,
        once: bool,
        replayable: bool,
        class_names: tuple[str, ...] | None,
    ) -> None:
        super().__init__()
        self.name = name
        self.inputs = tuple(inputs)
        self.found_batched = batched
        self.once = once
        self.replayable = replayable
        self.class_names = class_names
        self._make = make
        self._length = length

    def begin(self, entropy: Sequence[int], pass_: int) -> Iterator[Any]:
        return self._make(entropy, pass_)

    @property
    def batched(self) -> bool:
        if self.found_batched is None:
            with contextlib.suppress(NoElementsError):
                self.first()
        return bool(self.found_batched)

    @property
    def length(self) -> int | float | None:
        return self._length()


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
        self._entropy = tuple(entropy)
        first = feed.first()
        if any(not hasattr(leaf, "shape") for leaf in jax.tree.leaves(first)):
            raise ArgumentError(
                "The elements are windows, which are datasets themselves: make elements of them first, with "
                "flat_map(lambda window: window.batch(5)), say."
            )
        batchings = (operation for operation in operations if isinstance(operation, Batch | Unbatch))
        if feed.batched and isinstance(next(batchings, None), Batch):
            raise batched_already()
        resolver = Resolver(operations, spec_of(first), lambda: first, batched=feed.batched)
        for place in range(len(operations)):
            resolver.resolve(place)
        self.spec = resolver.spec
        self.stages = stages = resolver.stages
        hosts = stages[: max(on_host(stages), _maps_before_the_last_look(operations))]
        self.hosts = [HostStage(stage) for stage in hosts]
        self.program = tuple(stages[len(hosts) :])
        self._predicates = {place: HostStage(stage) for place, stage in resolver.predicates.items()}
        self._decks = {
            place: Deck(entropy if operation.seed is None else (operation.seed,), place)
            for place, operation in enumerate(operations)
            if isinstance(operation, Shuffle)
        }
        batching = last_batching(operations)
        self.batch_size: int | None = None
        if isinstance(batching, Batch):
            self.batch_size = batching.size
        elif batching is None and feed.batched:
            self.batch_size = len(jax.tree.leaves(first)[0])
        self.batch_bytes = size_in_bytes(_handed(spec_of(first), operations, hosts))
        steps = cardinality(feed.length, operations) if feed.replayable else None
        self._steps = steps if isinstance(steps, int) else None

    def items(self, pass_: int = 0, clock: dict[int, float] | None = None) -> Iterator[Item]:
        """The elements of a pass, all operations applied but the maps in ``program``.

        Args:
            pass_: its number.
            clock: the seconds that go by in each operation are added here, by its place and with those before it; the
                feed's own are at -1.
        """
        return self._after(len(self._operations), pass_, clock)

    def _after(self, count: int, pass_: int, clock: dict[int, float] | None) -> Iterator[Item]:
        """The items after the first ``count`` operations."""
        items = self._applied(count, pass_, clock)
        return items if clock is None else _timed(items, clock, count - 1)

    def _applied(self, count: int, pass_: int, clock: dict[int, float] | None) -> Iterator[Item]:
        if count == 0:
            return self._feed.items(self._entropy, pass_)
        place = count - 1
        operation = self._operations[place]
        before = partial(self._after, place, clock=clock)
        match operation:
            case Map():
                number = sum(isinstance(earlier, Map) for earlier in self._operations[:place])
                return self._mapped(number, before(pass_), pass_)
            case Cache():
                return self._cached(count, before)
            case Shuffle():
                generator = self._decks[place].to(pass_ if operation.reshuffle else 0)
                return _window(before(pass_), operation.buffer_size, generator)
            case Repeat():
                return _repeated(before, operation.count, pass_)
            case Batch():
                return _batched(before(pass_), operation)
            case Take():
                return itertools.islice(before(pass_), operation.count)
            case Skip():
                return itertools.islice(before(pass_), operation.count, None)
            case Shard():
                return itertools.islice(before(pass_), operation.index, None, operation.count)
            case Unbatch():
                return _unbatched(before(pass_))
            case Filter():
                return self._tested(place, before(pass_))
            case _:
                assert isinstance(operation, TakeWhile)
                return itertools.takewhile(partial(self._true, place), before(pass_))

    def _mapped(self, number: int, items: Iterator[Item], pass_: int) -> Iterator[Item]:
        if number >= len(self.hosts):
            yield from items
            return
        host = self.hosts[number]
        run: Any = entropy_key((*self._entropy, pass_)) if host.stage.keyed else None
        for step, (numbers, element) in enumerate(items):
            key = None
            if host.stage.keyed:
                keys = host.stage.keys(np.atleast_1d(numbers), jax.random.fold_in(run, step))
                key = keys if host.stage.batched else keys[0]
            yield numbers, host(element, f"element {step} of {self._feed.name}", key)

    def _tested(self, place: int, items: Iterator[Item]) -> Iterator[Item]:
        return filter(partial(self._true, place), items)

    def _true(self, place: int, item: Item) -> bool:
        numbers, element = item
        where = f"the element that comes from number {np.ravel(numbers)[0]} of {self._feed.name}"
        return bool(self._predicates[place](element, where, None))

    def _cached(self, count: int, before: Callable[[int], Iterator[Item]]) -> Iterator[Item]:
        operations = self._operations[: count - 1]
        shuffled = any(isinstance(operation, Shuffle) and operation.seed is None for operation in operations)
        seed = self._entropy if (shuffled or not self._feed.seedless) and not self._feed.once else None
        name = tuple(map(id, operations))
        kept = self._feed.memo.get(name)
        if kept is None or kept.seed != seed:
            items = []
            for item in before(0):
                items.append(item)
                yield item
            self._feed.memo[name] = Kept(operations, seed, items)
            return
        yield from kept.items

    def blocks(self, memory_limit: int, step: int) -> Iterator[Block | None]:
        """The blocks of a run from a step on, with None after each pass."""
        batch_size = self.batch_size or 1
        batches = min(batches_per_block(self.batch_bytes, memory_limit), 8)
        # Where nothing but time is lost, the passes before are left out; a user's generator is told of each.
        first, step = divmod(step, self._steps) if self._steps else (0, step)
        for pass_ in itertools.count(first):
            items = self.items(pass_)
            skipped = sum(1 for _ in itertools.islice(items, step))
            step -= skipped
            given = False
            while group := list(itertools.islice(items, batches)):
                given = True
                # A batch may be larger than the first was; the columns grow then, and stay as large.
                batch_size = max(batch_size, *(len(numbers) for numbers, _ in group))
                yield _block(group, batches, batch_size, self._feed.name)
            if given:
                yield None
            elif not skipped:
                return


def batched_already() -> ArgumentError:
    """The error to raise where batches are to be batched."""
    return ArgumentError(
        "The dataset is batched already: its elements are batches. Call batch() once, or unbatch() before."
    )


def _maps_before_the_last_look(operations: Sequence[Operation]) -> int:
    """How many maps come before the last operation that needs an element's values, or a batch as it is."""
    maps = looked = 0
    for operation in operations:
        maps += isinstance(operation, Map)
        if isinstance(operation, Filter | TakeWhile | Unbatch | PaddedBatch):
            looked = maps
    return looked


def _handed(spec: Any, operations: Sequence[Operation], hosts: Sequence[Stage]) -> Any:
    """Shapes and types of an element in the end, when only the maps that run on the host are applied."""
    maps = 0
    for operation in operations:
        match operation:
            case Map():
                spec = hosts[maps].gives if maps < len(hosts) else spec
                maps += 1
            case PaddedBatch():
                spec = padded_spec(spec, operation)
            case Batch():
                spec = with_axis(spec, operation.size)
            case Unbatch():
                spec = spec_of(spec, axis=1)
            case _:
                pass
    return spec


def _block(group: Sequence[Item], batches: int, batch_size: int, name: str) -> Block:
    try:
        columns = joined([element for _, element in group], batches * batch_size)
    except ValueError as error:
        raise DataError(f"{_sentence(name)} must give arrays of the same shapes in every batch: {error}.") from error
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
        elements = [element for _, element in group]
        if isinstance(operation, PaddedBatch):
            columns = padded(elements, operation)
        else:
            try:
                columns = jax.tree.map(lambda *leaves: np.stack(leaves), *elements)
            except ValueError as error:
                raise DataError(
                    f"Elements must have the same shape to be batched, or be batched with padded_batch(): {error}."
                ) from error
        yield np.array([number for number, _ in group], np.int32), columns


def _unbatched(items: Iterator[Item]) -> Iterator[Item]:
    number = 0
    for _, batch in items:
        sizes = {len(leaf) for leaf in jax.tree.leaves(batch)}
        if len(sizes) > 1:
            raise DataError(f"unbatch() needs arrays of the same length in each element, not {sorted(sizes)}.")
        for row in range(*sizes):
            yield np.array(number, np.int32), row_of(batch, row)
            number += 1


def _timed(items: Iterator[Item], clock: dict[int, float], place: int) -> Iterator[Item]:
    while True:
        start = time.perf_counter()
        item = next(items, None)
        clock[place] = clock.get(place, 0.0) + time.perf_counter() - start
        if item is None:
            return
        yield item


def _sentence(name: str) -> str:
    return name[0].upper() + name[1:]
