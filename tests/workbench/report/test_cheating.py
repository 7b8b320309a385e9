"""Changed photos, and what the network's accuracy on them says."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from calor.workbench.report.evidence.cheating import (
    Trial,
    border_only,
    changes,
    shuffled,
    trials,
    without_colour,
)
from calor.workbench.report.evidence.outputs import Outputs

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(2, 20, 30, 3), (3, 8, 8, 1), (1, 41, 23, 4)])
def test_only_the_border_is_left(shape: tuple[int, ...]) -> None:
    images = RANDOM.integers(0, 256, shape).astype(np.uint8)
    before = images.copy()
    changed = border_only(images)
    down, across = round(0.1 * shape[1]), round(0.1 * shape[2])
    middle = changed[:, down:-down, across:-across]
    assert (middle == middle[:, :1, :1]).all()
    for edge in (np.s_[:, :down], np.s_[:, -down:], np.s_[:, :, :across], np.s_[:, :, -across:]):
        np.testing.assert_array_equal(changed[edge], images[edge])
    other = images.copy()
    other[:, down:-down, across:-across] = 0
    np.testing.assert_array_equal(border_only(other), changed)  # nothing of the middle is left in it
    np.testing.assert_array_equal(images, before)


def test_colours_are_removed_as_pillow_does() -> None:
    images = RANDOM.integers(0, 256, (2, 9, 7, 3)).astype(np.uint8)
    for image, changed in zip(images, without_colour(images), strict=True):
        grey = np.asarray(Image.fromarray(image).convert("L"), int)
        assert np.abs(changed.astype(int) - grey[..., None]).max() <= 1
    opaque = RANDOM.integers(0, 256, (1, 4, 4, 4)).astype(np.uint8)
    np.testing.assert_array_equal(without_colour(opaque)[..., 3], opaque[..., 3])


@pytest.mark.parametrize("shape", [(2, 16, 24, 3), (2, 19, 22, 1)])
def test_pieces_are_shuffled_and_none_is_lost(shape: tuple[int, ...]) -> None:
    images = RANDOM.integers(0, 256, shape).astype(np.uint8)
    changed = shuffled(images)
    down, across = shape[1] // 4, shape[2] // 4

    def pieces(image: np.ndarray) -> list[bytes]:
        return [
            image[row * down : (row + 1) * down, column * across : (column + 1) * across].tobytes()
            for row in range(4)
            for column in range(4)
        ]

    for before, after in zip(images, changed, strict=True):
        assert sorted(pieces(before)) == sorted(pieces(after))
        assert pieces(before) != pieces(after)
    np.testing.assert_array_equal(changed[:, 4 * down :], images[:, 4 * down :])
    assert pieces(changed[0]) != pieces(shuffled(images[[0, 0]])[1])  # each photo in an order of its own


def test_grey_photos_have_no_colours_to_lose() -> None:
    assert list(changes("rgb")) == ["Border only", "No colour", "Shuffled pieces"]
    assert list(changes("grayscale")) == ["Border only", "Shuffled pieces"]


def on(outputs: Callable[..., Outputs], name: str, right: int) -> Trial:
    """The trial of a network that is right on 90 of 100 photos, of two classes, and on so many when changed."""
    labels = np.arange(100) % 2
    taken = np.where(np.arange(100) < 90, labels, 1 - labels)
    changed = np.where(np.arange(100) < right, labels, 1 - labels)
    [trial] = trials(outputs(np.eye(2)[taken], labels, **{name: changed}), 0.5)
    assert trial.share.right == right
    return trial


@pytest.mark.parametrize(
    ("name", "right", "grade", "words"),
    [
        ("Border only", 52, "good", "tell it nothing"),
        ("Border only", 65, "note", "tell it something"),
        ("Border only", 80, "warning", "may give the classes away"),
        ("No colour", 88, "good", "hardly needs colours"),
        ("No colour", 70, "note", "Colours help"),
        ("No colour", 55, "warning", "by colours above all"),
        ("Shuffled pieces", 85, "note", "small parts and textures"),
        ("Shuffled pieces", 65, "good", "both count"),
        ("Shuffled pieces", 40, "good", "needs the whole"),
    ],
)
def test_what_it_means(name: str, right: int, grade: str, words: str, outputs: Callable[..., Outputs]) -> None:
    trial = on(outputs, name, right)
    assert trial.grade == grade
    assert words in trial.sentence
    assert trial.kept == pytest.approx(max(right - 50, 0) / 40)


def test_a_network_that_learned_nothing_has_nothing_to_lose(outputs: Callable[..., Outputs]) -> None:
    labels = np.arange(100) % 2
    assert trials(outputs(np.tile([0.6, 0.4], (100, 1)), labels, **{"No colour": labels}), 0.5) == []
