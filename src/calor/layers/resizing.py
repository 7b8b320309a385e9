"""The layer that brings pictures to another size."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from calor._arguments import described, integer, number, replace_arguments
from calor.errors import ArgumentError, UnknownNameError
from calor.layers._pictures import check_pictures
from calor.layers.base import Layer
from calor.typing import Parameters, Shape, State

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
_JAX = {"bilinear": "linear", "bicubic": "cubic"}


@dataclass(frozen=True, eq=False)
class Resizing(Layer):
    """Bring pictures to another height and width, in training and outside of it.

    So that a model takes pictures of one size, whatever the size of those it is used on. Pictures in files are better
    resized when they are read: ``Dataset.from_image_folder`` does it once, with antialiasing.

    Args:
        height: of the outputs, in pixels.
        width: of the outputs, in pixels.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio: cut off what is too wide or too high, evenly on both sides, rather than stretch.
        pad_to_aspect_ratio: add ``fill_value`` at the sides instead.
        fill_mode: "constant", there is no other.
        fill_value: what is added.
        antialias: where pictures become smaller, take the mean of what falls on a pixel, and not samples alone.

    Raises:
        ArgumentError: a size is no whole number from 1 up, both crop and pad, or another fill mode.
        UnknownNameError: no such interpolation.

    >>> import calor
    >>> calor.Sequential([Resizing(32, 48, input_shape=(100, 150, 3))]).output_shape
    (32, 48, 3)
    """

    height: int
    width: int
    interpolation: str = "bilinear"
    crop_to_aspect_ratio: bool = False
    pad_to_aspect_ratio: bool = False
    fill_mode: str = "constant"
    fill_value: float = 0.0
    antialias: bool = False

    def __post_init__(self) -> None:
        replace_arguments(
            self,
            height=integer(self, "height", self.height),
            width=integer(self, "width", self.width),
            fill_value=number(self, "fill_value", self.fill_value),
        )
        if self.interpolation not in INTERPOLATIONS:
            raise UnknownNameError("interpolation", self.interpolation, INTERPOLATIONS)
        if self.fill_mode != "constant":
            raise ArgumentError(f"{described(self)}: fill_mode must be 'constant', not {self.fill_mode!r}.")
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ArgumentError(f"{described(self)}: crop_to_aspect_ratio or pad_to_aspect_ratio, not both.")

    def build(self, key: jax.Array, input_shape: Shape) -> tuple[Parameters, State]:
        """No parameters, no state.

        Raises:
            ShapeError: the inputs are not pictures of shape (height, width, channels).
        """
        check_pictures(self, input_shape)
        return {}, {}

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``; float32."""
        images = jnp.asarray(inputs, jnp.float32)
        count, height, width, channels = images.shape
        # As large as possible, or as small as possible, in the proportions of the outputs.
        fitting_height, fitting_width = width * self.height // self.width, height * self.width // self.height
        if self.crop_to_aspect_ratio:
            tall, wide = max(min(height, fitting_height), 1), max(min(width, fitting_width), 1)
            top, left = (height - tall) // 2, (width - wide) // 2
            images = images[:, top : top + tall, left : left + wide]
        elif self.pad_to_aspect_ratio:
            down, across = max(fitting_height - height, 0), max(fitting_width - width, 0)
            edges = ((0, 0), (down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0))
            images = jnp.pad(images, edges, constant_values=self.fill_value)
        method = _JAX.get(self.interpolation, self.interpolation)
        size = (count, self.height, self.width, channels)
        return jax.image.resize(images, size, method, antialias=self.antialias), state
