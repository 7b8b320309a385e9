"""A run's settings: what was given, what the recipe says, and what the time allows."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calor.errors import ArgumentError, UnknownNameError
from calor.workbench import budget, draw_pictures, recipes
from calor.workbench.budget import native_size, settle, step_seconds, within
from calor.workbench.recipes import Training

CATS = {"classes": 2, "examples": 2000}
SHAPES = [(side, side, 3) for side in (48, 64, 96, 128)]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that needs 10 milliseconds for a step at 48 pixels, measured in no time."""
    monkeypatch.setattr(budget, "step_seconds", lambda training: 0.01 * budget._area(training) / 48**2)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("minutes", "side", "epochs"),
    [
        (0, 48, 1),
        (0.1, 48, 11),
        (0.5, 48, 57),
        (0.7, 64, 45),
        (2, 96, 57),
        (4, 128, 65),
        (10, 128, 162),
        (99, 128, 200),
    ],
)
def test_more_time_buys_epochs_and_pixels(minutes: float, side: int, epochs: int) -> None:
    training = within(minutes, recipes.get("default"), SHAPES, validation_examples=1000, **CATS)
    assert training.input_shape == (side, side, 3)
    assert training.epochs == pytest.approx(epochs, abs=1)
    needed = training.epochs * (40 + 1000 / 150) * 0.01 * (side / 48) ** 2
    assert needed <= max(0.9 * 60 * minutes, 0.5)


@pytest.mark.usefixtures("machine")
def test_what_is_given_stays(tmp_path: Path) -> None:
    training = within(1, recipes.get("notes"), [(150, 150, 3)], learning_rate=0.5, batch_size=10, **CATS)
    assert (training.learning_rate, training.batch_size, training.input_shape) == (0.5, 10, (150, 150, 3))
    with pytest.raises(ArgumentError, match="minutes must be a number at least 0"):
        within(-1, recipes.get("notes"), [(150, 150, 3)], **CATS)


def test_a_step_is_measured_by_making_it() -> None:
    small = recipes.get("default").training((16, 16, 3), classes=2, examples=100)
    large = recipes.get("default").training((128, 128, 3), classes=2, examples=100)
    assert 0 < step_seconds(small) < step_seconds(large)


def picture(path: Path, width: int, height: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)
    return path


def test_the_native_size_is_that_of_most(tmp_path: Path) -> None:
    files = [picture(tmp_path / f"{n}.png", 40, 30) for n in range(5)] + [picture(tmp_path / "large.png", 400, 900)]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    assert native_size((*files, broken)) == (30, 40)
    assert native_size((broken,)) is None
    assert native_size(()) is None


def test_settings_are_the_recipes_where_nothing_is_given(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "pictures", per_class=10)
    settings = settle({"folder": tmp_path / "pictures", "epochs": None})
    training = recipes.get("default").training((96, 96, 3), classes=4, examples=32)
    assert (settings.recipe, settings.image_size) == ("default", (96, 96))
    assert (settings.epochs, settings.batch_size) == (training.epochs, training.batch_size)
    assert (settings.learning_rate, settings.patience) == (training.learning_rate, training.patience)

    notes = settle({"folder": tmp_path / "pictures", "recipe": "notes", "batch_size": 7, "seed": 3})
    assert (notes.image_size, notes.epochs, notes.batch_size, notes.seed) == ((150, 150), 60, 7, 3)
    assert settle(notes.as_dict()) == notes


def test_tiny_pictures_keep_their_size(tmp_path: Path) -> None:
    for name in ("train/dark/1.png", "train/light/1.png", "validation/dark/1.png", "validation/light/1.png"):
        picture(tmp_path / name, 28, 20)
    assert settle({"folder": tmp_path}).image_size == (20, 28)
    assert settle({"folder": tmp_path, "image_size": (64, 64)}).image_size == (64, 64)


def test_minutes_set_size_and_epochs_unless_these_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_pictures(tmp_path / "pictures", per_class=10)
    measured: list[Training] = []
    monkeypatch.setattr(budget, "step_seconds", lambda training: measured.append(training) or 0.5)
    given = {"folder": tmp_path / "pictures", "minutes": 2}
    settings = settle(given)
    assert (settings.minutes, settings.image_size) == (2, (48, 48))
    assert 30 < settings.epochs < 50  # of 4 steps and a third of one for validation, half a second each
    assert settle(given | {"image_size": (32, 40)}).image_size == (32, 40)
    assert len(measured) == 2
    assert settle(settings.as_dict()) == settings
    assert settle(given | {"epochs": 9}).epochs == 9
    assert len(measured) == 2


def test_wrong_settings_are_told(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "pictures", per_class=2)
    with pytest.raises(UnknownNameError, match=r"no recipe called 'best'\. Known: default, notes"):
        settle({"folder": tmp_path / "pictures", "recipe": "best"})
    with pytest.raises(UnknownNameError, match="no setting called 'epoch'"):
        settle({"folder": tmp_path, "epoch": 3})
    with pytest.raises(ArgumentError, match="epochs must be a whole number"):
        settle({"folder": tmp_path, "epochs": 0})
