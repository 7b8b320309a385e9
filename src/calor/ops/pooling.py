"""Pooling: the maximum or the mean of each window of a picture."""

from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from calor.ops import _kernels
from calor.ops._windows import Windows, slide

_LARGEST_UNROLLED = 16
"""Up to so many elements, a window's maximum or sum is found from slices; its program grows with them."""


def max_pooling(
    inputs: jax.Array, pool_size: tuple[int, int], strides: tuple[int, int], padding: str = "valid"
) -> jax.Array:
    """The maximum of each window, and NaN where there is one; the gradient goes to the first maximum, row by row.

    Args:
        inputs: shape (batch, height, width, channels), floating.
        pool_size: the window's height and width.
        strides: the steps from one window to the next, down and to the right.
        padding: ``"valid"``: windows stay inside the picture. ``"same"``: there are ceil(size / stride) of them.

    Returns:
        Shape (batch, new height, new width, channels).

    Raises:
        ArgumentError: another padding.
        ShapeError: not pictures, or pictures smaller than the window without padding.

    >>> max_pooling(jnp.arange(16.0).reshape(1, 4, 4, 1), (2, 2), (2, 2))[0, :, :, 0]
    Array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """
    windows = slide("pool", inputs.shape, pool_size, strides, padding)
    if side_by_side(pool_size, strides):
        return _disjoint_max(inputs, windows)
    return lax.reduce_window(inputs, -jnp.inf, lax.max, (1, *pool_size, 1), (1, *strides, 1), _padding(windows))


def side_by_side(pool_size: tuple[int, int], strides: tuple[int, int]) -> bool:
    """Whether windows do not overlap and are small: then ``max_pooling`` runs on native kernels where there are any."""
    return pool_size == strides and pool_size[0] * pool_size[1] <= _LARGEST_UNROLLED


def average_pooling(
    inputs: jax.Array, pool_size: tuple[int, int], strides: tuple[int, int], padding: str = "valid"
) -> jax.Array:
    """The mean of each window's pixels; those in the padding do not count.

    Args:
        inputs: shape (batch, height, width, channels), floating.
        pool_size: the window's height and width.
        strides: the steps from one window to the next, down and to the right.
        padding: as for ``max_pooling``.

    Returns:
        Shape (batch, new height, new width, channels).

    Raises:
        ArgumentError: another padding.
        ShapeError: not pictures, or pictures smaller than the window without padding.

    >>> average_pooling(jnp.arange(9.0).reshape(1, 3, 3, 1), (2, 2), (2, 2), "same")[0, :, :, 0]
    Array([[2. , 3.5],
           [6.5, 8. ]], dtype=float32)
    """
    rows, columns = windows = slide("pool", inputs.shape, pool_size, strides, padding)
    if side_by_side(pool_size, strides):
        sums = _disjoint_sum(inputs, windows)
    elif pool_size == strides:
        sums = _split(inputs, windows, 0.0).sum((2, 4))
    else:
        sums = lax.reduce_window(inputs, 0.0, lax.add, (1, *pool_size, 1), (1, *strides, 1), _padding(windows))
    counts = np.outer(rows.present(), columns.present())[..., None]
    return sums / counts.astype(inputs.dtype)


def _padding(windows: Windows) -> list[tuple[int, int]]:
    """What ``reduce_window`` pads; it leaves out by itself what no window reaches."""
    return [(0, 0), *((window.low, max(window.high, 0)) for window in windows), (0, 0)]


def _split(inputs: jax.Array, windows: Windows, fill: float) -> jax.Array:
    """Windows that do not overlap, shape (batch, rows, window's rows, columns, window's columns, channels)."""
    rows, columns = windows
    edges = ((0, 0, 0), *((window.low, window.high, 0) for window in windows), (0, 0, 0))
    padded = lax.pad(inputs, jnp.asarray(fill, inputs.dtype), edges)
    return padded.reshape(len(inputs), rows.outputs, rows.taps, columns.outputs, columns.taps, inputs.shape[-1])


def _joined(split: jax.Array, windows: Windows) -> jax.Array:
    """The pictures that ``_split`` took apart, without their padding; zeros where no window reaches."""
    batch, height, rows, width, columns, channels = split.shape
    edges = ((0, 0, 0), *((-window.low, -window.high, 0) for window in windows), (0, 0, 0))
    padded = split.reshape(batch, height * rows, width * columns, channels)
    return lax.pad(padded, jnp.zeros((), split.dtype), edges)


def _candidates(inputs: jax.Array, windows: Windows, fill: float) -> list[jax.Array]:
    """Each element of the windows in turn, row by row: arrays of the outputs' shape."""
    split = _split(inputs, windows, fill)
    return [split[:, :, i, :, j] for i in range(windows[0].taps) for j in range(windows[1].taps)]


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _disjoint_max(inputs: jax.Array, windows: Windows) -> jax.Array:
    """XLA's own gradient of a window's maximum searches all windows anew, slowly; this one remembers the place."""
    return _forward(inputs, windows)[0]


def _forward(inputs: jax.Array, windows: Windows) -> tuple[jax.Array, jax.Array]:
    if inputs.dtype != jnp.float32:
        return disjoint_max(windows, inputs)
    return _kernels.on_cpu(_kernels.max_pooling, disjoint_max, windows)(inputs)


def _backward(windows: Windows, place: jax.Array, gradients: jax.Array) -> tuple[jax.Array]:
    if gradients.dtype != jnp.float32:
        return (disjoint_max_gradient(windows, gradients, place),)
    return (_kernels.on_cpu(_kernels.max_pooling_gradient, disjoint_max_gradient, windows)(gradients, place),)


_disjoint_max.defvjp(_forward, _backward)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _disjoint_sum(inputs: jax.Array, windows: Windows) -> jax.Array:
    """On CPUs, XLA adds slices many times faster than it reduces axes where the inputs are computed on the way."""
    return reduce(jnp.add, _candidates(inputs, windows, 0.0))


def _spread(windows: Windows, _: None, gradients: jax.Array) -> tuple[jax.Array]:
    rows, columns = windows
    batch, height, width, channels = gradients.shape
    shape = (batch, height, rows.taps, width, columns.taps, channels)
    return (_joined(jnp.broadcast_to(gradients[:, :, None, :, None], shape), windows),)


_disjoint_sum.defvjp(lambda inputs, windows: (_disjoint_sum(inputs, windows), None), _spread)


# The plain XLA forms: what the native kernels are measured against.


def disjoint_max(windows: Windows, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The maxima of windows side by side, and each one's place in its window, row by row, uint8."""
    best, *others = _candidates(inputs, windows, -jnp.inf)
    place = jnp.zeros(best.shape, jnp.uint8)
    for number, candidate in enumerate(others, 1):
        better = (candidate > best) | (jnp.isnan(candidate) & ~jnp.isnan(best))
        best = jnp.where(better, candidate, best)
        place = jnp.where(better, jnp.uint8(number), place)
    return best, place


def disjoint_max_gradient(windows: Windows, gradients: jax.Array, place: jax.Array) -> jax.Array:
    """Each gradient at the place of its maximum, zeros elsewhere."""
    rows, columns = windows
    numbers = jnp.arange(rows.taps * columns.taps, dtype=jnp.uint8).reshape(rows.taps, 1, columns.taps, 1)
    spread = jnp.where(place[:, :, None, :, None] == numbers, gradients[:, :, None, :, None], 0)
    return _joined(spread, windows)
