"""``tf.random``: the seed, and random tensors."""

from typing import Any

from calor.compat import _seeds
from calor.compat._absent import outside
from calor.compat._tensors import as_dtype, tensor

set_seed = _seeds.set_seed


def normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = "float32", seed: Any = None, name: Any = None
) -> Any:
    """Numbers with a normal distribution."""
    return tensor(_seeds.generator().normal(mean, stddev, shape), as_dtype(dtype))


def uniform(
    shape: Any,
    minval: float = 0,
    maxval: float | None = None,
    dtype: Any = "float32",
    seed: Any = None,
    name: Any = None,
) -> Any:
    """Numbers that are all equally likely, from ``minval`` to below ``maxval``: 1, or with a type of integers given."""
    whole = as_dtype(dtype).kind in "iu"
    draw: Any = _seeds.generator().integers if whole else _seeds.generator().uniform
    return tensor(draw(minval, 1 if maxval is None else maxval, shape), as_dtype(dtype))


def shuffle(value: Any, seed: Any = None, name: Any = None) -> Any:
    """The rows in random order."""
    return tensor(_seeds.generator().permutation(value))


__all__ = ["normal", "set_seed", "shuffle", "uniform"]

__getattr__ = outside(globals())
