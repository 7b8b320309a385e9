"""Sources made of sources: examples beside each other, one after the other, or with functions applied to them."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from calor.data.memory import available_memory
from calor.data.operations import Operation
from calor.data.pipeline import Pipeline, evaluated, pipeline
from calor.data.schedule import Finite
from calor.data.source import ArraySource, Source, alike, differing_specs
from calor.errors import DataError


class Numbers(Source):
    """The whole numbers from ``start`` on, as ``range`` counts them; int32."""

    def __init__(self, numbers: range) -> None:
        super().__init__()
        self.numbers = numbers

    @property
    def length(self) -> int:
        return len(self.numbers)

    @property
    def spec(self) -> Any:
        return jax.ShapeDtypeStruct((), np.int32)

    def read(self, positions: np.ndarray) -> Any:
        return self.numbers.start + np.int32(self.numbers.step) * positions.astype(np.int32)

    def describe(self, position: int) -> str:
        return f"the number {self.numbers[position]}"


class FileNames(ArraySource):
    """The names of files, as strings: functions on the host read them."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(np.array(names, np.dtypes.StringDType()))

    @property
    def files(self) -> Sequence[Path]:
        return [Path(name) for name in self.columns]

    def describe(self, position: int) -> str:
        return str(self.columns[position])


class View(Source):
    """The elements of a dataset in which neither they nor their order ever change.

    Args:
        source: its source.
        operations: its operations.
        positions: the examples that it begins with, None for all.
    """

    def __init__(self, source: Source, operations: Sequence[Operation], positions: np.ndarray | None) -> None:
        super().__init__()
        self.class_names = source.class_names
        self.source = source
        self.operations = operations
        self.positions = positions
        self._memory_limit: int | None = None

    def prepare(self, memory_limit: int) -> None:
        if self._memory_limit is None:
            self._memory_limit = memory_limit
        self.source.prepare(memory_limit)

    @cached_property
    def ready(self) -> Pipeline:
        """What the functions are, and where they run."""
        limit = available_memory() // 2 if self._memory_limit is None else self._memory_limit
        return pipeline(self.source, self.operations, limit, self.positions)

    @cached_property
    def rows(self) -> np.ndarray:
        """The position in the source of each element."""
        order = self.ready.order((0,))
        assert isinstance(order, Finite)
        return order.rows(0)

    @property
    def length(self) -> int:
        return len(self.rows)

    @property
    def spec(self) -> Any:
        return self.ready.spec

    @property
    def labels(self) -> np.ndarray | None:
        return None if self.source.labels is None else self.source.labels[self.rows]

    @property
    def files(self) -> Sequence[Path] | None:
        files = self.source.files
        return None if files is None else [files[row] for row in self.rows]

    def read(self, positions: np.ndarray) -> Any:
        ready = self.ready
        stages = (*(ready.host.stages if ready.host is not None else ()), *ready.program)
        if not stages:
            return ready.source.read(self.rows[positions])
        parts = [columns for _, columns in evaluated(ready.source, stages, self.rows[positions])]
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)

    def describe(self, position: int) -> str:
        return self.source.describe(int(self.rows[position]))


class Zipped(Source):
    """The examples of several sources beside each other; as many as the shortest has.

    Args:
        parts: a tree of sources.
    """

    def __init__(self, parts: Any) -> None:
        super().__init__()
        self._tree = parts
        self.parts: list[Source] = jax.tree.leaves(parts)
        self.class_names = next((part.class_names for part in self.parts if part.class_names is not None), None)

    def prepare(self, memory_limit: int) -> None:
        # What is put on the device is a copy of what the parts keep.
        for part in self.parts:
            part.prepare(memory_limit // (2 * len(self.parts)))

    @property
    def length(self) -> int:
        return min(part.length for part in self.parts)

    @property
    def spec(self) -> Any:
        return jax.tree.map(lambda part: part.spec, self._tree)

    @property
    def labels(self) -> np.ndarray | None:
        if not isinstance(self._tree, tuple) or len(self._tree) < 2 or not isinstance(self._tree[1], Source):
            return None
        part = self._tree[1]
        if not isinstance(part.spec, jax.ShapeDtypeStruct) or part.spec.dtype.kind not in "iub":
            return None
        return part.read(np.arange(self.length)).reshape(-1) if part.spec.size == 1 else None

    @property
    def files(self) -> Sequence[Path] | None:
        found = next((part.files for part in self.parts if part.files is not None), None)
        return None if found is None else found[: self.length]

    def read(self, positions: np.ndarray) -> Any:
        return jax.tree.map(lambda part: part.read(positions), self._tree)

    def describe(self, position: int) -> str:
        return next(part for part in reversed(self.parts) if not isinstance(part, Numbers)).describe(position)


class Concatenated(Source):
    """The examples of several sources one after the other."""

    def __init__(self, parts: Sequence[Source]) -> None:
        super().__init__()
        self.parts = list(parts)
        self.class_names = self.parts[0].class_names

    def prepare(self, memory_limit: int) -> None:
        # What is put on the device is a copy of what the parts keep.
        for part in self.parts:
            part.prepare(memory_limit // (2 * len(self.parts)))

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *(part.length for part in self.parts)])

    @property
    def length(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def spec(self) -> Any:
        first, *others = [part.spec for part in self.parts]
        for other in others:
            if not alike(first, other):
                raise DataError(differing_specs(first, other))
        return first

    @property
    def labels(self) -> np.ndarray | None:
        labels = [part.labels for part in self.parts]
        known = [part for part in labels if part is not None]
        return np.concatenate(known) if len(known) == len(labels) else None

    @property
    def files(self) -> Sequence[Path] | None:
        files = [part.files for part in self.parts]
        return None if None in files else [path for part in files for path in part or ()]

    def read(self, positions: np.ndarray) -> Any:
        numbers = np.searchsorted(self._starts, positions, side="right") - 1
        columns = jax.tree.map(lambda leaf: np.empty((len(positions), *leaf.shape), leaf.dtype), self.spec)
        for number in np.unique(numbers):
            rows = np.flatnonzero(numbers == number)
            part = self.parts[number].read(positions[rows] - self._starts[number])
            for whole, piece in zip(jax.tree.leaves(columns), jax.tree.leaves(part), strict=True):
                whole[rows] = piece
        return columns

    def describe(self, position: int) -> str:
        number = int(np.searchsorted(self._starts, position, side="right")) - 1
        return self.parts[number].describe(position - int(self._starts[number]))
