"""The statistics of two networks on the same examples, beside published values and simulated data."""

import math

import numpy as np
import pytest

from calor.errors import ArgumentError
from calor.training.paired import mcnemar, paired_difference, student_quantile


# From the common tables of Student's t, two-sided 95 % and 99 %.
@pytest.mark.parametrize(
    ("share", "freedom", "value"),
    [
        (0.975, 5, 2.570582),
        (0.975, 10, 2.228139),
        (0.975, 30, 2.042272),
        (0.995, 10, 3.169273),
        (0.975, 1000, 1.962339),
    ],
)
def test_quantiles_are_those_of_the_tables(share: float, freedom: int, value: float) -> None:
    assert student_quantile(share, freedom) == pytest.approx(value, rel=2e-4)
    assert student_quantile(1 - share, freedom) == pytest.approx(-value, rel=2e-4)


def test_a_difference_by_hand() -> None:
    found = paired_difference([1.0, 2.0, 4.0], [2.0, 4.0, 7.0])  # 1, 2, 3: standard deviation 1
    assert found.mean == pytest.approx(2)
    assert found.error == pytest.approx(1 / math.sqrt(3))
    assert found.interval == pytest.approx((2 - 4.3027 / math.sqrt(3), 2 + 4.3027 / math.sqrt(3)), abs=0.02)
    assert found.smallest == pytest.approx(found.interval[1] - found.mean)
    assert not found.real
    swapped = paired_difference([2.0, 4.0, 7.0], [1.0, 2.0, 4.0])
    assert swapped.interval == pytest.approx((-found.interval[1], -found.interval[0]))


def test_always_worse_by_the_same_is_real() -> None:
    assert paired_difference([0.0, 1.0], [0.5, 1.5]).real
    assert paired_difference([0.5, 1.5], [0.0, 1.0]).real
    assert not paired_difference([0.5, 1.5], [0.5, 1.5]).real


def test_one_example_tells_nothing() -> None:
    found = paired_difference([0.0], [5.0])
    assert found.error == math.inf
    assert found.interval == (-math.inf, math.inf)
    assert not found.real


@pytest.mark.parametrize("count", [8, 30, 300])
def test_the_interval_holds_its_promise(count: int) -> None:
    random = np.random.default_rng(count)
    covered = 0
    for _ in range(2000):
        hard = random.exponential(size=count)  # common to both, so that only the pairs tell
        found = paired_difference(hard + random.normal(0, 0.1, count), hard + random.normal(0.03, 0.1, count))
        covered += found.interval[0] <= 0.03 <= found.interval[1]
    assert 0.935 < covered / 2000 < 0.965


def test_pairs_tell_what_two_samples_do_not() -> None:
    random = np.random.default_rng(1)
    hard = random.exponential(size=200)
    one, other = hard + random.normal(0, 0.05, 200), hard + random.normal(0.05, 0.05, 200)
    assert paired_difference(one, other).real
    assert not paired_difference(one, random.permutation(other)).real


@pytest.mark.parametrize("runs", [2, 6])
def test_among_equals_the_best_is_seldom_called_better_than_the_next(runs: int) -> None:
    random = np.random.default_rng(runs)
    called = 0
    for _ in range(1000):
        losses = random.exponential(size=(1, 100)) + random.normal(0, 0.3, (runs, 100))
        best, following = losses[np.argsort(losses.mean(axis=1))[:2]]
        called += paired_difference(best, following).real
    assert called / 1000 < 0.07


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ([1.0], [1.0, 2.0], r"shapes \(1,\) and \(2,\)"),
        ([], [], "two lists of the same examples"),
        ([[1.0]], [[1.0]], "two lists of the same examples"),
        ([1.0, math.nan], [1.0, 2.0], "not finite"),
        ([1.0, 2.0], [1.0, math.inf], "not finite"),
    ],
)
def test_figures_that_cannot_be_compared(one: list[float], other: list[float], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        paired_difference(one, other)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_that_is_none(confidence: float) -> None:
    with pytest.raises(ArgumentError, match=f"confidence is {confidence}"):
        paired_difference([1.0, 2.0], [1.0, 2.0], confidence)


def test_mcnemar_by_hand() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(3, 3) == 1
    assert mcnemar(0, 5) == mcnemar(5, 0) == 2 / 32
    assert mcnemar(2, 8) == 2 * (1 + 10 + 45) / 1024
    assert mcnemar(2_000, 2_000) == 1
    assert 0 <= mcnemar(100, 4_000) < 1e-300
    with pytest.raises(ArgumentError, match="-1 and 2"):
        mcnemar(-1, 2)


def test_mcnemar_is_seldom_wrong_about_equals() -> None:
    random = np.random.default_rng(0)
    wrong = sum(mcnemar(one, 40 - one) < 0.05 for one in random.binomial(40, 0.5, 2000).tolist())
    assert 0 < wrong / 2000 < 0.055
