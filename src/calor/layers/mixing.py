"""MixUp and CutMix: two pictures of a batch become one, and so do their labels.

They change labels, which no layer of a model sees, so they belong to the data: ``dataset.batch(100).map(MixUp(0.2))``.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from calor._arguments import number, replace_arguments
from calor.errors import ArgumentError, ShapeError
from calor.layers.erasing import rectangles
from calor.layers.saturation import fraction_range


@dataclass(frozen=True, eq=False)
class Mixing:
    """What both have in common: which pictures are mixed, and the checks."""

    def __call__(self, images: ArrayLike, labels: ArrayLike, *, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Mix each picture of a batch with another one, and the labels in the same proportion.

        Args:
            images: shape (batch, height, width, channels), uint8 or float.
            labels: shape (batch, ...), float: one-hot for classes, or 0.0 and 1.0 for two.
            key: a JAX random key; the same key gives the same batch.

        Returns:
            Images and labels of the same shapes, float32.

        Raises:
            ShapeError: the images are not a batch of pictures, or there is not a label for each.
            ArgumentError: the labels are whole numbers, which cannot be mixed.
        """
        images, labels = jnp.asarray(images), jnp.asarray(labels)
        name = type(self).__name__
        if images.ndim != 4 or labels.shape[:1] != images.shape[:1]:
            raise ShapeError(
                f"{name} mixes the pictures of a batch, of shape (batch, height, width, channels), and a label for "
                f"each; it received shapes {images.shape} and {labels.shape}. Put it after batch()."
            )
        if not jnp.issubdtype(labels.dtype, jnp.floating):
            raise ArgumentError(
                f"{name} mixes labels, and cannot mix numbers of classes (the labels are {labels.dtype}). Make them "
                "one-hot first, .map(lambda images, labels: (images, jax.nn.one_hot(labels, classes))), and use the "
                "loss CategoricalCrossentropy."
            )
        order_key, key = jax.random.split(key)
        order = jax.random.permutation(order_key, len(images))
        images, labels = images.astype(jnp.float32), labels.astype(jnp.float32)
        mixed, weights = self.mix(images, images[order], key)
        weights = weights.reshape(-1, *(1,) * (labels.ndim - 1))
        return mixed, weights * labels + (1 - weights) * labels[order]

    def mix(self, images: jax.Array, others: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The mixed pictures, and how much of each is of the first one, shape (batch,)."""
        raise NotImplementedError(f"{type(self).__name__} has no mix method")

    def build(self, key: Any, input_shape: Any) -> Any:
        """Say that this is no layer of a model.

        Raises:
            ArgumentError: always.
        """
        name = type(self).__name__
        raise ArgumentError(
            f"{name} changes labels, too, which no layer of a model sees. Use it on the data: "
            f"dataset.batch(100).map({name}(...))."
        )

    apply = build


@dataclass(frozen=True, eq=False)
class MixUp(Mixing):
    """Blend each picture of a batch with another one, weight · picture + (1 - weight) · other, and their labels.

    Zhang et al., mixup: Beyond Empirical Risk Minimization, https://arxiv.org/abs/1710.09412. Weights come from the
    beta distribution with both parameters ``alpha``, one for each picture, as in Keras 3.

    Used in ``Dataset.map`` after ``batch``, with one-hot labels. A last batch that is not full is filled up with its
    first picture, so that one is mixed into others a little more often.

    Args:
        alpha: above 0, up to 1: the smaller, the more pictures stay almost as they are.

    Raises:
        ArgumentError: no such number.

    >>> import calor, numpy as np
    >>> images, labels = np.zeros((6, 8, 8, 3), np.uint8), np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
    >>> data = calor.data.Dataset.from_arrays(images, labels).batch(3).map(MixUp(0.4))
    >>> [float(np.sum(labels)) for _, labels in data]
    [3.0, 3.0]
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        alpha = number(self, "alpha", self.alpha, least=0, most=1)
        if not alpha:
            raise ArgumentError("MixUp: alpha must be above 0; leave MixUp out to mix nothing.")
        replace_arguments(self, alpha=alpha)

    def mix(self, images: jax.Array, others: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Mixing.mix``."""
        weights = jax.random.beta(key, self.alpha, self.alpha, (len(images),))
        share = weights[:, None, None, None]
        return share * images + (1 - share) * others, weights


@dataclass(frozen=True, eq=False)
class CutMix(Mixing):
    """Put a rectangle of another picture into each picture of a batch; labels are mixed by the share of pixels.

    Yun et al., CutMix, https://arxiv.org/abs/1905.04899. As in Keras 3 the share that stays comes from the beta
    distribution, whose two parameters are one number from ``factor`` for the whole batch. Labels follow the pixels
    that were in fact replaced.

    Used in ``Dataset.map`` after ``batch``, with one-hot labels, as ``MixUp``.

    Args:
        factor: from 0 to 1: (low, high), or one number r for (0, r). Near 0, either next to nothing is replaced or
            next to everything; at 1 every share is as probable.

    Raises:
        ArgumentError: no such range.

    >>> CutMix(0.5).factor
    (0.0, 0.5)
    """

    factor: float | tuple[float, float] = 1.0

    def __post_init__(self) -> None:
        replace_arguments(self, factor=fraction_range(self, "factor", self.factor))

    def mix(self, images: jax.Array, others: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Mixing.mix``."""
        count, height, width, _ = images.shape
        low, high = self.factor  # type: ignore[misc]
        drawing, weighing, placing = jax.random.split(key, 3)
        alpha = jax.random.uniform(drawing, (), minval=low, maxval=high) + 1e-6
        side = jnp.sqrt(1 - jax.random.beta(weighing, alpha, alpha, (count,)))
        replaced = rectangles(placing, height, width, jnp.stack([side, side]))
        return jnp.where(replaced, others, images), 1 - replaced.mean((1, 2, 3))
