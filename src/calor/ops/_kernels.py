"""The native kernels as functions of arrays, and the choice between them and XLA."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from calor.ops import native
from calor.ops._windows import Windows


def on_cpu(kernels: Callable, otherwise: Callable, *settings: Any) -> Callable:
    """The function of arrays that is ``kernels`` where the program will run on a CPU and there are kernels.

    Both take the settings first, then the arrays.

    Operands in bfloat16 are widened for them, and the kernels multiply in float32: at least as precise as what bfloat16
    with float32 sums asks for.
    """
    kernels, otherwise = partial(kernels, *settings), partial(otherwise, *settings)
    if not native.available():
        return otherwise

    def widened(*operands: jax.Array) -> Any:
        return kernels(*(one.astype(jnp.float32) if one.dtype == jnp.bfloat16 else one for one in operands))

    @jax.custom_vjp
    def chosen(*operands: jax.Array) -> Any:
        if any(one.size == 0 for one in operands):  # an empty batch is no work for kernels
            return otherwise(*operands)
        return lax.platform_dependent(*operands, cpu=widened, default=otherwise)

    # First derivatives are kernels themselves. Further ones, which few need, are those of the plain form.
    chosen.defvjp(
        lambda *operands: (chosen(*operands), operands),
        lambda operands, arriving: jax.vjp(otherwise, *operands)[1](arriving),
    )
    return chosen


def _window(windows: Windows) -> dict[str, np.ndarray]:
    rows, columns = windows
    pairs = (rows.stride, columns.stride, rows.dilation, columns.dilation, rows.low, columns.low)
    return {"window": np.array(pairs, np.int64)}


def _pool(windows: Windows) -> dict[str, np.ndarray]:
    rows, columns = windows
    return {"pool": np.array((rows.taps, columns.taps, rows.low, columns.low), np.int64)}


def _pooled(windows: Windows, pool: Windows) -> dict[str, np.ndarray]:
    outputs = np.array([window.outputs for window in windows], np.int64)
    return {**_window(windows), "outputs": outputs, **_pool(pool)}


def _call(name: str, *results: tuple[tuple[int, ...], Any]) -> Any:
    types = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in results]
    # Under vmap they are called for one after the other: each call keeps all threads busy.
    return jax.ffi.ffi_call(f"calor_{name}", types if len(types) > 1 else types[0], vmap_method="sequential")


def convolution(windows: Windows, relu: bool, inputs: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """The convolution, its bias added and, where asked for, negative numbers cut off."""
    shape = (len(inputs), windows[0].outputs, windows[1].outputs, kernel.shape[-1])
    return _call("convolution", (shape, jnp.float32))(inputs, kernel, bias, **_window(windows), relu=np.bool_(relu))


def inputs_gradient(windows: Windows, gradients: jax.Array, kernel: jax.Array) -> jax.Array:
    """The gradient of a convolution's inputs."""
    shape = (len(gradients), windows[0].size, windows[1].size, kernel.shape[2])
    return _call("inputs_gradient", (shape, jnp.float32))(gradients, kernel, **_window(windows))


def kernel_gradient(windows: Windows, inputs: jax.Array, gradients: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The gradients of a convolution's kernel and of its bias."""
    filters = gradients.shape[-1]
    shape = (windows[0].taps, windows[1].taps, inputs.shape[-1], filters)
    call = _call("kernel_gradient", (shape, jnp.float32), ((filters,), jnp.float32))
    return tuple(call(inputs, gradients, **_window(windows)))


def pooled_convolution(
    windows: Windows, pool: Windows, inputs: jax.Array, kernel: jax.Array, bias: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Convolution, bias, ReLU and max-pooling; beside each maximum the place it was found at, 255 where cut off."""
    shape = (len(inputs), pool[0].outputs, pool[1].outputs, kernel.shape[-1])
    call = _call("pooled_convolution", (shape, jnp.float32), (shape, jnp.uint8))
    return tuple(call(inputs, kernel, bias, **_pooled(windows, pool)))


def pooled_inputs_gradient(
    windows: Windows, pool: Windows, gradients: jax.Array, place: jax.Array, kernel: jax.Array
) -> jax.Array:
    """The gradient of a pooled convolution's inputs."""
    shape = (len(gradients), windows[0].size, windows[1].size, kernel.shape[2])
    return _call("pooled_inputs_gradient", (shape, jnp.float32))(gradients, place, kernel, **_pooled(windows, pool))


def pooled_kernel_gradient(
    windows: Windows, pool: Windows, inputs: jax.Array, gradients: jax.Array, place: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The gradients of a pooled convolution's kernel and of its bias."""
    filters = gradients.shape[-1]
    shape = (windows[0].taps, windows[1].taps, inputs.shape[-1], filters)
    call = _call("pooled_kernel_gradient", (shape, jnp.float32), ((filters,), jnp.float32))
    return tuple(call(inputs, gradients, place, **_pooled(windows, pool)))


def max_pooling(pool: Windows, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The maxima of windows side by side, and the place in its window of each."""
    shape = (len(inputs), pool[0].outputs, pool[1].outputs, inputs.shape[-1])
    return tuple(_call("max_pooling", (shape, jnp.float32), (shape, jnp.uint8))(inputs, **_pool(pool)))


def max_pooling_gradient(pool: Windows, gradients: jax.Array, place: jax.Array) -> jax.Array:
    """The gradient of what was pooled."""
    shape = (len(gradients), pool[0].size, pool[1].size, gradients.shape[-1])
    return _call("max_pooling_gradient", (shape, jnp.float32))(gradients, place, **_pool(pool))


_LARGEST_SIDE, _LARGEST_PICTURE = 2**22, 2**30
"""What the warp's kernel can count, in pixels and in numbers with an edge of one pixel around the picture."""


def warp_fits(shape: tuple[int, ...]) -> bool:
    """Whether the warp's kernel takes pictures of that size."""
    _, height, width, channels = shape
    within = max(height, width) <= _LARGEST_SIDE
    return within and (height + 2) * (width + 2) * channels < _LARGEST_PICTURE


def warp(mode: tuple[int, int], images: jax.Array, matrices: jax.Array, levels: jax.Array) -> jax.Array:
    """Pictures moved by one matrix each. Under vmap too it is one call, of all the pictures.

    Args:
        mode: whether to interpolate, and the number of the fill mode.
        images: shape (count, height, width, channels), uint8 or float32.
        matrices: shape (count, 3, 3).
        levels: scale, offset and fill value of each channel, shape (3, channels).
    """

    @jax.custom_batching.custom_vmap
    def call(images: jax.Array, matrices: jax.Array, levels: jax.Array) -> jax.Array:
        return _call("warp", (images.shape, jnp.float32))(images, matrices, levels, mode=np.array(mode, np.int64))

    @call.def_vmap
    def of_all(size: int, batched: list[bool], *operands: jax.Array) -> tuple[jax.Array, bool]:
        def of_each(one: jax.Array, own: bool) -> jax.Array:
            return one if own else jnp.broadcast_to(one, (size, *one.shape))

        if batched[2]:  # levels of their own
            return lax.map(lambda each: call(*each), tuple(map(of_each, operands, batched))), True
        images, matrices = map(of_each, operands[:2], batched[:2])
        together = call(images.reshape(-1, *images.shape[2:]), matrices.reshape(-1, 3, 3), operands[2])
        return together.reshape(images.shape), True

    return call(images, matrices, levels)
