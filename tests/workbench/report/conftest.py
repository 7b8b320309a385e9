"""Outputs made up for the figures, and a small real run for the page."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from calor import Sequential, layers
from calor.training.history import History
from calor.workbench import Split, draw_pictures, split_folder
from calor.workbench.report.evidence.outputs import Outputs
from calor.workbench.report.evidence.photos import Photos
from calor.workbench.run_record import Environment, RunRecord
from calor.workbench.settings import Settings


@pytest.fixture
def outputs() -> Callable[..., Outputs]:
    """Makes outputs out of probabilities and labels; the files are names only."""

    def make(probabilities: object, labels: object, names: tuple[str, ...] | None = None, **changed: object) -> Outputs:
        rows = np.asarray(probabilities, np.float64)
        numbers = np.asarray(labels, np.int64)
        names = names or tuple("abcdefghij"[: rows.shape[1]])
        files = tuple(Path("photos") / names[label] / f"{place}.jpg" for place, label in enumerate(numbers))
        return Outputs(
            Photos(files, numbers), names, rows, {name: np.asarray(taken, np.int64) for name, taken in changed.items()}
        )

    return make


@pytest.fixture
def simulated(outputs: Callable[..., Outputs]) -> Callable[..., Outputs]:
    """Outputs of a network that is as sure as it should be, or ``sharp`` times surer in its logits."""

    def make(photos: int, classes: int = 3, sharp: float = 1.0, seed: int = 0) -> Outputs:
        random = np.random.default_rng(seed)
        logits = random.normal(0, 1.5, (photos, classes))
        fair = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        labels = (fair.cumsum(axis=1) < random.random((photos, 1))).sum(axis=1).clip(0, classes - 1)
        said = np.exp(sharp * logits)
        return outputs(said / said.sum(axis=1, keepdims=True), labels)

    return make


NASTY = ("<script>alert(1)<", "a&\"b' onload=x", "Œuvre 日本 😀 \u202eltr", "plain")
"""Names that a page must show and never obey."""


@dataclass(frozen=True)
class SmallRun:
    """A run folder with a network that has learned next to nothing, and the photos that it belongs to."""

    folder: Path
    photos: Path
    split: Split

    def page(self) -> str:
        return (self.folder / "report.html").read_text(encoding="utf-8")


def make_run(
    folder: Path, photos: Path, names: Sequence[str], *, per_class: int = 4, channels: int = 3, side: int = 16
) -> SmallRun:
    """Draw photos for classes of these names, and leave what a run leaves."""
    drawn = draw_pictures(photos.with_name("drawn"), per_class=-(-per_class * len(names) // 4))
    pictures = sorted(drawn.rglob("*.*g"))
    for number, name in enumerate(names):
        (photos / name).mkdir(parents=True)
        for file in pictures[number * per_class : (number + 1) * per_class]:
            shutil.copy(file, photos / name / f"{file.parent.name}-{file.name}")
    split = split_folder(photos, seed=1)
    model = Sequential(
        [layers.Input((side, side, channels)), layers.Flatten(), layers.Dense(len(names), activation="softmax")], seed=0
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.class_names = split.class_names
    folder.mkdir()
    model.save(folder / "model.keras")
    split.save(folder / "split.json")
    history = History({"classes": len(names), "validation_examples": len(split.validation)})
    for epoch in range(6):
        figures = {"loss": 1 / (epoch + 1), "accuracy": 0.5 + 0.05 * epoch}
        history.record(epoch, figures | {f"val_{name}": value for name, value in figures.items()}, 30.0, 0.5)
    history.save(folder / "history.json")
    settings = Settings(photos, image_size=(side, side), epochs=6, seed=1, augment=False)
    RunRecord(settings, Environment.now()).save(folder)
    return SmallRun(folder, photos, split)


@pytest.fixture
def small_run(tmp_path: Path) -> SmallRun:
    return make_run(tmp_path / "my run", tmp_path / "photos", NASTY)


@pytest.fixture
def names() -> tuple[str, ...]:
    return NASTY


@pytest.fixture
def run_of() -> Callable[..., SmallRun]:
    """``make_run``."""
    return make_run
