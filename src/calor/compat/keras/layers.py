"""``tf.keras.layers``: Calor's layers, made of the arguments that Keras takes."""

from collections.abc import Sequence
from typing import Any

from calor import layers
from calor.compat._absent import Namespace, outside
from calor.compat._from_keras import adopt


def _inputs(settings: dict[str, Any]) -> None:
    """The shape of the first layer's input, in Keras' older spellings."""
    if (size := settings.pop("input_dim", None)) is not None:
        settings["input_shape"] = (size,)
    for name in ("batch_input_shape", "batch_shape"):
        if (shape := settings.pop(name, None)) is not None:
            settings["input_shape"] = tuple(shape[1:])
    if isinstance(settings.get("input_shape"), int):
        settings["input_shape"] = (settings["input_shape"],)
    if settings.get("strides", ()) is None:
        del settings["strides"]


def _leaky_relu(settings: dict[str, Any]) -> None:
    _inputs(settings)
    if "alpha" in settings:
        settings["negative_slope"] = settings.pop("alpha")


_conv2d = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation")

_made = adopt(
    globals(),
    layers,
    leave=("Layer", "Input", "RandomAffine"),
    also={
        "AvgPool2D": "AveragePooling2D",
        "Convolution2D": "Conv2D",
        "GlobalAvgPool2D": "GlobalAveragePooling2D",
        "GlobalMaxPool2D": "GlobalMaxPooling2D",
        "MaxPool2D": "MaxPooling2D",
    },
    change=_inputs,
    changes={"LeakyReLU": _leaky_relu},
    positional={"Conv2D": _conv2d},
)


def Input(
    shape: Sequence[int] | None = None, batch_size: int | None = None, name: str | None = None, **also: Any
) -> Any:
    """The shape of a model's inputs, without the batch axis; Calor's models do not need the batch's size.

    >>> Input(shape=(28, 28, 1)).shape
    (28, 28, 1)
    """
    for spelling in ("input_shape", "batch_shape", "batch_input_shape"):
        given = also.get(spelling)
        if given is not None:
            shape = given[1:] if spelling.startswith("batch") else given
    return layers.Input(() if shape is None else tuple(shape), name)


InputLayer = Input

_pictures = [name for name in _made if name.startswith("Random") or name == "Rescaling"]
experimental = Namespace(
    "tf.keras.layers.experimental",
    preprocessing=Namespace(
        "tf.keras.layers.experimental.preprocessing", **{name: globals()[name] for name in _pictures}
    ),
)

__all__ = ["Input", "InputLayer", "experimental", *_made]

__getattr__ = outside(globals())
