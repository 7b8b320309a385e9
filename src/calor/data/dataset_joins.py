"""Several datasets that become one, and one that becomes several: zip, concatenate, interleave, window."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import jax
import numpy as np

from calor.data import joins
from calor.data.combined import Concatenated, Numbers, Zipped
from calor.data.dataset_core import DatasetCore, check_dataset, derived, whole
from calor.data.maps import Stage
from calor.data.source import ArraySource
from calor.errors import ArgumentError, DataError


class DatasetJoins(DatasetCore):
    """The part of ``Dataset`` that puts datasets together."""

    @classmethod
    def zip(cls, *datasets: Any) -> Self:
        """The elements of several datasets beside each other, as many as the shortest has.

        Args:
            datasets: the datasets, or one tuple or dict of them, of which each element is then one.

        Raises:
            ArgumentError: something that is no dataset.

        >>> from calor.data import Dataset
        >>> letters = Dataset.from_arrays([10, 20, 30])
        >>> [(int(a), int(b)) for a, b in Dataset.zip(Dataset.range(5), letters)]
        [(0, 10), (1, 20), (2, 30)]
        >>> len(Dataset.zip((Dataset.range(5), letters)))
        3
        """
        tree = datasets[0] if len(datasets) == 1 else datasets
        parts, structure = jax.tree.flatten(tree)
        for part in parts:
            check_dataset("zip", part)
        if not parts:
            raise ArgumentError("zip needs datasets.")
        if all(part._by_number for part in parts):
            return cls(Zipped(jax.tree.map(lambda part: part._as_source(), tree)))
        batched = all(part.batched for part in parts)

        def begin(entropy: Sequence[int], pass_: int) -> Iterator[Any]:
            iterators = [part._elements((*entropy, number + 1), pass_) for number, part in enumerate(parts)]
            return joins.zipped(structure, iterators, batched=batched)

        def length() -> int | float | None:
            counts = [part._count() for part in parts]
            return None if None in counts else min(counts)

        return cls(derived("the zipped dataset", begin, length, parts, batched=batched))

    def concatenate(self, dataset: DatasetCore) -> Self:
        """The elements of this dataset, then those of another of the same structure.

        Raises:
            DataError: when it is planned or read: the elements differ in shape or type.

        >>> from calor.data import Dataset
        >>> [int(x) for x in Dataset.range(2).concatenate(Dataset.range(7, 9))]
        [0, 1, 7, 8]
        """
        check_dataset("concatenate", dataset)
        parts: list[DatasetCore] = [self, dataset]
        if all(part._by_number for part in parts):
            return type(self)(Concatenated([part._as_source() for part in parts]))
        if self.batched is not dataset.batched:
            raise ArgumentError(
                "concatenate() of a dataset of batches and one of single elements: batch both, or none."
            )

        def begin(entropy: Sequence[int], pass_: int) -> Iterator[Any]:
            return joins.concatenated(
                [part._elements((*entropy, number + 1), pass_) for number, part in enumerate(parts)]
            )

        def length() -> int | float | None:
            first, second = self._count(), dataset._count()
            return None if first is None or second is None else first + second

        return type(self)(derived("the concatenated dataset", begin, length, parts, batched=self.batched))

    def enumerate(self, start: int = 0) -> Self:
        """(number, element): the elements numbered from ``start``, int32.

        >>> from calor.data import Dataset
        >>> [(int(i), float(x)) for i, x in Dataset.from_arrays([0.5, 0.25]).enumerate(start=1)]
        [(1, 0.5), (2, 0.25)]
        """
        start = whole("enumerate", "start", start, least=None)
        if self._by_number:
            return type(self)(Zipped((Numbers(range(start, (1 << 31) - 1)), self._as_source())))

        def begin(entropy: Sequence[int], pass_: int) -> Iterator[Any]:
            for number, element in enumerate(self._elements((*entropy, 1), pass_), start):
                yield np.int32(number), element

        return type(self)(derived("the numbered dataset", begin, self._count, [self], batched=False))

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: int | None = None,
        block_length: int = 1,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> Self:
        """Make a dataset of each element, and take elements from them in turn.

        Args:
            map_func: takes the parts of an element, NumPy arrays, and returns a ``Dataset``.
            cycle_length: from how many to take in turn; 4 by default. (tf.data takes the number of cores, with which
                the order would change from machine to machine.)
            block_length: how many elements in a row to take from each.
            num_parallel_calls: for tf.data's sake.
            deterministic: for tf.data's sake: the order is always the same.

        Raises:
            DataError: when it is read: the function fails or returns no dataset.

        >>> from calor.data import Dataset
        >>> rows = Dataset.range(1, 4).interleave(lambda x: Dataset.from_tensors(x).repeat(3), 2, 2)
        >>> [int(x) for x in rows]
        [1, 1, 2, 2, 1, 2, 3, 3, 3]
        """
        cycle = whole("interleave", "cycle_length", 4 if cycle_length in (None, -1) else cycle_length, least=1)
        return self._interleaved(
            map_func, cycle, whole("interleave", "block_length", block_length, least=1), "interleave"
        )

    def flat_map(self, map_func: Callable[..., Any]) -> Self:
        """Make a dataset of each element, and take all elements of one after those of the other.

        Args:
            map_func: takes the parts of an element, NumPy arrays, and returns a ``Dataset``.

        Raises:
            DataError: when it is read: the function fails or returns no dataset.

        >>> from calor.data import Dataset
        >>> [int(x) for x in Dataset.range(4).flat_map(Dataset.range)]
        [0, 0, 1, 0, 1, 2]
        """
        return self._interleaved(map_func, 1, 1, "flat_map")

    def _interleaved(self, function: Callable[..., Any], cycle: int, block: int, role: str) -> Self:
        if not callable(function):
            raise ArgumentError(f"{role} needs a function, not {function!r}.")
        stage = Stage(function, 0, batched=False, keyed=False, frozen=False, role=role)

        def begin(entropy: Sequence[int], pass_: int) -> Iterator[Any]:
            def opened(number: int, element: Any) -> Iterator[Any]:
                try:
                    inner = stage(element)
                except Exception as error:
                    raise DataError(
                        f"{stage.title} fails on element {number}: {type(error).__name__}: {error}"
                    ) from error
                if not isinstance(inner, DatasetCore):
                    raise DataError(f"{stage.title} must return a Dataset, and returned {inner!r:.80}.")
                feed.found_batched = inner.batched
                return inner._elements((*entropy, 2, number + 1), pass_)

            return joins.interleaved(self._elements((*entropy, 1), pass_), opened, cycle, block)

        feed = derived(f"the dataset of {role}", begin, lambda: None, [self], batched=None)
        return type(self)(feed)

    def window(self, size: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = False) -> Self:
        """Datasets of ``size`` elements in a row, for ``flat_map`` to make elements of.

        Args:
            size: elements in a window.
            shift: by how many elements each window begins after the one before; ``size`` by default.
            stride: take every ``stride``-th element only.
            drop_remainder: leave out the last windows that have fewer elements.

        >>> from calor.data import Dataset
        >>> windows = Dataset.range(5).window(3, shift=1, drop_remainder=True)
        >>> [x.tolist() for x in windows.flat_map(lambda window: window.batch(3))]
        [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
        """
        size = whole("window", "size", size, least=1)
        shift = size if shift is None else whole("window", "shift", shift, least=1)
        stride = whole("window", "stride", stride, least=1)

        def begin(entropy: Sequence[int], pass_: int) -> Iterator[Any]:
            elements = self._elements((*entropy, 1), pass_)
            for columns in joins.windows(elements, size, shift, stride, drop_remainder=bool(drop_remainder)):
                yield jax.tree.map(lambda column: type(self)(ArraySource(column)), columns)

        def length() -> int | float | None:
            count = self._count()
            if count is None or count == math.inf:
                return count
            return max(-(-(int(count) - ((size - 1) * stride if drop_remainder else 0)) // shift), 0)

        return type(self)(derived("the dataset of windows", begin, length, [self], batched=False))
