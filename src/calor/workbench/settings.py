"""The settings of a run: everything that decides what it gives, as one value that is written down and read again."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from calor._arguments import integer, number, replace_arguments
from calor.errors import ArgumentError, UnknownNameError

SMALLEST = 8
"""Pixels that a side of the pictures must have at least."""


@dataclass(frozen=True)
class Settings:
    """All settings of a run. The same settings on the same photos and the same machine give the same run.

    Args:
        folder: a subfolder of photos for each class; or ``train/`` and ``validation/``, each with such subfolders.
            It is made absolute.
        image_size: height and width in pixels that the photos are resized to.
        batch_size: photos a step.
        epochs: how many at the most.
        seed: fixes what is held out, the initial weights, the order and the augmentation.
        learning_rate: the optimizer's at the start.
        augment: whether the network sees the photos changed at random while it learns.
        patience: after how many epochs without a lower validation loss to stop.
        recipe: the name of the way of training, one of ``calor.workbench.RECIPES``.
        minutes: the time that the run may take; None: as long as its epochs need.
        find_lr: whether a range test looks for the learning rate first.
        class_weight: ``"balanced"`` lets rare classes count more; None: every photo counts the same; ``"auto"``:
            balanced where the largest class has three times as many photos as the smallest, or more.
        split: a file that says which photos are held out, or the run folder with it; None: they are drawn, or the
            folder says it.
        test_share: the share of the photos that is sealed for a last test; None: as ``split_folder`` chooses.
        check: whether to look for damaged files and copies first.
        leave_out: a list of files to leave out, as ``calor check --write-list`` writes it.

    Raises:
        ArgumentError: a value cannot work; the message says which, and what would.

    >>> Settings("photos", epochs=3).epochs
    3
    >>> Settings("photos", epochs=0)
    Traceback (most recent call last):
    calor.errors.ArgumentError: Settings: epochs must be a whole number from 1 up, not 0.
    """

    folder: Path
    image_size: tuple[int, int] = (96, 96)
    batch_size: int = 32
    epochs: int = 30
    seed: int = 0
    learning_rate: float = 2e-3
    augment: bool = True
    patience: int = 10
    recipe: str = "default"
    minutes: float | None = None
    find_lr: bool = False
    class_weight: str | None = "auto"
    split: Path | None = None
    test_share: float | None = None
    check: bool = True
    leave_out: Path | None = None

    def __post_init__(self) -> None:
        replace_arguments(
            self,
            folder=_path(self, "folder"),
            image_size=_size(self.image_size),
            seed=integer(self, "seed", self.seed, least=0),
            learning_rate=number(self, "learning_rate", self.learning_rate, least=0),
            **{name: _path(self, name) for name in ("split", "leave_out") if getattr(self, name) is not None},
            **{name: integer(self, name, getattr(self, name)) for name in ("batch_size", "epochs", "patience")},
        )
        if self.minutes is not None:
            replace_arguments(self, minutes=number(self, "minutes", self.minutes, least=0))
        if self.test_share is not None:
            replace_arguments(self, test_share=number(self, "test_share", self.test_share, least=0))
        for name in ("augment", "check", "find_lr"):
            if not isinstance(getattr(self, name), bool):
                raise ArgumentError(f"Settings: {name} must be True or False, not {getattr(self, name)!r}.")
        if not (isinstance(self.recipe, str) and self.recipe):
            raise ArgumentError(f"Settings: recipe must be a name, not {self.recipe!r}.")
        if self.class_weight not in (None, "auto", "balanced"):
            raise ArgumentError(
                f"Settings: class_weight must be 'auto', 'balanced' or None, not {self.class_weight!r}."
            )

    def as_dict(self) -> dict[str, Any]:
        """All of them in JSON's types.

        >>> Settings("/photos").as_dict()["image_size"]
        [96, 96]
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {name: os.fspath(value) for name, value in values.items() if isinstance(value, Path)}
        return values | plain | {"image_size": list(self.image_size)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Settings":
        """What ``as_dict`` gave. A setting that is not there has its default.

        Raises:
            ArgumentError: there is no folder, or a value cannot work.
            UnknownNameError: a setting that there is not.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise UnknownNameError("setting", name, known)
        if "folder" not in values:
            raise ArgumentError("Settings: there is no folder of photos among them.")
        return cls(**values)


def _path(settings: Settings, name: str) -> Path:
    value = getattr(settings, name)
    try:
        return Path(value).absolute()
    except TypeError:
        raise ArgumentError(f"Settings: {name} must be a path, not {value!r}.") from None


def _size(value: Any) -> tuple[int, int]:
    try:
        sides = tuple(value)
    except TypeError:
        sides = ()
    whole = all(isinstance(side, int) and not isinstance(side, bool) and side >= SMALLEST for side in sides)
    if len(sides) != 2 or not whole:
        raise ArgumentError(
            f"Settings: image_size must be a height and a width of at least {SMALLEST} pixels, not {value!r}."
        )
    return sides
