"""``tensorflow``: what programs use of it beside Keras, on NumPy and JAX. Each name does what TensorFlow's does."""

import logging
from typing import Any

from calor.compat._absent import Namespace, outside
from calor.compat._datasets import TensorSpec as TensorSpec
from calor.compat._tensors import DTYPES, Tensor, as_dtype, function_of_arrays, tensor
from calor.compat._tensors import TensorShape as TensorShape
from calor.compat._version import standing_for
from calor.compat.tensorflow import math as _math
from calor.compat.tensorflow.math import *  # noqa: F403

__version__ = standing_for("2.21.0")

globals().update(DTYPES)
del globals()["bool"]
bool = DTYPES["bool"]


def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """The same numbers in another type.

    >>> cast([1, 2], "float32")
    <tf.Tensor: shape=(2,), dtype=float32, numpy=[1., 2.]>
    """
    return tensor(x, as_dtype(dtype))


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """A tensor of numbers; Python's floats are float32 and its whole numbers int32.

    >>> constant([1.5, 2.0]).dtype.name, constant(3).dtype.name
    ('float32', 'int32')
    """
    made = tensor(value, None if dtype is None else as_dtype(dtype))
    if dtype is None and not hasattr(value, "dtype"):
        made = made.astype({"float64": "float32", "int64": "int32"}.get(made.dtype.name, made.dtype))
    return made if shape is None else (tensor(made.reshape(shape)) if made.size > 1 else fill(shape, made[()]))


convert_to_tensor = constant


@function_of_arrays
def fill(np: Any, dims: Any, value: Any) -> Any:
    """A tensor of that shape, the same number everywhere."""
    return np.full(tuple(int(one) for one in dims), value)


def is_tensor(x: Any) -> Any:
    """Whether it is a tensor."""
    return isinstance(x, Tensor)


def executing_eagerly() -> Any:
    """True: outside of ``map`` functions, tensors have values."""
    return True


def get_logger() -> logging.Logger:
    """The logger called ``tensorflow``."""
    return logging.getLogger("tensorflow")


_logging = Namespace(
    "tf.compat.v1.logging",
    **{name: getattr(logging, name) for name in ("DEBUG", "ERROR", "FATAL", "INFO", "WARN")},
    set_verbosity=lambda level: get_logger().setLevel(level),
)
compat = Namespace("tf.compat", v1=Namespace("tf.compat.v1", logging=_logging))
autograph = Namespace("tf.autograph", set_verbosity=lambda *_, **__: None)

_ROOMS = {"keras": "calor.compat.keras"} | {
    room: f"calor.compat.tensorflow.{room}"
    for room in ("config", "data", "image", "math", "nn", "python", "random", "test")
}
_KERAS_ROOMS = {room: f"calor.compat.keras.{room}" for room in ("initializers", "losses", "metrics", "optimizers")}

__all__ = [
    *(
        "Tensor",
        "TensorShape",
        "TensorSpec",
        "as_dtype",
        "autograph",
        "cast",
        "compat",
        "constant",
        "convert_to_tensor",
    ),
    *("executing_eagerly", "fill", "get_logger", "is_tensor", *DTYPES, *_math.__all__),
]

__getattr__ = outside(globals(), _ROOMS | _KERAS_ROOMS)
