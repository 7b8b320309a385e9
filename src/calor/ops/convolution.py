"""Convolution: on a CPU through patches and one matrix product, elsewhere through XLA's own convolution.

XLA's convolution trains many times slower than matrix products on a CPU. There, the pictures under each place of the
kernel are copied side by side ("patches"), a few pictures at a time so that the copies stay in the processor's cache,
and multiplied with the kernel as one matrix.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from calor.errors import ShapeError
from calor.ops._windows import Window, slide
from calor.ops.matmul import product, rounded

Windows: TypeAlias = tuple[Window, Window]

_LARGEST_UNROLLED = 256
"""Up to so many elements a kernel goes through patches; the program grows with them."""

_PATCHES_BYTES = 4 << 20
"""How large the patches of one tile of the batch may be: they stay in the cache, and memory stays bounded."""


def convolution(
    inputs: jax.Array,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    strides: tuple[int, int] = (1, 1),
    padding: str = "valid",
    dilation: tuple[int, int] = (1, 1),
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
    windows = slide("kernel", inputs.shape, kernel.shape[:2], strides, padding, dilation)
    if kernel.ndim != 4 or kernel.shape[2] != inputs.shape[3]:
        raise ShapeError(
            f"A kernel of shape {kernel.shape} does not fit pictures of shape {inputs.shape}: "
            "its third axis must be as long as the pictures' last, the channels."
        )
    return _convolution(inputs, kernel, bias, windows)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _convolution(inputs: jax.Array, kernel: jax.Array, bias: jax.Array | None, windows: Windows) -> jax.Array:
    outputs = _either(_outputs, _lax_outputs, windows)(*rounded(inputs, kernel))
    return outputs if bias is None else outputs + bias


def _forward(inputs: jax.Array, kernel: jax.Array, bias: jax.Array | None, windows: Windows) -> tuple[jax.Array, Any]:
    return _convolution(inputs, kernel, bias, windows), (inputs, kernel, bias is not None)


def _backward(
    windows: Windows, operands: tuple[jax.Array, jax.Array, bool], gradients: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    # Computations with nothing in common: XLA drops that of a first layer's inputs, which nothing needs.
    *operands, has_bias = operands
    inputs, kernel, gradients = rounded(*operands, gradients)
    inputs_gradient = _either(_inputs_gradient, _lax_inputs_gradient, windows)(gradients, kernel)
    kernel_gradient, bias_gradient = _either(_kernel_gradient, _lax_kernel_gradient, windows)(inputs, gradients)
    return inputs_gradient, kernel_gradient, bias_gradient if has_bias else None


_convolution.defvjp(_forward, _backward)


def _either(on_cpu: Callable, elsewhere: Callable, windows: Windows) -> Callable:
    """The function of two arrays that is ``on_cpu`` or ``elsewhere`` according to where the program will run."""
    if windows[0].taps * windows[1].taps > _LARGEST_UNROLLED:
        on_cpu = elsewhere
    return partial(lax.platform_dependent, cpu=partial(on_cpu, windows), default=partial(elsewhere, windows))


def _outputs(windows: Windows, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    rows, columns = windows
    matrix = kernel.reshape(-1, kernel.shape[-1])
    tiles = _tiles(windows, inputs, len(matrix))
    inputs_there = tiles.whole(inputs)

    def step(number: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        patches, outputs = carry
        patches = _copy_patches(patches, tiles.take(inputs_there, number), windows)
        return patches, tiles.put(outputs, product(patches, matrix), number)

    outputs = tiles.room(rows.outputs, columns.outputs, kernel.shape[-1])
    _, outputs = lax.fori_loop(0, tiles.count, step, (_no_patches(tiles, windows, inputs), outputs))
    return outputs[: len(inputs)]


def _kernel_gradient(windows: Windows, inputs: jax.Array, gradients: jax.Array) -> tuple[jax.Array, jax.Array]:
    rows, columns = windows
    channels, filters = inputs.shape[-1], gradients.shape[-1]
    length = rows.taps * columns.taps * channels
    tiles = _tiles(windows, inputs, length)
    inputs_there, gradients_there = tiles.whole(inputs), tiles.whole(gradients)
    ones = jnp.ones((tiles.pictures * rows.outputs * columns.outputs, 1), inputs.dtype)

    def step(number: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        patches, kernel_total, bias_total = carry
        patches = _copy_patches(patches, tiles.take(inputs_there, number), windows)
        arriving = tiles.take(gradients_there, number).reshape(-1, filters)
        kernel_total += product(patches.reshape(-1, length), arriving, axes=(0, 0))
        # As a product, too: XLA sums over all but the last axis slowly.
        return patches, kernel_total, bias_total + product(ones, arriving, axes=(0, 0))

    totals = jnp.zeros((length, filters), jnp.float32), jnp.zeros((1, filters), jnp.float32)
    _, kernel_total, bias_total = lax.fori_loop(0, tiles.count, step, (_no_patches(tiles, windows, inputs), *totals))
    return kernel_total.reshape(rows.taps, columns.taps, channels, filters), bias_total[0]


def _inputs_gradient(windows: Windows, gradients: jax.Array, kernel: jax.Array) -> jax.Array:
    rows, columns = windows
    channels = kernel.shape[2]
    matrix = kernel.reshape(-1, kernel.shape[-1])
    tiles = _tiles(windows, gradients, len(matrix))
    gradients_there = tiles.whole(gradients)

    def step(number: jax.Array, outputs: jax.Array) -> jax.Array:
        patches = product(tiles.take(gradients_there, number), matrix, axes=(-1, 1))
        total = jnp.zeros((tiles.pictures, *outputs.shape[1:]), jnp.float32)
        for start, (down, y), (right, x) in _taps(windows, channels):
            part = patches[:, down, right, start : start + channels]
            if y.step > 1 or x.step > 1:
                part = lax.pad(part, jnp.float32(0), ((0, 0, 0), (0, 0, y.step - 1), (0, 0, x.step - 1), (0, 0, 0)))
            here = total[:, y.start : y.stop, x.start : x.stop]
            total = lax.dynamic_update_slice(total, here + part, (0, y.start, x.start, 0))
        return tiles.put(outputs, total, number)

    room = tiles.room(rows.size, columns.size, channels)
    return lax.fori_loop(0, tiles.count, step, room)[: len(gradients)]


def _taps(windows: Windows, channels: int) -> list[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
    """For every place in the kernel that meets the picture: where its channels start in a patch, and the slices."""
    rows, columns = windows
    taps = []
    for i in range(rows.taps):
        for j in range(columns.taps):
            vertical, horizontal = rows.meeting(i), columns.meeting(j)
            if vertical[0].stop and horizontal[0].stop:
                taps.append(((i * columns.taps + j) * channels, vertical, horizontal))
    return taps


def _copy_patches(patches: jax.Array, inputs: jax.Array, windows: Windows) -> jax.Array:
    """Overwrite the patches in place, one element of the kernel after the other: many times faster than joining."""
    for start, (down, y), (right, x) in _taps(windows, inputs.shape[-1]):
        patches = lax.dynamic_update_slice(patches, inputs[:, y, x], (0, down.start, right.start, start))
    return patches


def _no_patches(tiles: "_Tiles", windows: Windows, inputs: jax.Array) -> jax.Array:
    """Room for one tile's patches; what lies in the padding stays 0 for good."""
    rows, columns = windows
    length = rows.taps * columns.taps * inputs.shape[-1]
    return jnp.zeros((tiles.pictures, rows.outputs, columns.outputs, length), inputs.dtype)


