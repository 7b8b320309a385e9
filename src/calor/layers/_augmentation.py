"""What the layers that change pictures at random have in common: when they act, on what, and how they draw."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from calor._arguments import described, replace_arguments
from calor.errors import ArgumentError, ShapeError
from calor.layers.base import Layer
from calor.typing import Parameters, Shape, State

Interval: TypeAlias = float | tuple[float, float]
"""What a layer draws from, uniformly: (low, high), or one number r for (-r, r)."""


@dataclass(frozen=True, eq=False)
class Augmentation(Layer):
    """The base of the layers that change pictures at random while training. A layer of your own adds ``change``.

    >>> import jax, jax.numpy as jnp
    >>> class RandomInvert(Augmentation):
    ...     def change(self, images, key):
    ...         inverted = jax.random.bernoulli(key, shape=(len(images), 1, 1, 1))
    ...         return jnp.where(inverted, 255.0 - images, images)
    >>> RandomInvert().augment(jnp.zeros((150, 150, 3), jnp.uint8), jax.random.key(0)).shape
    (150, 150, 3)
    """

    random_when_called: ClassVar[bool] = True

    def build(self, key: jax.Array, input_shape: Shape) -> tuple[Parameters, State]:
        """No parameters, no state.

        Raises:
            ShapeError: the inputs are not pictures of shape (height, width, channels).
        """
        if len(input_shape) != 3 or min(input_shape) < 1:
            raise ShapeError(
                f"{described(self)} changes pictures, so its inputs must have shape (height, width, channels), "
                f"not {tuple(input_shape)}. Put it before Flatten; Reshape gives grey pictures their channel."
            )
        return {}, {}

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """The pictures as float32, changed if ``training``; inputs of shape (batch, height, width, channels)."""
        if not training:
            return jnp.asarray(inputs, jnp.float32), state
        if key is None:
            raise ArgumentError(f"{described(self)}: apply needs a random key in training.")
        return self.augment(inputs, key), state

    def augment(self, images: ArrayLike, key: jax.Array) -> jax.Array:
        """Change one picture or a batch of them: the layer as a function, for ``Dataset.map``.

        Args:
            images: shape (height, width, channels) or (count, height, width, channels), uint8 or float.
            key: a JAX random key; the same key gives the same change.

        Returns:
            float32, in the shape of ``images``.

        Raises:
            ShapeError: another shape.

        >>> import jax, jax.numpy as jnp
        >>> from calor.layers.augmentation import RandomTranslation
        >>> layer = RandomTranslation(0.0, (0.5, 0.5), fill_mode="constant")
        >>> layer.augment(jnp.array([[[7], [9]]], jnp.uint8), jax.random.key(0)).ravel()
        Array([0., 7.], dtype=float32)
        """
        images = jnp.asarray(images)
        if images.ndim not in (3, 4):
            raise ShapeError(
                f"{described(self)}: augment takes pictures of shape (height, width, channels), or a batch of them, "
                f"not {images.shape}."
            )
        batch = images if images.ndim == 4 else images[None]
        return jnp.asarray(self.change(batch, key), jnp.float32).reshape(images.shape)

    def __call__(
        self, images: ArrayLike, /, *others: Any, key: jax.Array | None = None, training: bool | None = None
    ) -> Any:
        """``augment`` for elements of a data set: what is not the pictures comes back as it is.

        Without a key, the pictures alone are changed in a way that is new at each call: see ``Layer.__call__``.

        >>> import calor
        >>> data = calor.data.Dataset.from_arrays(np.zeros((8, 4, 4, 3), np.uint8), np.arange(8))
        >>> varied = data.batch(4).map(calor.layers.RandomFlip("horizontal"))
        >>> [images.shape for images, labels in varied]
        [(4, 4, 4, 3), (4, 4, 4, 3)]
        """
        if key is None:
            return super().__call__(images, training=training)
        changed = self.augment(images, key)
        return (changed, *others) if others else changed

    def change(self, images: jax.Array, key: jax.Array) -> jax.Array:
        """Every picture of a batch (count, height, width, channels) changed in a way of its own."""
        raise NotImplementedError(f"{type(self).__name__} has no change method")


def draw(key: jax.Array, count: int, *bounds: Interval) -> jax.Array:
    """Numbers for ``count`` pictures, shape (bounds, count), each row uniform between its (low, high)."""
    low, high = np.array(bounds, np.float32).T[..., None]
    return low + (high - low) * jax.random.uniform(key, (len(bounds), count))


def interval(layer: Layer, name: str, value: Any, *, least: float, most: float, middle: float = 0.0) -> Interval:
    """(low, high) as floats; one number r stands for (middle - r, middle + r)."""
    try:
        low, high = value if isinstance(value, tuple | list) else (middle - value, middle + value)
        low, high = float(low), float(high)
    except (TypeError, ValueError):
        low = high = math.nan
    if not least <= low <= high <= most:
        raise ArgumentError(
            f"{described(layer)}: {name} must be a number from 0 to {min(most - middle, middle - least):g}, "
            f"or a pair (low, high) between {least:g} and {most:g}, not {value!r}."
        )
    return low, high


def replace_intervals(layer: Layer, *names: str, least: float, most: float, middle: float = 0.0) -> None:
    """Put ``interval`` of these arguments in their place."""
    for name in names:
        value = interval(layer, name, getattr(layer, name), least=least, most=most, middle=middle)
        replace_arguments(layer, **{name: value})


def value_range(layer: Layer, value: Any) -> tuple[float, float]:
    """The lowest and the highest value of a pixel, as floats."""
    try:
        low, high = map(float, value)
    except (TypeError, ValueError):
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise ArgumentError(
            f"{described(layer)}: value_range must be the lowest and the highest pixel value, "
            f"such as (0, 255) or (0, 1), not {value!r}."
        )
    return low, high
