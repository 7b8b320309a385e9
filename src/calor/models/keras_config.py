"""Keras 3's JSON for layers, losses, metrics, optimizers, schedules and initializers, to and from Calor's objects.

Keras writes an object as ``{"module", "class_name", "config", "registered_name"}``. Calor's classes bear Keras'
names and their arguments Keras' names, so one rule serves them all; the tables below say what Keras has besides.
Nothing is ever imported or run because a file names it: a name is looked up among Calor's classes and among the
``custom_objects`` that the caller passed, and nowhere else.
"""

import inspect
import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from calor import activations, initializers, layers, losses, metrics, optimizers
from calor.errors import CalorError, ModelFileError
from calor.optimizers import schedules


class UnsupportedError(ModelFileError):
    """What the file says is meaningful, but Calor has nothing that does it."""


_NOT_KERAS = {
    *("CutMix", "MixUp"),
    *("FunctionLoss", "FunctionMetric", "Initializer", "Input", "Layer", "Loss", "Metric", "OptaxOptimizer"),
    *("Optimizer", "RandomAffine"),
}


def _classes(room: ModuleType) -> dict[str, type]:
    found = {name: getattr(room, name) for name in room.__all__}
    return {name: value for name, value in found.items() if isinstance(value, type) and name not in _NOT_KERAS}


_KERAS: dict[str, dict[str, type]] = {
    "keras.initializers": _classes(initializers),
    "keras.layers": _classes(layers),
    "keras.losses": _classes(losses),
    "keras.metrics": _classes(metrics),
    "keras.optimizers": _classes(optimizers),
    "keras.optimizers.schedules": _classes(schedules),
}

_CALOR: dict[str, type] = {name: value for name, value in vars(layers).items() if name == "RandomAffine"}

_HOMES: dict[type, str] = {value: module for module, classes in _KERAS.items() for value in classes.values()}

_PACKAGE = "calor>"
"""Begins the registered name of a class that Keras does not have."""

# What Keras can vary and Calor cannot, with the value that means the same thing as Calor's way.
SAME = {
    "amsgrad": False,
    "axis": -1,
    "data_format": "channels_last",
    "groups": 1,
    "keepdims": False,
    "label_smoothing": 0,
    "multi_label": False,
    "negative_slope": 0,
    "reduction": "sum_over_batch_size",
    "renorm": False,
    "summation_method": "interpolation",
    "threshold": 0,
    "use_ema": False,
}

# Likewise, but these matter in training only, so that a model with other values still predicts the same.
SAME_PREDICTIONS = {"noise_shape": None, "trainable": True}
SAME_PREDICTIONS_ENDINGS = ("_regularizer", "_constraint")

# These change nothing that Calor computes from a saved model.
IRRELEVANT = {
    *("autocast", "dtype", "ema_momentum", "ema_overwrite_frequency", "input_axes", "input_dtype", "jit_compile"),
    *("name", "output_axes", "renorm_clipping", "renorm_momentum", "seed", "synchronized"),
}

_PICTURES = {"Conv2D", "Flatten", *(name for name in layers.__all__ if "Pooling" in name)}
"""The layers whose order of axes Keras would take from the reader's settings, were it not in the file."""

_POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")
"""The dtype policies whose weights are float32."""


# ---------------------------------------------------------------- to JSON


