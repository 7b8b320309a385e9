"""Layers that put the same numbers into another shape."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax

from calor._arguments import integer, replace_arguments
from calor.errors import ArgumentError, ShapeError
from calor.layers.base import Layer
from calor.typing import Parameters, Shape, State


@dataclass(frozen=True, eq=False)
class Flatten(Layer):
    """All numbers of an example in one row: (batch, height, width, channels) to (batch, height * width * channels).

    >>> import jax.numpy as jnp
    >>> Flatten().apply({}, {}, jnp.zeros((2, 3, 4)), training=False, key=None)[0].shape
    (2, 12)
    """

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``."""
        return inputs.reshape(inputs.shape[0], math.prod(inputs.shape[1:])), state


@dataclass(frozen=True, eq=False)
class Reshape(Layer):
    """The numbers of an example in the shape ``target_shape``, the last axis running fastest.

    Args:
        target_shape: without the batch axis; one entry may be -1, which means what is left.

    Raises:
        ArgumentError: an entry is no whole number from 1 up, nor the only -1.

    >>> import jax.numpy as jnp
    >>> Reshape((2, -1)).apply({}, {}, jnp.zeros((5, 12)), training=False, key=None)[0].shape
    (5, 2, 6)
    """

    target_shape: Sequence[int]

    def __post_init__(self) -> None:
        given = self.target_shape
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise ArgumentError(f"Reshape: target_shape must be a tuple such as (28, 28, 1), not {given!r}.")
        shape = tuple(integer(self, "target_shape", size, least=-1) for size in given)
        if 0 in shape or shape.count(-1) > 1:
            raise ArgumentError(f"Reshape: target_shape may have one -1 and no 0, not {given!r}.")
        replace_arguments(self, target_shape=shape)

    def build(self, key: jax.Array, input_shape: Shape) -> tuple[Parameters, State]:
        """No parameters; see ``Layer.build``."""
        size, known = math.prod(input_shape), self._known()
        if size % known or (size != known and -1 not in self.target_shape):
            raise ShapeError(
                f"Reshape cannot put inputs of shape {input_shape}, {size} numbers, "
                f"into the target shape {self.target_shape}."
            )
        return {}, {}

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``."""
        left = math.prod(inputs.shape[1:]) // self._known()
        shape = (left if size == -1 else size for size in self.target_shape)
        return inputs.reshape(inputs.shape[0], *shape), state

    def _known(self) -> int:
        return math.prod(size for size in self.target_shape if size != -1)
