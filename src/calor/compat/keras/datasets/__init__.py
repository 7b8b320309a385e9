"""``tf.keras.datasets``: the named data sets that are arrays, each a module with ``load_data``."""

import sys
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from calor.compat._absent import outside
from calor.data.catalogue import CATALOGUE, load


def _load_data(name: str, path: str = "") -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """(training images, labels), (test images, labels), uint8, as Keras gives them.

    Args:
        name: of the data set.
        path: where Keras would keep the file; not used.
    """
    data = load(name)
    train, test = (_as_in_keras(*data.arrays(split)) for split in ("train", "test"))
    return train, test


def _as_in_keras(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grey pictures without an axis of channels; colour ones with labels in a column, as CIFAR has them."""
    labels = labels.astype(np.uint8)
    return (images[..., 0].copy(), labels) if images.shape[-1] == 1 else (images.copy(), labels[:, None])


def _module(name: str) -> ModuleType:
    module = ModuleType(f"{__name__}.{name}", f"``tf.keras.datasets.{name}``: {CATALOGUE[name].title}.")
    load_data: Any = partial(_load_data, name)
    vars(module).update(load_data=load_data, __all__=["load_data"])
    vars(module)["__getattr__"] = outside(vars(module))
    sys.modules[module.__name__] = module
    return module


_names = [name for name in ("fashion_mnist", "mnist", "cifar10", "cifar100") if name in CATALOGUE]
for _name in _names:
    globals()[_name] = _module(_name)

__all__ = list(_names)

__getattr__ = outside(globals())
