"""Calibration against networks whose calibration is known."""

from collections.abc import Callable

import numpy as np
import pytest

from calor.workbench.report.evidence.calibration import (
    at_temperature,
    best_temperature,
    calibrate,
    mean_loss,
    reliability,
)
from calor.workbench.report.evidence.halves import halves
from calor.workbench.report.evidence.outputs import Outputs


@pytest.mark.parametrize("sharp", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_it_too_sure(sharp: float, simulated: Callable[..., Outputs]) -> None:
    found = calibrate(simulated(20_000, sharp=sharp))
    assert found is not None
    assert found.temperature == pytest.approx(sharp, rel=0.05)
    assert found.after.error < 0.02
    assert found.after.loss <= found.before.loss + 1e-3
    if sharp == 3.0:
        assert found.before.error > 0.1
        assert found.sentence == "It is surer than it should be."
    elif sharp == 1.0:
        assert found.sentence == "It is about as sure as it should be."
    else:
        assert found.sentence == "It is less sure than it could be."


def test_the_temperature_has_the_lowest_loss_of_many(simulated: Callable[..., Outputs]) -> None:
    made = simulated(300, sharp=2.0)
    best = best_temperature(made.probabilities, made.labels)
    losses = [mean_loss(at_temperature(made.probabilities, t), made.labels) for t in np.geomspace(0.1, 10, 400)]
    assert mean_loss(at_temperature(made.probabilities, best), made.labels) <= min(losses) + 1e-6


def test_judged_on_other_photos_than_it_was_found_on(outputs: Callable[..., Outputs]) -> None:
    labels = np.tile([0, 1], 50)
    first = halves(labels)
    rows = np.full((100, 2), 0.5)
    # One half is always right, the other always wrong: each temperature, used on the other half, makes it worse.
    right = np.where(first, labels, 1 - labels)
    rows[np.arange(100), right] = 0.8
    rows[np.arange(100), 1 - right] = 0.2
    found = calibrate(outputs(rows, labels))
    assert found is not None
    assert found.after.loss > found.before.loss
    assert found.temperature == pytest.approx(20, rel=0.1)  # on all photos sureness is worth nothing


def test_the_gap_by_hand() -> None:
    confidence = np.repeat([0.6, 0.9], 20)
    rows = np.stack([confidence, 1 - confidence], axis=1)
    labels = np.array([0] * 10 + [1] * 10 + [0] * 16 + [1] * 4)
    found = reliability(rows, labels)
    assert [(one.confidence, one.share.right, one.share.total) for one in found.bins] == [
        (pytest.approx(0.6), 10, 20),
        (pytest.approx(0.9), 16, 20),
    ]
    assert found.error == pytest.approx(0.5 * abs(0.6 - 0.5) + 0.5 * abs(0.9 - 0.8))
    assert found.confidence == pytest.approx(0.75)
    assert found.loss == pytest.approx(-np.log(np.where(labels == 0, confidence, 1 - confidence)).mean())


def test_the_scaled_answers_are_the_same(simulated: Callable[..., Outputs]) -> None:
    made = simulated(100)
    scaled = at_temperature(made.probabilities, 0.3)
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    np.testing.assert_array_equal(scaled.argmax(axis=1), made.predicted)


def test_probabilities_of_nought_and_no_mistake(outputs: Callable[..., Outputs]) -> None:
    labels = np.arange(60) % 2
    found = calibrate(outputs(np.eye(2)[labels], labels))
    assert found is not None
    assert found.before.error == found.after.error == 0
    assert np.isfinite(found.after.loss)


def test_too_few_photos(simulated: Callable[..., Outputs]) -> None:
    assert calibrate(simulated(49)) is None
    assert calibrate(simulated(50)) is not None


def test_halves_have_every_class() -> None:
    labels = np.repeat(np.arange(5), [2, 4, 10, 3, 1])
    first = halves(labels, seed=4)
    for label, count in enumerate([2, 4, 10, 3, 1]):
        assert abs(first[labels == label].sum() - count / 2) <= 0.5
    assert (first != halves(labels, seed=5)).any()
