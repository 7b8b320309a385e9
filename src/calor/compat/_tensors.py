"""Tensors: NumPy arrays that behave as TensorFlow's do in eager code, and functions of them that JAX can trace."""

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["DTYPES", "Tensor", "TensorShape", "as_dtype", "function_of_arrays", "is_traced", "tensor", "tensors"]


class TensorShape(tuple):
    """A shape that can also be asked for a list, as TensorFlow's can.

    >>> TensorShape((28, 28)).as_list(), TensorShape((28, 28)).rank
    ([28, 28], 2)
    """

    def as_list(self) -> list[int]:
        """The sizes as a list."""
        return list(self)

    @property
    def rank(self) -> int:
        """How many axes there are."""
        return len(self)


class Tensor(np.ndarray):
    """An array that code written for TensorFlow's eager tensors can use: it has ``numpy()`` and is never changed.

    ``x /= 255`` makes a new one, of floats where there were whole numbers. A single number out of it is one too.

    >>> label = tensor([7, 9])[1]
    >>> label, label.numpy(), ["a"] * 9 + ["boot"][label - 9 : label]
    (<tf.Tensor: shape=(), dtype=int64, numpy=9>, np.int64(9), ['a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'boot'])
    """

    def numpy(self) -> Any:
        """The values: a NumPy array, or a NumPy number where there is one value only. A copy."""
        return np.array(self)[()]

    @property  # type: ignore[misc]
    def shape(self) -> TensorShape:  # type: ignore[override]
        return TensorShape(super().shape)

    def get_shape(self) -> TensorShape:
        """The shape, under its older name."""
        return self.shape

    def __getitem__(self, place: Any) -> Any:
        return tensor(super().__getitem__(place))

    def __truediv__(self, other: Any) -> Any:
        return np.true_divide(self if self.dtype.kind == "f" else self.astype(np.float32), other)

    __itruediv__ = __truediv__

    def __iadd__(self, other: Any) -> Any:  # type: ignore[misc]
        return self + other

    def __isub__(self, other: Any) -> Any:  # type: ignore[misc]
        return self - other

    def __imul__(self, other: Any) -> Any:  # type: ignore[misc]
        return self * other

    def __repr__(self) -> str:
        return f"<tf.Tensor: shape={tuple(self.shape)}, dtype={self.dtype.name}, numpy={self._text()}>"

    def __str__(self) -> str:
        return f"tf.Tensor({self._text()}, shape={tuple(self.shape)}, dtype={self.dtype.name})"

    def __format__(self, spec: str) -> str:
        return format(self.numpy(), spec) if not self.shape else str(self)

    def _text(self) -> str:
        return str(self.numpy()) if not self.shape else np.array2string(self.numpy(), separator=", ")


def tensor(value: Any, dtype: Any = None) -> Any:
    """A ``Tensor`` of a number, a list or an array; what JAX is tracing stays as it is."""
    if is_traced(value):
        return value if dtype is None else value.astype(_narrow(dtype))
    return np.asarray(value, dtype).view(Tensor)


def tensors(tree: Any) -> Any:
    """The same tree of tuples, lists and dictionaries, with tensors for arrays."""
    if isinstance(tree, tuple | list):
        return type(tree)(map(tensors, tree))
    if isinstance(tree, dict):
        return {key: tensors(value) for key, value in tree.items()}
    return tensor(tree)


def is_traced(*values: Any) -> bool:
    """Whether any of these is an array that JAX is tracing, which has no values yet."""
    jax = sys.modules.get("jax")
    return jax is not None and any(isinstance(value, jax.core.Tracer) for value in values)


DTYPES = {
    name: np.dtype(name)
    for name in (
        *("float16", "float32", "float64", "int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64", "bool"),
    )
} | {"double": np.dtype("float64"), "half": np.dtype("float16")}
"""The types of ``tf``, which are NumPy's."""


def as_dtype(dtype: Any) -> np.dtype:
    """The NumPy type that ``dtype`` names."""
    return np.dtype(dtype)


def _narrow(dtype: Any) -> np.dtype:
    """The type in which JAX computes what is asked for in 64 bits."""
    wide = np.dtype(dtype)
    return np.dtype(f"{wide.name[:-2]}32") if wide.itemsize == 8 and wide.kind in "iuf" else wide


def function_of_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors, or of arrays that JAX is tracing, made of one that gets the right NumPy first.

    >>> double = function_of_arrays(lambda np, x: np.add(x, x))
    >>> double([1, 2])
    <tf.Tensor: shape=(2,), dtype=int64, numpy=[2, 4]>
    """

    @functools.wraps(function, assigned=("__name__", "__doc__"), updated=())
    def call(*arguments: Any, name: str | None = None, **settings: Any) -> Any:
        flat = [part for one in arguments for part in (one if isinstance(one, list | tuple) else (one,))]
        if is_traced(*flat):
            import jax.numpy as jnp

            return function(jnp, *arguments, **settings)
        return tensor(function(np, *map(_plain, arguments), **settings))

    return call


def _plain(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, Tensor) else value
