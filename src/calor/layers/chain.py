"""Geometric augmentations in a row, with the rescalings around them, as one warp by the product of their matrices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from calor.layers.augmentation import (
    GeometricAugmentation,
    RandomAffine,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from calor.layers.rescaling import Rescaling
from calor.ops.warp import warp

_WARPS = (RandomAffine, RandomRotation, RandomShear, RandomTranslation, RandomZoom)


@dataclass(frozen=True)
class WarpChain:
    """Layers that are one warp: each draws its matrices from its own key, as it would alone.

    Pictures are interpolated once and not once a layer, so they come out a little sharper, and what one layer would
    have moved out of the picture and the next one back is not lost. Positions beyond the edges are filled once, too.

    Args:
        layers: geometric ones, and ``Rescaling``.
        interpolation: that they have in common.
        fill_mode: likewise.
        fill_value: in the range of the inputs.
        scale: the product of all rescalings is ``inputs * scale + offset``.
        offset: see ``scale``.
    """

    layers: tuple[GeometricAugmentation | Rescaling, ...]
    interpolation: str
    fill_mode: str
    fill_value: float
    scale: float
    offset: float

    @property
    def rescales(self) -> bool:
        """Whether there is a ``Rescaling`` among them."""
        return any(type(layer) is Rescaling for layer in self.layers)

    def __call__(self, images: jax.Array, keys: Sequence[jax.Array] | None) -> jax.Array:
        """What the layers make of a batch.

        Args:
            images: shape (count, height, width, channels), uint8 or float.
            keys: one for each layer; None outside training, where only the rescaling is left.

        Returns:
            float32, in the shape of ``images``.
        """
        if keys is None:
            return images.astype(jnp.float32) * self.scale + self.offset
        count, height, width, _ = images.shape
        matrices = None
        for layer, key in zip(self.layers, keys, strict=True):
            if isinstance(layer, GeometricAugmentation):
                drawn = layer.matrices(key, count, height, width)
                matrices = drawn if matrices is None else _product(matrices, drawn)
        assert matrices is not None
        return warp(
            images,
            matrices,
            interpolation=self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            scale=self.scale,
            offset=self.offset,
        )


def _product(first: jax.Array, second: jax.Array) -> jax.Array:
    """In full precision, which a matrix product on an accelerator would not have."""
    return jnp.sum(first[:, :, :, None] * second[:, None, :, :], axis=2)


def chain_from(layers: Sequence[Any]) -> WarpChain | None:
    """As many layers from the first on as can be one warp; None where the first cannot.

    They are Calor's own, with the same interpolation and fill mode (and fill value, where that is constant), and at
    least one of them interpolates: flips alone only turn axes around.
    """
    taken: list[Any] = []
    settings: tuple[str, str, float] | None = None
    scale, offset = 1.0, 0.0
    found = None
    for layer in layers:
        if type(layer) is Rescaling and layer.scale:
            scale, offset = scale * layer.scale, offset * layer.scale + layer.offset
        elif type(layer) in _WARPS:
            constant = layer.fill_mode == "constant"
            own = layer.interpolation, layer.fill_mode, (layer.fill_value - offset) / scale if constant else 0.0
            if settings is not None and settings != own:
                break
            settings = own
        elif type(layer) is not RandomFlip:
            break
        taken.append(layer)
        if settings is not None:
            found = WarpChain(tuple(taken), *settings, scale, offset)
    return found
