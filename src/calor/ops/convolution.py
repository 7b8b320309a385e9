"""Convolution of pictures with a kernel: native kernels on a CPU, XLA elsewhere."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from calor.ops import _kernels, _plain
from calor.ops._windows import Windows, as_float32, kernel_windows
from calor.ops.matmul import rounded


def convolution(
    inputs: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    strides: tuple[int, int] = (1, 1),
    padding: str = "valid",
    dilation: tuple[int, int] = (1, 1),
    relu: bool = False,
) -> jax.Array:
    """The convolution of pictures with a kernel (without flipping it), in the ``precision`` of now.

    outputs[b, y, x, o] = bias[o] + Σ inputs[b, y·stride + i·dilation - low, x·stride + j·dilation - low, c] ·
    kernel[i, j, c, o], where pixels outside the picture count as 0, and ``low`` is the padding above or to the left.

    Args:
        inputs: shape (batch, height, width, channels).
        kernel: shape (height, width, channels, filters).
        bias: shape (filters,), or None for none.
        strides: the steps from one place of the kernel to the next, down and to the right.
        padding: ``"valid"``: the kernel stays inside the picture. ``"same"``: zeros around it, so that there are
            ceil(size / stride) outputs, the odd one at the bottom and right.
        dilation: the steps between neighbours in the kernel, down and to the right.
        relu: whether negative outputs become 0, in the same pass.

    Returns:
        Shape (batch, new height, new width, filters), float32.

    Raises:
        ArgumentError: another padding.
        ShapeError: shapes that do not fit together, or pictures smaller than the kernel without padding.

    >>> convolution(jnp.ones((1, 5, 5, 1)), jnp.ones((3, 3, 1, 8)), strides=(2, 2)).shape
    (1, 2, 2, 8)
    >>> convolution(jnp.ones((1, 3, 3, 1)), jnp.ones((3, 3, 1, 1)), padding="same")[0, :, :, 0]
    Array([[4., 6., 4.],
           [6., 9., 6.],
           [4., 6., 4.]], dtype=float32)
    """
    windows = kernel_windows(inputs.shape, kernel.shape, strides, padding, dilation)
    return _convolution(*as_float32(inputs, kernel, bias), windows, relu)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _convolution(
    inputs: jax.Array, kernel: jax.Array, bias: jax.Array | None, windows: Windows, relu: bool
) -> jax.Array:
    added = jnp.zeros(kernel.shape[-1], jnp.float32) if bias is None else bias
    chosen = _kernels.on_cpu(_kernels.convolution, _plain.outputs, windows, relu)
    return chosen(*rounded(inputs, kernel), added)


def _forward(
    inputs: jax.Array, kernel: jax.Array, bias: jax.Array | None, windows: Windows, relu: bool
) -> tuple[jax.Array, Any]:
    found = _convolution(inputs, kernel, bias, windows, relu)
    return found, (inputs, kernel, bias, found if relu else None)


def _backward(
    windows: Windows, relu: bool, saved: tuple[Any, ...], gradients: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    inputs, kernel, bias, found = saved
    if relu:
        gradients = jnp.where(found > 0, gradients, 0)
    inputs, kernel, gradients = rounded(inputs, kernel, gradients)
    # Computations with nothing in common: XLA drops that of a first layer's inputs, which nothing needs.
    of_inputs = _kernels.on_cpu(_kernels.inputs_gradient, _plain.inputs_gradient, windows)
    of_kernel = _kernels.on_cpu(_kernels.kernel_gradient, _plain.kernel_gradient, windows)
    kernel_change, bias_change = of_kernel(inputs, gradients)
    return of_inputs(gradients, kernel), kernel_change, None if bias is None else bias_change


_convolution.defvjp(_forward, _backward)
