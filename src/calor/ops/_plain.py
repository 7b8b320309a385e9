"""Convolution and its gradients on XLA alone: what the native kernels must agree with, in the operands' precision."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from calor.ops import _lax, _patches
from calor.ops._windows import Windows


def outputs(windows: Windows, relu: bool, inputs: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """The convolution with its bias and, where asked for, ReLU."""
    found = _either(_patches.outputs, _lax.outputs, windows)(inputs, kernel) + bias
    return jax.nn.relu(found) if relu else found


def inputs_gradient(windows: Windows, gradients: jax.Array, kernel: jax.Array) -> jax.Array:
    """The gradient of a convolution's inputs."""
    return _either(_patches.inputs_gradient, _lax.inputs_gradient, windows)(gradients, kernel)


def kernel_gradient(windows: Windows, inputs: jax.Array, gradients: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The gradients of a convolution's kernel and of its bias."""
    return _either(_patches.kernel_gradient, _lax.kernel_gradient, windows)(inputs, gradients)


def _either(on_cpu: Any, elsewhere: Any, windows: Windows) -> Any:
    """The function of two arrays that is ``on_cpu`` or ``elsewhere`` according to where the program will run."""
    forms = {"cpu": partial(on_cpu, windows), "default": partial(elsewhere, windows)}

    @jax.custom_vjp
    def chosen(left: jax.Array, right: jax.Array) -> Any:
        if not left.size or not right.size:  # an empty batch cannot be cut into tiles
            return forms["default"](left, right)
        return lax.platform_dependent(left, right, **forms)

    def widened(left: jax.Array, right: jax.Array) -> Any:
        return elsewhere(windows, left.astype(jnp.float32), right.astype(jnp.float32))

    # The tiles' loop is no way for derivatives; only second ones come here, and XLA's own operation has them.
    chosen.defvjp(
        lambda left, right: (chosen(left, right), (left, right)),
        lambda operands, arriving: jax.vjp(widened, *operands)[1](arriving),
    )
    return chosen
