"""Convolution against XLA's own, finite differences, and what it says when it cannot.

The tests of ``ops.convolution`` test what is in use: native kernels where they are compiled (``tests/ops/native`` has
more about them), or the XLA forms, which ``_patches`` and ``_lax`` are tested as everywhere.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax
from numpy.testing import assert_allclose, assert_array_equal

from calor import ops
from calor.errors import ArgumentError, ShapeError
from calor.ops import _lax, _patches, native
from calor.ops._windows import kernel_windows
from calor.ops.matmul import rounded

# Sums of at most some thousand products of numbers around 1, in another order: float32 errs by less than 1e-5 there.
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def normal(seed, *shapes):
    random = np.random.default_rng(seed)
    return [jnp.asarray(random.normal(size=shape), jnp.float32) for shape in shapes]


def reference(inputs, kernel, bias, strides, padding, dilation):
    outputs = lax.conv_general_dilated(
        inputs, kernel, strides, padding.upper(), rhs_dilation=dilation, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return outputs + bias


def pairs(most):
    return st.tuples(st.integers(1, most), st.integers(1, most))


cases = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 7),
        "size": pairs(11),
        "extent": pairs(4),
        "channels": st.sampled_from([1, 3]),
        "filters": st.sampled_from([1, 4]),
        "strides": pairs(3),
        "padding": st.sampled_from(["valid", "same"]),
        "dilation": pairs(3),
    }
)


def drawn(batch, size, extent, channels, filters, strides, padding, dilation):
    """The arguments of a convolution, and a gradient that might arrive at its outputs."""
    reach = [(taps - 1) * step + 1 for taps, step in zip(extent, dilation, strict=True)]
    assume(padding == "same" or (reach[0] <= size[0] and reach[1] <= size[1]))
    arrays = normal(batch, (batch, *size, channels), (*extent, channels, filters), (filters,))
    outputs = jax.eval_shape(lambda *arrays: reference(*arrays, strides, padding, dilation), *arrays)
    return arrays, (strides, padding, dilation), normal(1, outputs.shape)[0]


def with_gradients(function, arrays, arriving):
    @jax.jit
    def both(arrays, arriving):
        outputs, gradients = jax.vjp(function, *arrays)
        return outputs, *gradients(arriving)

    return both(arrays, arriving)


@given(cases)
@settings(max_examples=10)
def test_outputs_and_gradients_are_those_of_xla(case):
    arrays, (strides, padding, dilation), arriving = drawn(**case)
    found = with_gradients(
        lambda *arrays: ops.convolution(*arrays, strides=strides, padding=padding, dilation=dilation), arrays, arriving
    )
    expected = with_gradients(lambda *arrays: reference(*arrays, strides, padding, dilation), arrays, arriving)
    for array, other in zip(found, expected, strict=True):
        assert_allclose(array, other, **CLOSE)


def form(module, windows, inputs, kernel, arriving):
    """The outputs without a bias, and the gradients of the inputs, the kernel and a bias, of one of the XLA forms."""
    return jax.jit(
        lambda inputs, kernel, arriving: (
            module.outputs(windows, inputs, kernel),
            module.inputs_gradient(windows, arriving, kernel),
            *module.kernel_gradient(windows, inputs, arriving),
        )
    )(inputs, kernel, arriving)


@given(cases, st.sampled_from([1, 2000, 1 << 22]))
@settings(max_examples=15)
def test_patches_give_what_xlas_own_convolution_gives(case, patches_bytes):
    (inputs, kernel, bias), (strides, padding, dilation), arriving = drawn(**case)
    windows = kernel_windows(inputs.shape, kernel.shape, strides, padding, dilation)
    # The tiny limits cut the batch into tiles: of one picture, of some, and with a last one that reaches beyond it.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_patches, "_PATCHES_BYTES", patches_bytes)
        found = form(_patches, windows, inputs, kernel, arriving)
    outputs, *gradients = with_gradients(
        lambda *arrays: reference(*arrays, strides, padding, dilation), (inputs, kernel, bias), arriving
    )
    for array, other in zip(found, (outputs - bias, *gradients), strict=True):
        assert_allclose(array, other, **CLOSE)


@given(cases)
@settings(max_examples=10)
def test_the_form_for_other_platforms_gives_the_same(case):
    (inputs, kernel, _), (strides, padding, dilation), arriving = drawn(**case)
    windows = kernel_windows(inputs.shape, kernel.shape, strides, padding, dilation)
    both = (form(module, windows, inputs, kernel, arriving) for module in (_patches, _lax))
    for array, other in zip(*both, strict=True):
        assert_allclose(array, other, **CLOSE)


@given(cases)
@settings(max_examples=5)
def test_relu_in_the_same_pass(case):
    arrays, (strides, padding, dilation), arriving = drawn(**case)

    def function(*arrays, relu):
        return ops.convolution(*arrays, strides=strides, padding=padding, dilation=dilation, relu=relu)

    found = with_gradients(lambda *arrays: function(*arrays, relu=True), arrays, arriving)
    after = with_gradients(lambda *arrays: jax.nn.relu(function(*arrays, relu=False)), arrays, arriving)
    for array, other in zip(found, after, strict=True):
        assert_allclose(array, other, **CLOSE)


def test_the_gradients_are_the_slopes():
    inputs, kernel, bias, weights = normal(0, (2, 5, 6, 2), (3, 2, 2, 3), (3,), (2, 3, 3, 3))

    def loss(inputs, kernel, bias):  # in float64, written out
        padded = np.pad(inputs, ((0, 0), (1, 1), (0, 0), (0, 0)))
        total = 0.0
        for y in range(3):
            for x in range(3):
                seen = padded[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 2]
                total += np.sum(weights[:, y, x] * (np.einsum("bijc,ijco->bo", seen, kernel) + bias))
        return total

    arrays = [np.asarray(array, np.float64) for array in (inputs, kernel, bias)]
    weights = np.asarray(weights, np.float64)
    found = jax.grad(
        lambda *arrays: jnp.sum(ops.convolution(*arrays, strides=(2, 2), padding="same") * weights), argnums=(0, 1, 2)
    )(inputs, kernel, bias)
    for position, gradient in enumerate(found):
        for index in np.ndindex(gradient.shape):
            sides = []
            for step in (1e-4, -1e-4):
                moved = [array.copy() for array in arrays]
                moved[position][index] += step
                sides.append(loss(*moved))
            assert_allclose(gradient[index], (sides[0] - sides[1]) / 2e-4, rtol=1e-4, atol=1e-4)  # float32's errors


def test_without_a_bias():
    inputs, kernel = normal(0, (2, 4, 4, 1), (3, 3, 1, 2))
    gradients = jax.jit(jax.grad(lambda *arrays: jnp.sum(ops.convolution(*arrays) ** 2), argnums=(0, 1)))(
        inputs, kernel
    )
    with_bias = jax.grad(lambda *arrays: jnp.sum(ops.convolution(*arrays, jnp.zeros(2)) ** 2), argnums=(0, 1))(
        inputs, kernel
    )
    for array, other in zip(gradients, with_bias, strict=True):
        assert_allclose(array, other, **CLOSE)


def test_no_convolution_and_no_unneeded_gradient_on_a_cpu():
    inputs, kernel = normal(0, (2, 8, 8, 1), (3, 3, 1, 2))
    product = "calor_inputs_gradient" if native.available() else " dot("
    gradient = jax.grad(lambda kernel: jnp.sum(ops.convolution(inputs, kernel) ** 2))
    program = jax.jit(gradient).lower(kernel).compile().as_text()
    assert "convolution(" not in program
    both = jax.grad(lambda kernel, inputs: jnp.sum(ops.convolution(inputs, kernel) ** 2), argnums=(0, 1))
    assert program.count(product) < jax.jit(both).lower(kernel, inputs).compile().as_text().count(product)


def test_bytes_become_float32():
    inputs = jnp.full((1, 3, 3, 1), 200, jnp.uint8)
    outputs, gradient = jax.value_and_grad(lambda kernel: ops.convolution(inputs, kernel).sum())(jnp.ones((3, 3, 1, 1)))
    assert outputs.dtype == jnp.float32
    assert outputs.item() == 1800
    assert_array_equal(gradient, np.full((3, 3, 1, 1), 200))


@pytest.mark.parametrize("module", [_patches, _lax])
def test_bfloat16_rounds_operands_and_sums_in_float32(module):
    # 4096 products of 1 + 2⁻⁹, which bfloat16 rounds to 1, sum to 4096 + 1/2 only if the sum has float32's digits.
    inputs = jnp.full((1, 2, 2, 1024), 1 + 2**-9)
    kernel = jnp.ones((2, 2, 1024, 1)).at[0, 0, 0].set(1.5)
    assert ops.convolution(inputs, kernel).item() > 4100
    with ops.precision("bfloat16"):
        operands = rounded(inputs, kernel)
        in_use = ops.convolution(inputs, kernel)
    for outputs in (module.outputs(kernel_windows(inputs.shape, kernel.shape, (1, 1), "valid"), *operands), in_use):
        assert outputs.dtype == jnp.float32
        assert outputs.item() == 4096.5


def test_enormous_kernels():
    inputs, kernel = normal(0, (1, 40, 30, 1), (33, 17, 1, 2))
    expected = reference(inputs, kernel, 0, (1, 1), "same", (1, 1))
    assert_allclose(ops.convolution(inputs, kernel, padding="same"), expected, **CLOSE)


def test_gradients_of_bfloat16_convolutions_are_float32():
    inputs, kernel, bias = normal(0, (4, 6, 6, 3), (3, 3, 3, 2), (2,))

    def loss(*arrays):
        return jnp.sum(ops.convolution(*arrays) ** 2)

    exact = jax.grad(loss, argnums=(0, 1, 2))(inputs, kernel, bias)
    with ops.precision("bfloat16"):
        close = jax.grad(loss, argnums=(0, 1, 2))(inputs, kernel, bias)
    for array, other in zip(close, exact, strict=True):
        assert array.dtype == jnp.float32
        assert_allclose(array, other, atol=0.02 * np.abs(other).max())  # bfloat16 keeps 8 bits
        assert np.any(array != array.astype(jnp.bfloat16))  # not rounded after the sum


def all_operations(inputs, kernel):
    """The sums of what each operation gives, so that none of them can be left out."""
    pooled = ops.pooled_convolution(inputs, kernel), ops.max_pooling(inputs, (2, 2), (2, 2))
    return ops.convolution(inputs, kernel).sum() + sum(array.sum() for array in pooled)


def test_an_empty_batch_gives_nothing_and_gradients_of_zero():
    gradients = jax.grad(all_operations, argnums=(0, 1))(jnp.zeros((0, 8, 8, 2)), jnp.ones((3, 3, 2, 4)))
    assert gradients[0].shape == (0, 8, 8, 2)
    assert_array_equal(gradients[1], np.zeros((3, 3, 2, 4)))
    with pytest.MonkeyPatch.context() as patch:  # and so on XLA alone
        patch.setattr(native, "available", lambda: False)
        plain = jax.grad(all_operations, argnums=1)(jnp.zeros((0, 8, 8, 2)), jnp.ones((3, 3, 2, 4)))
    assert_array_equal(plain, gradients[1])


def test_vmap_is_one_after_the_other():
    inputs, kernel = normal(0, (3, 2, 6, 6, 2), (3, 3, 2, 4))
    found = jax.vmap(jax.grad(all_operations, argnums=(0, 1)), (0, None))(inputs, kernel)
    for index in range(3):
        expected = jax.grad(all_operations, argnums=(0, 1))(inputs[index], kernel)
        for array, other in zip(found, expected, strict=True):
            assert_allclose(array[index], other, **CLOSE)


def test_pictures_smaller_than_the_kernel():
    with pytest.raises(ShapeError, match="covers 5 × 3 pixels finds no place in pictures of 4 × 4: use padding='same'"):
        ops.convolution(jnp.ones((1, 4, 4, 1)), jnp.ones((3, 3, 1, 1)), dilation=(2, 1))


def test_channels_that_do_not_fit():
    with pytest.raises(
        ShapeError, match=r"kernel of shape \(3, 3, 3, 8\) does not fit pictures of shape \(1, 9, 9, 1\)"
    ):
        ops.convolution(jnp.ones((1, 9, 9, 1)), jnp.ones((3, 3, 3, 8)))


def test_what_are_no_pictures():
    with pytest.raises(ShapeError, match=r"shape \(batch, height, width, channels\), not \(9, 9, 1\)"):
        ops.convolution(jnp.ones((9, 9, 1)), jnp.ones((3, 3, 1, 8)))


def test_an_unknown_padding():
    with pytest.raises(ArgumentError, match="padding must be 'valid' or 'same', not 'full'"):
        ops.convolution(jnp.ones((1, 9, 9, 1)), jnp.ones((3, 3, 1, 8)), padding="full")


def second_derivatives(function, arrays):
    """The slopes of the sum of squares of all gradients."""

    def squares(arrays):
        gradients = jax.grad(lambda arrays: jnp.sum(jnp.sin(function(*arrays))))(arrays)
        return sum(jnp.sum(gradient**2) for gradient in gradients)

    return jax.jit(jax.grad(squares))(arrays)


@pytest.mark.parametrize(("strides", "channels"), [((1, 1), 16), ((2, 1), 3)])
def test_second_derivatives_are_those_of_xla(strides, channels):
    arrays = normal(0, (2, 5, 6, channels), (3, 3, channels, 8), (8,))
    found = second_derivatives(partial(ops.convolution, strides=strides), arrays)
    expected = second_derivatives(lambda *arrays: reference(*arrays, strides, "valid", (1, 1)), arrays)
    for array, other in zip(found, expected, strict=True):
        assert_allclose(array, other, rtol=1e-3, atol=1e-3 * np.abs(other).max())  # sums of products of sums


def test_a_bias_of_another_type_or_shape():
    inputs, kernel, bias = normal(0, (2, 4, 4, 1), (3, 3, 1, 2), (2,))
    expected = ops.convolution(inputs, kernel, jnp.round(bias))
    assert_array_equal(ops.convolution(inputs, kernel, jnp.round(bias).astype(jnp.float16)), expected)
    assert_array_equal(ops.convolution(inputs, kernel, jnp.round(bias).astype(jnp.int32)), expected)
    with pytest.raises(ShapeError, match=r"bias of shape \(1,\) does not fit 2 filters"):
        ops.convolution(inputs, kernel, bias[:1])
