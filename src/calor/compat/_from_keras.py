"""Keras' classes as users call them: each makes the object of Calor's that it is, of the arguments that Keras takes."""

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from calor.compat._absent import public_name
from calor.errors import ArgumentError, NotCoveredError, UnknownNameError
from calor.models.keras_config import IRRELEVANT, SAME, SAME_PREDICTIONS, SAME_PREDICTIONS_ENDINGS

__all__ = ["FromKeras", "adopt", "from_keras", "plain_function", "without_examples"]

_KERAS_ONLY = {
    *(
        "batch_size",
        "clipnorm",
        "clipvalue",
        "decay",
        "global_clipnorm",
        "gradient_accumulation_steps",
        "implementation",
    ),
    *("initial_value_threshold", "loss_scale_factor", "weight_decay"),
} | IRRELEVANT.union(SAME, SAME_PREDICTIONS)

_INSTEAD = {
    "regularizer": "tf.keras.optimizers.AdamW(weight_decay=...)",
    "constraint": "tf.keras.optimizers.AdamW(weight_decay=...)",
    "weight_decay": "tf.keras.optimizers.AdamW",
    "trainable": "layers that all train",
    "data_format": "pictures of shape (height, width, channels)",
    "dtype": "float32 weights; model.compile of calor.Sequential has precision='bfloat16'",
}

_IGNORED = {"batch_size", "data_format", "dtype", "seed", "implementation"}

Change = Callable[[dict[str, Any]], None]
"""Turns Keras' arguments, by name, into Calor's, in place."""


class FromKeras(type):
    """The class of Keras' classes: calling one makes an object of Calor's.

    ``isinstance`` works as if they were Calor's own. They have no subclasses.
    """

    calor: type
    public: str
    change: Change | None
    positional: tuple[str, ...]
    wrap: Callable[[Any], Any] | None

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> "FromKeras":
        if bases:
            raise NotCoveredError(
                f"A subclass of {bases[0].public} is outside what Calor covers; "  # type: ignore[attr-defined]
                "the nearest thing that it has is calor.layers.Layer, for layers of your own."
            )
        return super().__new__(cls, name, bases, space)

    def __call__(cls, *arguments: Any, **settings: Any) -> Any:
        if len(arguments) > len(cls.positional):
            raise ArgumentError(
                f"{cls.public} takes {len(cls.positional)} arguments without a name, not {len(arguments)}."
            )
        made = cls.calor(**cls.translated(dict(zip(cls.positional, arguments, strict=False)) | settings))
        return made if cls.wrap is None else cls.wrap(made)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(plain_function(instance), cls.calor)

    def translated(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Calor's arguments for Keras'.

        Raises:
            NotCoveredError: one that asks for what Calor does not have.
            UnknownNameError: one that Keras does not have either.
        """
        settings = dict(settings)
        if cls.change is not None:
            cls.change(settings)
        parameters = inspect.signature(cls.calor).parameters
        result = {}
        for name, value in settings.items():
            if name in parameters and not (value is None and parameters[name].default is not None):
                result[name] = plain_function(value)
            elif name not in parameters:
                cls._leave_out(name, value, parameters)
        return result

    def _leave_out(cls, name: str, value: Any, parameters: Mapping[str, Any]) -> None:
        """See that an argument which Calor does not have asks for what Calor does anyway."""
        ending = name.rpartition("_")[2]
        if name not in _KERAS_ONLY and not name.endswith(SAME_PREDICTIONS_ENDINGS):
            raise UnknownNameError(f"argument of {cls.public}", name, parameters)
        same = {"data_format": "channels_last", "trainable": True} | SAME
        if value is None or (name in same and value == same[name]) or _means_nothing(name, value):
            return
        instead = _INSTEAD.get(name) or _INSTEAD.get(ending) or f"{cls.public} without it"
        raise NotCoveredError(
            f"{cls.public}({name}={value!r}) is outside what Calor covers; the nearest thing that it has is {instead}."
        )


def _means_nothing(name: str, value: Any) -> bool:
    if name == "dtype":
        return value in ("float32", np.float32) or getattr(value, "name", None) == "float32"
    if name == "reduction":
        return value in ("auto", "mean")
    if name in ("decay", "weight_decay", "threshold"):
        return not value
    return name in IRRELEVANT or name == "batch_size"


def plain_function(value: Any) -> Any:
    """What a function of ``tf`` stands for among Calor's activations and losses, where it is one of these."""
    return getattr(value, "stands_for", value) if callable(value) else value


def without_examples(text: str | None) -> str:
    """A docstring up to its examples, which are written for another module."""
    return (text or "").partition(">>>")[0].rstrip()


def from_keras(
    calor_class: type,
    module: str,
    *,
    name: str = "",
    change: Change | None = None,
    positional: tuple[str, ...] = (),
    wrap: Callable[[Any], Any] | None = None,
) -> FromKeras:
    """Keras' class of that name.

    Args:
        calor_class: the class that it makes objects of.
        module: the module of this package that it is in.
        name: its name, where that differs.
        change: turns arguments that have other names or meanings into Calor's.
        positional: the names of Keras' arguments in their order, where that differs.
        wrap: makes what users get of each object, with the object as its ``stands_for``.
    """
    parameters = inspect.signature(calor_class).parameters.values()
    own = tuple(one.name for one in parameters if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD)
    space = {
        "calor": calor_class,
        "public": f"{public_name(module)}.{name or calor_class.__name__}",
        "change": staticmethod(change) if change else None,
        "positional": positional or own,
        "wrap": staticmethod(wrap) if wrap else None,
        "__doc__": without_examples(calor_class.__doc__),
        "__module__": module,
    }
    return FromKeras(name or calor_class.__name__, (), space)


def adopt(
    space: dict[str, Any],
    room: ModuleType,
    *,
    leave: tuple[str, ...] = (),
    also: Mapping[str, str] | None = None,
    changes: Mapping[str, Change] | None = None,
    change: Change | None = None,
    positional: Mapping[str, tuple[str, ...]] | None = None,
    wrap: Callable[[Any], Any] | None = None,
) -> list[str]:
    """Put Keras' classes for all of a module of Calor's into a module of this package; returns their names.

    Args:
        space: the ``globals()`` of the module.
        room: the module of Calor's.
        leave: names that Keras does not have.
        also: further names, and what they mean.
        changes: for some classes what ``from_keras`` calls ``change``.
        change: for all others.
        positional: as in ``from_keras``, by class.
        wrap: as in ``from_keras``.
    """
    made = []
    for name in (*room.__all__, *(also or {})):
        known = (also or {}).get(name, name)
        value = getattr(room, known)
        if known in leave or not isinstance(value, type):
            continue
        space[name] = from_keras(
            value,
            space["__name__"],
            name=name,
            change=(changes or {}).get(known, change),
            positional=(positional or {}).get(known, ()),
            wrap=wrap,
        )
        made.append(name)
    return made
