"""Convolution, ReLU and max-pooling as one operation, against the three apart and against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from calor import ops
from calor.errors import ArgumentError, ShapeError
from calor.ops.pooled_convolution import fits

# Sums of some hundred products of numbers around 1, in another order: float32 errs by less than 1e-5 there.
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def normal(seed, *shapes):
    random = np.random.default_rng(seed)
    return [jnp.asarray(random.normal(size=shape), jnp.float32) for shape in shapes]


def apart(inputs, kernel, bias=None, *, padding="valid", pool_size=(2, 2), pool_padding="valid"):
    outputs = jax.nn.relu(ops.convolution(inputs, kernel, bias, padding=padding))
    return ops.max_pooling(outputs, pool_size, pool_size, pool_padding)


def with_gradients(function, arrays):
    @jax.jit
    def both(*arrays):
        outputs, gradients = jax.vjp(function, *arrays)
        return outputs, *gradients(jnp.cos(jnp.arange(outputs.size, dtype=jnp.float32)).reshape(outputs.shape))

    return both(*arrays)


@pytest.mark.parametrize(
    ("settings", "extent"),
    [
        ({}, (3, 3)),
        ({"padding": "same"}, (5, 4)),
        ({"pool_size": (3, 2), "pool_padding": "same"}, (1, 2)),
        ({"padding": "same", "pool_size": (4, 3), "pool_padding": "same"}, (2, 7)),
        ({"pool_size": (1, 1)}, (3, 3)),
        ({"padding": "same", "pool_size": (2, 5)}, (3, 8)),  # too large to be one operation
    ],
)
def test_it_is_the_three_operations(settings, extent):
    arrays = normal(0, (3, 11, 10, 5), (*extent, 5, 6), (6,))
    found = with_gradients(lambda *arrays: ops.pooled_convolution(*arrays, **settings), arrays)
    expected = with_gradients(lambda *arrays: apart(*arrays, **settings), arrays)
    for array, other in zip(found, expected, strict=True):
        assert_allclose(array, other, **CLOSE)


def test_second_derivatives_are_those_of_the_three_operations():
    arrays = normal(2, (2, 6, 6, 3), (3, 3, 3, 8), (8,))

    def squares(function):
        def total(arrays):
            gradients = jax.grad(lambda arrays: jnp.sum(jnp.sin(function(*arrays))))(arrays)
            return sum(jnp.sum(gradient**2) for gradient in gradients)

        return jax.jit(jax.grad(total))(arrays)

    for array, other in zip(squares(ops.pooled_convolution), squares(apart), strict=True):
        assert_allclose(array, other, rtol=1e-3, atol=1e-3 * np.abs(other).max())  # sums of products of sums


def test_the_first_of_equal_maxima_gets_the_gradient():
    inputs, kernel = jnp.ones((1, 4, 4, 1)), jnp.ones((1, 1, 1, 1))
    gradient = jax.grad(lambda inputs: ops.pooled_convolution(inputs, kernel).sum())(inputs)
    assert_array_equal(gradient[0, :, :, 0], np.kron(np.ones((2, 2)), [[1, 0], [0, 0]]))


def test_the_gradients_are_the_slopes():
    inputs, kernel, bias, weights = normal(1, (2, 6, 5, 2), (3, 2, 2, 3), (3,), (2, 2, 2, 3))
    weights = np.asarray(weights, np.float64)

    def loss(inputs, kernel, bias):  # in float64, written out
        total = 0.0
        for y in range(2):
            for x in range(2):
                window = [
                    np.einsum("bijc,ijco->bo", inputs[:, i : i + 3, j : j + 2], kernel) + bias
                    for i in (2 * y, 2 * y + 1)
                    for j in (2 * x, 2 * x + 1)
                ]
                total += np.sum(weights[:, y, x] * np.maximum(np.max(window, axis=0), 0))
        return total

    found = jax.grad(lambda *arrays: jnp.sum(ops.pooled_convolution(*arrays) * weights), argnums=(0, 1, 2))(
        inputs, kernel, bias
    )
    arrays = [np.asarray(array, np.float64) for array in (inputs, kernel, bias)]
    for position, gradient in enumerate(found):
        for index in np.ndindex(gradient.shape):
            sides = []
            for step in (1e-6, -1e-6):  # no maximum changes place and no sum its sign so near
                moved = [array.copy() for array in arrays]
                moved[position][index] += step
                sides.append(loss(*moved))
            assert_allclose(gradient[index], (sides[0] - sides[1]) / 2e-6, rtol=1e-4, atol=1e-4)  # float32's errors


def test_without_a_bias():
    arrays = normal(0, (2, 7, 7, 3), (3, 3, 3, 4))
    found = with_gradients(ops.pooled_convolution, arrays)
    with_zeros = with_gradients(lambda *arrays: ops.pooled_convolution(*arrays, jnp.zeros(4)), arrays)
    assert len(found) == 3
    for array, other in zip(found, with_zeros, strict=True):
        assert_array_equal(array, other)


def test_bfloat16_rounds_operands_and_sums_in_float32():
    arrays = normal(0, (2, 7, 7, 3), (3, 3, 3, 4), (4,))
    with ops.precision("bfloat16"):
        found = with_gradients(ops.pooled_convolution, arrays)
        expected = with_gradients(apart, arrays)
    for array, other in zip(found, expected, strict=True):
        assert array.dtype == jnp.float32
        assert_allclose(array, other, **CLOSE)
    assert not np.allclose(found[0], with_gradients(ops.pooled_convolution, arrays)[0], rtol=1e-6, atol=0)


def test_no_unneeded_gradient():
    inputs, kernel = normal(0, (2, 8, 8, 1), (3, 3, 1, 2))
    if not ops.native.available():
        pytest.skip(ops.native.status().reason)
    gradient = jax.grad(lambda kernel: jnp.sum(ops.pooled_convolution(inputs, kernel) ** 2))
    program = jax.jit(gradient).lower(kernel).compile().as_text()
    assert "calor_pooled_kernel_gradient" in program
    assert "calor_pooled_inputs_gradient" not in program


def test_which_sizes_it_is_for():
    assert fits((9, 7), (4, 4))
    assert fits((1, 1), (63, 4))
    assert not fits((3, 8), (2, 2))
    assert not fits((3, 3), (2, 5))
    assert not fits((3, 3), (64, 4))


def test_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match="kernel that covers 3 × 3 pixels finds no place"):
        ops.pooled_convolution(jnp.ones((1, 2, 9, 1)), jnp.ones((3, 3, 1, 2)))
    with pytest.raises(ShapeError, match="pool that covers 2 × 2 pixels finds no place in pictures of 1 × 7"):
        ops.pooled_convolution(jnp.ones((1, 3, 9, 1)), jnp.ones((3, 3, 1, 2)))
    with pytest.raises(ShapeError, match="does not fit pictures"):
        ops.pooled_convolution(jnp.ones((1, 9, 9, 3)), jnp.ones((3, 3, 1, 2)))
    with pytest.raises(ArgumentError, match="padding must be 'valid' or 'same', not 'full'"):
        ops.pooled_convolution(jnp.ones((1, 9, 9, 1)), jnp.ones((3, 3, 1, 2)), pool_padding="full")
