"""The networks of the recipes: stacks of layers for pictures of any size and any number of classes."""

import math
from collections.abc import Iterator
from typing import Any

from calor import layers
from calor.typing import Shape

SMALLEST = 8
"""Pixels that a picture's side must have at least."""

SMALL = 48
"""Pixels a side below which a picture is a small one."""

WIDTHS = (24, 48, 96, 192, 192)
"""The filters of ``fused_blocks`` and ``small_blocks``, block by block."""

_STRIDED_WIDTHS = (24, 32, 64, 96)
_NOTES_WIDTHS = (32, 64, 128, 128)

# An epoch of a small folder has few steps: with the usual 0.99 the averages would lag behind for several.
_MOMENTUM = 0.9


def fused_blocks(input_shape: Shape, classes: int) -> Iterator[Any]:
    """Up to five blocks that look for ever larger patterns; the averages of what the last one finds decide.

    Args:
        input_shape: height, width and channels of a picture.
        classes: how many there are.
    """
    yield from _blocks(input_shape)
    yield layers.GlobalAveragePooling2D()
    yield layers.Dropout(0.4)
    yield layers.Dense(classes, activation="softmax")


def small_blocks(input_shape: Shape, classes: int) -> Iterator[Any]:
    """The same blocks for small pictures, in which things lie in the middle: where something is tells as much as what.

    Args:
        input_shape: height, width and channels of a picture.
        classes: how many there are.
    """
    yield from _blocks(input_shape)
    yield layers.Flatten()
    yield layers.Dropout(0.4)
    yield layers.Dense(128, activation="relu")
    yield layers.BatchNormalization(momentum=_MOMENTUM)
    yield layers.Dropout(0.4)
    yield layers.Dense(classes, activation="softmax")


def _blocks(input_shape: Shape) -> Iterator[Any]:
    # The normalisation comes after the pooling: convolution, ReLU and pooling are one operation on a CPU then, whose
    # gradient is sparse (see docs/kernels.md), and it has a quarter of the numbers to work on. What is left of a
    # picture is halved as long as it has 6 pixels a side.
    blocks = min(len(WIDTHS), max(1, 1 + math.floor(math.log2(min(input_shape[:2]) / 6))))
    yield layers.Rescaling(1 / 127.5, -1.0)
    for width in WIDTHS[:blocks]:
        yield layers.Conv2D(width, 3, padding="same", activation="relu", kernel_initializer="he_normal")
        yield layers.MaxPooling2D(2)
        yield layers.BatchNormalization(momentum=_MOMENTUM)


def strided_blocks(input_shape: Shape, classes: int) -> Iterator[Any]:
    """A light network: the first convolution steps by two pixels, because at full size it would take most of the time.

    Args:
        input_shape: height, width and channels of a picture.
        classes: how many there are.
    """
    side = min(input_shape[:2])
    yield layers.Rescaling(1 / 255)
    for number, width in enumerate(_STRIDED_WIDTHS):
        if number == 0:
            yield layers.Conv2D(width, 5, strides=2, padding="same", use_bias=False)
        elif side >= SMALLEST:
            yield layers.MaxPooling2D(2)
            yield layers.Conv2D(width, 3, padding="same", use_bias=False)
        else:
            break
        side //= 2
        yield layers.BatchNormalization(momentum=_MOMENTUM)
        yield layers.ReLU()
    yield layers.GlobalAveragePooling2D()
    yield layers.Dropout(0.3)
    yield layers.Dense(classes, activation="softmax")


def notes(input_shape: Shape, classes: int) -> Iterator[Any]:
    """The course notes' network for cats and dogs: four convolutions with pooling, and two dense layers.

    On pictures of less than 50 pixels a side, which four are too many for, as many as there is room for. The notes'
    last layer gives two logits; this one the shares that a softmax makes of them, which is the same when training.

    Args:
        input_shape: height, width and channels of a picture.
        classes: how many there are.
    """
    return _notes(input_shape, classes, dropout=0.0)


def notes_dropout(input_shape: Shape, classes: int) -> Iterator[Any]:
    """The same with the notes' dropout of one half before the dense layers; see ``notes``."""
    return _notes(input_shape, classes, dropout=0.5)


def _notes(input_shape: Shape, classes: int, *, dropout: float) -> Iterator[Any]:
    side = min(input_shape[:2])
    yield layers.Rescaling(1 / 255)
    for width in _NOTES_WIDTHS:
        yield layers.Conv2D(width, 3, activation="relu")
        yield layers.MaxPooling2D(2, 2)
        side = (side - 2) // 2
        if side < 4:
            break
    if dropout:
        yield layers.Dropout(dropout)
    yield layers.Flatten()
    yield layers.Dense(512, activation="relu")
    yield layers.Dense(classes, activation="softmax")
