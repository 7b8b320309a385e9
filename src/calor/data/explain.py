"""How a dataset runs, as text: what stays in memory, what streams, which function runs where and why, and how long."""

import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from calor.data.combined import Concatenated, View, Zipped
from calor.data.feed import DerivedFeed, Feed, FeedRun
from calor.data.maps import HostMaps, Stage, compiled
from calor.data.memory import available_memory
from calor.data.operations import (
    Batch,
    Cache,
    Filter,
    Keep,
    Map,
    Operation,
    Repeat,
    Shard,
    Shuffle,
    Skip,
    Take,
    cardinality,
    last_batching,
    name_of,
)
from calor.data.pipeline import Pipeline, pipeline
from calor.data.schedule import Endless
from calor.data.source import Source, numeric, size_in_bytes, spelled

BATCH_SIZE = 32
"""What ``fit`` makes of a dataset that is not batched."""

MEASURED_BATCHES = 20
MEASURED_SECONDS = 1.0


class Description(NamedTuple):
    """What a dataset consists of."""

    source: Source | Feed
    operations: tuple[Operation, ...]
    positions: np.ndarray | None


@dataclass
class Row:
    """A step of a dataset, where it runs and why, and the milliseconds of a batch that go by in it."""

    step: str
    runs: str
    why: str = ""
    milliseconds: float | None = None


def explained(description: Description, memory_limit: int | None, *, measure: bool) -> Iterator[str]:
    """The lines that explain a dataset.

    Args:
        description: the dataset's.
        memory_limit: the bytes that the data may take up, by default half of what is available.
        measure: whether to run some batches.
    """
    limit = available_memory() // 2 if memory_limit is None else memory_limit
    source, operations, positions = description
    unbatched = not isinstance(last_batching(operations), Batch) and not (isinstance(source, Feed) and source.batched)
    if unbatched:
        operations = (*operations, Batch(BATCH_SIZE, False))
    made = (
        _of_feed(source, operations, measure=measure)
        if isinstance(source, Feed)
        else _of_source(source, operations, positions, limit, measure=measure)
    )
    headline, rows, footline = made
    if unbatched:
        rows[-1].why = "fit() does this to datasets that are not batched"
    yield headline
    yield from _table(rows)
    yield footline
    if measure:
        yield _slowest(rows)


def _of_source(
    source: Source, operations: tuple[Operation, ...], positions: np.ndarray | None, limit: int, *, measure: bool
) -> tuple[str, list[Row], str]:
    ready = pipeline(source, operations, limit, positions)
    batch = last_batching(operations)
    assert isinstance(batch, Batch)
    fits = 0 < ready.source.nbytes <= limit
    size = _bytes(ready.source.nbytes)
    if ready.host is None and fits and numeric(ready.source.spec):
        state = f"resident, {size} on the device"
    elif ready.host is not None:
        state = "streaming, as a function runs on the host in every pass"
    else:
        state = f"streaming, as its {size} are more than the {_bytes(limit)} that it may use"
    resident = state.startswith("resident")
    rows = [*_source_rows(source), *_operation_rows(ready, operations)]
    if measure:
        _measure_source(ready, rows, batch.size)
    elements = f"{len(ready.positions):,} elements, {spelled(ready.source.spec)}"
    copies = ["read"] + ["stacked after the functions"] * (ready.host is not None) + ["put into a block"]
    moved = (
        "gathered inside the program, no copies on the host"
        if resident
        else f"copied {len(copies)} times on the host ({', '.join(copies)}), then moved to the device"
    )
    into, out = _bytes(ready.batch_bytes(batch.size)), _bytes(size_in_bytes(ready.spec))
    return f"Dataset of {elements}: {state}", rows, f"Each batch: {into} in, {out} out; {moved}"


def _of_feed(feed: Feed, operations: tuple[Operation, ...], *, measure: bool) -> tuple[str, list[Row], str]:
    run = FeedRun(feed, operations)
    rows = _feed_rows(feed)
    first = len(rows)
    maps = 0
    for operation in operations:
        match operation:
            case Map():
                rows.append(_map_row(run.stages[maps], maps, len(run.hosts), 0, threads=1))
                maps += 1
            case Shuffle():
                rows.append(Row(_spelled(operation), "on the host", f"from the next {operation.buffer_size:,}"))
            case Cache():
                rows.append(Row("cache", "on the host", "the first pass is kept in memory"))
            case _:
                rows.append(Row(_spelled(operation), "on the host"))
    if measure:
        _measure_feed(run, rows, first)
    count = cardinality(feed.length, operations)
    length = f"{count:,} batches" if isinstance(count, int) else "batches without end" if count else "batches"
    state = "streaming, as its elements come one after the other"
    copies = "copied 2 times on the host (batched, put into a block), then moved to the device"
    into, out = _bytes(run.batch_bytes), _bytes(size_in_bytes(run.spec))
    return f"Dataset of {length}, {spelled(run.spec)}: {state}", rows, f"Each batch: {into} in, {out} out; {copies}"


