"""Affine warping: each picture of a batch is rotated, shifted, sheared, zoomed or flipped by its own matrix."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from calor.errors import ShapeError, UnknownNameError
from calor.ops import _kernels

INTERPOLATIONS = ("bilinear", "nearest")
FILL_MODES = ("nearest", "constant", "reflect", "wrap")


def warp(
    images: ArrayLike,
    matrices: ArrayLike,
    *,
    interpolation: str = "bilinear",
    fill_mode: str = "nearest",
    fill_value: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    offset: ArrayLike = 0.0,
) -> jax.Array:
    """Move every picture by an affine map of its own.

    A matrix takes a position in the output to the position in the input whose value belongs there (the inverse of
    how the picture moves, as in ``scipy.ndimage.affine_transform``). A position is (x, y, 1) in pixels: x to the
    right, y down, both measured from the middle of the picture, between the centres of its outermost pixels. So
    rotations, zooms and flips need no translation, and the matrices of two maps in a row multiply: a warp by A and
    then one by B are one warp by A @ B.

    Beyond the edges the picture goes on as ``fill_mode`` says:

    ========== ======================================= ==================================
    fill_mode  beyond the edges of a b c d             in ``scipy.ndimage``
    ========== ======================================= ==================================
    nearest    ``a a a a | a b c d | d d d d``         ``mode="nearest"``
    constant   ``k k k k | a b c d | k k k k``         ``mode="grid-constant"``, cval=k
    reflect    ``d c b a | a b c d | d c b a``         ``mode="reflect"``
    wrap       ``a b c d | a b c d | a b c d``         ``mode="grid-wrap"``
    ========== ======================================= ==================================

    The two ``grid-`` modes interpolate across the edge, which SciPy's plain ``constant`` and ``wrap`` do not.

    What is found is multiplied by ``scale``, and ``offset`` is added: pixels become a network's inputs in the same pass
    over memory. On a CPU a native kernel does it all, whose results are those of XLA's form up to rounding: a position
    is exact to a millionth of its distance from the middle of the picture.

    Args:
        images: shape (count, height, width, channels), of any real dtype; uint8 is read as it is.
        matrices: shape (count, 3, 3), float; the last row is taken to be 0, 0, 1.
        interpolation: "bilinear" or "nearest".
        fill_mode: "nearest", "constant", "reflect" or "wrap".
        fill_value: the k of ``fill_mode="constant"``, before ``scale`` and ``offset``: one number, or one for each
            channel.
        scale: the factor of the results, likewise.
        offset: what is added to them then, likewise.

    Returns:
        float32, in the shape of ``images``.

    Raises:
        ShapeError: the images are not a batch of pictures, the matrices are not one for each, or there are neither one
            nor as many numbers as channels.
        UnknownNameError: no such interpolation or fill mode.

    >>> import jax.numpy as jnp
    >>> row = jnp.array([10.0, 20.0, 30.0]).reshape(1, 1, 3, 1)
    >>> warp(row, affine_matrices(shift_x=1.0), fill_mode="constant").ravel()
    Array([ 0., 10., 20.], dtype=float32)
    """
    if interpolation not in INTERPOLATIONS:
        raise UnknownNameError("interpolation", interpolation, INTERPOLATIONS)
    if fill_mode not in FILL_MODES:
        raise UnknownNameError("fill mode", fill_mode, FILL_MODES)
    images, matrices = jnp.asarray(images), jnp.asarray(matrices, jnp.float32)
    if images.dtype != jnp.uint8:
        images = images.astype(jnp.float32)
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise ShapeError(f"warp: images must have shape (count, height, width, channels), not {images.shape}.")
    if matrices.shape != (images.shape[0], 3, 3):
        raise ShapeError(
            f"warp: matrices must have shape ({images.shape[0]}, 3, 3), one for each of the "
            f"{images.shape[0]} images, not {matrices.shape}."
        )
    levels = [
        _for_each_channel(name, value, images.shape[-1])
        for name, value in (("scale", scale), ("offset", offset), ("fill_value", fill_value))
    ]
    return _warp(interpolation, fill_mode, images, matrices, jnp.stack(levels))


def _for_each_channel(name: str, value: ArrayLike, channels: int) -> jax.Array:
    numbers = jnp.asarray(value, jnp.float32)
    if numbers.shape not in ((), (1,), (channels,)):
        raise ShapeError(
            f"warp: {name} must be one number, or one for each of the {channels} channels, "
            f"and has the shape {numbers.shape}."
        )
    return jnp.broadcast_to(numbers, (channels,))


def affine_matrices(
    *,
    rotation: ArrayLike = 0.0,
    shift_x: ArrayLike = 0.0,
    shift_y: ArrayLike = 0.0,
    shear: ArrayLike = 0.0,
    zoom_x: ArrayLike = 1.0,
    zoom_y: ArrayLike = 1.0,
) -> jax.Array:
    """The matrices for ``warp`` that rotate a picture about its middle, then shift, then shear, then zoom it.

    This is rotation @ shift @ shear @ zoom, the composition of ``apply_affine_transform`` in Keras'
    ``ImageDataGenerator``, multiplied out. The arguments are scalars or arrays of shape (count,).

    Args:
        rotation: counter-clockwise, in radians.
        shift_x: to the right, in pixels.
        shift_y: down, in pixels.
        shear: by how much the vertical axis is turned counter-clockwise, in radians.
        zoom_x: input pixels for one output pixel, horizontally: 0.5 doubles the picture, -1 flips it.
        zoom_y: the same vertically.

    Returns:
        float32, shape (count, 3, 3); count is 1 when all arguments are scalars.

    >>> affine_matrices(zoom_x=-1.0, shift_y=[2.0, 3.0]) @ jax.numpy.array([10.0, 20.0, 1.0])
    Array([[-10.,  18.,   1.],
           [-10.,  17.,   1.]], dtype=float32)
    """
    angle, right, down, wide, high = map(jnp.asarray, (rotation, shift_x, shift_y, zoom_x, zoom_y))
    cos, sin, tilt = jnp.cos(angle), jnp.sin(angle), angle + jnp.asarray(shear)
    return stack_matrices(
        (wide * cos, -high * jnp.sin(tilt), sin * down - cos * right),
        (wide * sin, high * jnp.cos(tilt), -sin * right - cos * down),
    )


def stack_matrices(*rows: tuple[ArrayLike, ArrayLike, ArrayLike]) -> jax.Array:
    """The (count, 3, 3) matrices with these two upper rows, whose entries broadcast to (count,)."""
    entries = jnp.broadcast_arrays(*(entry for row in (*rows, (0.0, 0.0, 1.0)) for entry in row))
    return jnp.stack(entries, axis=-1).astype(jnp.float32).reshape(-1, 3, 3)


@partial(jax.jit, static_argnums=(0, 1))
def _warp(interpolation: str, fill_mode: str, images: jax.Array, matrices: jax.Array, levels: jax.Array) -> jax.Array:
    """Compiled by itself when it is called outside a program, rather than operation by operation."""
    function: Callable[..., jax.Array] = partial(plain, interpolation, fill_mode)
    if _kernels.warp_fits(images.shape):
        mode = INTERPOLATIONS[::-1].index(interpolation), FILL_MODES.index(fill_mode)
        function = _kernels.on_cpu(partial(_kernels.warp, mode), function)
    return function(images, matrices, levels)


# The plain XLA form: what the native kernel is measured against.


def plain(interpolation: str, fill_mode: str, images: jax.Array, matrices: jax.Array, levels: jax.Array) -> jax.Array:
    """``warp``; ``levels`` are scale, offset and fill value of each channel, shape (3, channels)."""
    _, height, width, _ = images.shape
    columns, rows = _input_positions(matrices, height, width)
    scale, offset, filling = levels
    sample = partial(_sample, interpolation=interpolation, fill_mode=fill_mode)
    return jax.vmap(sample, (0, 0, 0, None))(images, columns, rows, filling) * scale + offset


def _input_positions(matrices: jax.Array, height: int, width: int) -> tuple[jax.Array, jax.Array]:
    """Column and row in the input, each (count, height * width), that every output pixel takes its value from.

    One matrix product rather than a formula per pixel: XLA then keeps its result. A formula it would compute twice,
    for the indices and for the weights, rounded in two ways, and near whole numbers the two would not fit together.
    """
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    y, x = jnp.meshgrid(jnp.arange(height) - middle_y, jnp.arange(width) - middle_x, indexing="ij")
    outputs = jnp.stack([x.ravel(), y.ravel(), jnp.ones(height * width)])
    to_indices = matrices[:, :2].at[:, :, 2].add(jnp.array([middle_x, middle_y]))
    positions = jnp.matmul(to_indices, outputs, precision=lax.Precision.HIGHEST)
    return positions[:, 0], positions[:, 1]


def _sample(
    image: jax.Array, columns: jax.Array, rows: jax.Array, filling: jax.Array, *, interpolation: str, fill_mode: str
) -> jax.Array:
    """The values of one picture (height, width, channels) at these positions."""
    height, width, channels = image.shape
    pixels = image.reshape(height * width, channels)
    column_taps = _taps(columns, width, interpolation, fill_mode)
    row_taps = _taps(rows, height, interpolation, fill_mode)
    total, coverage = jnp.zeros((), jnp.float32), jnp.zeros((), jnp.float32)
    for row, row_weight in row_taps:
        for column, column_weight in column_taps:
            weight = row_weight * column_weight
            # _taps clips every index, so XLA need not check them again.
            values = pixels.at[row * width + column].get(mode="promise_in_bounds")
            total += weight[:, None] * values.astype(jnp.float32)
            coverage += weight
    if fill_mode == "constant":
        total += filling * (1 - coverage)[:, None]
    return total.reshape(height, width, channels)


def _taps(positions: jax.Array, size: int, interpolation: str, fill_mode: str) -> list[tuple[jax.Array, jax.Array]]:
    """The indices along one axis that are read for these positions, each with its weights.

    The weights sum to 1, or to less where ``fill_mode`` is constant and the fill value has the rest.
    """
    positions = _fold(positions, size, fill_mode)
    if interpolation == "nearest":
        index = jnp.floor(positions + 0.5)
        taps = [(index, jnp.ones_like(positions))]
    else:
        index = jnp.floor(positions)
        fraction = positions - index
        taps = [(index, 1 - fraction), (index + 1, fraction)]
    if fill_mode == "constant":
        taps = [(index, jnp.where((index >= 0) & (index < size), weight, 0)) for index, weight in taps]
    if fill_mode == "wrap":
        taps = [(jnp.where(index >= size, index - size, index), weight) for index, weight in taps]
    return [(jnp.clip(index.astype(jnp.int32), 0, size - 1), weight) for index, weight in taps]


def _fold(positions: jax.Array, size: int, fill_mode: str) -> jax.Array:
    """Positions anywhere on the axis as the equivalent ones on the picture, or within a pixel of its edge."""
    match fill_mode:
        case "nearest":
            return jnp.clip(positions, 0, size - 1)
        case "reflect":
            from_edge = positions + 0.5
            from_edge -= 2 * size * jnp.floor(from_edge / (2 * size))
            return jnp.minimum(from_edge, 2 * size - from_edge) - 0.5
        case "wrap":
            return positions - size * jnp.floor(positions / size)
        case _:
            return jnp.clip(positions, -1, size)
