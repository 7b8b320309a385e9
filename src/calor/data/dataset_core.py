"""What a dataset is: a source, operations on it, and what follows from the two: its elements and their number."""

import math
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from calor.data.combined import View
from calor.data.eager import feed_elements, source_elements
from calor.data.explain import Description
from calor.data.feed import DerivedFeed, Feed, batched_already
from calor.data.memory import available_memory
from calor.data.operations import (
    Batch,
    Filter,
    Operation,
    Unbatch,
    cardinality,
    last_batching,
    name_of,
    settled,
)
from calor.data.pipeline import Pipeline, pipeline
from calor.data.schedule import Finite, schedule
from calor.data.source import Source
from calor.errors import ArgumentError, DataError

INFINITE = -1
"""What ``Dataset.cardinality`` returns for a dataset that repeats for ever."""

UNKNOWN = -2
"""What ``Dataset.cardinality`` returns where only reading to the end could tell."""


class UnknownLengthError(DataError, TypeError):
    """The dataset has no length: it repeats for ever, or only reading it to the end could tell."""


class DatasetCore:
    """The part of ``Dataset`` that holds the description and goes through it.

    Args:
        source: the examples.
        operations: what happens to them, in order.
        positions: which of the source's examples the dataset has, None for all.
    """

    def __init__(
        self, source: Source | Feed, operations: tuple[Operation, ...] = (), positions: np.ndarray | None = None
    ) -> None:
        if not isinstance(source, Source | Feed):
            raise ArgumentError(
                "A Dataset is made with Dataset.from_arrays(x, y), from_image_folder(directory), from_generator(...) "
                f"or from_batches(...), and not of {type(source).__name__} directly."
            )
        self._source = source
        self._operations = operations
        self._positions = positions
        self._passes = 0

    def __iter__(self) -> Iterator[Any]:
        pass_, self._passes = self._passes, self._passes + 1
        return self._elements((0,), pass_)

    def _elements(self, entropy: Sequence[int], pass_: int) -> Iterator[Any]:
        """The elements of a pass; the integers ``entropy`` fix what is random."""
        if isinstance(self._source, Source):
            return source_elements(self._ready(), entropy, pass_)
        if isinstance(self._source, DerivedFeed) and not self._operations:
            # Also windows, which are no arrays.
            return (element for _, element in self._source.items(entropy, pass_))
        return feed_elements(self._source, self._operations, entropy, pass_)

    def _ready(self) -> Pipeline:
        assert isinstance(self._source, Source)
        return pipeline(self._source, self._operations, available_memory() // 2, self._positions)

    def __len__(self) -> int:
        """The number of elements, or of batches after ``batch``.

        Raises:
            UnknownLengthError: there is none; it is a TypeError too, as for other iterables without a length.
        """
        length = self.cardinality()
        if length == INFINITE:
            raise UnknownLengthError("The dataset repeats for ever and has no length: use take(), or repeat(count).")
        if length == UNKNOWN:
            raise UnknownLengthError("The length of this dataset is not known before it is read to the end.")
        return length

    def __bool__(self) -> bool:
        # Without this, ``if dataset:`` would decode a whole folder to find its length.
        return True

    def __repr__(self) -> str:
        steps = "".join(f".{name_of(operation)}" for operation in self._operations)
        if isinstance(self._source, DerivedFeed):
            return f"<{self._source.name.capitalize()}{steps}>"
        return f"<Dataset of {re.sub('Source|Feed', '', type(self._source).__name__).lower()}{steps}>"

    def cardinality(self) -> int:
        """The number of elements; ``INFINITE`` (-1) or ``UNKNOWN`` (-2) where there is none, as in tf.data."""
        count = self._count()
        return UNKNOWN if count is None else INFINITE if count == math.inf else int(count)

    def _count(self) -> int | float | None:
        kinds = set(map(type, self._operations))
        if isinstance(self._source, Source) and Unbatch in kinds and Filter not in kinds:
            order = schedule(self._operations, self._all_positions(), (0,))
            return order.length if isinstance(order, Finite) else math.inf
        return cardinality(self._source.length if self._positions is None else len(self._positions), self._operations)

    @property
    def batched(self) -> bool:
        """Whether the elements are batches."""
        last = last_batching(self._operations)
        return isinstance(last, Batch) or (last is None and isinstance(self._source, Feed) and self._source.batched)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes in the order of their labels, where known."""
        return self._source.class_names

    def _check_unbatched(self) -> None:
        # What interleave gives would have to be begun to be known: that is checked when it is planned.
        unknown = isinstance(self._source, DerivedFeed) and self._source.found_batched is None
        if (not unknown or last_batching(self._operations) is not None) and self.batched:
            raise batched_already()

    def _then(self, operation: Operation) -> Self:
        return type(self)(self._source, (*self._operations, operation), self._positions)

    @property
    def _description(self) -> Description:
        return Description(self._source, self._operations, self._positions)

    @property
    def _by_number(self) -> bool:
        """Whether the elements and their order never change, and each can be read by its number."""
        return isinstance(self._source, Source) and settled(self._operations)

    def _as_source(self) -> Source:
        assert isinstance(self._source, Source)
        plain = not self._operations and self._positions is None
        return self._source if plain else View(self._source, self._operations, self._positions)

    def _as_feed(self) -> Self:
        """The same elements, one after the other."""
        if isinstance(self._source, Feed):
            return self
        feed = derived("the dataset", self._elements, self._count, [self], batched=self.batched)
        return type(self)(feed)

    def _all_positions(self) -> np.ndarray:
        assert isinstance(self._source, Source)
        return np.arange(self._source.length, dtype=np.int32) if self._positions is None else self._positions


def derived(
    name: str,
    begin: Callable[[Sequence[int], int], Iterator[Any]],
    length: Callable[[], int | float | None],
    parts: Sequence[DatasetCore],
    *,
    batched: bool | None,
) -> DerivedFeed:
    """What datasets give together; arguments as in ``DerivedFeed``."""
    feeds = [part._source for part in parts if isinstance(part._source, Feed)]
    return DerivedFeed(
        name,
        begin,
        length,
        [part._description for part in parts],
        batched=batched,
        once=any(feed.once for feed in feeds),
        replayable=all(feed.replayable for feed in feeds),
        class_names=next((part.class_names for part in parts if part.class_names is not None), None),
    )


def check_dataset(method: str, value: Any) -> None:
    """Insist on a dataset as the argument of a method."""
    if not isinstance(value, DatasetCore):
        raise ArgumentError(f"{method} needs a Dataset, not {type(value).__name__}.")


def whole(method: str, name: str, value: Any, *, least: int | None) -> int:
    """The whole number that is a method's argument, at least so large."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(f"{method}({name}={value!r}): a whole number is needed.") from None
    if least is not None and number < least:
        raise ArgumentError(f"{method}({name}={number}): it must be at least {least}.")
    return number
