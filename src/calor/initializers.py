"""Initializers: what a layer's parameters are before training.

Each is a small description that is called with a random key and a shape. The kernels of ``Dense`` and ``Conv2D``
start as ``GlorotUniform``, biases as ``Zeros``, as in Keras.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from calor._arguments import number, replace_arguments
from calor._names import find
from calor.errors import ArgumentError

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "Zeros",
    "get",
]

# The standard deviation of a standard normal cut off at -2 and 2.
_CUT_STDDEV = 0.87962566103423978


@runtime_checkable
class Initializer(Protocol):
    """Anything that makes an array from a random key and a shape; ``jax.nn.initializers`` do too."""

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        """The initial values, of that shape and dtype."""
        ...


@dataclass(frozen=True)
class Zeros:
    """All zeros: the default for biases.

    >>> Zeros()(jax.random.key(0), (2,)).tolist()
    [0.0, 0.0]
    """

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        """Zeros of that shape."""
        return jnp.zeros(shape, dtype)


@dataclass(frozen=True)
class Ones:
    """All ones.

    >>> Ones()(jax.random.key(0), (2,)).tolist()
    [1.0, 1.0]
    """

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        """Ones of that shape."""
        return jnp.ones(shape, dtype)


@dataclass(frozen=True)
class Constant:
    """The same ``value`` everywhere.

    >>> Constant(0.5)(jax.random.key(0), (2,)).tolist()
    [0.5, 0.5]
    """

    value: float = 0.0

    def __post_init__(self) -> None:
        replace_arguments(self, value=number(self, "value", self.value))

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        """``value``, in that shape."""
        return jnp.full(shape, self.value, dtype)


@dataclass(frozen=True)
class RandomUniform:
    """Evenly distributed from ``minval`` up to ``maxval``.

    >>> bool(abs(RandomUniform()(jax.random.key(0), (100,))).max() <= 0.05)
    True
    """

    minval: float = -0.05
    maxval: float = 0.05

    def __post_init__(self) -> None:
        replace_arguments(self, minval=number(self, "minval", self.minval))
        replace_arguments(self, maxval=number(self, "maxval", self.maxval, least=self.minval))

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        """Random values of that shape."""
        return jax.random.uniform(key, shape, dtype, self.minval, self.maxval)


@dataclass(frozen=True)
class RandomNormal:
    """Normally distributed around ``mean`` with standard deviation ``stddev``.

    >>> RandomNormal(mean=1.0)(jax.random.key(0), (2, 3)).shape
    (2, 3)
    """

    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        replace_arguments(self, mean=number(self, "mean", self.mean))
        replace_arguments(self, stddev=number(self, "stddev", self.stddev, least=0))

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        """Random values of that shape."""
        return self.mean + self.stddev * jax.random.normal(key, shape, dtype)


@dataclass(frozen=True)
class TruncatedNormal(RandomNormal):
    """As ``RandomNormal``, but values further than 2 ``stddev`` from the mean are drawn again.

    >>> bool(abs(TruncatedNormal(stddev=0.1)(jax.random.key(0), (100,))).max() <= 0.2)
    True
    """

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        """Random values of that shape."""
        return self.mean + self.stddev * jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype)


@dataclass(frozen=True)
class _VarianceScaling:
    """Mean 0 and variance ``scale`` / fan, where fan counts the numbers that a layer's unit sums up or feeds."""

    scale: ClassVar[float]
    fan: ClassVar[Literal["in", "average"]]
    normal: ClassVar[bool]

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        """Random values of that shape: (inputs, units) or (height, width, inputs, filters)."""
        fan_in, fan_out = _fans(shape)
        variance = self.scale / max(1.0, fan_in if self.fan == "in" else (fan_in + fan_out) / 2)
        if self.normal:
            stddev = math.sqrt(variance) / _CUT_STDDEV
            return stddev * jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype)
        limit = math.sqrt(3 * variance)
        return jax.random.uniform(key, shape, dtype, -limit, limit)


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    *window, inputs, outputs = shape
    return math.prod(window) * inputs, math.prod(window) * outputs


@dataclass(frozen=True)
class GlorotUniform(_VarianceScaling):
    """Uniform within ±sqrt(6 / (fan_in + fan_out)): the default for kernels (Glorot and Bengio 2010).

    >>> bool(abs(GlorotUniform()(jax.random.key(0), (3, 3))).max() <= 1.0)
    True
    """

    scale, fan, normal = 1.0, "average", False


@dataclass(frozen=True)
class GlorotNormal(_VarianceScaling):
    """Normal with variance 2 / (fan_in + fan_out), cut off at two deviations (Glorot and Bengio 2010).

    >>> GlorotNormal()(jax.random.key(0), (3, 2)).shape
    (3, 2)
    """

    scale, fan, normal = 1.0, "average", True


@dataclass(frozen=True)
class HeUniform(_VarianceScaling):
    """Uniform within ±sqrt(6 / fan_in), made for relu (He and others 2015).

    >>> HeUniform()(jax.random.key(0), (3, 2)).shape
    (3, 2)
    """

    scale, fan, normal = 2.0, "in", False


@dataclass(frozen=True)
class HeNormal(_VarianceScaling):
    """Normal with variance 2 / fan_in, cut off at two deviations, made for relu (He and others 2015).

    >>> HeNormal()(jax.random.key(0), (3, 2)).shape
    (3, 2)
    """

    scale, fan, normal = 2.0, "in", True


@dataclass(frozen=True)
class LecunUniform(_VarianceScaling):
    """Uniform within ±sqrt(3 / fan_in) (LeCun and others 1998).

    >>> LecunUniform()(jax.random.key(0), (3, 2)).shape
    (3, 2)
    """

    scale, fan, normal = 1.0, "in", False


@dataclass(frozen=True)
class LecunNormal(_VarianceScaling):
    """Normal with variance 1 / fan_in, cut off at two deviations; goes with selu (Klambauer and others 2017).

    >>> LecunNormal()(jax.random.key(0), (3, 2)).shape
    (3, 2)
    """

    scale, fan, normal = 1.0, "in", True


_KNOWN: dict[str, Callable[[], Initializer]] = {
    "constant": Constant,
    "glorot_normal": GlorotNormal,
    "glorot_uniform": GlorotUniform,
    "he_normal": HeNormal,
    "he_uniform": HeUniform,
    "lecun_normal": LecunNormal,
    "lecun_uniform": LecunUniform,
    "ones": Ones,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "zeros": Zeros,
}


def get(identifier: str | Initializer | type[Initializer]) -> Initializer:
    """The initializer that ``identifier`` means.

    Args:
        identifier: a name, a class of this module, or a function of (key, shape, dtype), such as those of
            ``jax.nn.initializers``.

    Raises:
        UnknownNameError: a name that is not known; the message gives the nearest.
        ArgumentError: neither a name nor a function.

    >>> get("he_normal")
    HeNormal()
    """
    if isinstance(identifier, str):
        return find("initializer", identifier, _KNOWN)()
    if isinstance(identifier, type):
        identifier = identifier()
    if not callable(identifier):
        raise ArgumentError(f"An initializer is a name or a function of (key, shape, dtype), not {identifier!r}.")
    return identifier
