"""The matrix product and the precision that it multiplies in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from calor import ops
from calor.errors import UnknownNameError


def normal(*shapes):
    random = np.random.default_rng(0)
    return [jnp.asarray(random.normal(size=shape), jnp.float32) for shape in shapes]


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 4, 5)])
def test_products_and_gradients(shape):
    inputs, kernel = normal(shape, (5, 7))
    outputs, gradients = jax.vjp(ops.matmul, inputs, kernel)
    expected, expected_gradients = jax.vjp(jnp.matmul, inputs, kernel)
    found = outputs, *gradients(outputs)
    for array, other in zip(found, (expected, *expected_gradients(outputs)), strict=True):
        assert_allclose(array, other, rtol=1e-5, atol=1e-5)  # the same sums in another order


def test_bytes_become_float32():
    inputs = jnp.full((1, 3), 200, jnp.uint8)
    outputs, gradient = jax.value_and_grad(lambda kernel: ops.matmul(inputs, kernel).sum())(jnp.ones((3, 1)))
    assert outputs.item() == 600
    assert_allclose(gradient, np.full((3, 1), 200))


def test_bfloat16_rounds_operands_and_sums_in_float32():
    with ops.precision("bfloat16"):
        outputs = ops.matmul(jnp.full((1, 4096), 1 + 2**-9), jnp.ones((4096, 1)).at[0].set(1.5))
    assert outputs.dtype == jnp.float32
    assert outputs.item() == 4096.5  # bfloat16 would have 4096


def test_gradients_in_bfloat16_are_float32():
    inputs, kernel = normal((32, 5), (5, 7))
    with ops.precision("bfloat16"):
        found = jax.grad(lambda *arrays: jnp.sum(ops.matmul(*arrays) ** 2), argnums=(0, 1))(inputs, kernel)
    exact = jax.grad(lambda *arrays: jnp.sum((arrays[0] @ arrays[1]) ** 2), argnums=(0, 1))(inputs, kernel)
    for array, other in zip(found, exact, strict=True):
        assert array.dtype == jnp.float32
        assert_allclose(array, other, atol=0.02 * np.abs(other).max())  # bfloat16 keeps 8 bits
        assert np.any(array != array.astype(jnp.bfloat16))  # not rounded after the sum


def test_precision_ends_with_its_block():
    def exact():
        return ops.matmul(jnp.array([[1.001]]), jnp.array([[1.0]])).item() > 1

    def fail():
        with ops.precision("bfloat16"):
            assert not exact()
            with ops.precision("float32"):
                assert exact()
            assert not exact()
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert exact()


def test_an_unknown_precision():
    with (
        pytest.raises(UnknownNameError, match=r"no precision called 'bfloat'. Did you mean 'bfloat16'"),
        ops.precision("bfloat"),
    ):
        pass
