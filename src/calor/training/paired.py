"""Whether one of two networks is better than the other: what both do on the same examples, pair by pair.

What is hard for one network is mostly hard for the other, too. So the differences, example by example, vary far less
than the losses do, and the same examples tell smaller differences than two separate samples could.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from calor.errors import ArgumentError


@dataclass(frozen=True)
class PairedDifference:
    """The mean of differences, and how sure it is.

    Attributes:
        mean: of the differences.
        error: its standard error; infinite for a single example.
        interval: the range that covers the mean of all such examples with the confidence that was asked for.
        examples: how many there were.
    """

    mean: float
    error: float
    interval: tuple[float, float]
    examples: int

    @property
    def real(self) -> bool:
        """Whether the interval excludes 0."""
        low, high = self.interval
        return low > 0 or high < 0

    @property
    def smallest(self) -> float:
        """The mean below which the interval would not exclude 0: half its width."""
        return (self.interval[1] - self.interval[0]) / 2


def paired_difference(one: Any, other: Any, confidence: float = 0.95) -> PairedDifference:
    """How much larger the figures of ``other`` are than those of ``one``, on the same examples.

    The interval of the paired t test (Student, "The probable error of a mean", Biometrika 6, 1908).

    Args:
        one: a figure for each example, such as its loss, (examples,).
        other: likewise, of the same examples in the same order.
        confidence: in how many of many samples the interval covers the truth, more than 0 and less than 1.

    Raises:
        ArgumentError: they are not of the same examples, there is none, a figure is not finite, or ``confidence`` is
            not between 0 and 1.

    >>> found = paired_difference([0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.5, 0.5])
    >>> low, high = found.interval
    >>> f"{found.mean:.3f} ± {found.error:.3f}, {low:.3f} to {high:.3f}"
    '0.125 ± 0.025, 0.046 to 0.204'
    >>> found.real
    True
    """
    here, there = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if here.ndim != 1 or here.shape != there.shape or not here.size:
        raise ArgumentError(
            f"The figures have the shapes {here.shape} and {there.shape}: they must be two lists of the same examples."
        )
    if not (np.isfinite(here).all() and np.isfinite(there).all()):
        raise ArgumentError("A figure is not finite, so no mean can be told.")
    if not 0 < confidence < 1:
        raise ArgumentError(f"confidence is {confidence}; it must be more than 0 and less than 1, such as 0.95.")
    differences, count = there - here, here.size
    mean = float(differences.mean())
    if count == 1:
        return PairedDifference(mean, math.inf, (-math.inf, math.inf), 1)
    error = float(differences.std(ddof=1)) / math.sqrt(count)
    half = student_quantile((1 + confidence) / 2, count - 1) * error
    return PairedDifference(mean, error, (mean - half, mean + half), count)


def student_quantile(share: float, freedom: int) -> float:
    """The value that Student's t stays below with a probability.

    The expansion in Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), 26.7.5. For ``share`` 0.975
    it is right to 1 % from 2 degrees of freedom on, and to 0.01 % from 5 on.

    Args:
        share: the probability, more than 0 and less than 1.
        freedom: the degrees of freedom, from 1 on.

    >>> f"{student_quantile(0.975, 10):.4f}"
    '2.2281'
    """
    x = NormalDist().inv_cdf(share)
    terms = (
        x,
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def mcnemar(only_one: int, only_other: int) -> float:
    """How probable it is that two equally good networks differ as much as these, or more.

    McNemar's test ("Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12, 1947), exact: of the examples that one of the two alone gets right, each is as likely to be the
    one's as the other's. Dietterich ("Approximate statistical tests for comparing supervised classification learning
    algorithms", Neural Computation 10, 1998) recommends it for networks that were trained once.

    Args:
        only_one: how many examples the one gets right and the other does not.
        only_other: the reverse.

    Returns:
        The p-value, two-sided; below 0.05 the difference is commonly taken as real.

    Raises:
        ArgumentError: a count is negative.

    >>> mcnemar(1, 9)
    0.021484375
    """
    if min(only_one, only_other) < 0:
        raise ArgumentError(f"The counts are {only_one} and {only_other}: they must be 0 or more.")
    both = only_one + only_other
    cases = ways = 1
    for count in range(min(only_one, only_other)):
        ways = ways * (both - count) // (count + 1)
        cases += ways
    return min(2 * cases / 2**both, 1.0)
