"""The drawn pictures: the same for the same seed, varied, readable, and not to be told apart by colour or place."""

import filecmp
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calor.errors import ArgumentError
from calor.workbench.demo import KINDS, draw_pictures

PER_CLASS = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("pictures"), per_class=PER_CLASS)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def pictures(folder: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """All pictures of the folder at one size, float ``(n, size, size, 3)``, and their labels."""
    drawn, labels = [], []
    for label, kind in enumerate(KINDS):
        for path in sorted((folder / kind).iterdir()):
            with Image.open(path) as picture:
                drawn.append(np.asarray(picture.resize((size, size)), np.float64))
            labels.append(label)
    return np.stack(drawn), np.array(labels)


def nearest_mean_accuracy(features: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy on every second picture of the class whose mean over the other pictures is the nearest."""
    held_out = np.arange(len(labels)) % 2 == 0
    means = np.stack([features[~held_out & (labels == label)].mean(0) for label in range(len(KINDS))])
    distances = np.square(features[held_out][:, None] - means).sum(-1)
    return float(np.mean(distances.argmin(1) == labels[held_out]))


def test_every_kind_has_its_folder_and_count(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(KINDS) == ["boat", "house", "star", "tree"]
    for kind in KINDS:
        assert len(list((folder / kind).iterdir())) == PER_CLASS


def test_the_same_seed_draws_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = draw_pictures(tmp_path, per_class=2)
    _, different, missing = filecmp.cmpfiles(folder, again, names(again), shallow=False)
    assert not different
    assert not missing


def test_another_seed_draws_other_pictures(folder: Path, tmp_path: Path) -> None:
    other = draw_pictures(tmp_path, per_class=1, seed=1)
    same, *_ = filecmp.cmpfiles(folder, other, names(other), shallow=False)
    assert not same


def test_pictures_are_readable_colour_of_many_sizes(folder: Path) -> None:
    sizes, formats = set(), set()
    for name in names(folder):
        with Image.open(folder / name) as picture:
            picture.load()
            assert picture.mode == "RGB"
            sizes.add(picture.size)
            formats.add(picture.format)
    sides = np.array(sorted(sizes))
    assert len(sizes) > 3 * PER_CLASS
    assert sides.min() >= 96
    assert sides.max() <= 200
    assert (sides[:, 0] > 1.3 * sides[:, 1]).any()
    assert (sides[:, 1] > 1.3 * sides[:, 0]).any()
    assert formats == {"JPEG", "PNG"}


def test_colour_gives_no_class_away(folder: Path) -> None:
    drawn, labels = pictures(folder, 32)
    mean = drawn.mean((1, 2))
    assert nearest_mean_accuracy(mean, labels) < 0.45
    assert nearest_mean_accuracy(np.concatenate([mean, drawn.std((1, 2))], 1), labels) < 0.45


def test_pixels_by_place_give_no_class_away(folder: Path) -> None:
    drawn, labels = pictures(folder, 16)
    assert nearest_mean_accuracy(drawn.reshape(len(drawn), -1), labels) < 0.55


def test_progress_counts_every_picture(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    draw_pictures(tmp_path, per_class=2, progress=lambda *at: seen.append(at))
    assert seen == [(number, 8) for number in range(1, 9)]


def test_no_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="per_class is 0"):
        draw_pictures(tmp_path, per_class=0)