def encode(value: Any, where: str) -> Any:
    """The JSON of a setting: a plain value, a function or an object of a known kind.

    Args:
        value: what is to be stored.
        where: what it belongs to, for the message: ``"layer 'dense' (Dense)"``.

    Raises:
        ModelFileError: a file cannot hold it: a lambda, an array, an object that does not tell its settings.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, np.generic):
        return encode(value.item(), where)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ModelFileError(f"{where} has the setting {value}, which a file cannot hold. Use a finite number.")
        return value
    if isinstance(value, list | tuple):
        return [encode(item, where) for item in value]
    if isinstance(value, Mapping):
        return {str(key): encode(item, where) for key, item in value.items()}
    if isinstance(value, losses.FunctionLoss | metrics.FunctionMetric):
        return encode(value.function, where)
    if type(value) in _HOMES or hasattr(type(value), "__dataclass_fields__") or hasattr(value, "get_config"):
        return encode_object(value, where)
    return _encode_function(value, where)


def encode_object(value: Any, where: str, **extra: Any) -> dict[str, Any]:
    """The JSON of an object; ``extra`` goes into its configuration.

    Raises:
        ModelFileError: one of its settings cannot be stored.
    """
    cls = type(value)
    module = _HOMES.get(cls)
    config = {
        key: encode(item, where)
        for key, item in settings_of(value, where).items()
        # Initial values are history once there are weights: a function of the user's leaves no trace.
        if not key.endswith("_initializer") or type(item) in _HOMES
    }
    if cls.__name__ in _PICTURES and module:
        config["data_format"] = "channels_last"
    return {
        "module": module,
        "class_name": cls.__name__,
        "config": config | extra,
        "registered_name": None if module else _PACKAGE + cls.__name__,
    }


def settings_of(value: Any, where: str) -> dict[str, Any]:
    """The arguments that would make this object again, except a layer's name and input shape.

    They are what its ``get_config()`` returns, if it has one, or its attributes of the same names as its
    class's arguments.

    Raises:
        ModelFileError: an argument is kept in no attribute of its name.
    """
    if callable(getattr(value, "get_config", None)):
        settings = dict(value.get_config())
    else:
        names = [name for name, one in _arguments(type(value)).items() if one.kind not in _COLLECTING]
        missing = [name for name in names if not hasattr(value, name)]
        if missing:
            raise ModelFileError(
                f"{where} cannot be saved: {type(value).__name__} does not keep its argument {missing[0]!r} in an "
                f"attribute of that name. Set self.{missing[0]}, or add a method get_config() that returns all of them."
            )
        settings = {name: getattr(value, name) for name in names}
    if callable(getattr(value, "apply", None)):
        settings = {key: item for key, item in settings.items() if key not in ("name", "input_shape")}
    return settings


def _encode_function(function: Any, where: str) -> Any:
    name = activations.name_of(function)
    if name is not None:
        return name
    name = getattr(function, "__name__", None)
    if name is None or name == "<lambda>":
        raise ModelFileError(
            f"{where} cannot be saved: a file cannot hold {function!r}. "
            "Write the function with def, at the top of a module, so that it has a name to be stored by."
        )
    return {"module": None, "class_name": "function", "config": name, "registered_name": name}


# ---------------------------------------------------------------- from JSON


class Decoder:
    """Makes objects of their JSON.

    Args:
        custom_objects: the caller's own classes and functions by name.

    Attributes:
        remarks: what was left out because it matters in training only.
    """

    def __init__(self, custom_objects: Mapping[str, Any]) -> None:
        self.custom_objects = dict(custom_objects)
        self.remarks: list[str] = []

    def decode(self, value: Any, where: str) -> Any:
        """The setting that a piece of JSON stands for; lists become tuples.

        Raises:
            UnsupportedError: an object that is neither Calor's nor in ``custom_objects``.
            ModelFileError: it makes no sense.
        """
        if isinstance(value, list):
            return tuple(self.decode(item, where) for item in value)
        if not isinstance(value, dict):
            return value
        if "class_name" not in value or "config" not in value:
            return {key: self.decode(item, where) for key, item in value.items()}
        if value["class_name"] == "function":
            return self._function(value, where)
        return self.decode_object(value, where)

    def decode_object(self, value: Mapping[str, Any], where: str, **given: Any) -> Any:
        """The object that this JSON describes; ``given`` are arguments beside those in the file."""
        cls = self._class(value, where)
        where = f"{where} ({cls.__name__})"
        config = value.get("config")
        if not isinstance(config, dict):
            raise ModelFileError(f"{where} has no settings, but {config!r}. Save the model again.")
        settings = self._settings(cls, config, where)
        try:
            return cls(**settings, **given)
        except CalorError as error:
            raise ModelFileError(
                f"{error} The file says so of {where}: it was changed, or does what only Keras can do."
            ) from error
        except Exception as error:  # A file may hold anything, and a class of the caller's may raise anything.
            raise ModelFileError(f"{where} cannot be made from its settings {settings}: {error}") from error

    def decode_layer(self, value: Mapping[str, Any], where: str, name: str) -> Any:
        """The layer that this JSON describes, under its name."""
        cls = self._class(value, where)
        given = {"name": name} if "name" in _arguments(cls) else {}
        return self.decode_object(_counted_from_the_end(value), where, **given)

    def _class(self, value: Any, where: str) -> type:
        if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
            raise ModelFileError(f"{where} is not described as Keras describes objects. Save the model again.")
        module, name, registered = value.get("module"), value["class_name"], value.get("registered_name")
        if not isinstance(module, str | None) or not isinstance(registered, str | None):
            raise ModelFileError(f"{where} has a module or registered name that is no text. Save the model again.")
        for key in (registered, name):
            if isinstance(self.custom_objects.get(key or ""), type):
                return self.custom_objects[key or ""]
        known = _KERAS.get(module or "", {}) if module else (_CALOR if registered == _PACKAGE + name else {})
        if name not in known:
            raise UnsupportedError(_unknown(module, name, registered, where))
        return known[name]

    def _function(self, value: dict[str, Any], where: str) -> Any:
        name = value["config"]
        if not isinstance(name, str):
            raise ModelFileError(f"{where} names a function by {name!r}, which is no text. Save the model again.")
        if name in self.custom_objects:
            return self.custom_objects[name]
        module = value.get("module")
        if isinstance(module, str) and module.split(".")[0] in ("keras", "builtins"):
            return name  # The layer, or whatever takes the name, knows the functions that Keras and Calor share.
        raise UnsupportedError(
            f"{where} uses the function {name!r}, and a file holds data, not code. "
            f"Pass the function: load_model(path, custom_objects={{{name!r}: {name.split('>')[-1]}}})."
        )

    def _settings(self, cls: type, config: dict[str, Any], where: str) -> dict[str, Any]:
        arguments = _arguments(cls)
        if cls not in _HOMES and any(one.kind is inspect.Parameter.VAR_KEYWORD for one in arguments.values()):
            return {key: self.decode(item, where) for key, item in config.items() if key not in IRRELEVANT}
        settings = {}
        for key, value in config.items():
            if key not in arguments or (key == "name" and issubclass(cls, layers.Layer)):
                self._compare(key, value, where)
            elif value is None and arguments[key].default is not None:
                continue  # Keras' null is "the default".
            else:
                try:
                    settings[key] = self.decode(value, where)
                except UnsupportedError:
                    # Initial values are history once there are weights.
                    if not key.endswith("_initializer"):
                        raise
        return settings

    def _compare(self, key: str, value: Any, where: str) -> None:
        """See that a setting which Calor does not have says what Calor does anyway."""
        if value is None or key in IRRELEVANT or key.endswith("_initializer"):
            return
        if key in SAME_PREDICTIONS or key.endswith(SAME_PREDICTIONS_ENDINGS):
            if value != SAME_PREDICTIONS.get(key):
                self.remarks.append(f"{where} has {key} set, which Calor does not have: it will not act in training")
        elif key not in SAME or value != SAME[key]:
            raise UnsupportedError(f"{where} has {key}={value!r}, which Calor does not have. Change it in Keras first.")


def _counted_from_the_end(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A layer whose ``axis``, if that is the last one, is -1; Keras keeps it as the user wrote it."""
    config, build = layer["config"], layer.get("build_config")
    shape = build.get("input_shape") if isinstance(build, dict) else None
    if isinstance(shape, list) and config.get("axis") in (len(shape) - 1, [len(shape) - 1], [-1]):
        config = config | {"axis": -1}
    return {**layer, "config": config}


