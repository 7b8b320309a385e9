import math

import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calor.errors import ArgumentError, ShapeError
from calor.layers import Flatten, Reshape

SHAPES = st.lists(st.integers(1, 4), max_size=4).map(tuple)


@given(shape=SHAPES, batch=st.integers(0, 3))
def test_flatten_makes_one_row_of_each_example(shape: tuple[int, ...], batch: int) -> None:
    inputs = jnp.arange(float(batch * math.prod(shape))).reshape(batch, *shape)
    outputs, _ = Flatten().apply({}, {}, inputs, training=True, key=None)
    assert outputs.shape == (batch, math.prod(shape))
    assert (outputs.ravel() == inputs.ravel()).all()


@given(shape=SHAPES.filter(bool), data=st.data())
def test_reshape_fills_in_what_is_left(shape: tuple[int, ...], data: st.DataObject) -> None:
    target = list(data.draw(st.permutations(shape)))
    expected = tuple(target)
    target[data.draw(st.integers(0, len(target) - 1))] = -1
    layer = Reshape(target)
    assert layer.build(None, shape) == ({}, {})
    outputs, _ = layer.apply({}, {}, jnp.zeros((2, *shape)), training=False, key=None)
    assert outputs.shape == (2, *expected)


def test_the_order_of_the_numbers_is_that_of_keras() -> None:
    inputs = np.arange(48.0, dtype=np.float32).reshape(2, 2, 3, 4)
    for ours, theirs in ((Flatten(), keras.layers.Flatten()), (Reshape((4, -1)), keras.layers.Reshape((4, -1)))):
        outputs, _ = ours.apply({}, {}, jnp.asarray(inputs), training=False, key=None)
        np.testing.assert_array_equal(outputs, theirs(inputs))


@pytest.mark.parametrize("target", [(5, 5), (5, -1), (24,), (2, 2, 2)])
def test_shapes_that_do_not_fit(target: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"inputs of shape \(3, 4\), 12 numbers, into the target shape"):
        Reshape(target).build(None, (3, 4))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (12, r"target_shape must be a tuple such as \(28, 28, 1\), not 12"),
        ("12", "target_shape must be a tuple"),
        ((-1, -1), "may have one -1 and no 0"),
        ((0, 3), "may have one -1 and no 0"),
        ((2.0, 3), "target_shape must be a whole number from -1 up, not 2.0"),
    ],
)
def test_arguments_that_cannot_work(target, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Reshape(target)
