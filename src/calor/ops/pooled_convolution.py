"""Convolution, bias, ReLU and max-pooling as one operation, whose gradient goes to the maxima alone."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from calor.ops import _kernels, _plain
from calor.ops._windows import Windows, as_float32, kernel_windows, slide
from calor.ops.convolution import convolution
from calor.ops.matmul import rounded
from calor.ops.pooling import disjoint_max, disjoint_max_gradient, max_pooling

_MOST_COLUMNS = 7, 4
"""The widest kernel and pool that the gradients' kernels are compiled for."""


def pooled_convolution(
    inputs: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    padding: str = "valid",
    pool_size: tuple[int, int] = (2, 2),
    pool_padding: str = "valid",
) -> jax.Array:
    """``max_pooling(relu(convolution(inputs, kernel, bias)))`` with windows side by side and steps of 1 before.

    At most one number of each window gets a gradient, and only where ReLU let it pass; the native kernels use that.

    Args:
        inputs: shape (batch, height, width, channels).
        kernel: shape (height, width, channels, filters).
        bias: shape (filters,), or None for none.
        padding: of the convolution, as for ``convolution``.
        pool_size: the windows' height and width.
        pool_padding: of the pooling, as for ``max_pooling``.

    Returns:
        Shape (batch, new height, new width, filters), float32.

    Raises:
        ArgumentError: another padding.
        ShapeError: shapes that do not fit together, or pictures smaller than the kernel or the pool.

    >>> pooled_convolution(jnp.ones((1, 6, 6, 1)), jnp.ones((3, 3, 1, 8))).shape
    (1, 2, 2, 8)
    """
    windows = kernel_windows(inputs.shape, kernel.shape, (1, 1), padding)
    shape = (len(inputs), windows[0].outputs, windows[1].outputs, kernel.shape[-1])
    pool = slide("pool", shape, pool_size, pool_size, pool_padding)
    if not fits((kernel.shape[0], kernel.shape[1]), pool_size):
        outputs = convolution(inputs, kernel, bias, padding=padding, relu=True)
        return max_pooling(outputs, pool_size, pool_size, pool_padding)
    return _pooled(*as_float32(inputs, kernel, bias), windows, pool)


def fits(kernel_size: tuple[int, int], pool_size: tuple[int, int]) -> bool:
    """Whether kernels and pools of that size run as one operation, and not as one after the other."""
    return kernel_size[1] <= _MOST_COLUMNS[0] and pool_size[1] <= _MOST_COLUMNS[1] and pool_size[0] * pool_size[1] < 256


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _pooled(inputs: jax.Array, kernel: jax.Array, bias: jax.Array | None, windows: Windows, pool: Windows) -> jax.Array:
    return _forward(inputs, kernel, bias, windows, pool)[0]


def _forward(
    inputs: jax.Array, kernel: jax.Array, bias: jax.Array | None, windows: Windows, pool: Windows
) -> tuple[jax.Array, Any]:
    added = jnp.zeros(kernel.shape[-1], jnp.float32) if bias is None else bias
    chosen = _kernels.on_cpu(_kernels.pooled_convolution, pooled_outputs, windows, pool)
    outputs, place = chosen(*rounded(inputs, kernel), added)
    return outputs, (inputs, kernel, bias, place)


def _backward(
    windows: Windows, pool: Windows, saved: tuple[Any, ...], gradients: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    inputs, kernel, bias, place = saved
    inputs, kernel, gradients = rounded(inputs, kernel, gradients)

    # Calls with nothing in common: XLA drops that of a first layer's inputs, which nothing needs.
    of_inputs = _kernels.on_cpu(_kernels.pooled_inputs_gradient, pooled_inputs_gradient, windows, pool)
    of_kernel = _kernels.on_cpu(_kernels.pooled_kernel_gradient, pooled_kernel_gradient, windows, pool)
    kernel_change, bias_change = of_kernel(inputs, gradients, place)
    return of_inputs(gradients, place, kernel), kernel_change, None if bias is None else bias_change


_pooled.defvjp(_forward, _backward)


# The plain XLA forms: what the native kernels are measured against.


def pooled_outputs(
    windows: Windows, pool: Windows, inputs: jax.Array, kernel: jax.Array, bias: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The pooled outputs, and each one's place in its window: 255 where ReLU cut it off."""
    found, place = disjoint_max(pool, _plain.outputs(windows, True, inputs, kernel, bias))
    return found, jnp.where(found > 0, place, jnp.uint8(255))


def pooled_inputs_gradient(
    windows: Windows, pool: Windows, gradients: jax.Array, place: jax.Array, kernel: jax.Array
) -> jax.Array:
    """The gradient of the inputs."""
    return _plain.inputs_gradient(windows, disjoint_max_gradient(pool, gradients, place), kernel)


def pooled_kernel_gradient(
    windows: Windows, pool: Windows, inputs: jax.Array, gradients: jax.Array, place: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The gradients of the kernel and of the bias."""
    return _plain.kernel_gradient(windows, inputs, disjoint_max_gradient(pool, gradients, place))
