"""Blocks of batches, made from examples that are read when they are needed."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from calor.data.cursor import Block
from calor.data.maps import HostMaps, row_of
from calor.data.room import Room
from calor.data.schedule import Endless, Order
from calor.data.source import Source

BLOCK_BYTES = 16 << 20
"""How large a block should be, about."""

SMALLEST_BLOCK_BYTES = 1 << 20
"""What a block may have however little memory is allowed: below this, handing blocks over costs more than it saves."""

BLOCK_BATCHES = 64
"""The most batches in a block."""


def batches_per_block(batch_bytes: int, memory_limit: int) -> int:
    """How many batches make a block: four blocks exist at a time, and they should fit in the memory."""
    wanted = min(BLOCK_BYTES, max(memory_limit // 4, SMALLEST_BLOCK_BYTES)) // max(batch_bytes, 1)
    return min(max(wanted, 1), BLOCK_BATCHES)


def entropy_key(entropy: Sequence[int]) -> Any:
    """A JAX random key for functions that run on the host."""
    return jax.random.key(int(np.random.SeedSequence(list(entropy)).generate_state(1)[0]))


class Reader:
    """Reads batches from a source and applies the functions that run on the host.

    Args:
        source: the examples.
        maps: the functions, None where there are none.
        entropy: fixes the random keys that they are given.
        room: what ``read`` reads into, where the caller has done with a batch before it reads the next.
    """

    def __init__(self, source: Source, maps: HostMaps | None, entropy: Sequence[int], room: Room | None = None) -> None:
        self._source = source
        self._room = room
        self._maps = maps
        self._key = entropy_key(entropy) if maps is not None and maps.keyed else None

    def read(self, positions: np.ndarray, step: int) -> Any:
        """The batch of these real examples, (examples, ...); ``step`` numbers it in the run, for its random key."""
        if self._room is not None:
            self._room.begin()
            columns = self._source.read_into(self._room, positions)
        else:
            columns = self._source.read(positions)
        return columns if self._maps is None else self._maps(columns, positions, self._step_key(step))

    def read_each(self, positions: np.ndarray, step: int) -> list[Any]:
        """As ``read``, element by element, whose shapes may differ; for functions on single elements."""
        columns = self._source.read(positions)
        if self._maps is None:
            return [row_of(columns, row) for row in range(len(positions))]
        return self._maps.each(columns, positions, self._step_key(step))

    def _step_key(self, step: int) -> Any:
        return self._key if self._key is None else jax.random.fold_in(self._key, step % (1 << 31))

    def block(self, rows: np.ndarray, batches: int, step: int) -> Block:
        """The block of these batches.

        Args:
            rows: positions in the source, (at most ``batches``, batch size), -1 for padding.
            batches: for how many batches the columns have room, whatever is in them.
            step: the number of the first batch in the run.
        """
        real = rows >= 0
        if self._maps is None:
            parts = [self.read(rows[real], step)]
        else:
            parts = [self.read(row[row >= 0], step + place) for place, row in enumerate(rows)]
        try:
            columns = joined(parts, batches * rows.shape[1])
        except ValueError as error:
            raise (self._maps.differing() if self._maps is not None else error) from error
        indices = np.full(rows.shape, -1, np.int32)
        indices[real] = np.arange(np.count_nonzero(real))
        return Block(columns, indices, rows)

    def blocks(self, order: Order, batches: int, step: int) -> Iterator[Block | None]:
        """The blocks of a run from a step on, with None after each pass."""
        if isinstance(order, Endless):
            while True:
                yield self.block(order.rows(step, step + batches), batches, step)
                step += batches
        while True:
            pass_, start = divmod(step, order.length)
            rows = order.rows(pass_)
            for place in range(start, order.length, batches):
                yield self.block(rows[place : place + batches], batches, pass_ * order.length + place)
            yield None
            step = (pass_ + 1) * order.length


def joined(parts: Sequence[Any], length: int) -> Any:
    """The parts one after the other, with zeros after them up to ``length`` rows."""

    def join(*leaves: np.ndarray) -> np.ndarray:
        shapes = {leaf.shape[1:] for leaf in leaves}
        if len(shapes) > 1:
            raise ValueError(f"different shapes: {sorted(shapes)}")
        whole = np.zeros((length, *leaves[0].shape[1:]), leaves[0].dtype)
        np.concatenate(leaves, out=whole[: sum(map(len, leaves))])
        return whole

    return jax.tree.map(join, *parts)
