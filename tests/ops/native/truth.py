"""Convolution, pooling and their gradients in NumPy and float64, and how far float32 may be from them.

The bounds hold for sums in any order, with or without fused multiply-adds. A sum of n products is then a sum of the
exact products, each times at most n + 1 factors (1 + d) with |d| ≤ u = 2⁻²⁴ (one for the product, one for every
addition that it goes through), so it is off by at most γ · Σ|a·b| with γ = (n + 1)·u / (1 - (n + 1)·u) (Higham,
*Accuracy and Stability of Numerical Algorithms*, section 3.1). Where products underflow, each is off by at most 2⁻¹²⁶
more, as XLA flushes denormal numbers to zero.
"""

from typing import NamedTuple

import numpy as np
from numpy.testing import assert_array_less

TINY = 2.0**-126


class Known(NamedTuple):
    """Numbers in float64, and how far from them a float32 result may be."""

    values: np.ndarray
    bound: np.ndarray

    def assert_close(self, found):
        found = np.asarray(found)
        assert found.shape == self.values.shape
        finite = np.isfinite(self.values)
        np.testing.assert_array_equal(found[~finite], self.values[~finite])
        assert_array_less(np.abs(found.astype(np.float64) - self.values)[finite], self.bound[finite])


def _known(products, terms, left, right, added=0.0):
    """``products(left, right) + added``, sums of so many products."""
    left, right, added = (np.asarray(array, np.float64) for array in (left, right, added))
    rounding = (terms + 2) * 2.0**-24
    with np.errstate(invalid="ignore", over="ignore"):
        values = products(left, right) + added
        magnitude = products(np.abs(left), np.abs(right)) + np.abs(added)
    return Known(values, rounding / (1 - rounding) * magnitude + (terms + 2) * TINY)


def _indices(window):
    """For every output and tap the element of the padded axis."""
    return np.arange(window.outputs)[:, None] * window.stride + np.arange(window.taps) * window.dilation


def _padded_shape(windows):
    return [window.low + max(window.size, window.span + window.reach - 1 - window.low) for window in windows]


def _seen(windows, inputs):
    """What the kernel sees: (batch, rows, taps down, columns, taps across, channels)."""
    rows, columns = windows
    height, width = _padded_shape(windows)
    padded = np.zeros((len(inputs), height, width, inputs.shape[-1]))
    padded[:, rows.low : rows.low + rows.size, columns.low : columns.low + columns.size] = inputs
    return padded[:, _indices(rows)][:, :, :, _indices(columns)]


def convolution(windows, inputs, kernel, bias):
    def products(inputs, kernel):
        return np.einsum("bytxuc,tucf->byxf", _seen(windows, inputs), kernel)

    return _known(products, kernel[..., 0].size, inputs, kernel, bias)


