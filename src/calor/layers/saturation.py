"""Stronger or weaker colours."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from calor._arguments import described, number, replace_arguments
from calor.errors import ShapeError
from calor.layers._augmentation import Augmentation, Interval, draw, value_range
from calor.typing import Parameters, Shape, State


@dataclass(frozen=True, eq=False)
class RandomSaturation(Augmentation):
    """Make colours stronger or weaker, up to grey; their hue and their brightness (the largest of the three) stay.

    The saturation, as in the HSV colour space, is multiplied by factor / (1 - factor), and is 1 at the most. As in
    Keras 3, whose layer however lets the saturation of pixels from 0 to 255 grow beyond 1.

    Args:
        factor: from 0 to 1, drawn for each picture: (low, high), or one number r for (0, r). 0.5 changes nothing, 0
            makes a picture grey, 1 makes its colours as strong as they can be.
        value_range: the lowest and the highest value a pixel can have: (0, 255), or (0, 1) after a Rescaling.

    Raises:
        ArgumentError: an argument is no such range.

    >>> RandomSaturation((0.3, 0.7)).factor
    (0.3, 0.7)
    """

    factor: Interval
    value_range: tuple[float, float] = (0.0, 255.0)

    def __post_init__(self) -> None:
        replace_arguments(
            self, factor=fraction_range(self, "factor", self.factor), value_range=value_range(self, self.value_range)
        )

    def build(self, key: jax.Array, input_shape: Shape) -> tuple[Parameters, State]:
        """No parameters, no state.

        Raises:
            ShapeError: the inputs are no pictures of three colours.
        """
        super().build(key, input_shape)
        _check_colours(self, input_shape)
        return {}, {}

    def change(self, images: jax.Array, key: jax.Array) -> jax.Array:
        """Each pixel's distance from its largest channel made larger or smaller."""
        _check_colours(self, images.shape[1:])
        (share,) = draw(key, len(images), self.factor)
        return self.saturated(images, share / (1 - share + 1e-7))

    def saturated(self, images: jax.Array, factors: jax.Array) -> jax.Array:
        """Pictures (count, height, width, 3) with their saturation multiplied by ``factors``, shape (count,)."""
        low, _ = self.value_range
        pixels = images.astype(jnp.float32) - low
        largest, smallest = pixels.max(-1, keepdims=True), pixels.min(-1, keepdims=True)
        # With hue and value fixed, the distance from the largest channel is proportional to the saturation.
        strongest = largest / jnp.maximum(largest - smallest, 1e-6)
        return low + largest - (largest - pixels) * jnp.minimum(factors[:, None, None, None], strongest)


def fraction_range(layer: object, name: str, value: Any) -> tuple[float, float]:
    """(low, high) between 0 and 1; one number r stands for (0, r)."""
    given = value if isinstance(value, tuple | list) and len(value) == 2 else (0.0, value)
    low = number(layer, name, given[0], least=0, most=1)
    return low, number(layer, name, given[1], least=low, most=1)


def _check_colours(layer: Augmentation, shape: Shape) -> None:
    if shape[-1] != 3:
        raise ShapeError(
            f"{described(layer)} takes pictures of three channels, red, green and blue, not of {shape[-1]}."
        )
