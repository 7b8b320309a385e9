"""The layer that hides a part of its inputs in training, so that no unit is relied upon alone."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from calor._arguments import number, replace_arguments
from calor.layers.base import Layer
from calor.typing import Parameters, State


@dataclass(frozen=True, eq=False)
class Dropout(Layer):
    """Set each input to 0 with probability ``rate`` and divide the rest by 1 - rate; in training only.

    The sum of the inputs stays the same on average, so nothing changes when predicting (Srivastava and others 2014).

    Args:
        rate: the fraction that is hidden, from 0 up to but not 1.

    Raises:
        ArgumentError: ``rate`` is not in that range.

    >>> Dropout(0.5).apply({}, {}, jnp.ones((1, 3)), training=False, key=None)[0].tolist()
    [[1.0, 1.0, 1.0]]
    """

    rate: float

    def __post_init__(self) -> None:
        replace_arguments(self, rate=number(self, "rate", self.rate, least=0, below=1))

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``."""
        if not training or key is None or not self.rate:
            return inputs, state
        kept = jax.random.bernoulli(key, 1 - self.rate, inputs.shape)
        return jnp.where(kept, inputs / (1 - self.rate), 0.0), state
