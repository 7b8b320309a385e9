"""Activation functions as layers of their own."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from calor import activations
from calor._arguments import number, replace_arguments
from calor.layers.base import Layer
from calor.typing import Parameters, State


@dataclass(frozen=True, eq=False)
class _Elementwise(Layer):
    """The base of layers without parameters that turn each batch into one of the same shape."""

    def _outputs(self, inputs: jax.Array) -> jax.Array:
        raise NotImplementedError

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``."""
        return self._outputs(inputs), state


@dataclass(frozen=True, eq=False)
class Activation(_Elementwise):
    """Any activation as a layer.

    Args:
        activation: a name, or a function of an array.

    Raises:
        UnknownNameError: no activation of that name is known.

    >>> Activation("tanh").apply({}, {}, jnp.zeros((1, 2)), training=False, key=None)[0].tolist()
    [[0.0, 0.0]]
    """

    activation: Any

    def __post_init__(self) -> None:
        replace_arguments(self, activation=activations.get(self.activation))

    def _outputs(self, inputs: jax.Array) -> jax.Array:
        return self.activation(inputs)


@dataclass(frozen=True, eq=False)
class ReLU(_Elementwise):
    """max(x, 0), up to ``max_value`` where one is given.

    Args:
        max_value: the largest output; None, the default, for no limit.

    >>> ReLU(max_value=6).apply({}, {}, jnp.array([[-1.0, 8.0]]), training=False, key=None)[0].tolist()
    [[0.0, 6.0]]
    """

    max_value: float | None = None

    def __post_init__(self) -> None:
        if self.max_value is not None:
            replace_arguments(self, max_value=number(self, "max_value", self.max_value, least=0))

    def _outputs(self, inputs: jax.Array) -> jax.Array:
        outputs = activations.relu(inputs)
        return outputs if self.max_value is None else jnp.minimum(outputs, self.max_value)


@dataclass(frozen=True, eq=False)
class LeakyReLU(_Elementwise):
    """``x`` where x >= 0, ``negative_slope`` * x elsewhere.

    Args:
        negative_slope: default 0.3.

    >>> LeakyReLU(0.5).apply({}, {}, jnp.array([[-1.0, 8.0]]), training=False, key=None)[0].tolist()
    [[-0.5, 8.0]]
    """

    negative_slope: float = 0.3

    def __post_init__(self) -> None:
        replace_arguments(self, negative_slope=number(self, "negative_slope", self.negative_slope, least=0))

    def _outputs(self, inputs: jax.Array) -> jax.Array:
        return activations.leaky_relu(inputs, self.negative_slope)


@dataclass(frozen=True, eq=False)
class ELU(_Elementwise):
    """``x`` where x > 0, ``alpha`` * (exp(x) - 1) elsewhere.

    Args:
        alpha: default 1.0.

    >>> ELU().apply({}, {}, jnp.array([[0.0, 8.0]]), training=False, key=None)[0].tolist()
    [[0.0, 8.0]]
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        replace_arguments(self, alpha=number(self, "alpha", self.alpha))

    def _outputs(self, inputs: jax.Array) -> jax.Array:
        return activations.elu(inputs, self.alpha)


@dataclass(frozen=True, eq=False)
class Softmax(_Elementwise):
    """exp(x) / sum(exp(x)) over the last axis: numbers to the probabilities of the classes.

    >>> Softmax().apply({}, {}, jnp.zeros((1, 4)), training=False, key=None)[0].tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """

    def _outputs(self, inputs: jax.Array) -> jax.Array:
        return activations.softmax(inputs)
