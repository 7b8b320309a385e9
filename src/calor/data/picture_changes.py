"""The arithmetic of ``ImageDataGenerator``: drawing random changes of pictures, applying them, standardising.

The same code draws for one picture from NumPy's random numbers, and for a batch inside a compiled program from a JAX
key. What is applied is one warp (rotation, shifts, shear, zoom and flips), a shift of the channels, and brightness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from calor._cache import keep_compiled_programs
from calor.ops.warp import affine_matrices, warp

STILL = {"theta": 0, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1}
"""The parameters of the warp, with the values that move nothing."""

FLIPS = {"flip_horizontal": 2, "flip_vertical": 1}
"""The axes of a batch that the flips reverse."""

UNCHANGED = STILL | {
    **dict.fromkeys(FLIPS, False),
    "channel_shift_intensity": None,
    "brightness": None,
}
"""All parameters of a change, in the words of Keras, with the values that change nothing."""

ROUNDING = 1e-3
"""What float32 positions leave of a grey level: 99.9999 is 100 before fractions are cut off."""


class Random(Protocol):
    """Where the numbers come from: the part of NumPy's ``RandomState``, and of the module ``numpy.random``, in use."""

    def uniform(self, low: float, high: float) -> Any: ...
    def random(self) -> Any: ...
    def choice(self, values: Sequence[float]) -> Any: ...


class KeyedRandom:
    """A number for each picture of a batch, of shape (count,), wherever NumPy would give one.

    Args:
        key: a JAX random key.
        count: the number of pictures.
    """

    def __init__(self, key: jax.Array, count: int) -> None:
        self._key = key
        self._count = count
        self._draws = 0

    def _next(self) -> jax.Array:
        self._draws += 1
        return jax.random.fold_in(self._key, self._draws)

    def random(self) -> jax.Array:
        """Uniform in [0, 1)."""
        return jax.random.uniform(self._next(), (self._count,))

    def uniform(self, low: float, high: float) -> jax.Array:
        """Uniform in [low, high)."""
        return low + (high - low) * self.random()

    def choice(self, values: Sequence[float]) -> jax.Array:
        """One of the values, all alike."""
        places = jax.random.randint(self._next(), (self._count,), 0, len(values))
        return jnp.asarray(values, jnp.float32)[places]


@dataclass(frozen=True)
class Shift:
    """How far pictures are shifted along one axis.

    Attributes:
        reach: uniform in [-reach, reach), where there are no choices; 0 shifts nothing.
        choices: one of these instead, to either side.
        relative: whether these are fractions of the picture's side rather than pixels.
    """

    reach: float = 0.0
    choices: tuple[float, ...] = ()
    relative: bool = True

    def draw(self, random: Random, side: int) -> Any:
        """The shift in pixels of a picture whose side has that many; 0 where nothing is shifted."""
        if self.choices:
            shift = random.choice(self.choices) * random.choice((-1, 1))
        elif self.reach:
            shift = random.uniform(-self.reach, self.reach)
        else:
            return 0
        return shift * side if self.relative else shift


@dataclass(frozen=True)
class Filling:
    """How a warp finds the values between the pixels, and beyond the edges; see ``calor.ops.warp``."""

    interpolation: str = "bilinear"
    fill_mode: str = "nearest"
    fill_value: float = 0.0


