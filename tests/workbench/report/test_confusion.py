"""The confusion matrix, each class's figures, and the mistakes behind it."""

from collections.abc import Callable

import numpy as np
import pytest

from calor.workbench.report.evidence.confusion import confuse
from calor.workbench.report.evidence.mistakes import find_mistakes
from calor.workbench.report.evidence.outputs import Outputs
from calor.workbench.report.evidence.share import Share

ROWS = [[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.2, 0.8, 0.0], [0.3, 0.7, 0.0]]


def test_counts_and_figures(outputs: Callable[..., Outputs]) -> None:
    found = confuse(outputs(ROWS, [0, 0, 0, 1]))
    assert found.counts.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]
    assert found.places == {(0, 0): [0], (0, 1): [2, 1], (1, 1): [3]}
    first, second, third = found.classes
    assert (first.recall, first.precision) == (Share(1, 3), Share(1, 1))
    assert (second.recall, second.precision) == (Share(1, 1), Share(1, 3))
    assert (third.recall, third.precision) == (Share(0, 0), Share(0, 0))
    assert (third.recall.value, third.recall.low, third.recall.high) == (0, 0, 1)
    assert found.commonest(5) == [(0, 1)]


def test_against_the_sums_of_many(simulated: Callable[..., Outputs]) -> None:
    made = simulated(500, classes=6)
    found = confuse(made)
    assert found.counts.sum() == 500
    assert np.trace(found.counts) == made.right.sum()
    for (row, column), places in found.places.items():
        assert len(places) == found.counts[row, column]
        assert (made.labels[places] == row).all()
        assert (made.predicted[places] == column).all()
        assert (np.diff(made.confidence[places]) <= 0).all()
    counts = [found.counts[cell] for cell in found.commonest(8)]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == 8


def test_the_surest_mistakes_come_first(simulated: Callable[..., Outputs]) -> None:
    made = simulated(300)
    found = find_mistakes(made)
    assert sorted(one.place for one in found) == np.flatnonzero(~made.right).tolist()
    for suspect in (True, False):
        sure = [one.confidence for one in found if one.suspect is suspect]
        assert sure == sorted(sure, reverse=True)
    assert [one.suspect for one in found] == sorted((one.suspect for one in found), reverse=True)


def test_swapped_labels_are_suspect(outputs: Callable[..., Outputs]) -> None:
    random = np.random.default_rng(0)
    true = random.integers(0, 2, 400)
    sure = random.uniform(0.75, 0.999, 400)
    rows = np.where((true == 0)[:, None], np.stack([sure, 1 - sure], 1), np.stack([1 - sure, sure], 1))
    labels = true.copy()
    labels[:20] = 1 - labels[:20]
    found = find_mistakes(outputs(rows, labels))
    assert {one.place for one in found} == set(range(20))
    assert {one.place for one in found if one.suspect} == {place for place in range(20) if sure[place] > 0.95}
    fair = np.where(rows > 0.5, 0.7, 0.3)
    assert not any(one.suspect for one in find_mistakes(outputs(rows, labels), fair))


def test_a_class_without_photos_makes_no_label_suspect(outputs: Callable[..., Outputs]) -> None:
    [mistake] = find_mistakes(outputs([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], [0, 1]))
    assert (mistake.place, mistake.label, mistake.predicted, mistake.confidence) == (0, 0, 2, 1.0)
    assert not mistake.suspect


def test_a_share_and_its_range() -> None:
    assert Share(741, 1000).value == 0.741
    assert Share(741, 1000).low == pytest.approx(0.7129, abs=1e-4)  # statsmodels' proportion_confint(method="wilson")
    assert Share(741, 1000).high == pytest.approx(0.7672, abs=1e-4)
