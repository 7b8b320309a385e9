"""The layer that keeps its inputs at mean 0 and variance 1."""

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, TypeAlias

import jax
import jax.numpy as jnp

from calor._arguments import number, replace_arguments
from calor.errors import ShapeError
from calor.layers.base import Layer
from calor.typing import Parameters, Shape, State


@dataclass(frozen=True, eq=False)
class BatchNormalization(Layer):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta, for each channel, the last axis.

    In training, mean and variance are those of the batch over all other axes (the variance divided by their count,
    not by one less), and moving averages of both are kept: moving ← momentum * moving + (1 - momentum) * batch.
    Otherwise the moving averages are used (Ioffe and Szegedy 2015).

    Args:
        momentum: how long the moving averages remember. Default 0.99.
        epsilon: keeps the root from 0. Default 0.001.
        center: whether there is a ``beta``, which training changes. Default True.
        scale: whether there is a ``gamma``, which training changes. Default True.

    Raises:
        ArgumentError: ``momentum`` is not from 0 to 1, or ``epsilon`` is negative.

    >>> parameters, state = BatchNormalization().build(jax.random.key(0), (3,))
    >>> [*parameters, *state]
    ['gamma', 'beta', 'moving_mean', 'moving_variance']
    """

    momentum: float = 0.99
    epsilon: float = 0.001
    center: bool = True
    scale: bool = True

    uses_mask: ClassVar[bool] = True

    def __post_init__(self) -> None:
        replace_arguments(
            self,
            momentum=number(self, "momentum", self.momentum, least=0, most=1),
            epsilon=number(self, "epsilon", self.epsilon, least=0),
        )

    def build(self, key: jax.Array, input_shape: Shape) -> tuple[Parameters, State]:
        """``gamma`` and ``beta``, and as state ``moving_mean`` and ``moving_variance``; see ``Layer.build``."""
        if not input_shape:
            raise ShapeError("BatchNormalization needs a last axis of channels, but each input is a single number.")
        zeros, ones = jnp.zeros(input_shape[-1:]), jnp.ones(input_shape[-1:])
        parameters = {"gamma": ones} if self.scale else {}
        if self.center:
            parameters["beta"] = zeros
        return parameters, {"moving_mean": zeros, "moving_variance": ones}

    def apply(
        self,
        parameters: Parameters,
        state: State,
        inputs: jax.Array,
        *,
        training: bool,
        key: jax.Array | None,
        mask: jax.Array | None = None,
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``.

        Args:
            parameters: ``gamma`` and ``beta``.
            state: the moving averages.
            inputs: shape (batch, ..., channels).
            training: whether to use the batch's mean and variance, and to move the averages.
            key: not used.
            mask: shape (batch,), 0 for rows that do not count; None when all do.
        """
        mean, variance = state["moving_mean"], state["moving_variance"]
        gamma = parameters["gamma"] if self.scale else jnp.ones_like(mean)
        beta = parameters["beta"] if self.center else jnp.zeros_like(mean)
        if not training:
            return (inputs - mean) * (gamma * jax.lax.rsqrt(variance + self.epsilon)) + beta, state
        outputs, mean, variance = _normalize(self.epsilon, inputs, gamma, beta, mask)
        return outputs, {
            "moving_mean": self.momentum * state["moving_mean"] + (1 - self.momentum) * mean,
            "moving_variance": self.momentum * state["moving_variance"] + (1 - self.momentum) * variance,
        }


Residuals: TypeAlias = tuple[jax.Array, jax.Array, jax.Array | None, jax.Array, jax.Array]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _normalize(
    epsilon: float, inputs: jax.Array, gamma: jax.Array, beta: jax.Array, mask: jax.Array | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The outputs, and mean and variance of the batch, which carry no gradient."""
    return _forward(epsilon, inputs, gamma, beta, mask)[0]


def _forward(
    epsilon: float, inputs: jax.Array, gamma: jax.Array, beta: jax.Array, mask: jax.Array | None
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], Residuals]:
    mean, variance = _moments(inputs, mask)
    root = jax.lax.rsqrt(variance + epsilon)
    return ((inputs - mean) * (gamma * root) + beta, mean, variance), (inputs, gamma, mask, mean, root)


def _backward(
    epsilon: float, residuals: Residuals, cotangents: tuple[jax.Array, jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    """With x̂ = (x - mean) * root: dx = gamma * root * (dy - (Σ dy + x̂ Σ dy x̂) / count).

    Ioffe and Szegedy 2015, section 3, simplified. The derivative that JAX finds has four sums where these are two, each
    of them a pass over the inputs.
    """
    inputs, gamma, mask, mean, root = residuals
    gradient = cotangents[0]
    axes = tuple(range(inputs.ndim - 1))
    total = jnp.sum(gradient, axes)
    along = jnp.sum(gradient * (inputs - mean), axes) * root
    counted = jnp.ones(inputs.shape[:1]) if mask is None else (mask != 0).astype(inputs.dtype)
    share = counted / (jnp.sum(counted) * math.prod(inputs.shape[1:-1]))
    through_moments = (total + (inputs - mean) * (root * along)) * share.reshape(-1, *[1] * (inputs.ndim - 1))
    return gamma * root * (gradient - through_moments), along, total, None


_normalize.defvjp(_forward, _backward)


def _moments(inputs: jax.Array, mask: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """Mean and variance of each channel, over the rows that count."""
    axes = tuple(range(inputs.ndim - 1))
    counted = None if mask is None else mask.reshape(-1, *[1] * (inputs.ndim - 1)) != 0
    mean = jnp.mean(inputs, axes, where=counted)
    return mean, jnp.mean(jnp.square(inputs - mean), axes, where=counted)
