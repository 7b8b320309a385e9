"""Where examples come from when each has a number: columns of arrays, read by position."""

import functools
import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from calor.data.room import Room
from calor.errors import DataError

Result = TypeVar("Result")

_AT_ONCE = 8
"""Numbers that a thread takes at once."""


@functools.cache
def workers() -> ThreadPoolExecutor:
    """The threads that decode pictures and run Python functions, as many as there are cores."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="calor-data")


def on_threads(function: Callable[[int], Result], count: int) -> Iterator[Result]:
    """``function`` of the numbers up to ``count``, computed on the threads, in order.

    >>> list(on_threads(lambda number: number**2, 4))
    [0, 1, 4, 9]
    """
    # A hand-over for each picture costs as much as half of its decoding: both threads wait for Python's lock.
    runs = (range(start, min(start + _AT_ONCE, count)) for start in range(0, count, _AT_ONCE))
    return itertools.chain.from_iterable(workers().map(lambda numbers: [function(number) for number in numbers], runs))


def as_array(value: Any, what: str) -> np.ndarray:
    """A NumPy array in a type that JAX computes in: float64 becomes float32, int64 becomes int32.

    Args:
        value: a number, a list, or an array of NumPy, JAX or whatever NumPy understands.
        what: what it is, for the message.

    Raises:
        DataError: not a rectangular array of numbers, or integers too large for 32 bits.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{what} is not a rectangular array: its parts differ in shape ({error}).") from error
    if array.dtype.hasobject or (array.dtype.kind in "USTMmV" and not jnp.issubdtype(array.dtype, jnp.number)):
        raise DataError(
            f"{what} must hold numbers, not {array.dtype}: turn names into integers, and make all rows the same length."
        )
    plain = jax.dtypes.canonicalize_dtype(array.dtype)
    if plain == array.dtype:
        return array
    if array.dtype.kind in "iu" and array.size:
        limits = np.iinfo(plain)
        if array.min() < limits.min or array.max() > limits.max:
            raise DataError(f"{what} holds integers that do not fit {plain}: {array.min()} to {array.max()}.")
    return array.astype(plain)


def as_arrays(tree: Any, what: str) -> Any:
    """A tree of arrays from tuples and dicts of whatever ``as_array`` takes; lists are arrays, not trees."""
    return jax.tree.map(lambda leaf: as_array(leaf, what), tree, is_leaf=lambda leaf: isinstance(leaf, list))


def spec_of(columns: Any, *, axis: int = 0) -> Any:
    """Shapes and types, without the first ``axis`` axes."""
    return jax.tree.map(lambda column: jax.ShapeDtypeStruct(column.shape[axis:], column.dtype), columns)


def numeric(spec: Any) -> bool:
    """Whether all arrays hold what JAX computes with, rather than names."""
    return all(jnp.issubdtype(leaf.dtype, jnp.number) or leaf.dtype == bool for leaf in jax.tree.leaves(spec))