def winograd(windows, inputs, kernel, bias):
    """A bound for the outputs of 3 x 3 kernels with steps of 1 where Winograd's F(2 x 2, 3 x 3) computes them.

    outputs = Aᵀ[(G kernel Gᵀ) * (Bᵀ square B)]A for each square of 2 x 2. A product in it takes part in at most
    2 roundings in the square's turn, 4 in the kernel's, 1 of its own, one for each channel, and 4 on the way back; what
    they are relative to is the same expression with every number and every entry of A, B and G made positive.
    """
    up = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0, 0, 1]])  # |G|
    down = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]])  # |Bᵀ|
    back = np.array([[1, 1, 1, 0], [0, 1, 1, 1]])  # |Aᵀ|
    rows, columns = windows
    height, width = (-(-window.outputs // 2) for window in windows)
    padded = np.zeros((len(inputs), 2 * height + 2, 2 * width + 2, inputs.shape[-1]))
    part = padded[:, rows.low : rows.low + rows.size, columns.low : columns.low + columns.size]
    part[...] = np.abs(inputs)[:, : part.shape[1], : part.shape[2]]
    down_indices = 2 * np.arange(height)[:, None] + np.arange(4)
    across_indices = 2 * np.arange(width)[:, None] + np.arange(4)
    squares = padded[:, down_indices][:, :, :, across_indices]
    turned = np.einsum("ij,byjxkc,lk->byixlc", down, squares, down)
    kernels = np.einsum("ij,jkcf,lk->ilcf", up, np.abs(kernel), up)
    outputs = np.einsum("mi,byixlc,ilcf,nl->bymxnf", back, turned, kernels, back, optimize=True)
    outputs = outputs.reshape(len(inputs), 2 * height, 2 * width, -1)[:, : rows.outputs, : columns.outputs]
    terms = inputs.shape[-1] + 12
    return terms * 2.0**-24 / (1 - terms * 2.0**-24) * (outputs + np.abs(bias)) + terms * 16 * TINY


def winograd_inputs_gradient(windows, gradients, kernel):
    """The same for the inputs' gradient: a convolution of the gradients with the kernel mirrored and turned."""
    mirrored = [
        window._replace(size=window.outputs, outputs=window.size, low=window.reach - 1 - window.low)
        for window in windows
    ]
    return winograd(mirrored, gradients, kernel[::-1, ::-1].swapaxes(2, 3), 0.0)


def inputs_gradient(windows, gradients, kernel):
    rows, columns = windows

    def products(gradients, kernel):
        seen = np.einsum("byxf,tucf->bytxuc", gradients, kernel)
        padded = np.zeros((len(gradients), *_padded_shape(windows), kernel.shape[2]))
        where = np.ix_(np.arange(len(gradients)), _indices(rows).ravel(), _indices(columns).ravel())
        np.add.at(padded, where, seen.reshape(len(gradients), _indices(rows).size, _indices(columns).size, -1))
        return padded[:, rows.low : rows.low + rows.size, columns.low : columns.low + columns.size]

    return _known(products, kernel[:, :, 0].size, gradients, kernel)


def kernel_gradient(windows, inputs, gradients):
    def of_kernel(inputs, gradients):
        return np.einsum("bytxuc,byxf->tucf", _seen(windows, inputs), gradients)

    def of_bias(ones, gradients):
        return ones * gradients.sum((0, 1, 2))

    terms = gradients[..., 0].size
    return _known(of_kernel, terms, inputs, gradients), _known(of_bias, terms, 1.0, gradients)


def greatest(pool, inputs):
    """The greatest of each window, and where in it, row by row, the first of them is; NaN is greater than all."""
    rows, columns = pool
    shape = (len(inputs), rows.outputs * rows.taps, columns.outputs * columns.taps, inputs.shape[-1])
    padded = np.full(shape, -np.inf)
    height, width = (min(window.size, window.outputs * window.taps - window.low) for window in pool)
    padded[:, rows.low : rows.low + height, columns.low : columns.low + width] = inputs[:, :height, :width]
    inside = np.zeros(shape[1:3], bool)
    inside[rows.low : rows.low + height, columns.low : columns.low + width] = True

    def windows(array):
        split = array.reshape(len(array), rows.outputs, rows.taps, columns.outputs, columns.taps, -1)
        return split.transpose(0, 1, 3, 5, 2, 4).reshape(len(array), rows.outputs, columns.outputs, -1, taps)

    taps = rows.taps * columns.taps
    # Where all is -inf, the first that lies in the picture; argmax takes the first NaN for the greatest.
    order = windows(padded)
    first_inside = np.argmax(windows(np.broadcast_to(inside[None, :, :, None], (1, *shape[1:3], 1))), axis=-1)
    place = np.argmax(order, axis=-1)
    values = np.take_along_axis(order, place[..., None], -1)[..., 0]
    return values, np.where(values == -np.inf, first_inside, place), order


def spread(pool, gradients, place):
    """Each gradient at its place in its window, zeros elsewhere and where the place is none."""
    rows, columns = pool
    batch, height, width, channels = gradients.shape
    taps = np.arange(rows.taps * columns.taps).reshape(rows.taps, 1, columns.taps, 1)
    here = np.asarray(place)[:, :, None, :, None] == taps
    full = np.where(here, gradients[:, :, None, :, None], 0)
    full = full.reshape(batch, height * rows.taps, width * columns.taps, channels)
    result = np.zeros((batch, rows.size, columns.size, channels), np.float32)
    seen = full[:, rows.low :, columns.low :][:, : rows.size, : columns.size]
    result[:, : seen.shape[1], : seen.shape[2]] = seen
    return result
