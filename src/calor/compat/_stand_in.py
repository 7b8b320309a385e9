"""How imports find this package's modules: also as ``tensorflow`` and the like, in a process that asked for it."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from calor.compat._absent import NEAREST, MissingModuleError, public_name, sentence

__all__ = ["STANDS_FOR", "Explainer", "StandIn", "activate", "deactivate", "home", "standing_in"]

STANDS_FOR = {
    "tensorflow.python.keras": "calor.compat.keras",
    "tensorflow.keras": "calor.compat.keras",
    "tensorflow": "calor.compat.tensorflow",
    "tensorflow_datasets": "calor.compat.tensorflow_datasets",
    "tf_keras": "calor.compat.keras",
    "keras": "calor.compat.keras",
}
"""The modules that imports get, by the first words of what they ask for."""

_FAMILY = {
    "keras_applications": NEAREST["applications"],
    "keras_cv": "tf.keras.layers, with its Random layers for augmentation",
    "keras_hub": NEAREST["applications"],
    "keras_nlp": "tf.keras.layers",
    "keras_preprocessing": "tf.keras.preprocessing",
    "keras_tuner": "a loop over models",
    "kerastuner": "a loop over models",
    "tensorboard": NEAREST["TensorBoard"],
    "tensorflow_addons": "tf.keras",
    "tensorflow_hub": NEAREST["applications"],
    "tensorflow_model_optimization": "model.save",
    "tensorflow_probability": "jax.random and jax.scipy.stats",
    "tensorflow_text": "tf.keras.layers",
    "tensorflowjs": "model.save",
}
"""Packages that need TensorFlow, with what Calor has instead."""


def home(name: str) -> str | None:
    """The module of Calor's that stands for a module's name; None for names that are not TensorFlow's.

    >>> home("tensorflow.keras.layers"), home("numpy")
    ('calor.compat.keras.layers', None)
    """
    for prefix, module in STANDS_FOR.items():
        if name == prefix or name.startswith(prefix + "."):
            return module + name[len(prefix) :]
    return None


class _Same(Loader):
    """Gives a module that is known under another name already."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # Python has put the other name's there


class Explainer(MetaPathFinder):
    """The last finder, for names in this package alone.

    It says of those that Calor does not have so much, where Python would say less, and knows that
    ``calor.compat.tensorflow.keras`` is ``calor.compat.keras``.
    """

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Raise where a module of this package was asked for a name that it does not have."""
        parent, _, name = fullname.rpartition(".")
        if not parent.startswith("calor.compat.") or name.startswith("_"):
            return None
        same = home(fullname.removeprefix("calor.compat."))
        if same is not None and same != fullname:
            return ModuleSpec(fullname, _Same(same), is_package=True)
        if parent in sys.modules:
            raise MissingModuleError(sentence(public_name(parent), name, dir(sys.modules[parent])), name=fullname)
        return None


class StandIn(MetaPathFinder):
    """The first finder: answers for TensorFlow, Keras and their data sets, and for what is built on them."""

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of Calor's module, or None for what is none of ours."""
        if fullname in _FAMILY:
            raise MissingModuleError(
                f"{fullname} is outside what Calor covers; the nearest thing that it has is {_FAMILY[fullname]}.",
                name=fullname,
            )
        module = home(fullname)
        return None if module is None else ModuleSpec(fullname, _Same(module), is_package=True)


_set_aside: dict[str, ModuleType] = {}
"""Modules that were imported from elsewhere before ``activate``."""


def activate() -> list[str]:
    """Answer imports of TensorFlow's from now on, in this process.

    Returns:
        The packages that were imported from elsewhere before: who imported them, keeps them.
    """
    import calor.compat  # noqa: F401  its Explainer belongs to it

    if any(isinstance(finder, StandIn) for finder in sys.meta_path):
        return []
    _set_aside.update(_taken_out())
    sys.meta_path.insert(0, StandIn())
    return [name for name in _set_aside if "." not in name]


def deactivate() -> None:
    """Undo ``activate``: the next import finds what is installed."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, StandIn)]
    _taken_out()
    sys.modules.update(_set_aside)
    _set_aside.clear()


def _taken_out() -> dict[str, ModuleType]:
    """Take what bears TensorFlow's names out of the imported modules."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if home(name) is not None}


@contextmanager
def standing_in() -> Iterator[None]:
    """Answer imports of TensorFlow's inside of this block."""
    activate()
    try:
        yield
    finally:
        deactivate()
