"""Convolution on a CPU through XLA alone: patches and matrix products.

XLA's own convolution trains many times slower than matrix products on a CPU. So the pictures under each place of the
kernel are copied side by side ("patches"), a few pictures at a time so that the copies stay in the processor's cache,
and multiplied with the kernel as one matrix.
"""

from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from calor.ops._windows import Windows
from calor.ops.matmul import product

Place: TypeAlias = tuple[jax.Array, jax.Array]

_PATCHES_BYTES = 2 << 20
"""How large the patches of one tile of the batch may be: they stay in the cache, and memory stays bounded."""


def outputs(windows: Windows, inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    """The convolution without a bias, float32."""
    matrix = kernel.reshape(-1, kernel.shape[-1])
    tiles = _tiles(windows, len(inputs), len(matrix) * inputs.dtype.itemsize)
    padded = _bits(_pad(inputs, windows))

    def step(number: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        patches, outputs = carry
        place = tiles.place(number)
        patches = _copy_patches(patches, padded, place, windows)
        products = product(lax.bitcast_convert_type(patches, inputs.dtype), matrix)
        return patches, lax.dynamic_update_slice(outputs, products, (*place, 0, 0))

    patches = jnp.zeros((*tiles.shape, len(matrix)), padded.dtype)
    outputs = jnp.zeros((len(inputs), windows[0].outputs, windows[1].outputs, kernel.shape[-1]), jnp.float32)
    return lax.fori_loop(0, tiles.count, step, (patches, outputs))[1]


def kernel_gradient(windows: Windows, inputs: jax.Array, gradients: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The gradients of the kernel and of a bias."""
    channels, filters = inputs.shape[-1], gradients.shape[-1]
    shape = windows[0].taps, windows[1].taps, channels, filters
    length = prod(shape[:-1])
    tiles = _tiles(windows, len(inputs), length * inputs.dtype.itemsize)
    padded = _bits(_pad(inputs, windows))
    ones = jnp.ones((prod(tiles.shape), 1), inputs.dtype)
    turned = length > filters  # such products are the faster, by half, with the wider matrix on the right

    def step(number: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        patches, kernel_total, bias_total = carry
        patches = _copy_patches(patches, padded, tiles.place(number), windows)
        arriving = tiles.take(gradients, number).reshape(-1, filters)
        flat = lax.bitcast_convert_type(patches, inputs.dtype).reshape(-1, length)
        kernel_total += product(*((arriving, flat) if turned else (flat, arriving)), axes=(0, 0))
        # As a product, too: XLA sums over all but the last axis slowly.
        return patches, kernel_total, bias_total + product(ones, arriving, axes=(0, 0))

    patches = jnp.zeros((*tiles.shape, length), padded.dtype)
    kernel_total = jnp.zeros((filters, length) if turned else (length, filters), jnp.float32)
    bias_total = jnp.zeros((1, filters), jnp.float32)
    _, kernel_total, bias_total = lax.fori_loop(0, tiles.count, step, (patches, kernel_total, bias_total))
    return (kernel_total.T if turned else kernel_total).reshape(shape), bias_total[0]


def inputs_gradient(windows: Windows, gradients: jax.Array, kernel: jax.Array) -> jax.Array:
    """The gradient of the inputs."""
    matrix = kernel.reshape(-1, kernel.shape[-1])
    tiles = _tiles(windows, len(gradients), len(matrix) * gradients.dtype.itemsize)

    def step(number: jax.Array, total: jax.Array) -> jax.Array:
        patches = product(tiles.take(gradients, number), matrix, axes=(-1, 1))
        return _add_patches(total, patches, tiles.place(number), windows)

    padded = [window.span + window.reach - 1 for window in windows]
    total = jnp.zeros((len(gradients), *padded, kernel.shape[2]), jnp.float32)
    return _pad(lax.fori_loop(0, tiles.count, step, total), windows, sign=-1)


def _copy_patches(patches: jax.Array, inputs: jax.Array, place: Place, windows: Windows) -> jax.Array:
    """Overwrite the patches in place, one element of the kernel after the other: many times faster than joining."""
    channels = inputs.shape[-1]
    strides = [window.stride for window in windows]
    spans = [(size - 1) * stride + 1 for size, stride in zip(patches.shape[1:3], strides, strict=True)]

    def copy(tap: jax.Array, patches: jax.Array) -> jax.Array:
        seen = lax.dynamic_slice(inputs, _seen(tap, place, windows), (len(patches), *spans, channels))
        return lax.dynamic_update_slice(patches, seen[:, :: strides[0], :: strides[1]], (0, 0, 0, tap * channels))

    return lax.fori_loop(0, windows[0].taps * windows[1].taps, copy, patches)


def _bits(array: jax.Array) -> jax.Array:
    """The array as XLA copies it fast: it would widen bfloat16 to float32 and back each time."""
    return lax.bitcast_convert_type(array, jnp.uint16) if array.dtype == jnp.bfloat16 else array


def _add_patches(total: jax.Array, patches: jax.Array, place: Place, windows: Windows) -> jax.Array:
    """The reverse: add each number in the patches to the pixel that it was copied from."""
    channels = total.shape[-1]
    between = ((0, 0, 0), *((0, 0, window.stride - 1) for window in windows), (0, 0, 0))

    def add(tap: jax.Array, total: jax.Array) -> jax.Array:
        part = lax.dynamic_slice_in_dim(patches, tap * channels, channels, axis=-1)
        part = lax.pad(part, jnp.zeros((), part.dtype), between)
        there = _seen(tap, place, windows)
        return lax.dynamic_update_slice(total, lax.dynamic_slice(total, there, part.shape) + part, there)

    return lax.fori_loop(0, windows[0].taps * windows[1].taps, add, total)


def _seen(tap: jax.Array, place: Place, windows: Windows) -> tuple[Any, ...]:
    """The first pixel of the padded pictures that one element of the kernel meets in a tile."""
    rows, columns = windows
    picture, row = place
    return picture, row * rows.stride + tap // columns.taps * rows.dilation, tap % columns.taps * columns.dilation, 0


def _pad(pictures: jax.Array, windows: Windows, sign: int = 1) -> jax.Array:
    """Put the padding around the pictures, or take it away with a sign of -1."""
    edges = ((0, 0, 0), *((sign * window.low, sign * window.high, 0) for window in windows), (0, 0, 0))
    return lax.pad(pictures, jnp.zeros((), pictures.dtype), edges)


@dataclass(frozen=True)
class _Tiles:
    """The outputs of a batch cut into tiles of some pictures, or of some rows of one picture.

    The last tile in either direction may begin early and so meet some rows for the second time.
    """

    batch: int
    outputs: int
    shape: tuple[int, int, int]

    @property
    def bands(self) -> int:
        return -(-self.outputs // self.shape[1])

    @property
    def count(self) -> int:
        return -(-self.batch // self.shape[0]) * self.bands

    def place(self, number: jax.Array) -> Place:
        """A tile's first picture and row."""
        picture, row = self._beginning(number)
        return jnp.minimum(picture, self.batch - self.shape[0]), jnp.minimum(row, self.outputs - self.shape[1])

    def take(self, array: jax.Array, number: jax.Array) -> jax.Array:
        """A tile of an array of the outputs' shape, with zeros where an earlier tile has been."""
        place = self.place(number)
        tile = lax.dynamic_slice(array, (*place, 0, 0), (*self.shape, array.shape[-1]))
        for axis, (total, begun, first) in enumerate(
            zip((self.batch, self.outputs), self._beginning(number), place, strict=True)
        ):
            if total % self.shape[axis]:
                new = first + lax.broadcasted_iota(jnp.int32, tile.shape, axis) >= begun
                tile = jnp.where(new, tile, 0)
        return tile

    def _beginning(self, number: jax.Array) -> Place:
        return number // self.bands * self.shape[0], number % self.bands * self.shape[1]


def _tiles(windows: Windows, batch: int, patch_bytes: int) -> _Tiles:
    """As few tiles as keep the patches of one within ``_PATCHES_BYTES``."""
    height, width = (window.outputs for window in windows)
    fitting_rows = max(1, _PATCHES_BYTES // (width * patch_bytes))
    pictures = _evenly(batch, max(1, fitting_rows // height))
    return _Tiles(batch, height, (pictures, _evenly(height, fitting_rows), width))


def _evenly(total: int, most: int) -> int:
    """The size of parts that are about equal and at most ``most``."""
    return -(-total // -(-total // most))
