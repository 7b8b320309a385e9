"""What the layers that slide over pictures check in common."""

from typing import Any

from calor._arguments import described, integer
from calor.errors import ArgumentError, ShapeError
from calor.layers.base import Layer
from calor.ops._windows import slide
from calor.typing import Shape


def pair(layer: Layer, name: str, value: Any) -> tuple[int, int]:
    """``value``, one whole number or two, as two.

    Raises:
        ArgumentError: neither, or a number below 1.
    """
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise ArgumentError(f"{described(layer)}: {name} must be one or two whole numbers, not {value!r}.")
        return integer(layer, name, value[0]), integer(layer, name, value[1])
    both = integer(layer, name, value)
    return both, both


def padding_name(layer: Layer, value: Any) -> str:
    """``value`` in lower case: ``"valid"`` or ``"same"``.

    Raises:
        ArgumentError: anything else.
    """
    name = value.lower() if isinstance(value, str) else value
    if name not in ("valid", "same"):
        raise ArgumentError(f"{described(layer)}: padding must be 'valid' or 'same', not {value!r}.")
    return name


def check_pictures(layer: Layer, input_shape: Shape) -> None:
    """See that each input is a picture.

    Raises:
        ShapeError: it has not three axes.
    """
    if len(input_shape) != 3:
        raise ShapeError(
            f"{described(layer)} takes pictures of shape (height, width, channels), but each input has the shape "
            f"{tuple(input_shape)}. Put a Reshape before it: a grey picture needs its one channel, too."
        )


def check_room(
    layer: Layer,
    what: str,
    input_shape: Shape,
    extent: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    dilation: tuple[int, int] = (1, 1),
) -> None:
    """See that each input is a picture in which a window finds a place.

    Raises:
        ShapeError: it is not; the message names the layer.
    """
    check_pictures(layer, input_shape)
    try:
        slide(what, (1, *input_shape), extent, strides, padding, dilation)
    except ShapeError as error:
        raise ShapeError(f"{described(layer)}: {error}") from None
