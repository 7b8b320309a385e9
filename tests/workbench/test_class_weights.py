"""The weights of classes: balanced, by themselves where the classes are uneven."""

import numpy as np
import pytest

from calor.workbench.class_weights import class_weights

COUNTS = np.array([10, 30, 60])


def test_each_class_counts_the_same_together_and_a_picture_one_on_average() -> None:
    weights = class_weights(COUNTS, "balanced")
    assert weights is not None
    together = np.array([weights[label] for label in range(3)]) * COUNTS
    np.testing.assert_allclose(together, COUNTS.sum() / 3)
    assert together.sum() == pytest.approx(COUNTS.sum())


@pytest.mark.parametrize(("counts", "weighted"), [([10, 10], False), ([10, 29], False), ([10, 30], True)])
def test_automatic_from_three_to_one_on(counts: list[int], weighted: bool) -> None:
    found = class_weights(np.array(counts), "auto")
    assert found == (class_weights(np.array(counts), "balanced") if weighted else None)


def test_none() -> None:
    assert class_weights(COUNTS, None) is None
