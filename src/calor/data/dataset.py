"""Dataset: a description of examples and of what happens to them, in the words of tf.data."""

import functools
import glob
import math
import operator
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from calor._cache import keep_compiled_programs
from calor.data import joins
from calor.data.combined import Concatenated, FileNames, Numbers, View, Zipped
from calor.data.eager import feed_elements, source_elements
from calor.data.explain import Description, explained
from calor.data.feed import DerivedFeed, Feed, FeedRun, GeneratorFeed, batched_already
from calor.data.folder import FolderSource, stratified_split
from calor.data.images import Decoding, checked_size
from calor.data.maps import Stage
from calor.data.memory import available_memory
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
    filtered_by_number,
    last_batching,
    name_of,
    settled,
    unbatched_by_number,
)
from calor.data.pipeline import Pipeline, pipeline
from calor.data.plan import Plan, make_feed_plan, make_plan
from calor.data.reading_bar import Progress
from calor.data.saved import SavedSource, write
from calor.data.schedule import Finite, schedule
from calor.data.signature import signature_of
from calor.data.source import ArraySource, Source, as_array, as_arrays
from calor.errors import ArgumentError, DataError

INFINITE = -1
"""What ``Dataset.cardinality`` returns for a dataset that repeats for ever."""

UNKNOWN = -2
"""What ``Dataset.cardinality`` returns where only reading to the end could tell."""


