"""Dataset: a description of examples and of what happens to them, in the words of tf.data.

Its methods live in four rooms beside this one: ``dataset_core`` (what the description is), ``dataset_sources`` (where
examples come from), ``dataset_joins`` (several datasets together) and ``dataset_steps`` (what happens to elements).
Here is what one does with a whole dataset: explain, plan, split, save it, and ask for its files and labels.
"""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calor._cache import keep_compiled_programs
from calor.data.dataset_core import INFINITE, UnknownLengthError, check_dataset
from calor.data.dataset_joins import DatasetJoins
from calor.data.dataset_sources import DatasetSources
from calor.data.explain import explained
from calor.data.feed import Feed, FeedRun
from calor.data.folder import stratified_split
from calor.data.operations import Cache, Filter, Map
from calor.data.plan import Plan, make_feed_plan, make_plan
from calor.data.saved import write
from calor.data.schedule import Finite, schedule
from calor.data.source import Source
from calor.errors import ArgumentError

SAVED_AT_ONCE = 256
"""How many single elements are written to a file at a time."""


class Dataset(DatasetSources, DatasetJoins):
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
        check_dataset("apply", made)
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
    def files(self) -> list[Path] | None:
        """The file of each example in the order of the first pass, for datasets that come from a folder."""
        files = None if isinstance(self._source, Feed) else self._source.files
        return None if files is None else [files[position] for position in self._first_pass()]

    @property
    def labels(self) -> np.ndarray | None:
        """The source's integer label of each example in the order of the first pass, (examples,), where known."""
        labels = None if isinstance(self._source, Feed) else self._source.labels
        return None if labels is None else labels[self._first_pass()]

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
