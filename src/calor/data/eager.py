"""Going through a dataset element by element, in NumPy arrays: the same functions and orders as in the program."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from calor.data.feed import DerivedFeed, Feed, FeedRun, NoElementsError
from calor.data.maps import Stage, compiled, row_of
from calor.data.operations import Operation
from calor.data.pipeline import Pipeline
from calor.data.room import Room
from calor.data.schedule import Endless, Order
from calor.data.stream import Reader, entropy_key

AT_ONCE = 32
"""How many single elements go through the functions together."""


class _Finisher:
    """Applies the functions that are meant for the compiled program; the integers ``entropy`` fix their keys.

    What it is given may lie in ``room``: it has done with it when it returns.
    """

    def __init__(self, stages: Sequence[Stage], entropy: Sequence[int]) -> None:
        self._run = compiled(tuple(stages)) if stages else None
        # Without a function that takes one there is no key, as making keys would be compiled, too.
        self._key: Any = entropy_key(entropy) if any(stage.keyed for stage in stages) else None
        self._calls = 0
        self.room = Room()

    def __call__(self, columns: Any, positions: np.ndarray, size: int) -> Any:
        """The batch, as NumPy arrays; it is filled up to ``size`` with its first example meanwhile, as in a program."""
        if self._run is None:
            return columns
        real = len(positions)
        if real < size:
            rows = np.zeros(size, np.int32)
            rows[:real] = np.arange(real)
            columns = jax.tree.map(lambda column: column[rows], columns)
            positions = positions[rows]
        key = None if self._key is None else jax.random.fold_in(self._key, self._calls)
        self._calls += 1
        return jax.tree.map(lambda column: self._own(column)[:real], self._run(columns, positions, key))

    def _own(self, column: jax.Array) -> np.ndarray:
        """As NumPy's array, when it is computed; a copy of what a function has only handed on."""
        array = np.asarray(column)
        return array.copy() if self.room.holds(array) else array


def source_elements(ready: Pipeline, entropy: Sequence[int], pass_: int) -> Iterator[Any]:
    """The elements of a pass over examples that can be read by number; ``entropy`` fixes what is random."""
    finish = _Finisher(ready.program, (*entropy, pass_))
    # A function on the host may keep what it is given, and without a program it is the user who gets it.
    room = finish.room if ready.program and ready.host is None else None
    reader = Reader(ready.source, ready.host, (*entropy, pass_), room)
    for step, rows in enumerate(_pieces(ready.order(entropy), pass_)):
        if rows.ndim == 1 and not ready.program:
            yield from reader.read_each(rows, step)
        elif rows.ndim == 1:
            columns = finish(reader.read(rows, step), rows, AT_ONCE)
            for row in range(len(rows)):
                yield row_of(columns, row)
        else:
            positions = rows[0][rows[0] >= 0]
            yield finish(reader.read(positions, step), positions, rows.shape[1])


def _pieces(order: Order, pass_: int) -> Iterator[np.ndarray]:
    """One batch, or some single elements, at a time."""
    if isinstance(order, Endless):
        at_once = AT_ONCE if order.rows(0, 1).ndim == 1 else 1
        for start in itertools.count(0, at_once):
            yield order.rows(start, start + at_once, pass_)
    else:
        rows = order.rows(pass_)
        at_once = AT_ONCE if rows.ndim == 1 else 1
        for start in range(0, len(rows), at_once):
            yield rows[start : start + at_once]


def feed_elements(feed: Feed, operations: Sequence[Operation], entropy: Sequence[int], pass_: int) -> Iterator[Any]:
    """The elements of a pass over examples that come one after the other; ``entropy`` fixes what is random."""
    try:
        run = FeedRun(feed, operations, entropy)
    except NoElementsError:
        if isinstance(feed, DerivedFeed):
            return
        raise
    finish = _Finisher(run.program, (*entropy, pass_))
    whole = run.batch_size is not None
    for numbers, element in run.items(pass_):
        if whole:
            yield finish(element, numbers, run.batch_size or 0)
        elif run.program:
            single = jax.tree.map(lambda leaf: np.asarray(leaf)[np.newaxis], element)
            yield row_of(finish(single, numbers[np.newaxis], 1), 0)
        else:
            yield element
