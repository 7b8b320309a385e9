"""The interval of an accuracy: what it is, and that it holds its promise."""

import numpy as np
import pytest

from calor.errors import ArgumentError
from calor.training.interval import wilson_interval


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    for confidence, least, most in ((0.95, 0.93, 0.97), (0.8, 0.77, 0.83)):
        covered = []
        for _ in range(4000):
            accuracy, total = random.uniform(0.5, 0.99), int(random.integers(30, 1000))
            low, high = wilson_interval(int(random.binomial(total, accuracy)), total, confidence)
            covered.append(low <= accuracy <= high)
        assert least <= np.mean(covered) <= most


@pytest.mark.parametrize("accuracy", [0.5, 0.75, 0.9, 0.97])
def test_it_covers_each_accuracy_on_a_thousand_pictures(accuracy: float) -> None:
    counts = np.random.default_rng(1).binomial(1000, accuracy, 1000)
    ends = np.array([wilson_interval(int(count), 1000) for count in counts])
    assert 0.93 <= np.mean((ends[:, 0] <= accuracy) & (accuracy <= ends[:, 1])) <= 0.97


def test_known_values() -> None:
    # R 4: prop.test(c(8, 0, 10), 10, correct=FALSE), and binom::binom.wilson.
    assert wilson_interval(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson_interval(0, 10) == pytest.approx((0, 0.2775328), abs=1e-6)
    assert wilson_interval(10, 10) == pytest.approx((0.7224672, 1), abs=1e-6)
    assert wilson_interval(0, 0) == (0, 1)


def test_more_pictures_and_less_confidence_make_it_narrower() -> None:
    def width(*arguments: float) -> float:
        low, high = wilson_interval(*arguments)
        return high - low

    assert width(800, 1000) < width(80, 100) < width(8, 10)
    assert width(80, 100, 0.8) < width(80, 100) < width(80, 100, 0.99)


@pytest.mark.parametrize("right", [-1, 11])
def test_more_right_than_there_are(right: int) -> None:
    with pytest.raises(ArgumentError, match=f"right is {right} and total 10"):
        wilson_interval(right, 10)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_that_is_none(confidence: float) -> None:
    with pytest.raises(ArgumentError, match="such as 0"):
        wilson_interval(1, 10, confidence)