def _source_rows(source: Source, depth: int = 0) -> list[Row]:
    indent = "  " * depth
    match source:
        case Zipped() | Concatenated():
            rows = [Row(f"{indent}{type(source).__name__.lower()}:", "on the host, by number")]
            return rows + [row for part in source.parts for row in _source_rows(part, depth + 1)]
        case View():
            rows = _source_rows(source.source, depth)
            for operation, row in zip(source.operations, _operation_rows(source.ready, source.operations), strict=True):
                if isinstance(operation, Map) and not row.why:
                    row.runs, row.why = "on the host, compiled", "its results are put together"
                rows.append(Row(indent + row.step, row.runs, row.why))
            return rows
        case _:
            name = {"ArraySource": "arrays", "Numbers": "range", "FileNames": "names of files"}
            kind = type(source).__name__
            where = "in memory" if kind in name else "read by number"
            return [Row(indent + name.get(kind, f"{kind.removesuffix('Source').lower()}"), where)]


def _feed_rows(feed: Feed, depth: int = 0) -> list[Row]:
    indent = "  " * depth
    if not isinstance(feed, DerivedFeed):
        why = "it can be read once only" if feed.once else "called for every pass"
        return [Row(f"{indent}generator", "on the host", why)]
    rows = [Row(f"{indent}{feed.name.removeprefix('the ')}:", "on the host, one after the other")]
    for source, operations, positions in feed.inputs:
        if isinstance(source, Feed):
            rows += _feed_rows(source, depth + 1)
            rows += [Row(f"{indent}  {_spelled(operation)}", "on the host") for operation in operations]
        else:
            rows += _source_rows(View(source, operations, positions), depth + 1)
    return rows


def _operation_rows(ready: Pipeline, operations: Sequence[Operation]) -> list[Row]:
    rows = []
    maps = 0
    hosts = ready.kept + (len(ready.host.stages) if ready.host is not None else 0)
    for operation, resolved in zip(operations, ready.operations, strict=True):
        match operation:
            case Map():
                rows.append(_map_row(ready.stages[maps], maps, hosts, ready.kept, threads=os.cpu_count() or 1))
                maps += 1
            case Filter():
                assert isinstance(resolved, Keep)
                stay = f"{np.count_nonzero(resolved.mask):,} of {len(ready.positions):,} stay"
                rows.append(Row(_spelled(operation), "once, then as numbers", stay))
            case Cache():
                if 0 < maps <= ready.kept:
                    rows.append(Row("cache", "in memory", f"{_bytes(ready.source.nbytes)}"))
                elif any(not stage.traceable for stage in ready.stages[:maps]):
                    rows.append(Row("cache", "not at all", "the results are too large for the memory, or batches"))
                else:
                    rows.append(Row("cache", "as numbers", "the order is kept; the functions are cheap to repeat"))
            case _:
                rows.append(Row(_spelled(operation), "as numbers"))
    return rows


def _map_row(stage: Stage, number: int, hosts: int, kept: int, *, threads: int) -> Row:
    """The row of a ``map``: the first ``hosts`` run on the host, the first ``kept`` of them once."""
    step = f"map {_function(stage.function)}"
    if number >= hosts:
        return Row(step, "in the program")
    where = "on the host, once" if number < kept else f"on the host, {threads} thread{'s' * (threads > 1)}"
    if stage.traceable:
        return Row(step, where, "a later step needs its results on the host")
    return Row(step, where, f"JAX cannot trace it: {stage.reason}")


