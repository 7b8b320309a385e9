"""The network that a folder of photos is trained on by default, and how the photos are varied for it."""

from collections.abc import Callable, Iterator
from typing import Any

import jax

from calor import layers
from calor.data import Dataset
from calor.layers.augmentation import RandomAffine
from calor.losses import SparseCategoricalCrossentropy
from calor.models import Sequential
from calor.optimizers import Adam

WIDTHS = (24, 32, 64, 96)
"""The channels of the convolution blocks."""

SMALLEST = 8
"""Pixels on a side below which there is nothing left for another block to find."""

VARIATION = RandomAffine(
    rotation=15, width_shift=0.1, height_shift=0.1, zoom=0.15, horizontal_flip=True, fill_mode="reflect"
)
"""What photos may go through and still show the same."""


def photo_network(
    image_size: tuple[int, int],
    classes: int,
    *,
    learning_rate: float | Callable[[Any], Any] = 1e-3,
    seed: int | None = None,
) -> Sequential:
    """A small convolutional network for photos, compiled: the notes' network, made light enough for a laptop.

    Blocks of convolution, normalisation and pooling look for ever larger patterns, and the averages of what the last
    one finds decide. The first one steps by two pixels, because at full size it would take most of the time.

    Args:
        image_size: height and width of the photos, 0 to 255 in red, green and blue.
        classes: how many there are.
        learning_rate: Adam's: a number, or a schedule.
        seed: of the initial weights and all that is random in training.

    >>> photo_network((96, 96), 4, seed=0).output_shape
    (4,)
    """
    model = Sequential(
        [
            layers.Input((*image_size, 3)),
            layers.Rescaling(1 / 255),
            *_blocks(min(image_size)),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.3),
            layers.Dense(classes, activation="softmax"),
        ],
        seed=seed,
        name="photos",
    )
    model.compile(optimizer=Adam(learning_rate), loss=SparseCategoricalCrossentropy(), metrics=["accuracy"])
    return model


def varied(batches: Dataset) -> Dataset:
    """The same photos flipped, turned, moved and zoomed a little, in every pass in another way.

    So a few hundred photos go a long way. It happens to the data and not in a layer, so that the saved model consists
    of nothing but what it needs to predict, which every Keras knows.
    """
    return batches.map(_vary)


def _vary(images: Any, labels: Any, key: jax.Array) -> tuple[Any, Any]:
    return VARIATION.augment(images, key), labels


def _blocks(side: int) -> Iterator[Any]:
    for number, width in enumerate(WIDTHS):
        if number == 0:
            yield layers.Conv2D(width, 5, strides=2, padding="same", use_bias=False)
            side //= 2
        elif side >= SMALLEST:
            yield layers.MaxPooling2D(2)
            yield layers.Conv2D(width, 3, padding="same", use_bias=False)
            side //= 2
        else:
            return
        # An epoch of a small folder has few steps: with the usual 0.99 the averages would lag behind for several.
        yield layers.BatchNormalization(momentum=0.9)
        yield layers.ReLU()
