"""Iterators made of iterators: elements beside each other, one after the other, or in turn."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from calor.data.source import alike, differing_specs, spec_of
from calor.errors import DataError


def zipped(structure: Any, iterators: Sequence[Iterator[Any]], *, batched: bool) -> Iterator[Any]:
    """The elements of the iterators beside each other, until the shortest ends.

    Raises:
        DataError: batches differ in size.
    """
    for parts in zip(*iterators, strict=False):
        if batched and len(sizes := {len(leaf) for leaf in jax.tree.leaves(parts)}) > 1:
            raise DataError(f"zip() of batches of different sizes, {sorted(sizes)}: zip the datasets, then batch.")
        yield jax.tree.unflatten(structure, parts)


def concatenated(iterators: Sequence[Iterator[Any]]) -> Iterator[Any]:
    """The elements of the iterators one after the other.

    Raises:
        DataError: the first elements of two differ in structure or type.
    """
    first: Any = None
    for iterator in iterators:
        for number, element in enumerate(iterator):
            if number == 0:
                first = element if first is None else first
                _check_alike(first, element)
            yield element


def _check_alike(first: Any, other: Any) -> None:
    kinds = [jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((), leaf.dtype), spec_of(part)) for part in (first, other)]
    if not alike(*kinds):
        raise DataError(differing_specs(spec_of(first), spec_of(other)))


def interleaved(
    inputs: Iterator[Any], begin: Callable[[int, Any], Iterator[Any]], cycle_length: int, block_length: int
) -> Iterator[Any]:
    """The elements of what is begun for each input, taken in turn from ``cycle_length`` of them.

    Args:
        inputs: the elements to begin something for.
        begin: of an input's number, from 0, and the input.
        cycle_length: how many are under way at a time.
        block_length: how many elements in a row come from each.

    >>> letters = interleaved(iter("abc"), lambda number, letter: iter([letter] * 3), 2, 2)
    >>> "".join(letters)
    'aabbabccc'
    """
    numbered = enumerate(inputs)
    cycle: list[Iterator[Any] | None] = [None] * cycle_length
    for place in itertools.cycle(range(cycle_length)):
        current = cycle[place]
        if current is None and (following := next(numbered, None)) is not None:
            current = begin(*following)
        taken = 0
        if current is not None:
            for element in itertools.islice(current, block_length):
                taken += 1
                yield element
        cycle[place] = current if taken == block_length else None
        if current is None and not any(cycle):
            return


def windows(elements: Iterator[Any], size: int, shift: int, stride: int, *, drop_remainder: bool) -> Iterator[Any]:
    """Columns of ``size`` elements each, every ``stride``-th one, the windows beginning ``shift`` elements apart."""
    reach = (size - 1) * stride + 1
    buffer: list[Any] = []
    left_out = 0
    for element in itertools.chain(elements, itertools.repeat(_END)):
        if element is not _END:
            if left_out:
                left_out -= 1
                continue
            buffer.append(element)
            if len(buffer) < reach:
                continue
        elif drop_remainder or not buffer:
            return
        yield jax.tree.map(lambda *leaves: np.stack(leaves), *buffer[:reach:stride])
        left_out = max(shift - len(buffer), 0)
        del buffer[:shift]


_END = object()
