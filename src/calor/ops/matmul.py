"""The matrix product, and the precision that products multiply in."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import jax
import jax.numpy as jnp

from calor.errors import UnknownNameError

_precision: ContextVar[str] = ContextVar("precision", default="float32")


@contextmanager
def precision(name: str) -> Iterator[None]:
    """The type that operands of matrix products and convolutions are rounded to while traced inside this context.

    Sums, results and gradients are float32 all the same. A program that JAX has compiled keeps what it was traced with.

    Args:
        name: ``"float32"`` or ``"bfloat16"``.

    Raises:
        UnknownNameError: another name.

    >>> with precision("bfloat16"):
    ...     matmul(jnp.array([[1.001]]), jnp.array([[1.0]]))
    Array([[1.]], dtype=float32)
    """
    if name not in ("float32", "bfloat16"):
        raise UnknownNameError("precision", name, ("float32", "bfloat16"))
    token = _precision.set(name)
    try:
        yield
    finally:
        _precision.reset(token)


def rounded(*operands: jax.Array) -> tuple[jax.Array, ...]:
    """The operands in the type that the precision of now asks for."""
    return tuple(operand.astype(_precision.get()) for operand in operands)


def product(left: jax.Array, right: jax.Array, *, axes: tuple[int, int] = (-1, 0)) -> jax.Array:
    """The sums over one axis of each, float32: the product of two matrices, either of them transposed."""
    contracted = ((axes[0] % left.ndim,), (axes[1] % right.ndim,))
    return jax.lax.dot_general(left, right, (contracted, ((), ())), preferred_element_type=jnp.float32)


def matmul(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    """The product ``inputs @ kernel`` with float32 sums, in the ``precision`` of now.

    Args:
        inputs: shape (..., features).
        kernel: shape (features, units).

    Returns:
        Shape (..., units), float32.

    >>> matmul(jnp.ones((2, 3)), jnp.ones((3, 4))).shape
    (2, 4)
    """
    return _matmul(inputs.astype(jnp.float32), kernel.astype(jnp.float32))


@jax.custom_vjp
def _matmul(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    return product(*rounded(inputs, kernel))


def _forward(inputs: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _matmul(inputs, kernel), (inputs, kernel)


def _backward(operands: tuple[jax.Array, jax.Array], gradients: jax.Array) -> tuple[jax.Array, jax.Array]:
    # JAX's own rule would round the gradients of bfloat16 operands to bfloat16.
    inputs, kernel, gradients = rounded(*operands, gradients)
    inputs_gradient = product(gradients, kernel, axes=(-1, 1))
    flat_inputs, flat_gradients = (array.reshape(-1, array.shape[-1]) for array in (inputs, gradients))
    kernel_gradient = product(flat_inputs, flat_gradients, axes=(0, 0))
    return inputs_gradient, kernel_gradient


_matmul.defvjp(_forward, _backward)
