"""Adding up an epoch's figures: the same bits however the rows come."""

import itertools
from typing import Any

import numpy as np
import pytest

from calor.training.sums import Sums


def wild(shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of very different sizes, whose float64 sums depend on their order."""
    random = np.random.default_rng(0)
    return random.standard_normal(shape) * 10.0 ** random.integers(-9, 9, shape)


@pytest.mark.parametrize("figures", [(1,), (2,), (3, 3)])
def test_no_bit_depends_on_how_the_rows_come(figures: tuple[int, ...]) -> None:
    rows = wild((300, *figures))
    expected = np.zeros(figures)
    for row in rows:
        expected = expected + row
    random = np.random.default_rng(1)
    task: Any = None
    for pieces in range(1, 21):
        cuts = [0, *np.sort(random.choice(np.arange(1, 300), pieces - 1, replace=False)), 300]
        sums = Sums(task)
        for start, stop in itertools.pairwise(cuts):
            sums.add((rows[start:stop],))
        np.testing.assert_array_equal(sums.totals[0], expected)
        assert sums.steps == 300
    one_by_one = Sums(task)
    for row in rows:
        one_by_one.add((row[None],))
    np.testing.assert_array_equal(one_by_one.totals[0], expected)
    assert not np.array_equal(np.sum(rows[::-1], axis=0), expected)  # the order matters here