@dataclass(frozen=True)
class Changes:
    """What is drawn for each picture, and how it is applied. Angles are in degrees."""

    rotation: float = 0.0
    height_shift: Shift = Shift()
    width_shift: Shift = Shift()
    shear: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    channel_shift: float = 0.0
    brightness: tuple[float, float] | None = None
    horizontal_flip: bool = False
    vertical_flip: bool = False
    filling: Filling = Filling()

    @property
    def any(self) -> bool:
        """Whether anything is changed at all."""
        return self != Changes(filling=self.filling)

    def draw(self, random: Random, height: int, width: int) -> dict[str, Any]:
        """The parameters of one picture, or of a batch. The order of the draws is that of Keras.

        Args:
            random: gives the numbers.
            height: of the pictures, in pixels.
            width: of the pictures, in pixels.

        Returns:
            The parameters by the names in ``UNCHANGED``; those that are not drawn have the values there.
        """
        drawn = dict(UNCHANGED)
        if self.rotation:
            drawn["theta"] = random.uniform(-self.rotation, self.rotation)
        drawn["tx"] = self.height_shift.draw(random, height)
        drawn["ty"] = self.width_shift.draw(random, width)
        if self.shear:
            drawn["shear"] = random.uniform(-self.shear, self.shear)
        if self.zoom != (1, 1):
            drawn["zx"] = random.uniform(*self.zoom)
            drawn["zy"] = random.uniform(*self.zoom)
        horizontal, vertical = random.random() < 0.5, random.random() < 0.5
        if self.horizontal_flip:
            drawn["flip_horizontal"] = horizontal
        if self.vertical_flip:
            drawn["flip_vertical"] = vertical
        if self.channel_shift:
            drawn["channel_shift_intensity"] = random.uniform(-self.channel_shift, self.channel_shift)
        if self.brightness is not None:
            drawn["brightness"] = random.uniform(*self.brightness)
        return drawn

    def __call__(self, images: jax.Array, key: jax.Array, scale: float = 1.0) -> jax.Array:
        """Each picture of a batch changed in a way of its own. Traceable; otherwise as ``change``."""
        count, height, width, _ = images.shape
        return change(images, _effective(self.draw(KeyedRandom(key, count), height, width)), self.filling, scale)


def changed(images: np.ndarray, parameters: Sequence[Mapping[str, Any]], filling: Filling) -> np.ndarray:
    """Pictures changed by given parameters, on the host.

    Args:
        images: shape (count, height, width, channels).
        parameters: for each picture, by the names in ``UNCHANGED``; what is missing, or None, changes nothing.
        filling: how the warp interpolates and fills.

    Returns:
        float32, in the shape of ``images``; these themselves where nothing changes.
    """
    columns = {}
    for name, still in UNCHANGED.items():
        neutral = {"channel_shift_intensity": 0.0, "brightness": 1.0}.get(name, still)
        values = [given.get(name, still) for given in parameters]
        if any(value != still for value in values):
            columns[name] = np.array([neutral if value is None else value for value in values], np.float32)
    effective = _effective(columns)
    if not effective:
        return images
    keep_compiled_programs()
    return np.array(_compiled_change(images, effective, filling))


