"""Recipes: ways of training a classifier of pictures, by name.

A recipe says what the network is, what it is trained with, how long, and what the pictures go through on the way. For
certain pictures it becomes a ``Training``, in which nothing is open any more.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax

from calor import layers
from calor._arguments import integer, number
from calor._names import find
from calor.data import Dataset
from calor.errors import ArgumentError
from calor.layers.augmentation import RandomAffine, RandomBrightness, RandomContrast
from calor.layers.saturation import RandomSaturation
from calor.losses import SparseCategoricalCrossentropy
from calor.models import Sequential
from calor.optimizers import Adam, AdamW, Optimizer
from calor.schedules import CosineDecay
from calor.typing import Shape
from calor.workbench import network

WARM_UP = 0.05
"""The share of the steps in which the learning rate climbs, where a recipe lets it."""

FEW_EPOCHS = 8
"""Epochs below which a recipe that varies pictures less in short runs leaves them as they are, and has no dropout."""

SMALLEST_BATCH = 8
"""Pictures a step that batch normalisation needs for averages which mean something."""

FEWEST_STEPS = 20
"""Steps that an epoch of a small folder should have, if its batches do not become smaller than that."""


@dataclass(frozen=True)
class Variation:
    """What pictures may go through and still show the same: a function for ``Dataset.map``.

    Attributes:
        affine: how they are moved.
        colour: by how much brightness, contrast and saturation change, as a fraction.
        epochs: from how many epochs on all of it is done; in shorter runs less, as a picture that is seen a few times
            only is not learned by heart.
    """

    affine: RandomAffine
    colour: float = 0.0
    epochs: int = 1

    def weakened(self, epochs: int) -> "Variation | None":
        """The variation for a run of so many epochs; None where there had better be none.

        >>> full = get("default").variation
        >>> full.affine.rotation, full.weakened(10).affine.rotation
        ((-15.0, 15.0), (-3.0, 3.0))
        """
        share = min(1.0, epochs / self.epochs)
        if share == 1:
            return self
        if epochs < FEW_EPOCHS:
            return None
        affine = self.affine

        def scaled(interval: Any, middle: float = 0.0) -> Any:
            return tuple(middle + share * (edge - middle) for edge in interval)

        weaker = replace(
            affine,
            rotation=scaled(affine.rotation),
            width_shift=scaled(affine.width_shift),
            height_shift=scaled(affine.height_shift),
            shear=scaled(affine.shear),
            zoom=scaled(affine.zoom, 1.0),
        )
        return replace(self, affine=weaker, colour=share * self.colour, epochs=epochs)

    def __call__(self, images: Any, labels: Any, key: jax.Array) -> tuple[Any, Any]:
        """Change a batch of pictures, each in a way of its own; float32."""
        keys = jax.random.split(key, 4)
        images = self.affine.augment(images, keys[0])
        if self.colour:
            images = RandomBrightness(self.colour).augment(images, keys[1])
            images = RandomContrast(self.colour).augment(images, keys[2])
            if images.shape[-1] == 3:
                saturation = RandomSaturation((0.5 - self.colour, 0.5 + self.colour / 2))
                images = saturation.augment(images, keys[3])
        return images, labels


@dataclass(frozen=True)
class Recipe:
    """A way of training.

    Attributes:
        name: for ``calor train --recipe NAME``.
        summary: what it is good for, in a line.
        network: gives the layers for pictures of one shape (height, width, channels) and a number of classes.
        optimizer: takes a learning rate, a number or a schedule.
        learning_rate: the highest.
        image_size: pixels a side. Pictures that are smaller themselves are never made larger.
        other_sizes: those that may be chosen instead where the time is given.
        batch_size: pictures a step, about; small folders have smaller batches.
        epochs: the fewest and the most that are worth their time.
        views: how many pictures the network has to see, each as often as it comes, until more bring little.
        patience: the share of the epochs without a lower validation loss after which to stop.
        schedule: from the learning rate and the number of steps to the rate of each step; None: it stays as it is.
        variation: what the pictures go through while they are learned from.
        small: what to do instead for pictures of fewer than 48 pixels a side, where that is something else.
    """

    name: str
    summary: str
    network: Callable[[Shape, int], Iterator[Any]]
    optimizer: Callable[[Any], Optimizer]
    learning_rate: float
    image_size: int
    batch_size: int
    epochs: tuple[int, int]
    views: int
    patience: float
    schedule: Callable[[float, int], Any] | None = None
    variation: Variation | None = None
    other_sizes: tuple[int, ...] = ()
    small: "Recipe | None" = None

    def of_size(self, height: int, width: int) -> "Recipe":
        """The recipe for pictures of so many pixels: itself, or the one for small pictures.

        >>> get("default").of_size(96, 96).learning_rate, get("default").of_size(28, 28).learning_rate
        (0.002, 0.005)
        """
        return self.small if self.small is not None and min(height, width) < network.SMALL else self

    def sizes(self, native: tuple[int, int] | None = None, *, timed: bool = False) -> list[tuple[int, int]]:
        """The heights and widths that pictures may be resized to, rising.

        Args:
            native: their own size, by and large; None where nobody looked.
            timed: whether there is a choice because the time is given; else there is one size.

        >>> get("default").sizes((375, 500), timed=True)
        [(48, 48), (64, 64), (96, 96), (128, 128)]
        >>> get("default").sizes((28, 28), timed=True)
        [(28, 28)]
        """
        sides = sorted({self.image_size, *self.other_sizes}) if timed else [self.image_size]
        return list(dict.fromkeys(_limited(native or (side, side), side) for side in sides))

    def training(
        self,
        input_shape: Shape,
        *,
        classes: int,
        examples: int,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        patience: int | None = None,
        augment: bool = True,
    ) -> "Training":
        """The recipe for these pictures.

        Args:
            input_shape: height, width and channels of a picture, in pixels and 1 (grey) or 3 (colour).
            classes: how many there are.
            examples: how many pictures are learned from.
            epochs: instead of the recipe's; so are the others.
            batch_size: pictures a step.
            learning_rate: the highest.
            patience: epochs without a lower validation loss after which to stop.
            augment: whether the pictures are changed at random, where the recipe does.

        Raises:
            ArgumentError: a number makes no sense.

        >>> training = get("default").training((28, 28, 1), classes=10, examples=60_000)
        >>> training.epochs, training.batch_size
        (20, 50)
        """
        shape = tuple(integer(self, "input_shape", side) for side in input_shape)
        if len(shape) != 3:
            raise ArgumentError(f"input_shape must be height, width and channels, not {tuple(input_shape)}.")
        examples, classes = integer(self, "examples", examples), integer(self, "classes", classes, least=2)
        recipe = self.of_size(*shape[:2])
        fewest, most = recipe.epochs
        epochs = round(min(most, max(fewest, recipe.views / examples))) if epochs is None else epochs
        return Training(
            recipe,
            shape,
            classes,
            examples,
            integer(self, "epochs", epochs),
            _batch_size(recipe.batch_size, examples) if batch_size is None else integer(self, "batch_size", batch_size),
            recipe.learning_rate if learning_rate is None else number(self, "learning_rate", learning_rate, least=0),
            max(1, round(recipe.patience * epochs)) if patience is None else integer(self, "patience", patience),
            augment,
        )


@dataclass(frozen=True)
class Training:
    """A recipe for certain pictures.

    Attributes:
        recipe: the recipe.
        input_shape: height, width and channels of a picture.
        classes: how many there are.
        examples: how many pictures are learned from.
        epochs: how many at the most.
        batch_size: pictures a step.
        learning_rate: the highest.
        patience: epochs without a lower validation loss after which to stop.
        augment: whether the pictures are changed at random.

    Training on arrays, a hundred pictures of noise here:

    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, (100, 28, 28, 1)).astype(np.uint8)
    >>> labels = np.arange(100) % 10
    >>> training = get("default").training((28, 28, 1), classes=10, examples=100, epochs=1)
    >>> model = training.model(seed=0)
    >>> history = model.fit(training.batches(Dataset.from_arrays(images, labels)), epochs=training.epochs, verbose=0)
    >>> model.predict(images[:1]).shape
    (1, 10)
    """

    recipe: Recipe
    input_shape: Shape
    classes: int
    examples: int
    epochs: int
    batch_size: int
    learning_rate: float
    patience: int
    augment: bool = True

    def __str__(self) -> str:
        """What will be done, in a sentence.

        >>> print(get("notes").training((150, 150, 3), classes=2, examples=2000))
        Recipe notes: 150 × 150 pixels, up to 60 epochs of 20 steps with 100 pictures each.
        """
        height, width, _ = self.input_shape
        return (
            f"Recipe {self.recipe.name}: {height} × {width} pixels, up to {self.epochs} epochs of {self.steps} steps "
            f"with {self.batch_size} pictures each."
        )

    @property
    def steps(self) -> int:
        """How many steps an epoch has."""
        return math.ceil(self.examples / self.batch_size)

    def with_learning_rate(self, learning_rate: float) -> "Training":
        """The same with another rate."""
        return replace(self, learning_rate=number(self, "learning_rate", learning_rate, least=0))

    def model(self, *, seed: int | None = None) -> Sequential:
        """The network, compiled; it takes pictures of 0 to 255, uint8 or float32, and gives a share for each class.

        Args:
            seed: of the initial weights and all that is random in training.
        """
        parts = self.recipe.network(self.input_shape, self.classes)
        model = Sequential(
            [
                layers.Input(self.input_shape),
                *(layer for layer in parts if not (self._brief and isinstance(layer, layers.Dropout))),
            ],
            seed=seed,
            name=self.recipe.name.replace("-", "_"),
        )
        schedule = self.recipe.schedule
        rate = schedule(self.learning_rate, self.epochs * self.steps) if schedule else self.learning_rate
        loss = SparseCategoricalCrossentropy()
        model.compile(optimizer=self.recipe.optimizer(rate), loss=loss, metrics=["accuracy"])
        return model

    def batches(self, dataset: Dataset) -> Dataset:
        """A data set of (picture, label), shuffled, in batches, and changed as the recipe says.

        The changes happen to the data and not in a layer, so that the saved model consists of nothing but what it
        needs to predict, which every Keras knows.
        """
        batches = dataset.shuffle(self.examples).batch(self.batch_size)
        return batches.map(self._variation) if self.augment and self._variation else batches

    @property
    def _variation(self) -> Variation | None:
        return self.recipe.variation and self.recipe.variation.weakened(self.epochs)

    @property
    def _brief(self) -> bool:
        """Whether pictures are seen too few times to be learned by heart: nothing is done against it then."""
        return self.recipe.variation is not None and self._variation is None


def _warmed_up(rate: float, steps: int) -> CosineDecay:
    """Up in a straight line, then down to 0 along half a cosine wave."""
    climbing = max(1, round(WARM_UP * steps))
    return CosineDecay(rate / 20, max(1, steps - climbing), warmup_target=rate, warmup_steps=climbing)


def _limited(native: tuple[int, int], side: int) -> tuple[int, int]:
    """A square of that side, or the pictures' own size where they are smaller."""
    if min(native) >= side:
        return side, side
    height, width = (max(network.SMALLEST, min(own, side)) for own in native)
    return height, width