def size_in_bytes(spec: Any) -> int:
    """The bytes of one element."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(spec))


def alike(first: Any, other: Any) -> bool:
    """Whether these are the same shapes and types."""
    kinds: list[Any] = [jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), spec) for spec in (first, other)]
    return kinds[0] == kinds[1]


def differing_specs(first: Any, other: Any) -> str:
    """Why elements of these shapes and types cannot follow one another."""
    return (
        f"concatenate() needs elements of the same shapes and types: the first dataset's are {spelled(first)}, the "
        f"other's {spelled(other)}."
    )


def spelled(spec: Any) -> str:
    """Shapes and types in a message.

    >>> spelled((jax.ShapeDtypeStruct((28, 28), np.uint8), jax.ShapeDtypeStruct((), np.int32)))
    '(uint8 (28, 28), int32 ())'
    """
    if isinstance(spec, tuple):
        return f"({', '.join(map(spelled, spec))})"
    if isinstance(spec, dict):
        return f"{{{', '.join(f'{name!r}: {spelled(part)}' for name, part in spec.items())}}}"
    return f"{spec.dtype.name if numeric(spec) else 'str'} {spec.shape}"


def taken(column: np.ndarray, rows: np.ndarray, room: Room | None) -> np.ndarray:
    """These rows of an array, copied: into an array that ``room`` hands out, or a new one."""
    if room is None:
        return column[rows]
    # With mode="raise", NumPy would go through memory of its own.
    return np.take(column, rows, axis=0, out=room((len(rows), *column.shape[1:]), column.dtype), mode="clip")


class Source(ABC):
    """Examples numbered from 0, each a tree of arrays.

    Attributes:
        class_names: the classes in the order of their labels, where known.
        memo: what was computed from this source once and for all.
    """

    class_names: tuple[str, ...] | None = None

    def __init__(self) -> None:
        self.memo: dict[Hashable, Any] = {}
        self._device: Any = None

    def prepare(self, memory_limit: int) -> None:  # noqa: B027
        """Find out which examples there are, keeping them where they fit into that many bytes."""

    @property
    @abstractmethod
    def length(self) -> int:
        """The number of examples."""

    @property
    @abstractmethod
    def spec(self) -> Any:
        """Shapes and types of one example."""

    @property
    def labels(self) -> np.ndarray | None:
        """One integer for each example, (length,), where known."""
        return None

    @property
    def files(self) -> Sequence[Path] | None:
        """The file of each example, where it has one."""
        return None

    @abstractmethod
    def read(self, positions: np.ndarray) -> Any:
        """The examples at these positions, as arrays with a leading axis."""

    def read_into(self, room: Room, positions: np.ndarray) -> Any:
        """As ``read``, and where the source can, into arrays that ``room`` hands out."""
        return self.read(positions)

    def on_device(self) -> Any:
        """All examples as device arrays: the same objects at every call."""
        if self._device is None:
            self._device = jax.device_put(self.read(np.arange(self.length, dtype=np.int32)))
        return self._device

    @abstractmethod
    def describe(self, position: int) -> str:
        """The example in a message."""

    @property
    def nbytes(self) -> int:
        """The bytes of all examples together."""
        return self.length * size_in_bytes(self.spec)


class ArraySource(Source):
    """Examples along the first axis of arrays.

    Args:
        columns: a tree of arrays of the same length.
        origin: the source that they were computed from, which names them in messages.
        class_names: the classes in the order of their labels.
    """

    def __init__(self, columns: Any, *, origin: Source | None = None, class_names: Sequence[str] | None = None) -> None:
        super().__init__()
        self.columns = columns
        self._origin = origin
        self.class_names = None if class_names is None else tuple(class_names)
        leaves = jax.tree.leaves(columns)
        if not leaves:
            raise DataError(f"There are no arrays in {columns!r}.")
        shapes = [leaf.shape for leaf in leaves]
        if any(shape == () for shape in shapes):
            raise DataError("A dataset needs arrays with one row for each example, not single numbers.")
        if len({shape[0] for shape in shapes}) > 1:
            rows = " and ".join(f"{shape[0]} (shape {shape})" for shape in shapes)
            raise DataError(f"The arrays have different numbers of examples: {rows}.")
        if shapes[0][0] == 0:
            raise DataError("The arrays are empty: there must be at least one example.")

    @property
    def length(self) -> int:
        return int(jax.tree.leaves(self.columns)[0].shape[0])

    @property
    def spec(self) -> Any:
        return spec_of(self.columns, axis=1)

    @property
    def labels(self) -> np.ndarray | None:
        if not isinstance(self.columns, tuple) or len(self.columns) < 2 or isinstance(self.columns[1], dict | tuple):
            return None
        column = self.columns[1]
        return column.reshape(-1) if column.dtype.kind in "iub" and column[0].size == 1 else None

    def read(self, positions: np.ndarray) -> Any:
        return jax.tree.map(lambda column: np.asarray(column[positions]), self.columns)

    def read_into(self, room: Room, positions: np.ndarray) -> Any:
        return jax.tree.map(lambda column: taken(column, positions, room), self.columns)

    def on_device(self) -> Any:
        if self._device is None:
            # A copy, so that changing the user's array later cannot change the data of a run.
            self._device = jax.tree.map(jnp.array, self.columns)
        return self._device

    def describe(self, position: int) -> str:
        return self._origin.describe(position) if self._origin is not None else f"example {position}"
