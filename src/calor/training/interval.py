"""How sure a measured accuracy is: the range in which the true one lies."""

import math
from statistics import NormalDist

from calor.errors import ArgumentError


def wilson_interval(right: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The range that covers a true share, measured on a sample, with the given confidence.

    Wilson's score interval ("Probable inference, the law of succession, and statistical inference", 1927). Unlike the
    share plus and minus two standard errors it keeps its promise for small samples, and near 0 and 1.

    Args:
        right: how many of the sample have it, such as pictures that were recognised; need not be whole.
        total: the size of the sample.
        confidence: in how many of many samples the range covers the truth, more than 0 and less than 1.

    Returns:
        The lower and the upper end, 0 to 1. Of an empty sample (0, 1): nothing is known.

    Raises:
        ArgumentError: ``right`` is not between 0 and ``total``, or ``confidence`` not between 0 and 1.

    >>> low, high = wilson_interval(80, 100)
    >>> f"{low:.3f} to {high:.3f}"
    '0.711 to 0.867'
    """
    if not 0 <= right <= total:
        raise ArgumentError(f"right is {right} and total {total}: of {total} at least 0 and at most all can be right.")
    if not 0 < confidence < 1:
        raise ArgumentError(f"confidence is {confidence}; it must be more than 0 and less than 1, such as 0.95.")
    if total == 0:
        return 0.0, 1.0
    squared = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    share, shrink = right / total, 1 + squared / total
    middle = (share + squared / (2 * total)) / shrink
    half = math.sqrt(squared * (share * (1 - share) / total + squared / (4 * total**2))) / shrink
    return max(middle - half, 0.0), min(middle + half, 1.0)