def _batch_size(wanted: int, examples: int) -> int:
    """About so many, fewer where an epoch would have few steps, and no small rest at the end of the epoch."""
    size = min(wanted, max(SMALLEST_BATCH, examples // FEWEST_STEPS))
    return math.ceil(examples / max(1, round(examples / size)))


_DEFAULT = Recipe(
    name="default",
    summary="the best accuracy for a few minutes; with --minutes, for the time you have",
    network=network.fused_blocks,
    optimizer=lambda rate: AdamW(rate, weight_decay=0.05),
    learning_rate=2e-3,
    image_size=96,
    other_sizes=(48, 64, 128),
    batch_size=50,
    epochs=(10, 100),
    views=200_000,
    patience=0.5,
    schedule=_warmed_up,
    variation=Variation(
        RandomAffine(
            rotation=15,
            width_shift=0.1,
            height_shift=0.1,
            zoom=(0.7, 1.1),
            horizontal_flip=True,
            fill_mode="reflect",
        ),
        colour=0.2,
        epochs=50,
    ),
)

# Turned or resized by a few pixels, small pictures lose more than is won: they are only flipped.
_SMALL = replace(
    _DEFAULT,
    network=network.small_blocks,
    learning_rate=5e-3,
    epochs=(20, 100),
    variation=Variation(RandomAffine(horizontal_flip=True), epochs=50),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        replace(_DEFAULT, small=_SMALL),
        Recipe(
            name="quick",
            summary="a light network for a first look: a minute or two for a few thousand photos",
            network=network.strided_blocks,
            optimizer=Adam,
            learning_rate=2e-3,
            image_size=96,
            batch_size=32,
            epochs=(30, 30),
            views=0,
            patience=1 / 3,
            schedule=CosineDecay,
            variation=Variation(
                RandomAffine(
                    rotation=15, width_shift=0.1, height_shift=0.1, zoom=0.15, horizontal_flip=True, fill_mode="reflect"
                )
            ),
        ),
        Recipe(
            name="notes",
            summary="the course notes' network for cats and dogs, with their augmentation and dropout",
            network=network.notes_dropout,
            optimizer=Adam,
            learning_rate=1e-3,
            image_size=150,
            batch_size=100,
            epochs=(60, 60),
            views=0,
            patience=1 / 3,
            variation=Variation(
                RandomAffine(rotation=40, width_shift=0.2, height_shift=0.2, shear=0.2, zoom=0.2, horizontal_flip=True)
            ),
        ),
        Recipe(
            name="notes-plain",
            summary="the same without either: how overfitting looks",
            network=network.notes,
            optimizer=Adam,
            learning_rate=1e-3,
            image_size=150,
            batch_size=100,
            epochs=(25, 25),
            views=0,
            patience=1.0,
        ),
    )
}
"""All recipes by name."""


def get(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UnknownNameError: there is none; the message gives the nearest.

    >>> get("notes").image_size
    150
    """
    return find("recipe", name, RECIPES)


def photo_network(
    image_size: tuple[int, int], classes: int, *, learning_rate: Any = 1e-3, seed: int | None = None
) -> Sequential:
    """The light network of the recipe ``quick``, compiled with Adam.

    Args:
        image_size: height and width of the photos, 0 to 255 in red, green and blue.
        classes: how many there are.
        learning_rate: a number, or a schedule.
        seed: of the initial weights and all that is random in training.

    >>> photo_network((96, 96), 4, seed=0).output_shape
    (4,)
    """
    model = get("quick").training((*image_size, 3), classes=classes, examples=1).model(seed=seed)
    model.compile(optimizer=Adam(learning_rate), loss=SparseCategoricalCrossentropy(), metrics=["accuracy"])
    return model