def _measure_source(ready: Pipeline, rows: list[Row], size: int) -> None:
    """Add the times of some batches to the rows; the operations' are the last ones."""
    clock = dict.fromkeys(range(-1, len(ready.operations)), 0.0)
    places = [place for place, operation in enumerate(ready.operations) if isinstance(operation, Map)][ready.kept :]
    hosts = ready.host.stages if ready.host is not None else ()
    program = [compiled((stage,)) for stage in ready.program]
    order = ready.order((0,))
    batches = order.rows(0, MEASURED_BATCHES) if isinstance(order, Endless) else order.rows(0)[:MEASURED_BATCHES]
    began = time.perf_counter()
    done = 0
    for number, batch in enumerate(batches[:1].tolist() + batches.tolist()):
        positions = np.array([position for position in batch if position >= 0], np.int32)
        if number == 1:
            began, clock = time.perf_counter(), dict.fromkeys(clock, 0.0)  # The first one compiled.
        start = time.perf_counter()
        columns = ready.source.read(positions)
        clock[-1] += time.perf_counter() - start
        key = jax.random.key(number)
        for place, stage in zip(places, hosts, strict=False):
            start = time.perf_counter()
            columns = HostMaps([stage], ready.source.describe)(columns, positions, key)
            clock[place] += time.perf_counter() - start
        filled = np.resize(np.arange(len(positions)), size)
        columns = jax.tree.map(lambda column, filled=filled: jax.numpy.asarray(column[filled]), columns)
        for place, function in zip(places[len(hosts) :], program, strict=True):
            start = time.perf_counter()
            columns = jax.block_until_ready(function(columns, positions[filled], key))
            clock[place] += time.perf_counter() - start
        done = number
        if number and time.perf_counter() - began > MEASURED_SECONDS:
            break
    for place, seconds in clock.items():
        if place < 0 or place in places:
            rows[place - len(ready.operations)].milliseconds = 1000 * seconds / max(done, 1)


def _measure_feed(run: FeedRun, rows: list[Row], first: int) -> None:
    """Add the times of some batches to the rows; the feed's own are those before ``first``."""
    clock: dict[int, float] = {}
    began = time.perf_counter()
    done = 0
    for _ in run.items(0, clock):
        done += 1
        if done == MEASURED_BATCHES or time.perf_counter() - began > MEASURED_SECONDS:
            break
    before = 0.0
    for place in range(-1, len(rows) - first):
        through = clock.get(place, before)
        rows[first + place if place >= 0 else 0].milliseconds = 1000 * max(through - before, 0.0) / max(done, 1)
        before = through


def _slowest(rows: Sequence[Row]) -> str:
    timed = [row for row in rows if row.milliseconds is not None]
    total = sum(row.milliseconds or 0.0 for row in timed)
    slowest = max(timed, key=lambda row: row.milliseconds or 0.0)
    share = (slowest.milliseconds or 0.0) / total if total else 0.0
    return f"Measured: {total:.2f} ms a batch, {share:.0%} of them in {slowest.step.strip()}"


def _table(rows: Sequence[Row]) -> Iterator[str]:
    timed = any(row.milliseconds is not None for row in rows)
    cells = [("Step", "Runs", *(("ms a batch",) if timed else ()), "Why")]
    for row in rows:
        measured = "" if row.milliseconds is None else f"{row.milliseconds:.2f}"
        cells.append((row.step, row.runs, *((measured.rjust(len("ms a batch")),) if timed else ()), row.why))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = "─" * min(sum(widths) + 2 * len(widths) - 2, 100)
    for number, line in enumerate(cells):
        if number < 2:
            yield rule
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    yield rule


def _spelled(operation: Operation) -> str:
    name = name_of(operation)
    match operation:
        case Map(function) | Filter(function):
            return f"{name} {_function(function)}"
        case Batch():
            return f"{name}({operation.size})"
        case Take() | Skip():
            return f"{name}({operation.count})"
        case Repeat():
            return f"{name}({'' if operation.count is None else operation.count})"
        case Shard():
            return f"{name}({operation.count}, {operation.index})"
        case Shuffle():
            return f"{name}({operation.buffer_size})"
        case _:
            return name


def _function(function: Any) -> str:
    """A function's name and place, short."""
    code = getattr(function, "__code__", None)
    name = getattr(function, "__name__", None) or type(function).__name__
    return f"{name} ({Path(code.co_filename).name}, line {code.co_firstlineno})" if code is not None else name


def _bytes(count: float) -> str:
    """A size as people say it.

    >>> _bytes(640), _bytes(47_040_000)
    ('640 bytes', '47.0 MB')
    """
    power = min(int(math.log10(max(count, 1))) // 3, 4)
    return f"{count / 1000**power:.1f} {('', 'kB', 'MB', 'GB', 'TB')[power]}" if power else f"{count:.0f} bytes"
