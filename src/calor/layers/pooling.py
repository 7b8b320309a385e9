"""The layers that shrink pictures: the maximum or the mean of each window, or of the whole picture."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from calor._arguments import replace_arguments
from calor.layers._pictures import check_pictures, check_room, padding_name, pair
from calor.layers.base import Layer
from calor.ops import average_pooling, max_pooling
from calor.typing import Parameters, Shape, State


@dataclass(frozen=True, eq=False)
class _Pooling2D(Layer):
    pool_size: Any = (2, 2)
    strides: Any = None
    padding: str = "valid"

    def __post_init__(self) -> None:
        pool_size = pair(self, "pool_size", self.pool_size)
        strides = pool_size if self.strides is None else pair(self, "strides", self.strides)
        replace_arguments(self, pool_size=pool_size, strides=strides, padding=padding_name(self, self.padding))

    def build(self, key: jax.Array, input_shape: Shape) -> tuple[Parameters, State]:
        """Nothing, once the shape is checked; see ``Layer.build``."""
        check_room(self, "pool", input_shape, self.pool_size, self.strides, self.padding)
        return {}, {}


@dataclass(frozen=True, eq=False)
class MaxPooling2D(_Pooling2D):
    """The maximum of each window: what was found, less precisely where.

    Inputs of shape (batch, height, width, channels) give outputs of shape (batch, new height, new width, channels).

    Args:
        pool_size: the windows' height and width; one number stands for both, here and below.
        strides: the steps from one window to the next, down and to the right; None: windows side by side.
        padding: ``"valid"``: windows stay inside the picture, and a last odd row or column is left out. ``"same"``:
            there are ceil(size / stride) windows.

    Raises:
        ArgumentError: a size or step that is no whole number from 1 up, or another padding.

    >>> outputs, _ = MaxPooling2D(2, 2).apply({}, {}, jnp.ones((1, 5, 4, 3)), training=False, key=None)
    >>> outputs.shape
    (1, 2, 2, 3)
    """

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``."""
        return max_pooling(inputs, self.pool_size, self.strides, self.padding), state


@dataclass(frozen=True, eq=False)
class AveragePooling2D(_Pooling2D):
    """The mean of each window; pixels in the padding do not count.

    Inputs of shape (batch, height, width, channels) give outputs of shape (batch, new height, new width, channels).

    Args:
        pool_size: the windows' height and width; one number stands for both, here and below.
        strides: the steps from one window to the next, down and to the right; None: windows side by side.
        padding: as for ``MaxPooling2D``.

    Raises:
        ArgumentError: a size or step that is no whole number from 1 up, or another padding.

    >>> outputs, _ = AveragePooling2D().apply({}, {}, jnp.ones((1, 4, 4, 3)), training=False, key=None)
    >>> outputs.shape
    (1, 2, 2, 3)
    """

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``."""
        return average_pooling(inputs, self.pool_size, self.strides, self.padding), state


@dataclass(frozen=True, eq=False)
class _GlobalPooling2D(Layer):
    def build(self, key: jax.Array, input_shape: Shape) -> tuple[Parameters, State]:
        """Nothing, once the shape is checked; see ``Layer.build``."""
        check_pictures(self, input_shape)
        return {}, {}


@dataclass(frozen=True, eq=False)
class GlobalAveragePooling2D(_GlobalPooling2D):
    """The mean of each channel over the whole picture: (batch, height, width, channels) to (batch, channels).

    >>> outputs, _ = GlobalAveragePooling2D().apply({}, {}, jnp.ones((1, 4, 4, 3)), training=False, key=None)
    >>> outputs.shape
    (1, 3)
    """

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``."""
        return jnp.mean(inputs, (1, 2)), state


@dataclass(frozen=True, eq=False)
class GlobalMaxPooling2D(_GlobalPooling2D):
    """The maximum of each channel over the whole picture: (batch, height, width, channels) to (batch, channels).

    >>> outputs, _ = GlobalMaxPooling2D().apply({}, {}, jnp.ones((1, 4, 4, 3)), training=False, key=None)
    >>> outputs.shape
    (1, 3)
    """

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``."""
        return jnp.max(inputs, (1, 2)), state
