"""Dataset: a description of examples and of what happens to them, in the words of tf.data."""

import math
import operator
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calor._cache import keep_compiled_programs
from calor.data.eager import feed_elements, source_elements
from calor.data.feed import Feed
from calor.data.folder import FolderSource, Progress, stratified_split
from calor.data.memory import available_memory
from calor.data.operations import Batch, Cache, Map, Operation, Repeat, Shuffle, Skip, Take, cardinality
from calor.data.pipeline import pipeline
from calor.data.plan import Plan, make_feed_plan, make_plan
from calor.data.schedule import Finite, schedule
from calor.data.source import ArraySource, Source, as_array, as_arrays
from calor.errors import ArgumentError, DataError

INFINITE = -1
"""What ``Dataset.cardinality`` returns for a dataset that repeats for ever."""

UNKNOWN = -2
"""What ``Dataset.cardinality`` returns where only reading to the end could tell."""


class UnknownLengthError(DataError, TypeError):
    """The dataset has no length: it repeats for ever, or only reading it to the end could tell."""


class Dataset:
    """Examples, and what happens to them: described first, run later.

    Each operation returns a new dataset and computes nothing. Iterating, or training on it, runs the description;
    ``plan`` decides whether the data stay in memory or stream. Elements are tuples, such as (image, label), or
    single arrays.

    >>> import numpy as np
    >>> dataset = Dataset.from_arrays(np.arange(5), np.arange(5) ** 2).skip(1).batch(3)
    >>> [(x.tolist(), y.tolist()) for x, y in dataset]
    [([1, 2, 3], [1, 4, 9]), ([4], [16])]
    >>> len(dataset)
    2
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

    @classmethod
    def from_arrays(
        cls, x: Any, y: Any = None, sample_weight: Any = None, *, class_names: Sequence[str] | None = None
    ) -> "Dataset":
        """The rows of arrays.

        Args:
            x: inputs, shape (examples, ...). float64 becomes float32, int64 becomes int32.
            y: labels or targets, shape (examples, ...). Without them the elements are single arrays.
            sample_weight: shape (examples,): how much each example counts.
            class_names: the classes in the order of their labels, for reports.

        Raises:
            DataError: the arrays differ in length, are empty, ragged, or hold no numbers.
        """
        if y is None and sample_weight is not None:
            raise ArgumentError("sample_weight needs y: weights belong to examples with labels.")
        parts = {"x": x, "y": y, "sample_weight": sample_weight}
        arrays = tuple(_arrays(part, name) for name, part in parts.items() if part is not None)
        return cls(ArraySource(arrays if y is not None else arrays[0], class_names=class_names))

    @classmethod
    def from_tensor_slices(cls, tensors: Any) -> "Dataset":
        """The rows of arrays, or of a tuple of arrays of the same length; tf.data's name for it.

        Raises:
            DataError: as in ``from_arrays``.

        >>> [(int(x), int(y)) for x, y in Dataset.from_tensor_slices(([1, 2], [3, 4]))]
        [(1, 3), (2, 4)]
        """
        return cls(ArraySource(_arrays(tensors, "tensors")))

    @classmethod
    def from_image_folder(
        cls,
        directory: str | os.PathLike[str],
        image_size: tuple[int, int] = (150, 150),
        color_mode: str = "rgb",
        interpolation: str = "bilinear",
        class_names: Sequence[str] | None = None,
        *,
        progress: Progress | None = None,
    ) -> "Dataset":
        """Pictures in a folder that has one subfolder for each class.

        Elements are (image, label): uint8 (height, width, channels) and int32, sorted by class and file name.
        JPEG, PNG, WebP, BMP, GIF and TIFF are read as ``load_image`` describes. Files that cannot be read are left
        out, and one warning names them; which they are is found out at the first use, by decoding all files on all
        cores. Folders inside the class folders are not looked into.

        Args:
            directory: the folder.
            image_size: height and width in pixels that the pictures are stretched to.
            color_mode: ``"rgb"`` or ``"grayscale"``.
            interpolation: ``"bilinear"`` (antialiased), ``"bicubic"``, ``"lanczos"``, ``"area"`` or ``"nearest"``.
            class_names: the subfolders to read, in the order of their labels; by default all, sorted by name.
            progress: called as ``progress(done, total)`` while files are decoded.

        Raises:
            DataError: there is no such folder, or not at least two class folders that have pictures. It is raised
                at the first use where none of a class's files can be read.
        """
        return cls(
            FolderSource(
                directory,
                image_size=image_size,
                color_mode=color_mode,
                interpolation=interpolation,
                class_names=class_names,
                progress=progress,
            )
        )

    @classmethod
    def from_generator(cls, generator: Any) -> "Dataset":
        """Elements that Python code gives one after the other.

        Args:
            generator: a function that returns an iterable (it is called for every pass), an iterable, or a sequence.
                An iterator, such as a generator that runs already, can be read once only.

        >>> def squares():
        ...     for i in range(3):
        ...         yield i, i * i
        >>> [y.tolist() for x, y in Dataset.from_generator(squares).batch(2)]
        [[0, 1], [4]]
        """
        return cls(Feed(generator, batched=False))

    @classmethod
    def from_batches(cls, generator: Any) -> "Dataset":
        """Batches that Python code gives one after the other, as Keras' generators and ``Sequence`` classes do.

        Args:
            generator: as in ``from_generator``, but of batches: arrays with a leading axis (batch,), which may
                differ from batch to batch.
        """
        return cls(Feed(generator, batched=True))

    def map(self, function: Callable[..., Any], num_parallel_calls: int | None = None) -> "Dataset":
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

        >>> import jax
        >>> dataset = Dataset.from_arrays([1.0, 2.0], [0, 1]).map(lambda x, y: (x * 10, y))
        >>> [float(x) for x, y in dataset]
        [10.0, 20.0]
        >>> noisy = dataset.map(lambda x, y, key: (x + jax.random.normal(key), y))
        """
        if not callable(function):
            raise ArgumentError(f"map needs a function, not {function!r}.")
        return self._then(Map(function))

    def cache(self) -> "Dataset":
        """Keep what comes before: the same elements in the same order, in every pass."""
        return self._then(Cache())

    def shuffle(self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool = True) -> "Dataset":
        """Put the elements of each pass in random order.

        All elements are permuted, whatever the buffer size, and each comes once in a pass, also after ``repeat()``.
        Only where the length is unknown (generators) each element is drawn from the next ``buffer_size`` ones.

        Args:
            buffer_size: for generators; otherwise for tf.data's sake.
            seed: fixes the order; by default the training's seed does.
            reshuffle_each_iteration: a new order in every pass.

        >>> sorted(int(x) for x in Dataset.from_arrays([3, 1, 2]).shuffle(3))
        [1, 2, 3]
        """
        size = _whole("shuffle", "buffer_size", buffer_size, least=1)
        seed = None if seed is None else _whole("shuffle", "seed", seed, least=None) % (1 << 64)
        return self._then(Shuffle(size, seed, reshuffle_each_iteration))

    def repeat(self, count: int | None = None) -> "Dataset":
        """Let ``count`` passes follow one another as one; for ever when it is None or -1.

        Before ``batch``, batches straddle the passes, as in tf.data.

        >>> [x.tolist() for x in Dataset.from_arrays([1, 2, 3]).repeat(2).batch(4)]
        [[1, 2, 3, 1], [2, 3]]
        """
        return self._then(Repeat(None if count in (None, -1) else _whole("repeat", "count", count, least=0)))

    def batch(self, batch_size: int, drop_remainder: bool = False) -> "Dataset":
        """Put elements together, ``batch_size`` at a time.

        Args:
            batch_size: at least 1.
            drop_remainder: leave out the last, smaller batch.

        Raises:
            ArgumentError: the dataset is batched already.
        """
        if self.batched:
            raise ArgumentError("The dataset is batched already: its elements are batches. Call batch() once.")
        return self._then(Batch(_whole("batch", "batch_size", batch_size, least=1), bool(drop_remainder)))

    def take(self, count: int) -> "Dataset":
        """Only the first ``count`` elements (batches, after ``batch``)."""
        return self._then(Take(_whole("take", "count", count, least=0)))

    def skip(self, count: int) -> "Dataset":
        """All but the first ``count`` elements (batches, after ``batch``)."""
        return self._then(Skip(_whole("skip", "count", count, least=0)))

    def prefetch(self, buffer_size: int | None = None) -> "Dataset":
        """The dataset itself: data that stream are always made ahead. Here for tf.data's sake."""
        return self

    def split(self, fraction: float, seed: int = 0) -> "tuple[Dataset, Dataset]":
        """Hold a part of the examples out, class by class where the labels are known: (training, validation).

        Args:
            fraction: the share held out, between 0 and 1; at least one example of each class that has two.
            seed: fixes which ones.

        Raises:
            ArgumentError: the order was changed before: split first, then shuffle and batch.
            DataError: there are too few examples.

        >>> train, validation = Dataset.from_arrays(np.arange(10), [0] * 6 + [1] * 4).split(0.5)
        >>> len(train), [int(y) for x, y in validation]
        (5, [0, 0, 0, 1, 1])
        """
        if isinstance(self._source, Feed) or not all(isinstance(step, Map | Cache) for step in self._operations):
            raise ArgumentError("split() comes first: before shuffle, repeat, batch, take and skip; not on generators.")
        if not 0 < fraction < 1:
            raise ArgumentError(f"split(fraction={fraction!r}): the share to hold out must lie between 0 and 1.")
        positions = self._all_positions()
        labels = self._source.labels
        chosen = None if labels is None else labels[positions]
        if chosen is not None and 2 * len(np.unique(chosen)) > len(chosen):
            chosen = None  # Numbers to predict, such as temperatures, rather than classes.
        halves = stratified_split(len(positions), chosen, fraction, seed)
        train, validation = (Dataset(self._source, self._operations, positions[half]) for half in halves)
        return train, validation

    def plan(self, memory_limit: int | None = None) -> Plan:
        """Decide how to run: with the data in memory, or streaming.

        Args:
            memory_limit: the bytes that the data may take up, by default half of what is available now; 0 makes
                them stream.

        Raises:
            DataError: the dataset is not batched or has no batches, or a ``map`` function does not work.
        """
        keep_compiled_programs()
        if isinstance(self._source, Feed):
            return make_feed_plan(self._source, self._operations, memory_limit)
        return make_plan(self._source, self._positions, self._operations, memory_limit)

    def __iter__(self) -> Iterator[Any]:
        pass_, self._passes = self._passes, self._passes + 1
        if isinstance(self._source, Feed):
            return feed_elements(self._source, self._operations, pass_)
        ready = pipeline(self._source, self._operations, available_memory() // 2)
        order = schedule(self._operations, self._all_positions(), (0,))
        return source_elements(ready, order, pass_)

    def __len__(self) -> int:
        """The number of elements, or of batches after ``batch``.

        Raises:
            UnknownLengthError: there is none; it is a TypeError too, as for other iterables without a length.
        """
        length = self.cardinality()
        if length == INFINITE:
            raise UnknownLengthError("The dataset repeats for ever and has no length: use take(), or repeat(count).")
        if length == UNKNOWN:
            raise UnknownLengthError("A generator's length is not known before it is read to the end.")
        return length

    def __bool__(self) -> bool:
        # Without this, ``if dataset:`` would decode a whole folder to find its length.
        return True

    def __repr__(self) -> str:
        steps = "".join(f".{type(operation).__name__.lower()}" for operation in self._operations)
        return f"<Dataset of {type(self._source).__name__.removesuffix('Source').lower()}{steps}>"

    def cardinality(self) -> int:
        """The number of elements; ``INFINITE`` (-1) or ``UNKNOWN`` (-2) where there is none, as in tf.data."""
        length = self._source.length if self._positions is None else len(self._positions)
        count = cardinality(length, self._operations)
        return UNKNOWN if count is None else INFINITE if count == math.inf else int(count)

    @property
    def batched(self) -> bool:
        """Whether the elements are batches."""
        whole = isinstance(self._source, Feed) and self._source.batched
        return whole or any(isinstance(operation, Batch) for operation in self._operations)

    @property
    def element_spec(self) -> Any:
        """Shapes and types of an element, as ``jax.ShapeDtypeStruct``; of a full batch after ``batch``.

        >>> Dataset.from_arrays(np.zeros((8, 2)), np.zeros(8)).batch(4).element_spec[0].shape
        (4, 2)
        """
        if isinstance(self._source, Feed):
            return make_feed_plan(self._source, self._operations, None).spec
        return pipeline(self._source, self._operations, available_memory() // 2).spec

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes in the order of their labels, where known."""
        return None if isinstance(self._source, Feed) else self._source.class_names

    @property
    def files(self) -> list[Path] | None:
        """The file of each example in the order of the first pass, for datasets that come from a folder."""
        files = None if isinstance(self._source, Feed) else self._source.files
        return None if files is None else [files[position] for position in self._first_pass()]

    @property
    def labels(self) -> np.ndarray | None:
        """The source's integer label of each example in the order of the first pass, (examples,), where known."""
        labels = None if isinstance(self._source, Feed) else self._source.labels
        return None if labels is None else labels[self._first_pass()]

    def _then(self, operation: Operation) -> "Dataset":
        return Dataset(self._source, (*self._operations, operation), self._positions)

    def _all_positions(self) -> np.ndarray:
        assert self._source.length is not None
        return np.arange(self._source.length, dtype=np.int32) if self._positions is None else self._positions

    def _first_pass(self) -> np.ndarray:
        order = schedule(self._operations, self._all_positions(), (0,))
        if not isinstance(order, Finite):
            raise UnknownLengthError("The dataset repeats for ever: ask for files and labels before repeat().")
        rows = order.rows(0).reshape(-1)
        return rows[rows >= 0]


def image_folder(directory: str | os.PathLike[str], *arguments: Any, **settings: Any) -> Dataset:
    """``Dataset.from_image_folder``: pictures in a folder that has one subfolder for each class."""
    return Dataset.from_image_folder(directory, *arguments, **settings)


def _arrays(part: Any, name: str) -> Any:
    """Arrays from a tuple or dict of them, or from one of whatever NumPy understands."""
    if isinstance(part, tuple | dict) and not all(isinstance(item, int | float) for item in part):
        return as_arrays(part, name)
    return as_array(part, name)


def _whole(method: str, name: str, value: Any, *, least: int | None) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(f"{method}({name}={value!r}): a whole number is needed.") from None
    if least is not None and number < least:
        raise ArgumentError(f"{method}({name}={number}): it must be at least {least}.")
    return number
