"""Learning rate schedules: the rate as a function of the optimizer steps taken so far.

An optimizer takes one in place of its number. Each is called with a step, from 0, a number or a traced value; a
function of your own works too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax.numpy as jnp

from calor._arguments import integer, number, replace_arguments
from calor.errors import ArgumentError

if TYPE_CHECKING:
    import jax

__all__ = ["CosineDecay", "ExponentialDecay", "InverseTimeDecay", "PiecewiseConstantDecay", "PolynomialDecay"]


@dataclass(frozen=True)
class _Decay:
    """What the smooth schedules share: a start and a length in steps."""

    initial_learning_rate: float
    decay_steps: int

    def __post_init__(self) -> None:
        start = number(self, "initial_learning_rate", self.initial_learning_rate, least=0)
        replace_arguments(self, initial_learning_rate=start)
        replace_arguments(self, decay_steps=integer(self, "decay_steps", self.decay_steps))

    def _progress(self, step: "jax.typing.ArrayLike", *, staircase: bool = False) -> "jax.Array":
        # Whole numbers are divided as such: XLA turns x / 7 into x * (1 / 7), which may fall just short of a stair.
        return jnp.asarray(step) // self.decay_steps * 1.0 if staircase else jnp.asarray(step) / self.decay_steps


@dataclass(frozen=True)
class ExponentialDecay(_Decay):
    """initial_learning_rate * decay_rate ** (step / decay_steps).

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the steps after which the rate has been multiplied by ``decay_rate`` once.
        decay_rate: the factor.
        staircase: round step / decay_steps down, so that the rate falls in stairs. Default False.

    >>> float(ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20))
    0.025...
    """

    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        replace_arguments(self, decay_rate=number(self, "decay_rate", self.decay_rate, least=0))

    def __call__(self, step: "jax.typing.ArrayLike") -> "jax.Array":
        """The rate at that step."""
        return self.initial_learning_rate * self.decay_rate ** self._progress(step, staircase=self.staircase)


@dataclass(frozen=True)
class InverseTimeDecay(_Decay):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps).

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the unit in which steps are counted.
        decay_rate: how fast the rate falls.
        staircase: round step / decay_steps down, so that the rate falls in stairs. Default False.

    >>> float(InverseTimeDecay(0.5, decay_steps=10, decay_rate=1.0)(10))
    0.25
    """

    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        replace_arguments(self, decay_rate=number(self, "decay_rate", self.decay_rate, least=0))

    def __call__(self, step: "jax.typing.ArrayLike") -> "jax.Array":
        """The rate at that step."""
        return self.initial_learning_rate / (1 + self.decay_rate * self._progress(step, staircase=self.staircase))


@dataclass(frozen=True)
class PolynomialDecay(_Decay):
    """From ``initial_learning_rate`` to ``end_learning_rate`` along (1 - step / decay_steps) ** power.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the steps until ``end_learning_rate``, which then stays.
        end_learning_rate: the last rate. Default 0.0001.
        power: 1.0, the default, is a straight line.
        cycle: instead of staying, stretch ``decay_steps`` to its next multiple. Default False.

    >>> float(PolynomialDecay(1.0, decay_steps=10, end_learning_rate=0.0)(5))
    0.5
    """

    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        end = number(self, "end_learning_rate", self.end_learning_rate, least=0)
        replace_arguments(self, end_learning_rate=end)
        replace_arguments(self, power=number(self, "power", self.power, least=0))

    def __call__(self, step: "jax.typing.ArrayLike") -> "jax.Array":
        """The rate at that step."""
        cycles = jnp.maximum(1, -(-jnp.asarray(step) // self.decay_steps)) if self.cycle else 1
        left = 1 - jnp.minimum(self._progress(step) / cycles, 1.0)
        return self.end_learning_rate + (self.initial_learning_rate - self.end_learning_rate) * left**self.power


@dataclass(frozen=True)
class CosineDecay(_Decay):
    """Half a cosine wave from the first rate down to ``alpha`` times it (Loshchilov and Hutter 2016).

    With a warm-up, the rate first climbs in a straight line from ``initial_learning_rate`` to ``warmup_target``
    and the wave starts there.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the length of the wave, after the warm-up.
        alpha: the last rate as a fraction of the wave's first. Default 0.0.
        warmup_target: the rate at the end of the warm-up; None, the default, is no warm-up.
        warmup_steps: the length of the warm-up. Default 0.

    >>> float(CosineDecay(1.0, decay_steps=10)(10))
    0.0
    """

    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        replace_arguments(self, alpha=number(self, "alpha", self.alpha, least=0))
        replace_arguments(self, warmup_steps=integer(self, "warmup_steps", self.warmup_steps, least=0))
        if self.warmup_target is not None:
            replace_arguments(self, warmup_target=number(self, "warmup_target", self.warmup_target, least=0))

    def __call__(self, step: "jax.typing.ArrayLike") -> "jax.Array":
        """The rate at that step."""
        step = jnp.asarray(step)
        warmup = self.warmup_steps if self.warmup_target is not None else 0
        top = self.initial_learning_rate if self.warmup_target is None else self.warmup_target
        progress = jnp.minimum(self._progress(step - warmup), 1.0)
        wave = top * (self.alpha + (1 - self.alpha) * 0.5 * (1 + jnp.cos(jnp.pi * progress)))
        if not warmup:
            return wave
        climb = self.initial_learning_rate + (top - self.initial_learning_rate) * step / warmup
        return jnp.where(step < warmup, climb, wave)


@dataclass(frozen=True)
class PiecewiseConstantDecay:
    """``values[0]`` up to and including step ``boundaries[0]``, then ``values[1]``, and so on.

    Args:
        boundaries: the last step of each value but the last; rising.
        values: the rates, one more than there are boundaries.

    >>> float(PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.25])(11))
    0.5
    """

    boundaries: Sequence[int]
    values: Sequence[float]

    def __post_init__(self) -> None:
        boundaries = tuple(integer(self, "boundaries", step, least=0) for step in self.boundaries)
        values = tuple(number(self, "values", value, least=0) for value in self.values)
        if len(values) != len(boundaries) + 1 or list(boundaries) != sorted(set(boundaries)):
            raise ArgumentError(
                "PiecewiseConstantDecay: boundaries must rise and there must be one more value than boundaries, "
                f"not boundaries={boundaries} and values={values}."
            )
        replace_arguments(self, boundaries=boundaries)
        replace_arguments(self, values=values)

    def __call__(self, step: "jax.typing.ArrayLike") -> "jax.Array":
        """The rate at that step."""
        passed = jnp.sum(jnp.asarray(step) > jnp.asarray(self.boundaries, jnp.int32))
        return jnp.asarray(self.values, jnp.float32)[passed]
