"""Pooling against XLA's windows, with ties, NaN, padding, and what it says when it cannot."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jax import lax
from numpy.testing import assert_allclose, assert_array_equal

from calor import ops
from calor.errors import ArgumentError, ShapeError


def pairs(most):
    return st.tuples(st.integers(1, most), st.integers(1, most))


cases = st.fixed_dictionaries(
    {
        "size": pairs(9),
        "pool_size": pairs(4),
        "strides": st.none() | pairs(4),  # None: windows side by side
        "padding": st.sampled_from(["valid", "same"]),
    }
)


def drawn(size, pool_size, strides, padding):
    assume(padding == "same" or (pool_size[0] <= size[0] and pool_size[1] <= size[1]))
    # Few different numbers: many windows have their maximum twice.
    inputs = jnp.asarray(np.random.default_rng(0).integers(-2, 3, (2, *size, 3)), jnp.float32)
    return inputs, (pool_size, strides or pool_size, padding)


def with_gradient(function, inputs):
    @jax.jit
    def both(inputs):
        outputs, gradient = jax.vjp(function, inputs)
        arriving = jnp.arange(1, outputs.size + 1, dtype=jnp.float32).reshape(outputs.shape)
        return outputs, gradient(arriving)[0]

    return both(inputs)


@given(cases)
def test_max_pooling_is_xlas_and_the_first_maximum_gets_the_gradient(case):
    inputs, (pool_size, strides, padding) = drawn(**case)
    outputs, gradient = with_gradient(lambda inputs: ops.max_pooling(inputs, pool_size, strides, padding), inputs)
    expected, expected_gradient = with_gradient(
        lambda inputs: lax.reduce_window(
            inputs, -jnp.inf, lax.max, (1, *pool_size, 1), (1, *strides, 1), padding.upper()
        ),
        inputs,
    )
    assert_array_equal(outputs, expected)
    assert_array_equal(gradient, expected_gradient)
    assert_array_equal(ops.max_pooling(inputs, pool_size, strides, padding), expected)


@given(cases)
def test_average_pooling_counts_real_pixels_only(case):
    inputs, (pool_size, strides, padding) = drawn(**case)

    def expected(inputs):
        def sums(array):
            window, steps = (1, *pool_size, 1), (1, *strides, 1)
            return lax.reduce_window(array, 0.0, lax.add, window, steps, padding.upper())

        return sums(inputs) / sums(jnp.ones_like(inputs))

    found = with_gradient(lambda inputs: ops.average_pooling(inputs, pool_size, strides, padding), inputs)
    for array, other in zip(found, with_gradient(expected, inputs), strict=True):
        assert_allclose(array, other, rtol=1e-6, atol=1e-6)  # at most 16 numbers, summed in another order


@pytest.mark.parametrize("strides", [(2, 2), (1, 1)])
def test_nan_and_infinity_come_through(strides):
    inputs = jnp.arange(16.0).reshape(1, 4, 4, 1).at[0, 0, 1].set(jnp.nan).at[0, 3, 3].set(-jnp.inf)
    assert np.isnan(ops.max_pooling(inputs, (2, 2), strides)[0, 0, 0, 0])
    outputs, _ = jax.vjp(lambda inputs: ops.max_pooling(inputs, (2, 2), strides), inputs)
    assert np.isnan(outputs[0, 0, 0, 0])
    assert np.isfinite(outputs[0, -1, -1, 0])
    assert np.isnan(ops.average_pooling(inputs, (2, 2), strides)[0, 0, 0, 0])


def test_windows_of_nothing_but_minus_infinity():
    inputs = jnp.full((1, 3, 3, 1), -jnp.inf)
    outputs, gradient = with_gradient(lambda inputs: ops.max_pooling(inputs, (2, 2), (2, 2), "valid"), inputs)
    assert_array_equal(outputs.ravel(), [-jnp.inf])
    assert_array_equal(gradient.ravel(), [1, 0, 0, 0, 0, 0, 0, 0, 0])


def test_pictures_smaller_than_the_window():
    for pooling in (ops.max_pooling, ops.average_pooling):
        with pytest.raises(ShapeError, match="pool that covers 2 × 2 pixels finds no place in pictures of 1 × 8"):
            pooling(jnp.ones((1, 1, 8, 3)), (2, 2), (2, 2), "valid")


def test_an_unknown_padding():
    with pytest.raises(ArgumentError, match="padding must be 'valid' or 'same', not 'SAME'"):
        ops.max_pooling(jnp.ones((1, 4, 4, 1)), (2, 2), (2, 2), "SAME")
