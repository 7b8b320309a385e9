"""The threshold for 'I don't know', and what it keeps of its promise."""

from collections.abc import Callable

import numpy as np
import pytest

from calor.workbench.report.evidence.abstention import abstain, halving
from calor.workbench.report.evidence.outputs import Outputs


def test_half_the_mistakes_are_left(simulated: Callable[..., Outputs]) -> None:
    made = simulated(20_000)
    found = abstain(made)
    assert found is not None
    mistakes = 1 - made.right.mean()
    assert 1 - found.right.value == pytest.approx(mistakes / 2, rel=0.05)
    answered = made.confidence >= found.threshold
    assert answered.mean() == pytest.approx(found.answered.value, abs=0.02)
    assert 1 - made.right[answered].mean() <= mistakes / 2


def test_the_curve_of_answers(simulated: Callable[..., Outputs]) -> None:
    made = simulated(200)
    found = abstain(made)
    assert found is not None
    assert found.coverage[0] == 1
    assert found.accuracy[0] == pytest.approx(made.right.mean())
    for coverage, accuracy in zip(found.coverage, found.accuracy, strict=True):
        surest = np.sort(made.confidence)[::-1][: round(coverage * 200)]
        assert accuracy == pytest.approx(made.right[made.confidence >= surest[-1]].mean())


def test_photos_of_the_same_confidence_go_together(outputs: Callable[..., Outputs]) -> None:
    labels = np.arange(60) % 2
    rows = np.where((np.arange(60) < 30)[:, None], [[0.9, 0.1]], [[0.6, 0.4]])
    found = abstain(outputs(rows, labels))
    assert found is not None
    assert found.coverage.tolist() == [1.0, 0.5]
    assert found.right.total == found.answered.right == 0  # sureness tells nothing: no threshold halves the mistakes


def test_halving_by_hand() -> None:
    right = np.array([True, True, True, False, True, False, False, False])
    confidence = np.array([0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4])
    # Half are wrong; of the surest five 1 in 5 are, of the surest six 2 in 6, which is more than a quarter.
    assert halving(confidence, right) == 0.7
    assert halving(confidence, ~right) > 0.95


def test_too_few_photos_or_mistakes(outputs: Callable[..., Outputs], simulated: Callable[..., Outputs]) -> None:
    assert abstain(simulated(49)) is None
    labels = np.zeros(100, int)
    rows = np.tile([0.9, 0.1], (100, 1))
    labels[:5] = 1
    assert abstain(outputs(rows, labels)) is None
    labels[:6] = 1
    assert abstain(outputs(rows, labels)) is not None
