"""Convolution through XLA's own operation: the way on processors other than CPUs."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from calor.ops._windows import Windows


def outputs(windows: Windows, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    """The convolution without a bias, float32."""
    return _convolution(
        inputs,
        kernel,
        window_strides=[window.stride for window in windows],
        padding=[(window.low, window.high) for window in windows],
        rhs_dilation=[window.dilation for window in windows],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def inputs_gradient(windows: Windows, gradients: jax.Array, kernel: jax.Array) -> jax.Array:
    """The gradients, spread by the strides, convolved with the flipped kernel."""
    return _convolution(
        gradients,
        lax.rev(kernel, (0, 1)),
        window_strides=(1, 1),
        padding=[(window.reach - 1 - window.low, window.reach - 1 - window.high) for window in windows],
        lhs_dilation=[window.stride for window in windows],
        rhs_dilation=[window.dilation for window in windows],
        dimension_numbers=("NHWC", "HWOI", "NHWC"),
    )


def kernel_gradient(windows: Windows, inputs: jax.Array, gradients: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The inputs convolved with the gradients, spread by the strides; the batch is what is summed over."""
    kernel_gradient = _convolution(
        inputs,
        gradients,
        window_strides=[window.dilation for window in windows],
        padding=[(window.low, window.high) for window in windows],
        rhs_dilation=[window.stride for window in windows],
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )
    return kernel_gradient, gradients.sum((0, 1, 2), dtype=jnp.float32)


_convolution = partial(lax.conv_general_dilated, preferred_element_type=jnp.float32)
