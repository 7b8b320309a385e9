"""A recipe within the time that was allowed: how long a step takes on this machine, and what can be done with that."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from calor._arguments import number
from calor.data import Dataset
from calor.data.folder import list_folder
from calor.typing import Shape
from calor.workbench import recipes
from calor.workbench.estimate import measure
from calor.workbench.photos import find_layout
from calor.workbench.prepare import shares
from calor.workbench.recipes import Recipe, Training
from calor.workbench.settings import Settings

SHARE = 0.9
"""How much of the time is planned for: a machine is not as fast in every minute."""

ENOUGH = 0.4
"""The share of the recipe's epochs down to which larger pictures are worth more than further epochs."""

MORE = 2
"""How many times the recipe's epochs there may be, where there is time for it."""

_NUMBERS = ("epochs", "batch_size", "learning_rate", "patience")
"""The settings that a recipe has numbers for, beside the size of the pictures."""

_OPEN = (*_NUMBERS, "image_size", "minutes")

_LOOKED_AT = 50
"""Pictures whose size is looked at, to know how large those of a folder are."""

_MEASURED = 1.5
"""Seconds of training that are measured, in so many steps at the most."""

_MOST_STEPS = 100


def settle(given: Mapping[str, Any]) -> Settings:
    """All settings of a run: those that were given, and for the others what the recipe says or the time allows.

    Args:
        given: the folder and other settings by name. What the recipe has a number for may be None: left open.

    Raises:
        ArgumentError: a setting cannot work.
        UnknownNameError: there is no such setting or no such recipe; the message gives the nearest.
        DataError: the folder cannot be read.
    """
    given = {name: value for name, value in given.items() if value is not None or name not in _OPEN}
    settings = Settings.from_dict(given)
    recipe = recipes.get(settings.recipe)
    layout = find_layout(settings.folder)
    files = list_folder(layout.training).files
    held_out, sealed = shares(layout, len(files), None, settings.test_share)
    examples = round(len(files) * (1 - held_out - sealed))
    measured = len(list_folder(layout.validation).files) if layout.validation else round(held_out * len(files))
    data: dict[str, Any] = {"classes": max(2, len(layout.class_names)), "examples": max(1, examples)}
    own = {name: getattr(settings, name) for name in _NUMBERS if name in given}
    minutes = settings.minutes if "epochs" not in given else None
    native = native_size(files)
    sizes = [settings.image_size] if "image_size" in given else recipe.sizes(native, timed=minutes is not None)
    shapes = [(height, width, 3) for height, width in sizes]
    if minutes is None:
        training = recipe.training(shapes[0], **data, **own)
    else:
        training = within(minutes, recipe, shapes, validation_examples=measured, **data, **own)
    height, width, _ = training.input_shape
    return replace(settings, image_size=(height, width), **{name: getattr(training, name) for name in _NUMBERS})


def within(
    minutes: float,
    recipe: Recipe,
    shapes: Sequence[Shape],
    *,
    validation_examples: int = 0,
    **given: Any,
) -> Training:
    """The recipe for these pictures, with the size and the epochs that the time allows on this machine.

    A few steps are made to see how long they take; that is part of the time. The largest size is taken that leaves
    enough epochs, and as many of them as there is time for, up to twice the recipe's. With very little time there is
    one epoch of the smallest size, however long it takes.

    Args:
        minutes: for training and validation.
        recipe: the recipe.
        shapes: of a picture, (height, width, channels); one, or several to choose from, the smallest first.
        validation_examples: how many pictures are measured after each epoch.
        **given: the arguments of ``Recipe.training``.

    >>> training = within(0.05, recipes.get("default"), [(28, 28, 1)], classes=10, examples=60_000)
    >>> training.epochs
    1
    """
    began = time.perf_counter()
    minutes = number(recipe, "minutes", minutes, least=0)
    smallest, *others = [recipe.training(shape, **given) for shape in shapes]
    wanted = smallest.epochs
    seconds = _epoch_seconds(smallest, validation_examples)

    def fitting(epoch_seconds: float) -> float:
        return (SHARE * 60 * minutes - (time.perf_counter() - began)) / epoch_seconds

    chosen = smallest
    for larger in others:
        if fitting(seconds * _area(larger) / _area(smallest)) >= ENOUGH * wanted:
            chosen = larger
    if chosen is not smallest:  # how much longer larger pictures take was a guess
        seconds = _epoch_seconds(chosen, validation_examples)
    epochs = min(MORE * wanted, max(1, int(fitting(seconds))))
    return recipe.training(chosen.input_shape, **given | {"epochs": epochs})


def step_seconds(training: Training) -> float:
    """How long a training step takes here, in seconds, compilation left out; on pictures of noise.

    >>> 0 < step_seconds(recipes.get("quick").training((16, 16, 3), classes=2, examples=100)) < 60
    True
    """
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (training.batch_size, *training.input_shape)).astype(np.uint8)
    noise = Dataset.from_arrays(images, np.arange(len(images)) % training.classes).repeat(_MOST_STEPS)
    batches = training.batches(noise)
    # With the recipe's own rate, as the user's may be one that diverges at once.
    model = training.with_learning_rate(training.recipe.learning_rate).model(seed=0)
    found = measure(model, batches, batches, seconds=_MEASURED)
    assert found is not None
    return found.step_seconds


def native_size(files: tuple[Path, ...]) -> tuple[int, int] | None:
    """The height and width that pictures have by and large: the median of some of them; None where none can be read."""
    sizes = []
    for file in files[:: max(1, len(files) // _LOOKED_AT)]:
        try:
            with Image.open(file) as image:
                sizes.append(image.size)
        except (OSError, ValueError, Image.DecompressionBombError):
            continue  # what is wrong with it is told where it is read
    if not sizes:
        return None
    width, height = np.median(sizes, axis=0)
    return int(height), int(width)


def _area(training: Training) -> int:
    height, width, _ = training.input_shape
    return height * width


def _epoch_seconds(training: Training, validation_examples: int) -> float:
    # A forward pass is about a third of a step.
    return step_seconds(training) * (training.steps + validation_examples / training.batch_size / 3)