SAVED_AT_ONCE = 256
"""How many single elements are written to a file at a time."""


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
        resize: str = "stretch",
        fill_value: int = 0,
        progress: Progress | bool = True,
    ) -> "Dataset":
        """Pictures in a folder that has one subfolder for each class.

        Elements are (image, label): uint8 (height, width, channels) and int32, sorted by class and file name.
        JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read as ``load_image`` describes. Files that cannot be read are left
        out, and one warning names them; which they are is found out at the first use, by decoding all files on all
        cores. Folders inside the class folders are not looked into.

        The decoded pixels of a folder with 4 MB of files or more are kept in ``pictures`` in the cache folder
        (``~/.cache/calor``, or what CALOR_CACHE names; CALOR_CACHE=off keeps nothing), so that the next start, and
        every pass over more pixels than memory has room for, decodes nothing. They are decoded again when a file has
        changed, or the cache is damaged. At most 10 GB are kept, or what CALOR_CACHE_LIMIT says (``20 GB``); what was
        not used for the longest time goes first. ``calor cache`` lists and clears it.

        Args:
            directory: the folder.
            image_size: height and width in pixels that all pictures get.
            color_mode: ``"rgb"``, ``"grayscale"``, or ``"rgba"``, whose fourth channel is the opacity.
            interpolation: ``"bilinear"`` (antialiased), ``"bicubic"``, ``"lanczos"``, ``"area"`` or ``"nearest"``.
            class_names: the subfolders to read, in the order of their labels; by default all, sorted by name.
            resize: how pictures of other proportions get that size: ``"stretch"``, ``"pad"`` (all of it, in a frame)
                or ``"crop"`` (the middle).
            fill_value: the grey level of the frame, 0 (black) to 255.
            progress: True draws a bar with images per second on standard error while files are decoded, where a
                person looks and it takes more than a second; False draws none; a function is called as
                ``progress(done, total)``.

        Raises:
            DataError: there is no such folder, or not at least two class folders that have pictures. It is raised
                at the first use where none of a class's files can be read.
            ArgumentError: a size, colour mode, interpolation, resize mode or fill value that does not exist.
        """
        return cls(
            FolderSource(
                directory,
                Decoding(checked_size(image_size), color_mode, interpolation, resize, fill_value),
                class_names=class_names,
                progress=progress,
            )
        )

    @classmethod
    def from_tensors(cls, tensors: Any) -> "Dataset":
        """One element: the arrays as they are.

        >>> [x.tolist() for x in Dataset.from_tensors([1, 2, 3])]
        [[1, 2, 3]]
        """
        return cls(ArraySource(jax.tree.map(lambda array: array[np.newaxis], _arrays(tensors, "tensors"))))

    @classmethod
    def range(cls, *arguments: int) -> "Dataset":
        """The whole numbers that Python's ``range`` of the same arguments gives, as int32.

        Raises:
            ArgumentError: other than one to three whole numbers, a step of 0, or numbers that do not fit int32.

        >>> [int(x) for x in Dataset.range(2, 11, 3)]
        [2, 5, 8]
        """
        try:
            numbers = range(*arguments)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"Dataset.range{arguments}: {error}.") from None
        if any(not -(1 << 31) <= number < 1 << 31 for number in (*numbers[:1], *numbers[-1:])):
            raise ArgumentError(f"Dataset.range{arguments}: the numbers must fit int32, -2**31 to 2**31 - 1.")
        return cls(Numbers(numbers))

    @classmethod
    def list_files(
        cls,
        file_pattern: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        shuffle: bool = True,
        seed: int | None = None,
    ) -> "Dataset":
        """The names of files, to be read by a function in ``map`` or ``interleave``; it runs on the host.

        Names are Python strings, where tf.data has bytes. They are found now, once.

        Args:
            file_pattern: a name with ``*``, ``?``, ``[...]``, or ``**`` for any folders, or a list of such. Hidden
                files are matched by patterns only that begin with a dot.
            shuffle: a new order in every pass, as in tf.data; False for the order of the names.
            seed: fixes the orders.

        Raises:
            DataError: no files match.

        >>> Dataset.list_files("photos/*.jpg")
        Traceback (most recent call last):
        calor.errors.DataError: No files match 'photos/*.jpg'.
        """
        patterns = [file_pattern] if isinstance(file_pattern, str | os.PathLike) else list(file_pattern)
        found = {path for pattern in patterns for path in glob.glob(os.fspath(pattern), recursive=True)}  # noqa: PTH207
        names = sorted(path for path in found if Path(path).is_file())
        if not names:
            raise DataError(f"No files match {' or '.join(repr(os.fspath(pattern)) for pattern in patterns)}.")
        dataset = cls(FileNames(names))
        return dataset.shuffle(len(names), seed) if shuffle else dataset

    @classmethod
    def from_generator(
        cls,
        generator: Any,
        output_types: Any = None,
        output_shapes: Any = None,
        args: Sequence[Any] = (),
        output_signature: Any = None,
    ) -> "Dataset":
        """Elements that Python code gives one after the other.

        Args:
            generator: a function that returns an iterable (it is called for every pass), an iterable, or a sequence.
                An iterator, such as a generator that runs already, can be read once only.
            output_types: a type, or a tree of types, to convert the arrays of each element to; by default they are
                taken as they come.
            output_shapes: a shape, or a tree of shapes, that the arrays must have; None in it for any size.
            args: what to call the function with.
            output_signature: types and shapes in one, instead: a ``jax.ShapeDtypeStruct``, or whatever else has a
                ``shape`` and a ``dtype``, or a tree of them.

        Raises:
            ArgumentError: the generator is none of these, or the types are no types.
            DataError: when it is read: there are no elements, or they are not as declared.

        >>> def squares(count):
        ...     for i in range(count):
        ...         yield i, i * i
        >>> dataset = Dataset.from_generator(squares, args=[3], output_types=("int32", "float32"))
        >>> [y.tolist() for x, y in dataset.batch(2)]
        [[0.0, 1.0], [4.0]]
        """
        if len(args):
            if not callable(generator):
                raise ArgumentError(f"from_generator(args=...) needs a function to call, not {generator!r:.80}.")
            generator = functools.partial(generator, *args)
        signature = signature_of(output_signature, output_types, output_shapes)
        return cls(GeneratorFeed(generator, batched=False, signature=signature))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Dataset":
        """The dataset that ``save`` wrote. It stays in memory where it fits, and is read by number otherwise.

        Raises:
            DataError: the file is not there, was not written by ``save``, or is damaged; where its tables are
                damaged, when they are read.
        """
        source = SavedSource(path)
        return cls(source, () if source.batch_size is None else (Batch(source.batch_size, False),))

    @classmethod
    def from_batches(cls, generator: Any) -> "Dataset":
        """Batches that Python code gives one after the other, as Keras' generators and ``Sequence`` classes do.

        Args:
            generator: as in ``from_generator``, but of batches: arrays with a leading axis (batch,), which may
                differ from batch to batch.
        """
        return cls(GeneratorFeed(generator, batched=True))

    @staticmethod
    def zip(*datasets: Any) -> "Dataset":
        """The elements of several datasets beside each other, as many as the shortest has.

        Args:
            datasets: the datasets, or one tuple or dict of them, of which each element is then one.

        Raises:
            ArgumentError: something that is no dataset.

        >>> letters = Dataset.from_arrays([10, 20, 30])
        >>> [(int(a), int(b)) for a, b in Dataset.zip(Dataset.range(5), letters)]
        [(0, 10), (1, 20), (2, 30)]
        >>> len(Dataset.zip((Dataset.range(5), letters)))
        3
        """
        tree = datasets[0] if len(datasets) == 1 else datasets
        parts, structure = jax.tree.flatten(tree)
        for part in parts:
            _check_dataset("zip", part)
        if not parts:
            raise ArgumentError("zip needs datasets.")
        if all(part._by_number for part in parts):
            return Dataset(Zipped(jax.tree.map(lambda part: part._as_source(), tree)))
        batched = all(part.batched for part in parts)

        def begin(entropy: Sequence[int], pass_: int) -> Iterator[Any]:
            iterators = [part._elements((*entropy, number + 1), pass_) for number, part in enumerate(parts)]
            return joins.zipped(structure, iterators, batched=batched)

        def length() -> int | float | None:
            counts = [part._count() for part in parts]
            return None if None in counts else min(counts)

        return Dataset(_derived("the zipped dataset", begin, length, parts, batched=batched))

    def concatenate(self, dataset: "Dataset") -> "Dataset":
        """The elements of this dataset, then those of another of the same structure.

        Raises:
            DataError: when it is planned or read: the elements differ in shape or type.

        >>> [int(x) for x in Dataset.range(2).concatenate(Dataset.range(7, 9))]
        [0, 1, 7, 8]
        """
        _check_dataset("concatenate", dataset)
        parts = [self, dataset]
        if all(part._by_number for part in parts):
            return Dataset(Concatenated([part._as_source() for part in parts]))
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

        return Dataset(_derived("the concatenated dataset", begin, length, parts, batched=self.batched))

    def enumerate(self, start: int = 0) -> "Dataset":
        """(number, element): the elements numbered from ``start``, int32.

        >>> [(int(i), float(x)) for i, x in Dataset.from_arrays([0.5, 0.25]).enumerate(start=1)]
        [(1, 0.5), (2, 0.25)]
        """
        start = _whole("enumerate", "start", start, least=None)
        if self._by_number:
            return Dataset(Zipped((Numbers(range(start, (1 << 31) - 1)), self._as_source())))

        def begin(entropy: Sequence[int], pass_: int) -> Iterator[Any]:
            for number, element in enumerate(self._elements((*entropy, 1), pass_), start):
                yield np.int32(number), element

        return Dataset(_derived("the numbered dataset", begin, self._count, [self], batched=False))

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: int | None = None,
        block_length: int = 1,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> "Dataset":
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

        >>> rows = Dataset.range(1, 4).interleave(lambda x: Dataset.from_tensors(x).repeat(3), 2, 2)
        >>> [int(x) for x in rows]
        [1, 1, 2, 2, 1, 2, 3, 3, 3]
        """
        cycle = _whole("interleave", "cycle_length", 4 if cycle_length in (None, -1) else cycle_length, least=1)
        return self._interleaved(
            map_func, cycle, _whole("interleave", "block_length", block_length, least=1), "interleave"
        )

    def flat_map(self, map_func: Callable[..., Any]) -> "Dataset":
        """Make a dataset of each element, and take all elements of one after those of the other.

        Args:
            map_func: takes the parts of an element, NumPy arrays, and returns a ``Dataset``.

        Raises:
            DataError: when it is read: the function fails or returns no dataset.

        >>> [int(x) for x in Dataset.range(4).flat_map(Dataset.range)]
        [0, 0, 1, 0, 1, 2]
        """
        return self._interleaved(map_func, 1, 1, "flat_map")

    def _interleaved(self, function: Callable[..., Any], cycle: int, block: int, role: str) -> "Dataset":
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
                if not isinstance(inner, Dataset):
                    raise DataError(f"{stage.title} must return a Dataset, and returned {inner!r:.80}.")
                feed.found_batched = inner.batched
                return inner._elements((*entropy, 2, number + 1), pass_)

            return joins.interleaved(self._elements((*entropy, 1), pass_), opened, cycle, block)

        feed = _derived(f"the dataset of {role}", begin, lambda: None, [self], batched=None)
        return Dataset(feed)

    def window(self, size: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = False) -> "Dataset":
        """Datasets of ``size`` elements in a row, for ``flat_map`` to make elements of.

        Args:
            size: elements in a window.
            shift: by how many elements each window begins after the one before; ``size`` by default.
            stride: take every ``stride``-th element only.
            drop_remainder: leave out the last windows that have fewer elements.

        >>> windows = Dataset.range(5).window(3, shift=1, drop_remainder=True)
        >>> [x.tolist() for x in windows.flat_map(lambda window: window.batch(3))]
        [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
        """
        size = _whole("window", "size", size, least=1)
        shift = size if shift is None else _whole("window", "shift", shift, least=1)
        stride = _whole("window", "stride", stride, least=1)

        def begin(entropy: Sequence[int], pass_: int) -> Iterator[Any]:
            elements = self._elements((*entropy, 1), pass_)
            for columns in joins.windows(elements, size, shift, stride, drop_remainder=bool(drop_remainder)):
                yield jax.tree.map(lambda column: Dataset(ArraySource(column)), columns)

        def length() -> int | float | None:
            count = self._count()
            if count is None or count == math.inf:
                return count
            return max(-(-(int(count) - ((size - 1) * stride if drop_remainder else 0)) // shift), 0)

        return Dataset(_derived("the dataset of windows", begin, length, [self], batched=False))

    def map(
        self, function: Callable[..., Any], num_parallel_calls: int | None = None, deterministic: bool | None = None
    ) -> "Dataset":
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

    def batch(
        self,
        batch_size: int,
        drop_remainder: bool = False,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> "Dataset":
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
        return self._then(Batch(_whole("batch", "batch_size", batch_size, least=1), bool(drop_remainder)))

    def take(self, count: int) -> "Dataset":
        """Only the first ``count`` elements (batches, after ``batch``)."""
        return self._then(Take(_whole("take", "count", count, least=0)))

    def skip(self, count: int) -> "Dataset":
        """All but the first ``count`` elements (batches, after ``batch``)."""
        return self._then(Skip(_whole("skip", "count", count, least=0)))

    def filter(self, predicate: Callable[..., Any]) -> "Dataset":
        """Only the elements for which a function is true.

        On examples that have a number (arrays, folders) the function is evaluated once for each, when the dataset is
        first planned or read, and those that are left can be read by number and stay resident. Where which are left
        may change from pass to pass (after a ``map`` with a random key, ``batch``, or a ``take`` of shuffled
        elements), and on generators, it is evaluated in every pass and the data stream.

        Args:
            predicate: takes the parts of an element, such as ``(image, label)``; JAX traces it if it can.

        Raises:
            DataError: when it is planned or read: the function fails, or returns something else than True or False.

        >>> [int(x) for x in Dataset.range(10).filter(lambda x: x % 3 == 0)]
        [0, 3, 6, 9]
        """
        if not callable(predicate):
            raise ArgumentError(f"filter needs a function, not {predicate!r}.")
        by_number = isinstance(self._source, Source) and filtered_by_number(self._operations)
        return (self if by_number else self._as_feed())._then(Filter(predicate))

    def take_while(self, predicate: Callable[..., Any]) -> "Dataset":
        """The elements before the first one for which a function is false. They stream.

        Args:
            predicate: as in ``filter``.

        >>> [int(x) for x in Dataset.range(10).take_while(lambda x: x < 3)]
        [0, 1, 2]
        """
        if not callable(predicate):
            raise ArgumentError(f"take_while needs a function, not {predicate!r}.")
        return self._as_feed()._then(TakeWhile(predicate))

    def shard(self, num_shards: int, index: int) -> "Dataset":
        """Every ``num_shards``-th element, from the one at ``index`` on: a part for each of several machines.

        Shard before you shuffle, or shuffle with one seed everywhere: otherwise the parts overlap.

        Raises:
            ArgumentError: ``index`` is not from 0 to ``num_shards`` - 1.

        >>> [int(x) for x in Dataset.range(10).shard(3, 1)]
        [1, 4, 7]
        """
        count = _whole("shard", "num_shards", num_shards, least=1)
        place = _whole("shard", "index", index, least=0)
        if place >= count:
            raise ArgumentError(f"shard(num_shards={count}, index={place}): the index must be below {count}.")
        return self._then(Shard(count, place))

    def unbatch(self) -> "Dataset":
        """Take batches apart into their elements; or any arrays along their first axis.

        >>> [int(x) for x in Dataset.range(5).batch(2).skip(1).unbatch()]
        [2, 3, 4]
        """
        by_number = isinstance(self._source, Source) and unbatched_by_number(self._operations)
        return (self if by_number else self._as_feed())._then(Unbatch())

    def padded_batch(
        self, batch_size: int, padded_shapes: Any = None, padding_values: Any = None, drop_remainder: bool = False
    ) -> "Dataset":
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

        >>> [x.tolist() for x in Dataset.range(1, 4).map(lambda x: np.ones(int(x))).padded_batch(2)]
        [[[1.0, 0.0], [1.0, 1.0]], [[1.0, 1.0, 1.0]]]
        """
        self._check_unbatched()
        size = _whole("padded_batch", "batch_size", batch_size, least=1)
        values = 0 if padding_values is None else padding_values
        return self._as_feed()._then(PaddedBatch(size, bool(drop_remainder), padded_shapes, values))

    def reduce(self, initial_state: Any, reduce_func: Callable[[Any, Any], Any]) -> Any:
        """Go through a pass: each state is ``reduce_func(state before, element)``. Returns the last one.

        >>> int(Dataset.range(5).reduce(0, lambda total, x: total + x))
        10
        """
        return functools.reduce(reduce_func, self, initial_state)

    def apply(self, transformation_func: "Callable[[Dataset], Dataset]") -> "Dataset":
        """The dataset that a function makes of this one, for chains of calls.

        >>> len(Dataset.range(5).apply(lambda dataset: dataset.take(2)))
        2
        """
        made = transformation_func(self)
        _check_dataset("apply", made)
        return made

    def as_numpy_iterator(self) -> Iterator[Any]:
        """What ``iter`` gives; elements are NumPy arrays anyway. Here for tf.data's sake."""
        return iter(self)

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
        self._check_in_order("split")
        assert isinstance(self._source, Source)
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

    def select(self, positions: Sequence[int] | np.ndarray) -> "Dataset":
        """The examples at these positions, in this order.

        Args:
            positions: whole numbers from 0 on, (examples,).

        Raises:
            ArgumentError: the order was changed before, as for ``split``; or there is no example at a position.

        >>> [int(x) for x in Dataset.from_arrays([10, 20, 30]).select([2, 0])]
        [30, 10]
        """
        self._check_in_order("select")
        there, chosen = self._all_positions(), np.asarray(positions)
        wrong = chosen.ndim != 1 or (chosen.size and not np.issubdtype(chosen.dtype, np.integer))
        if wrong or np.any((chosen < 0) | (chosen >= len(there))):
            raise ArgumentError(f"select(positions): whole numbers from 0 to {len(there) - 1} are needed, in one list.")
        return Dataset(self._source, self._operations, there[chosen.astype(np.int32)])

    def _check_in_order(self, method: str) -> None:
        if isinstance(self._source, Feed) or not all(isinstance(step, Map | Cache) for step in self._operations):
            raise ArgumentError(
                f"{method}() comes first: before shuffle, repeat, batch, take and skip; not on generators."
            )

    def save(self, path: str | os.PathLike[str], compression: str | None = None) -> None:
        """Write the elements of a pass to a file, for ``Dataset.load``, some at a time, whatever their number.

        The file is HDF5: a table for each array of an element, which h5py and other programs read too. It is written
        under a temporary name and renamed when it is whole; a file of that name is replaced.

        Args:
            path: the file, such as ``"train.h5"``.
            compression: ``"GZIP"`` for a smaller file that takes longer to write and to read.

        Raises:
            UnknownLengthError: the dataset repeats for ever.
            DataError: the elements differ in shape or type, or are names of files; batches differ in size; or the
                file cannot be written.

        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "squares.h5")
        ...     Dataset.from_arrays([1, 2, 3], [1, 4, 9]).save(path)
        ...     [(int(x), int(y)) for x, y in Dataset.load(path)]
        [(1, 1), (2, 4), (3, 9)]
        """
        if self.cardinality() == INFINITE:
            raise UnknownLengthError("The dataset repeats for ever and cannot be saved: use take(), or repeat(count).")
        batched = self.batched
        parts = (self if batched else self.batch(SAVED_AT_ONCE))._elements((0,), 0)
        write(path, parts, batched=batched, class_names=self.class_names, compression=compression)

    def explain(
        self,
        memory_limit: int | None = None,
        measure: bool = False,
        print_fn: Callable[[str], object] = print,
    ) -> None:
        """Print how the dataset runs: what stays in memory and what streams, which function runs where, and why.

        Args:
            memory_limit: as for ``plan``.
            measure: also run some batches, for a second or so, and print where the time goes.
            print_fn: takes the lines.

        Raises:
            DataError: as in ``plan``.

        >>> def double(x):
        ...     return x * 2
        >>> Dataset.from_arrays(np.zeros((100, 8))).map(double).batch(10).explain()  # doctest: +ELLIPSIS
        Dataset of 100 elements, float32 (8,): resident, 3.2 kB on the device
        ───...
        Step                       Runs                Why
        ───...
        arrays                     in memory
        map double (...)... in the program
        batch(10)                  as numbers
        ───...
        Each batch: 320 bytes in, 320 bytes out; gathered inside the program, no copies on the host
        """
        keep_compiled_programs()
        for line in explained(self._description, memory_limit, measure=measure):
            print_fn(line)

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

    def _check_unbatched(self) -> None:
        # What interleave gives would have to be begun to be known: that is checked when it is planned.
        unknown = isinstance(self._source, DerivedFeed) and self._source.found_batched is None
        if (not unknown or last_batching(self._operations) is not None) and self.batched:
            raise batched_already()

    @property
    def element_spec(self) -> Any:
        """Shapes and types of an element, as ``jax.ShapeDtypeStruct``; of a full batch after ``batch``.

        >>> Dataset.from_arrays(np.zeros((8, 2)), np.zeros(8)).batch(4).element_spec[0].shape
        (4, 2)
        """
        if isinstance(self._source, Feed):
            return FeedRun(self._source, self._operations).spec
        return self._ready().spec

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes in the order of their labels, where known."""
        return self._source.class_names

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

    def _as_feed(self) -> "Dataset":
        """The same elements, one after the other."""
        if isinstance(self._source, Feed):
            return self
        feed = _derived("the dataset", self._elements, self._count, [self], batched=self.batched)
        return Dataset(feed)

    def _all_positions(self) -> np.ndarray:
        assert isinstance(self._source, Source)
        return np.arange(self._source.length, dtype=np.int32) if self._positions is None else self._positions

    def _first_pass(self) -> np.ndarray:
        filtered = any(isinstance(step, Filter) for step in self._operations)
        order = self._ready().order((0,)) if filtered else schedule(self._operations, self._all_positions(), (0,))
        if not isinstance(order, Finite):
            raise UnknownLengthError("The dataset repeats for ever: ask for files and labels before repeat().")
        rows = order.rows(0).reshape(-1)
        return rows[rows >= 0]


def image_folder(directory: str | os.PathLike[str], *arguments: Any, **settings: Any) -> Dataset:
    """``Dataset.from_image_folder``: pictures in a folder that has one subfolder for each class.

    Args:
        directory: the folder.
        *arguments: as there.
        **settings: as there.

    Raises:
        DataError: as there.

    >>> import tempfile
    >>> from calor.workbench import draw_pictures
    >>> with tempfile.TemporaryDirectory() as place:
    ...     pictures = image_folder(draw_pictures(place, per_class=2), image_size=(32, 32))
    ...     len(pictures), pictures.class_names, next(iter(pictures))[0].shape
    (8, ('boat', 'house', 'star', 'tree'), (32, 32, 3))
    """
    return Dataset.from_image_folder(directory, *arguments, **settings)


def _derived(
    name: str,
    begin: Callable[[Sequence[int], int], Iterator[Any]],
    length: Callable[[], int | float | None],
    parts: Sequence[Dataset],
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


def _check_dataset(method: str, value: Any) -> None:
    if not isinstance(value, Dataset):
        raise ArgumentError(f"{method} needs a Dataset, not {type(value).__name__}.")


def _arrays(part: Any, name: str) -> Any:
    """Arrays from a tuple or dict of them, or from one of whatever NumPy understands."""
    if isinstance(part, dict) or (isinstance(part, tuple) and not all(isinstance(item, int | float) for item in part)):
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
