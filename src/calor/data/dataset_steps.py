"""What happens to a dataset's elements one after the other: map, shuffle, batch, filter and the like."""

from collections.abc import Callable
from typing import Any, Self

from calor.data.dataset_core import DatasetCore, whole
from calor.data.operations import (
    Batch,
    Cache,
    Filter,
    Map,
    PaddedBatch,
    Repeat,
    Shard,
    Shuffle,
    Skip,
    Take,
    TakeWhile,
    Unbatch,
    filtered_by_number,
    unbatched_by_number,
)
from calor.data.source import Source
from calor.errors import ArgumentError


class DatasetSteps(DatasetCore):
    """The part of ``Dataset`` whose methods add an operation to the description; none computes anything."""

    def map(
        self, function: Callable[..., Any], num_parallel_calls: int | None = None, deterministic: bool | None = None
    ) -> Self:
        """Replace each element by a function of it; after ``batch``, each batch.

        A function of JAX arrays (``jax.numpy``, arithmetic, indexing) becomes part of the compiled program. One that
        JAX cannot trace (NumPy, Pillow, ``if`` on values) runs on the host, on threads: for every pass while training,
        or once where a ``cache()`` follows.

        Random numbers come from a parameter named ``key``: a JAX random key, a new one for each element in each pass
        (for each batch after ``batch``). Where a ``cache()`` follows, the key is the same in every pass. NumPy's
        random numbers would be drawn once, when the function is traced.

        After ``batch`` a traced function sees the last, smaller batch filled up with copies of its first example.

        Args:
            function: takes the parts of an element, such as ``(image, label)``, and returns the new element.
            num_parallel_calls: for tf.data's sake; there are as many threads as cores.
            deterministic: for tf.data's sake: the order is always the same.

        >>> from calor.data import Dataset
        >>> import jax
        >>> dataset = Dataset.from_arrays([1.0, 2.0], [0, 1]).map(lambda x, y: (x * 10, y))
        >>> [float(x) for x, y in dataset]
        [10.0, 20.0]
        >>> noisy = dataset.map(lambda x, y, key: (x + jax.random.normal(key), y))
        """
        if not callable(function):
            raise ArgumentError(f"map needs a function, not {function!r}.")
        return self._then(Map(function))

    def cache(self) -> Self:
        """Keep what comes before: the same elements in the same order, in every pass."""
        return self._then(Cache())

    def shuffle(self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool = True) -> Self:
        """Put the elements of each pass in random order.

        All elements are permuted, whatever the buffer size, and each comes once in a pass, also after ``repeat()``.
        Only where the length is unknown (generators) each element is drawn from the next ``buffer_size`` ones.

        Args:
            buffer_size: for generators; otherwise for tf.data's sake.
            seed: fixes the order; by default the training's seed does.
            reshuffle_each_iteration: a new order in every pass.

        >>> from calor.data import Dataset
        >>> sorted(int(x) for x in Dataset.from_arrays([3, 1, 2]).shuffle(3))
        [1, 2, 3]
        """
        size = whole("shuffle", "buffer_size", buffer_size, least=1)
        seed = None if seed is None else whole("shuffle", "seed", seed, least=None) % (1 << 64)
        return self._then(Shuffle(size, seed, reshuffle_each_iteration))

    def repeat(self, count: int | None = None) -> Self:
        """Let ``count`` passes follow one another as one; for ever when it is None or -1.

        Before ``batch``, batches straddle the passes, as in tf.data.

        >>> from calor.data import Dataset
        >>> [x.tolist() for x in Dataset.from_arrays([1, 2, 3]).repeat(2).batch(4)]
        [[1, 2, 3, 1], [2, 3]]
        """
        return self._then(Repeat(None if count in (None, -1) else whole("repeat", "count", count, least=0)))

    def batch(
        self,
        batch_size: int,
        drop_remainder: bool = False,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> Self:
        """Put elements together, ``batch_size`` at a time.

        Args:
            batch_size: at least 1.
            drop_remainder: leave out the last, smaller batch.
            num_parallel_calls: for tf.data's sake.
            deterministic: for tf.data's sake: the order is always the same.

        Raises:
            ArgumentError: the dataset is batched already.
        """
        self._check_unbatched()
        return self._then(Batch(whole("batch", "batch_size", batch_size, least=1), bool(drop_remainder)))

    def take(self, count: int) -> Self:
        """Only the first ``count`` elements (batches, after ``batch``)."""
        return self._then(Take(whole("take", "count", count, least=0)))

    def skip(self, count: int) -> Self:
        """All but the first ``count`` elements (batches, after ``batch``)."""
        return self._then(Skip(whole("skip", "count", count, least=0)))

    def filter(self, predicate: Callable[..., Any]) -> Self:
        """Only the elements for which a function is true.

        On examples that have a number (arrays, folders) the function is evaluated once for each, when the dataset is
        first planned or read, and those that are left can be read by number and stay resident. Where which are left
        may change from pass to pass (after a ``map`` with a random key, ``batch``, or a ``take`` of shuffled
        elements), and on generators, it is evaluated in every pass and the data stream.

        Args:
            predicate: takes the parts of an element, such as ``(image, label)``; JAX traces it if it can.

        Raises:
            DataError: when it is planned or read: the function fails, or returns something else than True or False.

        >>> from calor.data import Dataset
        >>> [int(x) for x in Dataset.range(10).filter(lambda x: x % 3 == 0)]
        [0, 3, 6, 9]
        """
        if not callable(predicate):
            raise ArgumentError(f"filter needs a function, not {predicate!r}.")
        by_number = isinstance(self._source, Source) and filtered_by_number(self._operations)
        return (self if by_number else self._as_feed())._then(Filter(predicate))

    def take_while(self, predicate: Callable[..., Any]) -> Self:
        """The elements before the first one for which a function is false. They stream.

        Args:
            predicate: as in ``filter``.

        >>> from calor.data import Dataset
        >>> [int(x) for x in Dataset.range(10).take_while(lambda x: x < 3)]
        [0, 1, 2]
        """
        if not callable(predicate):
            raise ArgumentError(f"take_while needs a function, not {predicate!r}.")
        return self._as_feed()._then(TakeWhile(predicate))

    def shard(self, num_shards: int, index: int) -> Self:
        """Every ``num_shards``-th element, from the one at ``index`` on: a part for each of several machines.

        Shard before you shuffle, or shuffle with one seed everywhere: otherwise the parts overlap.

        Raises:
            ArgumentError: ``index`` is not from 0 to ``num_shards`` - 1.

        >>> from calor.data import Dataset
        >>> [int(x) for x in Dataset.range(10).shard(3, 1)]
        [1, 4, 7]
        """
        count = whole("shard", "num_shards", num_shards, least=1)
        place = whole("shard", "index", index, least=0)
        if place >= count:
            raise ArgumentError(f"shard(num_shards={count}, index={place}): the index must be below {count}.")
        return self._then(Shard(count, place))

    def unbatch(self) -> Self:
        """Take batches apart into their elements; or any arrays along their first axis.

        >>> from calor.data import Dataset
        >>> [int(x) for x in Dataset.range(5).batch(2).skip(1).unbatch()]
        [2, 3, 4]
        """
        by_number = isinstance(self._source, Source) and unbatched_by_number(self._operations)
        return (self if by_number else self._as_feed())._then(Unbatch())

    def padded_batch(
        self, batch_size: int, padded_shapes: Any = None, padding_values: Any = None, drop_remainder: bool = False
    ) -> Self:
        """Put elements of different shapes together, each filled up to the largest. They stream.

        ``fit`` needs batches of one shape: give it in ``padded_shapes``.

        Args:
            batch_size: at least 1.
            padded_shapes: a shape for each array of an element, in which None means: as large as the largest in the
                batch. By default all dimensions are.
            padding_values: what to fill up with, one value or one for each array; 0 by default.
            drop_remainder: leave out the last, smaller batch.

        Raises:
            ArgumentError: the dataset is batched already.
            DataError: when it is planned or read: the shapes do not fit.

        >>> import numpy as np
        >>> from calor.data import Dataset
        >>> [x.tolist() for x in Dataset.range(1, 4).map(lambda x: np.ones(int(x))).padded_batch(2)]
        [[[1.0, 0.0], [1.0, 1.0]], [[1.0, 1.0, 1.0]]]
        """
        self._check_unbatched()
        size = whole("padded_batch", "batch_size", batch_size, least=1)
        values = 0 if padding_values is None else padding_values
        return self._as_feed()._then(PaddedBatch(size, bool(drop_remainder), padded_shapes, values))
