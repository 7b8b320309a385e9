"""The simple methods, against what they are by definition."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calor.workbench.report.evidence import baselines
from calor.workbench.report.evidence.baselines import compare, halved, logistic_regression, nearest_neighbour
from calor.workbench.report.evidence.outputs import Outputs
from calor.workbench.report.evidence.photos import Photos

RANDOM = np.random.default_rng(0)


def coloured(folder: Path, colours: list[tuple[int, int, int]], count: int) -> Photos:
    """Files of noise around a colour for each class."""
    files, labels = [], []
    for label, colour in enumerate(colours):
        (folder / str(label)).mkdir(parents=True)
        for number in range(count):
            noise = np.clip(RANDOM.normal(colour, 25, (24, 24, 3)), 0, 255).astype(np.uint8)
            files.append(folder / str(label) / f"{number}.png")
            Image.fromarray(noise).save(files[-1])
            labels.append(label)
    return Photos(tuple(files), np.array(labels))


def test_the_nearest_neighbour_is_the_nearest() -> None:
    examples, asked = (RANDOM.random((count, 4, 4, 3)).astype(np.float32) for count in (50, 300))
    labels = RANDOM.integers(0, 5, 50)
    distances = np.square(asked[:, None] - examples[None]).sum(axis=(2, 3, 4))
    np.testing.assert_array_equal(nearest_neighbour(examples, labels, asked), labels[distances.argmin(axis=1)])


def test_half_as_many_pixels() -> None:
    pixels = RANDOM.random((2, 16, 16, 3)).astype(np.float32)
    small = halved(pixels)
    assert small.shape == (2, 8, 8, 3)
    np.testing.assert_allclose(small[1, 3, 5], pixels[1, 6:8, 10:12].mean(axis=(0, 1)), rtol=1e-6)


def test_logistic_regression_finds_a_straight_border_and_is_at_its_optimum() -> None:
    inputs = RANDOM.normal(0, 1, (600, 6)).astype(np.float32)
    truth = RANDOM.normal(0, 1, (6, 3))
    labels = (inputs @ truth).argmax(axis=1)
    answers = logistic_regression(inputs[:500], labels[:500], inputs[500:], 3)
    assert np.mean(answers == labels[500:]) > 0.9

    penalty, counted = 0.1, np.ones(600, np.float32)
    weights, bias = (np.asarray(part, np.float64) for part in baselines._fitted(inputs, labels, counted, penalty, 3))
    shares = np.exp(inputs @ weights + bias)
    shares /= shares.sum(axis=1, keepdims=True)
    gradient = inputs.T @ (shares - np.eye(3)[labels]) / 600 + 2 * penalty * weights
    assert np.abs(gradient).max() < 1e-3
    assert np.abs((shares - np.eye(3)[labels]).mean(axis=0)).max() < 1e-3


def test_logistic_regression_on_very_few() -> None:
    inputs = np.array([[0.0, 0.0], [1.0, 1.0]], np.float32)
    assert logistic_regression(inputs, np.array([0, 1]), inputs, 2).tolist() == [0, 1]


def test_colours_are_all_that_simple_methods_need(tmp_path: Path, outputs: Callable[..., Outputs]) -> None:
    colours = [(200, 60, 60), (60, 200, 60), (60, 60, 200)]
    training = coloured(tmp_path / "training", colours, 12)
    validation = coloured(tmp_path / "validation", colours, 10)
    made = outputs(np.tile([0.5, 0.3, 0.2], (30, 1)), validation.labels)
    found = compare(Outputs(validation, made.class_names, made.probabilities, {}), training)
    assert [one.name for one in found.baselines] == ["Commonest class", "Nearest neighbour", "Logistic regression"]
    assert [one.share.right for one in found.baselines] == [10, 30, 30]
    assert (found.accuracy.right, found.accuracy.total, found.chance) == (10, 30, pytest.approx(1 / 3))
    assert found.best.share.right == 30
    assert not found.learned
    assert found.beats is False


@pytest.mark.parametrize("training", [None, Photos((Path("gone.jpg"),), np.array([1]))])
def test_without_training_photos(training: Photos | None, outputs: Callable[..., Outputs]) -> None:
    labels = np.array([0] * 30 + [1] * 70)
    found = compare(outputs(np.eye(2)[labels], labels), training)
    assert [(one.name, one.share.right) for one in found.baselines] == [("Commonest class", 70)]
    assert (found.accuracy.right, found.chance, found.learned, found.beats) == (100, 0.7, True, True)


def test_the_commonest_class_is_that_of_training(outputs: Callable[..., Outputs]) -> None:
    labels = np.array([0] * 60 + [1] * 40)
    made = outputs(np.tile([0.1, 0.9], (100, 1)), labels)
    found = compare(made, Photos((Path("gone/1"), Path("gone/2"), Path("gone/3")), np.array([1, 1, 0])))
    assert found.baselines[0].share.right == 40
    assert found.chance == 0.6
    assert found.beats is None  # it says the same of every photo as the commonest class
