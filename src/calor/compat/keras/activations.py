"""``tf.keras.activations``: Calor's activation functions, which give tensors for tensors."""

import functools
from collections.abc import Callable
from typing import Any

from calor import activations
from calor.compat._absent import outside
from calor.compat._from_keras import without_examples
from calor.compat._tensors import is_traced, tensor


def on_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which gives a tensor unless JAX is tracing it. Layers know what it wraps by its name."""

    @functools.wraps(function)
    def call(x: Any, *arguments: Any, name: str | None = None, **settings: Any) -> Any:
        if is_traced(x):
            return function(x, *arguments, **settings)
        import numpy as np

        return tensor(function(np.asarray(x, np.float32), *arguments, **settings))

    call.__doc__ = without_examples(function.__doc__)
    call.stands_for = function  # type: ignore[attr-defined]
    return call


_functions = [name for name in activations.__all__ if name not in ("get", "name_of")]
for _name in _functions:
    globals()[_name] = on_tensors(getattr(activations, _name))
swish = globals()["silu"]

get = activations.get

__all__ = ["get", "swish", *_functions]

__getattr__ = outside(globals())