def _effective(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that change something; those of the warp all together or not at all, for few programs."""
    effective = {name: value for name, value in parameters.items() if isinstance(value, jax.Array | np.ndarray)}
    if any(name in effective for name in STILL):
        count = len(next(iter(effective.values())))
        missing = {name: jnp.full(count, float(still)) for name, still in STILL.items() if name not in effective}
        effective |= missing
    return effective


def change(images: jax.Array, parameters: Mapping[str, Any], filling: Filling, scale: float = 1.0) -> jax.Array:
    """Pictures changed by the parameters that are given, in Keras' order: warp, channels, flips, brightness. Traceable.

    Args:
        images: shape (count, height, width, channels), of any real dtype.
        parameters: arrays of shape (count,), by the names in ``UNCHANGED``; all of ``STILL`` or none.
        filling: how the warp interpolates and fills.
        scale: what the results are multiplied by, in the warp's own pass over memory where nothing comes after it.

    Returns:
        float32, in the shape of ``images``.
    """
    # Between bytes, a warp finds nothing outside 0 to 255; nor does a shift, which is cut to what there is.
    levels = images.dtype == jnp.uint8 and 0 <= filling.fill_value <= 255
    if "theta" in parameters:
        only_warp = "channel_shift_intensity" not in parameters and "brightness" not in parameters
        warp_scale, scale = (scale, 1.0) if only_warp else (1.0, scale)
        images = warp(
            images,
            _matrices(parameters, *images.shape[1:3]),
            interpolation=filling.interpolation,
            fill_mode=filling.fill_mode,
            fill_value=filling.fill_value,
            scale=warp_scale,
        )
    else:
        images = images.astype(jnp.float32)
        for flip, axis in FLIPS.items():
            if flip in parameters:
                images = jnp.where(_each(parameters[flip]) != 0, jnp.flip(images, axis), images)
    if "channel_shift_intensity" in parameters:
        low, high = _extremes(images)
        images = jnp.clip(images + _each(parameters["channel_shift_intensity"]), low, high)
    if "brightness" in parameters:
        brighter = _brighter_levels if levels else _brighter
        images = brighter(images, _each(parameters["brightness"]))
    return images if scale == 1 else images * scale


_compiled_change = partial(jax.jit, static_argnames="filling")(change)


def _matrices(parameters: Mapping[str, Any], height: int, width: int) -> jax.Array:
    """The matrices for ``warp``, flips included.

    Keras takes x and y of the middle from each other's side, so pictures that are not square are turned, sheared and
    zoomed about a point off their middle. This does the same.
    """
    matrices = affine_matrices(
        rotation=jnp.deg2rad(parameters["theta"]),
        shift_x=-parameters["tx"],
        shift_y=-parameters["ty"],
        shear=jnp.deg2rad(parameters["shear"]),
        zoom_x=parameters["zx"],
        zoom_y=parameters["zy"],
    )
    if height != width:
        off = jnp.array([height - width, width - height]) / 2
        matrices = matrices.at[:, :2, 2].add(off - jnp.matmul(matrices[:, :2, :2], off, precision="highest"))
    for flip, axis in FLIPS.items():
        if flip in parameters:
            # A flip comes after the rest, so it is the first that happens to a position in the output.
            sign = jnp.where(parameters[flip] != 0, -1.0, 1.0)
            matrices = matrices.at[:, :, 2 - axis].multiply(sign[:, None])
    return matrices


def _each(values: jax.Array) -> jax.Array:
    """One number for each picture, to be combined with (count, height, width, channels)."""
    return jnp.reshape(values, (-1, 1, 1, 1))


def _extremes(images: jax.Array) -> tuple[jax.Array, jax.Array]:
    axes = (1, 2, 3)
    return images.min(axes, keepdims=True), images.max(axes, keepdims=True)


def _brighter(images: jax.Array, factor: jax.Array) -> jax.Array:
    """``_brighter_levels`` of pictures with any values.

    Those with values outside 0 to 255 are brought into that range for the time being, as Keras does.
    """
    low, high = _extremes(images)
    outside = (low < 0) | (high > 255)
    span = jnp.where(high > low, high - low, 1.0)
    brighter = _brighter_levels(jnp.where(outside, (images - low) / span * 255, images), factor)
    return jnp.where(outside, brighter / 255 * (high - low) + low, brighter)


def _brighter_levels(images: jax.Array, factor: jax.Array) -> jax.Array:
    """What Pillow's ``ImageEnhance.Brightness`` makes of the pictures in whole grey levels, alpha left alone."""
    levels = jnp.floor(images + ROUNDING)
    brighter = jnp.floor(jnp.clip(levels * factor, 0, 255))
    return brighter.at[..., 3].set(levels[..., 3]) if images.shape[-1] == 4 else brighter


@dataclass(frozen=True)
class Constant:
    """An array that is compared by its contents, so that equal ones share a compiled program."""

    values: np.ndarray = field(compare=False)
    digest: bytes = b""

    @classmethod
    def of(cls, values: Any) -> "Constant | None":
        """The constant of these numbers; None of None."""
        if values is None:
            return None
        array = np.array(values)
        return cls(array, sha256(f"{array.shape} {array.dtype}".encode() + array.tobytes()).digest())


@dataclass(frozen=True)
class Standardization:
    """What follows the changes: scaling, and subtracting and dividing by means and standard deviations.

    Attributes:
        rescale: a factor, None for none.
        samplewise_center: whether each picture's mean is subtracted.
        samplewise_std: whether each picture is divided by its standard deviation.
        mean: subtracted, where known.
        std: divided by, where known.
        zca: the matrix that whitens, (values, values) for pictures of so many values, where known.
    """

    rescale: float | None = None
    samplewise_center: bool = False
    samplewise_std: bool = False
    mean: Constant | None = None
    std: Constant | None = None
    zca: Constant | None = None

    def __call__(self, images: Any, axes: tuple[int, ...] | None) -> Any:
        """The pictures standardised: NumPy's or JAX's, float, with trailing axes (height, width, channels).

        Args:
            images: the pictures.
            axes: those along which a picture's own mean and deviation are taken, None for all.
        """
        if self.rescale:
            images = images * self.rescale
        if self.samplewise_center:
            images = images - images.mean(axes, keepdims=True)
        if self.samplewise_std:
            images = images / (images.std(axes, keepdims=True) + 1e-6)
        if self.mean is not None:
            images = images - self.mean.values
        if self.std is not None:
            images = images / (self.std.values + 1e-6)
        if self.zca is not None:
            flat = images.reshape(-1, self.zca.values.shape[0])
            images = (flat @ self.zca.values).reshape(images.shape)
        return images
