"""Random changes of pictures in training: moved by one warp each, or brighter, darker, with more or less contrast.

Every picture of a batch draws its own change from the step's key. Outside training these layers only convert to
float32; they never rescale values.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp

from calor._arguments import number, replace_arguments
from calor.errors import UnknownNameError
from calor.layers._augmentation import Augmentation, Interval, draw, replace_intervals, value_range
from calor.ops.warp import FILL_MODES, INTERPOLATIONS, affine_matrices, stack_matrices, warp

FLIP_MODES = ("horizontal", "vertical", "horizontal_and_vertical")


@dataclass(frozen=True, eq=False)
class GeometricAugmentation(Augmentation):
    """The base of the layers that move pictures: each draws matrices for ``calor.ops.warp``.

    Two such layers in a row, A then B, are one warp by the products of A's matrices and B's.
    """

    def matrices(self, key: jax.Array, count: int, height: int, width: int) -> jax.Array:
        """Draw the matrices of ``count`` pictures.

        Args:
            key: a JAX random key.
            count: the number of pictures.
            height: of the pictures, in pixels.
            width: of the pictures, in pixels.

        Returns:
            float32, shape (count, 3, 3).
        """
        raise NotImplementedError(f"{type(self).__name__} has no matrices method")


@dataclass(frozen=True, eq=False)
class RandomFlip(GeometricAugmentation):
    """Flip half of the pictures.

    With both directions there is a coin for each, so that a quarter of the pictures stays as it was, a quarter is
    flipped one way, a quarter the other, and a quarter both. (Keras 3 flips both ways or not at all.)

    Args:
        mode: "horizontal" (left and right change places), "vertical" or "horizontal_and_vertical".

    Raises:
        UnknownNameError: no such mode.

    >>> RandomFlip("horizontal").mode
    'horizontal'
    """

    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"] = "horizontal_and_vertical"

    def __post_init__(self) -> None:
        if self.mode not in FLIP_MODES:
            raise UnknownNameError("flip mode", self.mode, FLIP_MODES)

    def _flips(self, key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
        coins = jax.random.bernoulli(key, shape=(2, count))
        return coins[0] & (self.mode != "vertical"), coins[1] & (self.mode != "horizontal")

    def matrices(self, key: jax.Array, count: int, height: int, width: int) -> jax.Array:
        """Shape (count, 3, 3); see ``GeometricAugmentation.matrices``."""
        horizontal, vertical = self._flips(key, count)
        return affine_matrices(zoom_x=1.0 - 2.0 * horizontal, zoom_y=1.0 - 2.0 * vertical)

    def change(self, images: jax.Array, key: jax.Array) -> jax.Array:
        """Reversed axes rather than a warp: the same pixels, in less time."""
        horizontal, vertical = self._flips(key, len(images))
        if self.mode != "vertical":
            images = jnp.where(horizontal[:, None, None, None], images[:, :, ::-1], images)
        if self.mode != "horizontal":
            images = jnp.where(vertical[:, None, None, None], images[:, ::-1], images)
        return images


@dataclass(frozen=True, eq=False)
class _WarpLayer(GeometricAugmentation):
    """What the layers share that interpolate and have to fill the space beyond the edges."""

    fill_mode: str = field(default="reflect", kw_only=True)
    interpolation: str = field(default="bilinear", kw_only=True)
    fill_value: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        if self.fill_mode not in FILL_MODES:
            raise UnknownNameError("fill mode", self.fill_mode, FILL_MODES)
        if self.interpolation not in INTERPOLATIONS:
            raise UnknownNameError("interpolation", self.interpolation, INTERPOLATIONS)
        replace_arguments(self, fill_value=number(self, "fill_value", self.fill_value))

    def change(self, images: jax.Array, key: jax.Array) -> jax.Array:
        """One warp."""
        count, height, width, _ = images.shape
        return warp(
            images,
            self.matrices(key, count, height, width),
            interpolation=self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
        )


@dataclass(frozen=True, eq=False)
class RandomRotation(_WarpLayer):
    """Rotate pictures about their middle.

    Args:
        factor: the angle as a fraction of a full turn, from -1 to 1, positive is counter-clockwise: (low, high), or
            one number r for (-r, r). 0.1 means up to 36 degrees either way.
        fill_mode: what is beyond the edges: "reflect", "nearest", "constant" or "wrap", see ``calor.ops.warp``.
        interpolation: "bilinear" or "nearest".
        fill_value: the value beyond the edges for ``fill_mode="constant"``.

    Raises:
        ArgumentError: the factor is no such range.
        UnknownNameError: no such fill mode or interpolation.

    >>> RandomRotation(0.1).factor
    (-0.1, 0.1)
    """

    factor: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        replace_intervals(self, "factor", least=-1, most=1)

    def matrices(self, key: jax.Array, count: int, height: int, width: int) -> jax.Array:
        """Shape (count, 3, 3); see ``GeometricAugmentation.matrices``."""
        return affine_matrices(rotation=2 * math.pi * draw(key, count, self.factor)[0])


@dataclass(frozen=True, eq=False)
class RandomTranslation(_WarpLayer):
    """Shift pictures up, down and sideways.

    Args:
        height_factor: the shift downwards as a fraction of the height, from -1 to 1: (low, high), or one number r
            for (-r, r).
        width_factor: the shift to the right as a fraction of the width, likewise.
        fill_mode: what is beyond the edges: "reflect", "nearest", "constant" or "wrap", see ``calor.ops.warp``.
        interpolation: "bilinear" or "nearest".
        fill_value: the value beyond the edges for ``fill_mode="constant"``.

    Raises:
        ArgumentError: a factor is no such range.
        UnknownNameError: no such fill mode or interpolation.

    >>> RandomTranslation(0.2, (0.0, 0.3)).height_factor
    (-0.2, 0.2)
    """

    height_factor: Interval
    width_factor: Interval

    def __post_init__(self) -> None:
        super().__post_init__()
        replace_intervals(self, "height_factor", "width_factor", least=-1, most=1)

    def matrices(self, key: jax.Array, count: int, height: int, width: int) -> jax.Array:
        """Shape (count, 3, 3); see ``GeometricAugmentation.matrices``."""
        down, right = draw(key, count, self.height_factor, self.width_factor)
        return affine_matrices(shift_x=width * right, shift_y=height * down)


@dataclass(frozen=True, eq=False)
class RandomZoom(_WarpLayer):
    """Zoom pictures in or out about their middle.

    Args:
        height_factor: by how much the height that is seen grows, from -0.99 to 1: (low, high), or one number r for
            (-r, r). Positive zooms out, negative zooms in: -0.5 shows half the height, twice as large.
        width_factor: the same for the width. By default the height's zoom, so that the proportions stay.
        fill_mode: what is beyond the edges: "reflect", "nearest", "constant" or "wrap", see ``calor.ops.warp``.
        interpolation: "bilinear" or "nearest".
        fill_value: the value beyond the edges for ``fill_mode="constant"``.

    Raises:
        ArgumentError: a factor is no such range.
        UnknownNameError: no such fill mode or interpolation.

    >>> RandomZoom((-0.3, 0.0)).height_factor
    (-0.3, 0.0)
    """

    height_factor: Interval
    width_factor: Interval | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = ["height_factor"] + ["width_factor"] * (self.width_factor is not None)
        replace_intervals(self, *given, least=-0.99, most=1)

    def matrices(self, key: jax.Array, count: int, height: int, width: int) -> jax.Array:
        """Shape (count, 3, 3); see ``GeometricAugmentation.matrices``."""
        tall, wide = draw(key, count, self.height_factor, self.width_factor or self.height_factor)
        return affine_matrices(zoom_x=1 + (tall if self.width_factor is None else wide), zoom_y=1 + tall)


@dataclass(frozen=True, eq=False)
class RandomShear(_WarpLayer):
    """Shear pictures: slide each row sideways by its distance from the top, each column by that from the left.

    The top left corner stays where it is, as in Keras. For a shear about the middle, see ``RandomAffine``.

    Args:
        x_factor: how far rows slide, as a fraction of their distance from the top, up to 1: (low, high), then to the
            left or to the right at random; or one number r for everything up to r either way.
        y_factor: how far columns slide, as a fraction of their distance from the left, likewise.
        fill_mode: what is beyond the edges: "reflect", "nearest", "constant" or "wrap", see ``calor.ops.warp``.
        interpolation: "bilinear" or "nearest".
        fill_value: the value beyond the edges for ``fill_mode="constant"``.

    Raises:
        ArgumentError: a factor is no such range.
        UnknownNameError: no such fill mode or interpolation.

    >>> RandomShear(x_factor=(0.1, 0.2)).x_factor
    (0.1, 0.2)
    """

    x_factor: Interval = 0.0
    y_factor: Interval = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        replace_intervals(self, "x_factor", "y_factor", least=-1, most=1)

    def matrices(self, key: jax.Array, count: int, height: int, width: int) -> jax.Array:
        """Shape (count, 3, 3); see ``GeometricAugmentation.matrices``."""
        shear_x, shear_y, side = draw(key, count, self.x_factor, self.y_factor, (-1.0, 1.0))
        shear_x, shear_y = jnp.sign(side) * shear_x, jnp.sign(side) * shear_y
        return stack_matrices(
            (1.0, shear_x, shear_x * (height - 1) / 2),
            (shear_y, 1.0, shear_y * (width - 1) / 2),
        )


@dataclass(frozen=True, eq=False)
class RandomAffine(_WarpLayer):
    """Rotate, shift, shear, zoom and flip pictures, all in one warp: what Keras' ``ImageDataGenerator`` does.

    Each picture is rotated about its middle, then shifted, sheared, zoomed and flipped, in that order.

    Args:
        rotation: the angle in degrees, up to 360, positive is counter-clockwise: (low, high), or one number r for
            (-r, r). ``rotation_range`` there.
        width_shift: the shift to the right as a fraction of the width, from -1 to 1, likewise.
            ``width_shift_range`` there.
        height_shift: the shift downwards as a fraction of the height, likewise. ``height_shift_range`` there.
        shear: by how much the vertical axis is turned counter-clockwise, in degrees, up to 89, likewise.
            ``shear_range`` there.
        zoom: how much of the picture is seen, drawn for each direction by itself: (low, high), or one number r below
            1 for (1 - r, 1 + r). Below 1 zooms in: 0.5 shows half, twice as large. ``zoom_range`` there.
        horizontal_flip: whether half of the pictures are flipped left to right.
        vertical_flip: whether half of the pictures are flipped upside down.
        fill_mode: what is beyond the edges: "nearest", "constant", "reflect" or "wrap", see ``calor.ops.warp``.
        interpolation: "bilinear" or "nearest".
        fill_value: the value beyond the edges for ``fill_mode="constant"``.

    Raises:
        ArgumentError: an argument is no such range.
        UnknownNameError: no such fill mode or interpolation.

    >>> RandomAffine(rotation=40, width_shift=0.2, height_shift=0.2, shear=10, zoom=0.2, horizontal_flip=True).zoom
    (0.8, 1.2)
    """

    rotation: Interval = 0.0
    width_shift: Interval = 0.0
    height_shift: Interval = 0.0
    shear: Interval = 0.0
    zoom: Interval = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    fill_mode: str = field(default="nearest", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        replace_intervals(self, "rotation", least=-360, most=360)
        replace_intervals(self, "width_shift", "height_shift", least=-1, most=1)
        replace_intervals(self, "shear", least=-89, most=89)
        replace_intervals(self, "zoom", least=0.01, most=100, middle=1)

    def matrices(self, key: jax.Array, count: int, height: int, width: int) -> jax.Array:
        """Shape (count, 3, 3); see ``GeometricAugmentation.matrices``."""
        ranges = (self.rotation, self.width_shift, self.height_shift, self.shear, self.zoom, self.zoom)
        rotation, right, down, shear, zoom_x, zoom_y, coin_x, coin_y = draw(key, count, *ranges, (0.0, 1.0), (0.0, 1.0))
        # A negative zoom is a flip, and comes last just as the flips there do.
        return affine_matrices(
            rotation=jnp.deg2rad(rotation),
            shift_x=width * right,
            shift_y=height * down,
            shear=jnp.deg2rad(shear),
            zoom_x=jnp.where(self.horizontal_flip & (coin_x < 0.5), -zoom_x, zoom_x),
            zoom_y=jnp.where(self.vertical_flip & (coin_y < 0.5), -zoom_y, zoom_y),
        )


@dataclass(frozen=True, eq=False)
class RandomBrightness(Augmentation):
    """Make pictures brighter or darker: one value is added to all of a picture, which is then clipped to its range.

    Args:
        factor: what is added as a fraction of the range, from -1 (all black) to 1 (all white): (low, high), or one
            number r for (-r, r).
        value_range: the lowest and the highest value a pixel can have: (0, 255), or (0, 1) after a Rescaling.

    Raises:
        ArgumentError: an argument is no such range.

    >>> RandomBrightness(0.2, value_range=(0, 1))
    RandomBrightness(..., factor=(-0.2, 0.2), value_range=(0.0, 1.0))
    """

    factor: Interval
    value_range: tuple[float, float] = (0.0, 255.0)

    def __post_init__(self) -> None:
        replace_intervals(self, "factor", least=-1, most=1)
        replace_arguments(self, value_range=value_range(self, self.value_range))

    def change(self, images: jax.Array, key: jax.Array) -> jax.Array:
        """A value added to each picture."""
        low, high = self.value_range
        added = (high - low) * draw(key, len(images), self.factor)[0]
        return jnp.clip(images + added[:, None, None, None], low, high)


@dataclass(frozen=True, eq=False)
class RandomContrast(Augmentation):
    """Give pictures more or less contrast: x becomes (x - mean) · contrast + mean, clipped to the range of values.

    The mean is that of a picture's channel; the contrast is one for all of a picture's channels.

    Args:
        factor: the contrast is drawn from 1 - lower to 1 + upper, each from 0 to 1: (lower, upper), or one number
            for both.
        value_range: the lowest and the highest value a pixel can have: (0, 255), or (0, 1) after a Rescaling.

    Raises:
        ArgumentError: an argument is no such pair.

    >>> RandomContrast(0.3).factor
    (0.3, 0.3)
    """

    factor: Interval
    value_range: tuple[float, float] = (0.0, 255.0)

    def __post_init__(self) -> None:
        given: Any = self.factor
        pair = given if isinstance(given, tuple | list) and len(given) == 2 else (given, given)
        lower, upper = (number(self, "factor", value, least=0, most=1) for value in pair)
        replace_arguments(self, factor=(lower, upper), value_range=value_range(self, self.value_range))

    def change(self, images: jax.Array, key: jax.Array) -> jax.Array:
        """Each picture's distance from its mean made larger or smaller."""
        lower, upper = cast("tuple[float, float]", self.factor)
        contrast = draw(key, len(images), (1 - lower, 1 + upper)).reshape(-1, 1, 1, 1)
        images = images.astype(jnp.float32)
        mean = images.mean((1, 2), keepdims=True)
        return jnp.clip((images - mean) * contrast + mean, *self.value_range)
