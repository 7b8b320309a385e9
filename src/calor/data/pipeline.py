"""From a description to what runs: which functions run where, which examples a filter leaves, what is kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from calor.data.maps import HostMaps, Resolver, Stage, compiled, on_host, row_of
from calor.data.operations import Cache, Filter, Keep, Operation, Repeat, Shuffle
from calor.data.schedule import Finite, Order, schedule
from calor.data.source import ArraySource, Source, size_in_bytes, spec_of

AT_ONCE = 256
"""How many examples at a time go through functions whose results are kept."""


@dataclass(frozen=True)
class Pipeline:
    """A dataset, ready to run.

    Attributes:
        source: the examples, those functions applied to them already whose results are cached.
        positions: which of them the dataset begins with.
        operations: the dataset's, each ``Filter`` evaluated.
        host: functions to run on the host whenever examples are read, None where there are none.
        program: functions for the compiled program.
        stages: all functions given to ``map``.
        kept: how many of them ran once, before a ``cache``.
        spec: shapes and types of an element in the end.
    """

    source: Source
    positions: np.ndarray
    operations: tuple[Operation, ...]
    host: HostMaps | None
    program: tuple[Stage, ...]
    spec: Any
    stages: tuple[Stage, ...]
    kept: int

    def order(self, entropy: Sequence[int]) -> Order:
        """The order of the elements in a run that these integers fix."""
        return schedule(self.operations, self.positions, entropy)

    def batch_bytes(self, batch_size: int) -> int:
        """The bytes of a batch as it is handed to the program."""
        last = self.host.stages[-1] if self.host is not None else None
        if last is None:
            return batch_size * size_in_bytes(self.source.spec)
        return size_in_bytes(last.gives) * (1 if last.batched else batch_size)


def pipeline(
    source: Source, operations: Sequence[Operation], memory_limit: int, positions: np.ndarray | None = None
) -> Pipeline:
    """Decide where each function runs.

    Everything up to the last function that JAX cannot trace runs on the host. Where a ``cache`` follows such
    functions on single elements, and the results fit in ``memory_limit`` bytes, they run once, now; and so does
    the function of a filter.

    Args:
        source: the examples.
        operations: what happens to them.
        memory_limit: bytes.
        positions: which examples the dataset has, None for all.

    Raises:
        DataError: as in ``Resolver``.
    """
    source.prepare(memory_limit)
    if positions is None:
        positions = np.arange(source.length, dtype=np.int32)
    resolver = Resolver(operations, source.spec, partial(_sample, source, (), (), positions), batched=False)
    kept, done = source, 0  # The source with the first stages applied, and how many these are.
    ready: list[Operation] = []
    for place, operation in enumerate(operations):
        if not resolver.batched:
            resolver.sample = partial(_sample, kept, resolver.stages[done:], tuple(ready), positions)
        resolver.resolve(place)
        rest = resolver.stages[done:]
        if isinstance(operation, Filter):
            operation = Keep(_mask(kept, [*rest, resolver.predicates[place]], _reached(ready, positions)))
        elif isinstance(operation, Cache) and on_host(rest) and not any(stage.batched for stage in rest):
            made = _materialised(kept, rest, _reached(ready, positions), memory_limit)
            kept, done = (kept, done) if made is None else (made, len(resolver.stages))
        ready.append(operation)
    rest = resolver.stages[done:]
    host = HostMaps(rest[: on_host(rest)], source.describe) if on_host(rest) else None
    program = tuple(rest[on_host(rest) :])
    return Pipeline(kept, positions, tuple(ready), host, program, resolver.spec, tuple(resolver.stages), done)


def _sample(source: Source, stages: Sequence[Stage], operations: Sequence[Operation], positions: np.ndarray) -> Any:
    """An example that the operations lead to, with the stages applied; zeros where there is none."""
    reached = _reached(operations, positions)
    if len(reached):
        return row_of(next(evaluated(source, stages, reached[:1]))[1], 0)
    spec = stages[-1].gives if stages else source.spec
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), spec)


def evaluated(source: Source, stages: Sequence[Stage], positions: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
    """The examples at these positions with the stages applied: up to ``AT_ONCE`` positions with their columns.

    The stages are on single elements, and their keys, if any, depend on the positions alone.
    """
    host = HostMaps(stages[: on_host(stages)], source.describe) if on_host(stages) else None
    program = compiled(tuple(stages[on_host(stages) :]))
    key = jax.random.key(0)
    for start in range(0, len(positions), AT_ONCE):
        part = positions[start : start + AT_ONCE]
        columns = source.read(part)
        if host is not None:
            columns = host(columns, part, key)
        if on_host(stages) < len(stages):
            # Few lengths, so that few programs are compiled.
            rows = np.zeros(1 << (len(part) - 1).bit_length(), np.int32)
            rows[: len(part)] = np.arange(len(part))
            filled = jax.tree.map(lambda column, rows=rows: column[rows], columns)
            made = program(filled, part[rows], key)
            columns = jax.tree.map(lambda column, part=part: np.asarray(column)[: len(part)], made)
        yield part, columns


def _reached(operations: Sequence[Operation], positions: np.ndarray) -> np.ndarray:
    """The positions that the operations lead to in any pass, and where that depends on the pass perhaps others."""
    if any(isinstance(operation, Shuffle | Repeat) for operation in operations):
        operations = [operation for operation in operations if isinstance(operation, Keep)]
    order = schedule(operations, positions, (0,))
    assert isinstance(order, Finite)
    rows = np.unique(order.rows(0))
    return rows[rows >= 0]


def _mask(source: Source, stages: Sequence[Stage], positions: np.ndarray) -> np.ndarray:
    """For each example of the source whether the last stage is true; evaluated once, and at these positions only."""
    found: np.ndarray = source.memo.setdefault(tuple(stages), np.full(source.length, -1, np.int8))
    wanted = positions[found[positions] < 0]
    for rows, truth in evaluated(source, stages, wanted):
        found[rows] = truth.astype(bool)
    return found > 0


def _materialised(
    source: Source, stages: Sequence[Stage], positions: np.ndarray, memory_limit: int
) -> ArraySource | None:
    """The source with these stages applied to the examples at these positions, or None where memory is too small."""
    kept: Kept = source.memo.setdefault(tuple(stages), Kept(np.zeros(source.length, bool)))
    for rows, part in evaluated(source, stages, positions[~kept.done[positions]]):
        if kept.source is None:
            row = spec_of(part, axis=1)
            if source.length * size_in_bytes(row) > memory_limit:
                return None
            columns = jax.tree.map(lambda leaf: np.zeros((source.length, *leaf.shape), leaf.dtype), row)
            kept.source = ArraySource(columns, origin=source)
        for whole, piece in zip(jax.tree.leaves(kept.source.columns), jax.tree.leaves(part), strict=True):
            if whole.shape[1:] != piece.shape[1:]:
                raise HostMaps(stages, source.describe).differing()
            whole[rows] = piece
        kept.done[rows] = True
    return kept.source


@dataclass
class Kept:
    """Examples with functions applied to them.

    Attributes:
        done: for each position of the source whether it is there.
        source: the results, None as long as there are none.
    """

    done: np.ndarray
    source: ArraySource | None = None
