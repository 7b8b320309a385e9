"""From a description to what runs: which maps run where, and whether the data stay in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from calor.data.maps import HostMaps, Stage, resolve
from calor.data.operations import Batch, Cache, Map, Operation
from calor.data.source import ArraySource, Source, size_in_bytes

MATERIALISE = 256
"""How many examples at a time go through the functions whose results are kept."""


@dataclass(frozen=True)
class Pipeline:
    """A dataset, ready to run.

    Attributes:
        source: the examples, those functions applied to them already whose results are cached.
        host: functions to run on the host whenever examples are read, None where there are none.
        program: functions for the compiled program.
        spec: shapes and types of an element in the end.
    """

    source: Source
    host: HostMaps | None
    program: tuple[Stage, ...]
    spec: Any

    def batch_bytes(self, batch_size: int) -> int:
        """The bytes of a batch as it is handed to the program."""
        last = self.host.stages[-1] if self.host is not None else None
        if last is None:
            return batch_size * size_in_bytes(self.source.spec)
        return size_in_bytes(last.gives) * (1 if last.batched else batch_size)


def pipeline(source: Source, operations: Sequence[Operation], memory_limit: int) -> Pipeline:
    """Decide where each function runs.

    Everything up to the last function that JAX cannot trace runs on the host. Where a ``cache`` follows such
    functions on single elements, and the results fit in ``memory_limit`` bytes, they run once, now.

    Raises:
        DataError: as in ``resolve``.
    """
    source.prepare(memory_limit)
    sample_position = np.zeros(1, np.int32)
    stages, spec = resolve(
        operations,
        source.spec,
        lambda: jax.tree.map(lambda column: column[0], source.read(sample_position)),
        batched=False,
    )
    cached = _cached_on_host(operations, stages)
    if cached and (kept := _materialised(source, stages[:cached], memory_limit)) is not None:
        source, stages = kept, stages[cached:]
    last = max((place + 1 for place, stage in enumerate(stages) if not stage.traceable), default=0)
    host = HostMaps(stages[:last], source.describe) if last else None
    return Pipeline(source, host, tuple(stages[last:]), spec)


def _cached_on_host(operations: Sequence[Operation], stages: Sequence[Stage]) -> int:
    """How many of the stages come before the last cache that spares running them again and again."""
    cached = maps = 0
    for operation in operations:
        if isinstance(operation, Batch):
            break
        if isinstance(operation, Map):
            maps += 1
        elif isinstance(operation, Cache) and not all(stage.traceable for stage in stages[:maps]):
            cached = maps
    return cached


def _materialised(source: Source, stages: Sequence[Stage], memory_limit: int) -> Source | None:
    """The source with these stages applied to all its examples, or None where that does not fit in memory."""
    name = tuple(stages)
    if name in source.memo:
        return source.memo[name]
    maps = HostMaps(stages, source.describe)
    columns: Any = None
    for start in range(0, source.length, MATERIALISE):
        positions = np.arange(start, min(start + MATERIALISE, source.length), dtype=np.int32)
        part = maps(source.read(positions), positions, jax.random.key(0))
        if columns is None:
            row = jax.tree.map(lambda column: jax.ShapeDtypeStruct(column.shape[1:], column.dtype), part)
            if source.length * size_in_bytes(row) > memory_limit:
                return None
            columns = jax.tree.map(lambda column: np.empty((source.length, *column.shape[1:]), column.dtype), part)
        for whole, piece in zip(jax.tree.leaves(columns), jax.tree.leaves(part), strict=True):
            if whole.shape[1:] != piece.shape[1:]:
                raise maps.differing()
            whole[positions] = piece
    source.memo[name] = ArraySource(columns, origin=source)
    return source.memo[name]
