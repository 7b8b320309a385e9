"""Rectangles at random places of pictures: erased, or to put a part of another picture into."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from calor._arguments import number, replace_arguments
from calor.layers._augmentation import Augmentation, Interval, draw, value_range
from calor.layers.saturation import fraction_range


@dataclass(frozen=True, eq=False)
class RandomErasing(Augmentation):
    """Erase a rectangle of a picture, so that no single part of it becomes all that a network looks at.

    Zhong et al., Random Erasing Data Augmentation, https://arxiv.org/abs/1708.04896. Drawn as in Keras 3: each side is
    the square root of a share from ``scale``, times the picture's.

    Args:
        factor: how probable it is for each picture, itself drawn: (low, high), or one number r for (0, r). The 1.0 of
            the default erases from half of the pictures, (1.0, 1.0) from all.
        scale: the share of the picture that is erased, from 0 to 1: (low, high), or one number r for (0, r).
        fill_value: what is put there: one number, or one for each channel; None for noise.
        value_range: the lowest and the highest value a pixel can have: (0, 255), or (0, 1) after a Rescaling. Noise
            and fill value are cut off at them.

    Raises:
        ArgumentError: an argument is no such range.

    >>> RandomErasing(0.5, fill_value=127).scale
    (0.02, 0.33)
    """

    factor: Interval = 1.0
    scale: Interval = (0.02, 0.33)
    fill_value: float | tuple[float, ...] | None = None
    value_range: tuple[float, float] = (0.0, 255.0)

    def __post_init__(self) -> None:
        given: Any = self.fill_value
        if isinstance(given, tuple | list):
            given = tuple(number(self, "fill_value", one) for one in given)
        elif given is not None:
            given = number(self, "fill_value", given)
        replace_arguments(
            self,
            factor=fraction_range(self, "factor", self.factor),
            scale=fraction_range(self, "scale", self.scale),
            fill_value=given,
            value_range=value_range(self, self.value_range),
        )

    def change(self, images: jax.Array, key: jax.Array) -> jax.Array:
        """A rectangle of some pictures replaced."""
        count, height, width, channels = images.shape
        choosing, sizing, placing, filling = jax.random.split(key, 4)
        probability, coin = draw(choosing, count, self.factor, (0.0, 1.0))
        shares = jnp.sqrt(draw(sizing, count, self.scale, self.scale))
        erased = rectangles(placing, height, width, shares) & (coin < probability)[:, None, None, None]
        low, high = self.value_range
        if self.fill_value is None:
            fill = jax.random.normal(filling, images.shape) * high
        else:
            fill = jnp.broadcast_to(jnp.asarray(self.fill_value, jnp.float32), (channels,))
        return jnp.where(erased, jnp.clip(fill, low, high), images)


def rectangles(key: jax.Array, height: int, width: int, shares: jax.Array) -> jax.Array:
    """For each picture True inside a rectangle at a random place, shape (count, height, width, 1).

    Args:
        key: a random key.
        height: of the pictures.
        width: of the pictures.
        shares: the rectangles' height and width, as shares of the picture's, shape (2, count).
    """
    sizes = shares * jnp.array([[height], [width]], jnp.float32)
    starts = jax.random.uniform(key, sizes.shape) * (jnp.array([[height], [width]]) - sizes)

    def inside(axis: int, length: int) -> jax.Array:
        places = jnp.arange(length) + 0.5  # the pixels' middles: with Keras' edges the first row is hardly ever inside
        start, end = starts[axis, :, None], starts[axis, :, None] + sizes[axis, :, None]
        return (places >= start) & (places < end)

    return (inside(0, height)[:, :, None] & inside(1, width)[:, None, :])[..., None]
