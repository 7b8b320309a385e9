"""``tf.math``, whose functions ``tf`` has too: arithmetic on tensors, and inside ``map`` on what JAX traces."""

from typing import Any

from calor.compat._absent import outside
from calor.compat._tensors import as_dtype, function_of_arrays, tensor

_SAME = {
    "abs": "abs",
    "add": "add",
    "argmax": "argmax",
    "argmin": "argmin",
    "ceil": "ceil",
    "cos": "cos",
    "divide": "true_divide",
    "equal": "equal",
    "exp": "exp",
    "floor": "floor",
    "greater": "greater",
    "greater_equal": "greater_equal",
    "less": "less",
    "less_equal": "less_equal",
    "log": "log",
    "logical_and": "logical_and",
    "logical_not": "logical_not",
    "logical_or": "logical_or",
    "matmul": "matmul",
    "maximum": "maximum",
    "minimum": "minimum",
    "multiply": "multiply",
    "not_equal": "not_equal",
    "ones_like": "ones_like",
    "pow": "power",
    "round": "round",
    "sign": "sign",
    "sin": "sin",
    "sqrt": "sqrt",
    "square": "square",
    "stack": "stack",
    "subtract": "subtract",
    "tanh": "tanh",
    "tile": "tile",
    "where": "where",
    "zeros_like": "zeros_like",
}
"""Functions of NumPy's that take the same arguments."""


def _same(name: str, there: str) -> Any:
    def function(np: Any, *arguments: Any, **settings: Any) -> Any:
        return getattr(np, there)(*arguments, **settings)

    function.__name__, function.__doc__ = name, f"NumPy's ``{there}``."
    return function_of_arrays(function)


def _reduction(name: str) -> Any:
    def function(np: Any, input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
        axis = tuple(axis) if isinstance(axis, list) else axis
        return getattr(np, name)(np.asarray(input_tensor), axis=axis, keepdims=keepdims)

    function.__name__, function.__doc__ = f"reduce_{name}", f"The {name} over one, some or all axes."
    return function_of_arrays(function)


_REDUCTIONS = ("all", "any", "max", "mean", "min", "prod", "std", "sum")

for _name, _there in _SAME.items():
    globals()[_name] = _same(_name, _there)
for _name in _REDUCTIONS:
    globals()[f"reduce_{_name}"] = _reduction(_name)


@function_of_arrays
def reshape(np: Any, x: Any, shape: Any) -> Any:
    """The same numbers in another shape."""
    return np.reshape(x, tuple(int(one) for one in shape))


@function_of_arrays
def expand_dims(np: Any, x: Any, axis: int) -> Any:
    """With one more axis, of size 1."""
    return np.expand_dims(x, axis)


@function_of_arrays
def squeeze(np: Any, x: Any, axis: Any = None) -> Any:
    """Without axes of size 1."""
    return np.squeeze(x, tuple(axis) if isinstance(axis, list) else axis)


@function_of_arrays
def transpose(np: Any, x: Any, perm: Any = None) -> Any:
    """With the axes in another order."""
    return np.transpose(x, perm)


@function_of_arrays
def concat(np: Any, values: Any, axis: int) -> Any:
    """Arrays one after the other, along an axis."""
    return np.concatenate(values, axis)


@function_of_arrays
def clip_by_value(np: Any, x: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    """Numbers kept between two others."""
    return np.clip(x, clip_value_min, clip_value_max)


@function_of_arrays
def sigmoid(np: Any, x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-np.asarray(x)))


@function_of_arrays
def one_hot(np: Any, indices: Any, depth: int, dtype: Any = "float32") -> Any:
    """1 at the place that each number names, 0 elsewhere: one more axis, at the end."""
    return (np.asarray(indices)[..., None] == np.arange(depth)).astype(as_dtype(dtype))


@function_of_arrays
def shape(np: Any, x: Any) -> Any:
    """The sizes of the axes."""
    return np.asarray(np.shape(x), "int32")


@function_of_arrays
def size(np: Any, x: Any) -> Any:
    """How many numbers there are."""
    return np.size(x)


@function_of_arrays
def rank(np: Any, x: Any) -> Any:
    """How many axes there are."""
    return np.ndim(x)


def zeros(shape: Any, dtype: Any = "float32", name: str | None = None) -> Any:
    """Zeros of a shape."""
    import numpy as np

    return tensor(np.zeros(shape, as_dtype(dtype)))


def ones(shape: Any, dtype: Any = "float32", name: str | None = None) -> Any:
    """Ones of a shape."""
    import numpy as np

    return tensor(np.ones(shape, as_dtype(dtype)))


def range(*arguments: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Numbers in equal steps: ``range(limit)``, ``range(start, limit)`` or with the step as well."""
    import numpy as np

    made = np.arange(*arguments)
    return tensor(made, as_dtype(dtype) if dtype else {"f": np.float32, "i": np.int32}[made.dtype.kind])


def linspace(start: float, stop: float, num: int, name: str | None = None) -> Any:
    """So many numbers in equal steps, both ends among them."""
    import numpy as np

    return tensor(np.linspace(start, stop, num), np.float32)


__all__ = [
    *("clip_by_value", "concat", "expand_dims", "linspace", "one_hot", "ones", "range", "rank", "reshape", "shape"),
    *("sigmoid", "size", "squeeze", "transpose", "zeros", *_SAME, *(f"reduce_{name}" for name in _REDUCTIONS)),
]

__getattr__ = outside(globals())
