"""Activation functions: what a layer does to each of its outputs.

Each takes an array of any shape, with JAX or NumPy inside, and returns one of the same shape in float32.
A layer takes a name (``activation="relu"``), one of these, a function of ``jax.nn``, or a function of your own.
"""

from typing import Any

import jax
import jax.numpy as jnp

from calor._names import find
from calor.errors import ArgumentError
from calor.typing import Activation

__all__ = [
    "elu",
    "gelu",
    "get",
    "leaky_relu",
    "linear",
    "name_of",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def linear(x: jax.Array) -> jax.Array:
    """``x`` itself: what a layer without an activation does.

    >>> float(linear(-2.0))
    -2.0
    """
    return x


def relu(x: jax.Array) -> jax.Array:
    """max(x, 0), the rectified linear unit. Its gradient at 0 is 0.

    >>> relu(jnp.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return jax.nn.relu(x)


def leaky_relu(x: jax.Array, negative_slope: float = 0.2) -> jax.Array:
    """``x`` for x >= 0, ``negative_slope`` * x below.

    >>> leaky_relu(jnp.array([-1.0, 2.0]), 0.5).tolist()
    [-0.5, 2.0]
    """
    return jax.nn.leaky_relu(x, negative_slope)


def elu(x: jax.Array, alpha: float = 1.0) -> jax.Array:
    """``x`` for x > 0, ``alpha`` * (exp(x) - 1) below (Clevert, Unterthiner and Hochreiter 2015).

    >>> elu(jnp.array([-1.0, 2.0])).tolist()
    [-0.632..., 2.0]
    """
    return jax.nn.elu(x, alpha)


def selu(x: jax.Array) -> jax.Array:
    """1.0507 * elu(x, alpha=1.6733): keeps mean 0 and variance 1 (Klambauer and others 2017).

    >>> round(float(selu(1.0)), 4)
    1.0507
    """
    return jax.nn.selu(x)


def gelu(x: jax.Array) -> jax.Array:
    """``x`` * P(X <= x) for a standard normal X, exactly (Hendrycks and Gimpel 2016).

    >>> round(float(gelu(1.0)), 4)
    0.8413
    """
    return jax.nn.gelu(x, approximate=False)


def silu(x: jax.Array) -> jax.Array:
    """``x`` * sigmoid(x), also called swish.

    >>> float(silu(0.0))
    0.0
    """
    return jax.nn.silu(x)


def softplus(x: jax.Array) -> jax.Array:
    """log(1 + exp(x)), a smooth relu.

    >>> round(float(softplus(0.0)), 4)
    0.6931
    """
    return jax.nn.softplus(x)


def sigmoid(x: jax.Array) -> jax.Array:
    """1 / (1 + exp(-x)): any number to a probability.

    >>> float(sigmoid(0.0))
    0.5
    """
    return jax.nn.sigmoid(x)


def tanh(x: jax.Array) -> jax.Array:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)), between -1 and 1.

    >>> float(tanh(0.0))
    0.0
    """
    return jnp.tanh(x)


def softmax(x: jax.Array) -> jax.Array:
    """exp(x) / sum(exp(x)) over the last axis: a row of numbers to the probabilities of the classes.

    >>> softmax(jnp.zeros(4)).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    return jax.nn.softmax(x)


_KNOWN: dict[str, Activation] = {
    "elu": elu,
    "gelu": gelu,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "relu": relu,
    "selu": selu,
    "sigmoid": sigmoid,
    "silu": silu,
    "softmax": softmax,
    "softplus": softplus,
    "swish": silu,
    "tanh": tanh,
}

# Only those whose default arguments agree: jax.nn.gelu approximates and jax.nn.leaky_relu has another slope.
_NAMES: dict[Activation, str] = {function: function.__name__ for function in _KNOWN.values()} | {
    jax.nn.elu: "elu",
    jax.nn.identity: "linear",
    jax.nn.relu: "relu",
    jax.nn.selu: "selu",
    jax.nn.sigmoid: "sigmoid",
    jax.nn.silu: "silu",
    jax.nn.softmax: "softmax",
    jax.nn.softplus: "softplus",
    jax.nn.tanh: "tanh",
    jnp.tanh: "tanh",
}


def get(identifier: str | Activation | None) -> Activation:
    """The function that ``identifier`` means.

    Args:
        identifier: a name, a function of an array (returned as it is), or None for ``linear``.

    Raises:
        UnknownNameError: a name that is not known; the message gives the nearest.
        ArgumentError: neither a name nor a function.

    >>> get("relu") is relu
    True
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        return find("activation", identifier, _KNOWN)
    if not callable(identifier):
        raise ArgumentError(f"An activation is a name or a function of an array, not {identifier!r}.")
    return identifier


def name_of(function: Any) -> str | None:
    """The name under which ``get`` knows this function, or None for a function of the user's.

    >>> name_of(jax.nn.relu), name_of(abs)
    ('relu', None)
    """
    try:
        return _NAMES.get(function)
    except TypeError:  # a callable object that cannot be hashed
        return None
