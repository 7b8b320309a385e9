"""Memory that is used again from batch to batch, and that nobody who keeps a batch notices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calor.data import Dataset
from calor.data.room import ALIGNMENT, Room
from calor.data.source import taken


def test_what_is_handed_out_is_apart_aligned_and_handed_out_again():
    room = Room()
    first, second = room((3, 5), np.uint8), room((3, 5), np.float32)
    first[...], second[...] = 1, 2
    assert first.ctypes.data % ALIGNMENT == second.ctypes.data % ALIGNMENT == 0
    assert (first == 1).all()
    room.begin()
    again = room((15,), np.uint8)
    assert again.ctypes.data == first.ctypes.data
    larger = room((100, 5), np.float32)
    assert larger.shape == (100, 5)
    assert room.holds(larger[50:])
    assert not room.holds(np.zeros(3))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, bool, jnp.bfloat16])
def test_rows_are_the_same_wherever_they_are_read_into(dtype):
    column = np.arange(24).reshape(6, 2, 2).astype(dtype)
    rows = np.array([5, 0, 0, 3], np.int32)
    room = Room()
    received = taken(column, rows, room)
    assert room.holds(received)
    assert received.dtype == column.dtype
    assert np.array_equal(received, column[rows])
    assert np.array_equal(taken(column, rows, None), column[rows])
    assert taken(column, rows[:0], room).shape == (0, 2, 2)


@pytest.mark.parametrize(
    "function",
    [lambda x, y: (x, y * 2), lambda x, y: (y, x), lambda x, y: (x * 2, y), lambda x, y: (x[:1], y)],
)
@pytest.mark.parametrize("batched", [True, False])
def test_batches_that_are_kept_stay_as_they_were(function, batched):
    x = np.random.default_rng(0).integers(0, 99, (70, 64, 4), np.uint8)
    y = np.arange(70, dtype=np.int32)
    dataset = Dataset.from_arrays(x, y).map(function)
    kept = list(dataset.batch(10) if batched else dataset)
    expected = jax.tree.map(np.asarray, jax.vmap(function)(x, y))
    for place in (0, 1):
        join = np.concatenate if batched else np.stack
        received = join([element[place] for element in kept])
        assert np.array_equal(received, expected[place])