def check_policy(config: Mapping[str, Any], where: str) -> None:
    """See that a layer's weights are float32.

    Raises:
        UnsupportedError: they are not.
    """
    policy = config.get("dtype", "float32")
    if isinstance(policy, dict):
        inner = policy.get("config")
        policy = inner.get("name") if isinstance(inner, dict) else None
    if policy is not None and policy not in _POLICIES:
        raise UnsupportedError(
            f"{where} has the dtype policy {policy!r}; Calor's weights are float32. "
            "Save the model from Keras with the policy 'float32'."
        )


def _unknown(module: str | None, name: str, registered: str | None, where: str) -> str:
    if name in ("Lambda", "__lambda__"):
        return (
            f"{where} is a Lambda, which holds Python code, and Calor never runs code from a file. "
            "Replace it in Keras by a named layer, or write a layer class with build and apply."
        )
    if name in ("Functional", "Model", "Sequential") and module and module.startswith("keras"):
        return (
            f"{where} is a model within the model, or not a plain stack of layers, and Calor has only Sequential. "
            "Put its layers into one keras.Sequential and save that."
        )
    if module and module.startswith("keras"):
        known = ", ".join(sorted(_KERAS.get(module, ()))) or "nothing of that kind"
        return (
            f"{where} is Keras' {name}, which Calor does not have; it has {known}. "
            "Replace it in Keras by one of these, or write a class of that name and pass it: "
            f"load_model(path, custom_objects={{{name!r}: {name}}})."
        )
    key = (registered or name).split(">")[-1]
    return (
        f"{where} is of the class {key!r}, which is not Calor's, and a file holds data, not code. "
        f"Pass the class: load_model(path, custom_objects={{{key!r}: {key}}})."
    )


_COLLECTING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _arguments(cls: type) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(cls).parameters
