"""The layer that brings inputs such as pixels into another range."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from calor._arguments import number, replace_arguments
from calor.layers.base import Layer
from calor.typing import Parameters, State


@dataclass(frozen=True, eq=False)
class Rescaling(Layer):
    """inputs * scale + offset, in float32: ``Rescaling(1 / 255)`` brings pixels to 0 to 1.

    Args:
        scale: the factor.
        offset: what is added then. Default 0.0.

    Raises:
        ArgumentError: one of them is not a number.

    >>> Rescaling(1 / 127.5, offset=-1).apply({}, {}, jnp.array([[0, 255]]), training=False, key=None)[0].tolist()
    [[-1.0, 1.0]]
    """

    scale: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        replace_arguments(self, scale=number(self, "scale", self.scale), offset=number(self, "offset", self.offset))

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``."""
        return jnp.asarray(inputs, jnp.float32) * self.scale + self.offset, state
