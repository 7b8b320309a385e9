"""How a kernel or a pool slides over pictures: which outputs there are, what they see, and what fits together."""

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from calor.errors import ArgumentError, ShapeError


class Window(NamedTuple):
    """A window's places along one axis, where ``outputs`` of them fit.

    Args:
        size: the axis' length.
        taps: how many elements a window has.
        stride: the step from one window to the next.
        dilation: the step from one element of a window to the next.
        low: the padding before the axis' first element.
        outputs: how many windows there are.
    """

    size: int
    taps: int
    stride: int
    dilation: int
    low: int
    outputs: int

    @property
    def reach(self) -> int:
        """The length that one window covers."""
        return (self.taps - 1) * self.dilation + 1

    @property
    def span(self) -> int:
        """How far apart the first and the last window's beginnings are, both included."""
        return (self.outputs - 1) * self.stride + 1

    @property
    def high(self) -> int:
        """The padding after the axis' last element; negative where no window reaches the last elements."""
        return self.span + self.reach - 1 - self.size - self.low

    def present(self) -> list[int]:
        """For every output, how many of its elements lie in the picture and not in the padding."""
        firsts = range(-self.low, self.span - self.low, self.stride)
        steps = range(0, self.reach, self.dilation)
        return [sum(0 <= first + step < self.size for step in steps) for first in firsts]


Windows: TypeAlias = tuple[Window, Window]
"""Along the height and along the width."""


def slide(
    what: str,
    shape: tuple[int, ...],
    extent: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    dilation: tuple[int, int] = (1, 1),
) -> Windows:
    """The windows along a picture's height and width.

    With ``padding="same"`` there are ceil(size / stride) outputs, and an odd row of padding goes to the bottom or
    right, as TensorFlow has it; with ``"valid"`` every window lies wholly in the picture.

    Args:
        what: what slides, for messages: ``"kernel"`` or ``"pool"``.
        shape: the pictures', (batch, height, width, channels).
        extent: the window's height and width in elements.
        strides: the steps down and to the right.
        padding: ``"valid"`` or ``"same"``.
        dilation: the steps between a window's own elements.

    Raises:
        ArgumentError: another padding.
        ShapeError: not four axes, or no place for a single window.
    """
    if padding not in ("valid", "same"):
        raise ArgumentError(f"padding must be 'valid' or 'same', not {padding!r}.")
    if len(shape) != 4:
        raise ShapeError(f"Pictures have the shape (batch, height, width, channels), not {shape}.")
    windows = []
    for size, taps, stride, step in zip(shape[1:3], extent, strides, dilation, strict=True):
        reach = (taps - 1) * step + 1
        if padding == "same":
            outputs = -(-size // stride)
            low = max((outputs - 1) * stride + reach - size, 0) // 2
        else:
            outputs, low = (size - reach) // stride + 1, 0
        if outputs < 1:
            covered = f"{(extent[0] - 1) * dilation[0] + 1} × {(extent[1] - 1) * dilation[1] + 1}"
            raise ShapeError(
                f"A {what} that covers {covered} pixels finds no place in pictures of {shape[1]} × {shape[2]}: "
                "use padding='same', a smaller one, or larger pictures."
            )
        windows.append(Window(size, taps, stride, step, low, outputs))
    return windows[0], windows[1]


def kernel_windows(
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, int],
    padding: str,
    dilation: tuple[int, int] = (1, 1),
) -> Windows:
    """How a kernel of one shape slides over pictures of another.

    Raises:
        ArgumentError: another padding.
        ShapeError: shapes that do not fit together, or no place for the kernel.
    """
    windows = slide("kernel", shape, (kernel[0], kernel[1]), strides, padding, dilation)
    if len(kernel) != 4 or kernel[2] != shape[3]:
        raise ShapeError(
            f"A kernel of shape {kernel} does not fit pictures of shape {shape}: "
            "its third axis must be as long as the pictures' last, the channels."
        )
    return windows


def as_float32(
    inputs: jax.Array, kernel: jax.Array, bias: jax.Array | None
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """A convolution's operands in the type it computes in.

    Raises:
        ShapeError: the bias has not one number for each filter.
    """
    if bias is not None and bias.shape != kernel.shape[-1:]:
        raise ShapeError(f"A bias of shape {bias.shape} does not fit {kernel.shape[-1]} filters: one number for each.")
    return inputs.astype(jnp.float32), kernel.astype(jnp.float32), None if bias is None else bias.astype(jnp.float32)
