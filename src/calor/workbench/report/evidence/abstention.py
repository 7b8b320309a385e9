"""'I don't know' below a threshold of confidence: how many photos are left unanswered, and what that buys."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calor.workbench.report.evidence.halves import halves
from calor.workbench.report.evidence.outputs import Outputs
from calor.workbench.report.evidence.share import Share

FEWEST = 50
"""Photos below which no threshold is proposed."""

FEWEST_MISTAKES = 6
"""Mistakes below which it cannot be told how to halve them."""


@dataclass(frozen=True)
class Abstention:
    """A threshold that halves the share of mistakes among the answers.

    Attributes:
        coverage: the shares of photos answered when the least sure ones are not, from all to few, (points,).
        accuracy: the share of right ones among the answers, for each, (points,).
        threshold: the confidence below which to say 'I don't know', chosen on all photos.
        answered: the share of photos that are answered; each half with the threshold that the other half gave.
        right: the share of right ones among these answers, likewise.
    """

    coverage: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    threshold: float
    answered: Share
    right: Share


def abstain(outputs: Outputs, *, seed: int = 0) -> Abstention | None:
    """Find the threshold at which half the share of mistakes is left.

    Returns:
        None where there are too few photos, or too few mistakes, to find one.
    """
    right, confidence = outputs.right, outputs.confidence
    if len(right) < FEWEST or (~right).sum() < FEWEST_MISTAKES:
        return None
    first = halves(outputs.labels, seed)
    answered = np.zeros(len(right), bool)
    for half in (first, ~first):
        answered[half] = confidence[half] >= halving(confidence[~half], right[~half])
    order = np.argsort(-confidence, kind="stable")
    # Photos of the same confidence are answered together or not at all.
    last = np.append(np.diff(confidence[order]) != 0, True)
    counts = np.flatnonzero(last) + 1
    return Abstention(
        (counts / len(right))[::-1],
        (np.cumsum(right[order])[counts - 1] / counts)[::-1],
        halving(confidence, right),
        Share(int(answered.sum()), len(answered)),
        Share(int(right[answered].sum()), int(answered.sum())),
    )


def halving(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The lowest threshold at which at most half the share of mistakes is left among the answers.

    Where there is none, just above the highest confidence: nothing is answered.

    >>> halving(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, False]))
    0.8
    """
    allowed = 0.5 * float(np.mean(~right))
    order = np.argsort(-confidence, kind="stable")
    mistakes = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    last = np.append(np.diff(confidence[order]) != 0, True)
    good = np.flatnonzero((mistakes <= allowed) & last)
    return float(confidence[order][good[-1]] if len(good) else np.nextafter(confidence.max(), 2.0))