class _Tiles(NamedTuple):
    """The batch in ``count`` parts of ``pictures`` each; the last may reach beyond the batch."""

    count: int
    pictures: int

    def whole(self, array: jax.Array) -> jax.Array:
        """The array with zeros at its end where the parts reach beyond the batch."""
        missing = self.count * self.pictures - len(array)
        return jnp.pad(array, ((0, missing), *((0, 0),) * (array.ndim - 1))) if missing else array

    def room(self, *shape: int) -> jax.Array:
        return jnp.zeros((self.count * self.pictures, *shape), jnp.float32)

    def take(self, array: jax.Array, number: jax.Array) -> jax.Array:
        return lax.dynamic_slice_in_dim(array, number * self.pictures, self.pictures)

    def put(self, array: jax.Array, part: jax.Array, number: jax.Array) -> jax.Array:
        return lax.dynamic_update_slice_in_dim(array, part, number * self.pictures, 0)


def _tiles(windows: Windows, array: jax.Array, length: int) -> _Tiles:
    """As few parts as keep the patches, each of ``length`` numbers, small; equal parts where that is not far off."""
    batch = len(array)
    size = windows[0].outputs * windows[1].outputs * length * array.dtype.itemsize
    fewest = max(1, min(batch, -(-batch * size // _PATCHES_BYTES)))
    count = next((count for count in range(fewest, 2 * fewest) if batch % count == 0), fewest)
    return _Tiles(count, -(-batch // count))


def _lax_outputs(windows: Windows, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    return _lax_convolution(
        inputs,
        kernel,
        window_strides=[window.stride for window in windows],
        padding=[(window.low, window.high) for window in windows],
        rhs_dilation=[window.dilation for window in windows],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _lax_inputs_gradient(windows: Windows, gradients: jax.Array, kernel: jax.Array) -> jax.Array:
    """The gradients, spread by the strides, convolved with the flipped kernel."""
    return _lax_convolution(
        gradients,
        lax.rev(kernel, (0, 1)),
        window_strides=(1, 1),
        padding=[(window.reach - 1 - window.low, window.reach - 1 - window.high) for window in windows],
        lhs_dilation=[window.stride for window in windows],
        rhs_dilation=[window.dilation for window in windows],
        dimension_numbers=("NHWC", "HWOI", "NHWC"),
    )


def _lax_kernel_gradient(windows: Windows, inputs: jax.Array, gradients: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The inputs convolved with the gradients, spread by the strides; the batch is what is summed over."""
    kernel_gradient = _lax_convolution(
        inputs,
        gradients,
        window_strides=[window.dilation for window in windows],
        padding=[(window.low, window.high) for window in windows],
        rhs_dilation=[window.stride for window in windows],
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )
    return kernel_gradient, gradients.sum((0, 1, 2), dtype=jnp.float32)


_lax_convolution = partial(lax.conv_general_dilated, preferred_element_type=jnp.float32)
