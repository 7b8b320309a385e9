"""Calor: deep learning for software developers. The Keras way of writing a model, compiled whole.

Importing this package is cheap: each name below is loaded when it is first used, and JAX with it.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Dataset": "calor.data",
    "Input": "calor.layers",
    "Sequential": "calor.models",
    "load_model": "calor.models",
}

_ROOMS = (
    "activations",
    "callbacks",
    "compat",
    "data",
    "errors",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "workbench",
)

__all__ = [
    "Dataset",
    "Input",
    "Sequential",
    "__version__",
    "activations",
    "callbacks",
    "compat",
    "data",
    "errors",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "workbench",
]

if TYPE_CHECKING:
    from calor import (
        activations,
        callbacks,
        compat,
        data,
        errors,
        initializers,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        workbench,
    )
    from calor.data import Dataset
    from calor.layers import Input
    from calor.models import Sequential, load_model


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    elif name in _ROOMS:
        value = importlib.import_module(f"calor.{name}")
    else:
        raise AttributeError(f"module 'calor' has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """What ``%load_ext calor`` calls: ``import tensorflow`` and the like give Calor's modules in this notebook."""
    from calor.compat import _ipython

    _ipython.load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What ``%unload_ext calor`` calls."""
    from calor.compat import _ipython

    _ipython.unload(shell)
