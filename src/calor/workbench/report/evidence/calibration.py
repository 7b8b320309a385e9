"""Is the network as sure as it should be? Of the photos that it is 80 % sure of, 80 % should be right."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calor.workbench.report.evidence.halves import halves
from calor.workbench.report.evidence.outputs import Outputs
from calor.workbench.report.evidence.share import Share

FEWEST = 50
"""Photos below which nothing can be said about calibration."""

BIN = 20
"""Photos in a bin at least."""

MOST_BINS = 10

RANGE = (0.05, 20.0)
"""In which a temperature is looked for."""


@dataclass(frozen=True)
class Bin:
    """Photos of about the same confidence.

    Attributes:
        confidence: their mean.
        share: how many of them are right.
    """

    confidence: float
    share: Share


@dataclass(frozen=True)
class Reliability:
    """How far confidence and accuracy agree.

    Attributes:
        bins: with equally many photos each, from the least sure to the surest.
        confidence: the mean of all.
        loss: the mean negative logarithm of the true class's probability, in nats.
    """

    bins: tuple[Bin, ...]
    confidence: float
    loss: float

    @property
    def error(self) -> float:
        """The expected calibration error: the mean gap between confidence and accuracy, weighed by the bins' photos.

        Guo et al., "On calibration of modern neural networks" (2017), but in bins of equally many photos.
        """
        total = sum(one.share.total for one in self.bins)
        return sum(one.share.total * abs(one.confidence - one.share.value) for one in self.bins) / total


@dataclass(frozen=True)
class Calibration:
    """Confidence before and after temperature scaling.

    Attributes:
        before: of the network's own probabilities.
        after: of the scaled ones; each half of the photos with the temperature that the other half gave.
        temperature: what logits are to be divided by, found on all photos. Above 1 the network was too sure.
        probabilities: the scaled ones, (photos, classes).
    """

    before: Reliability
    after: Reliability
    temperature: float
    probabilities: NDArray[np.float64]

    @property
    def sentence(self) -> str:
        """What that means."""
        accuracy = sum(one.share.right for one in self.before.bins) / sum(one.share.total for one in self.before.bins)
        gap = self.before.confidence - accuracy
        if abs(gap) <= 0.02:
            return "It is about as sure as it should be."
        return "It is surer than it should be." if gap > 0 else "It is less sure than it could be."


def calibrate(outputs: Outputs, *, seed: int = 0) -> Calibration | None:
    """Measure how far confidences can be trusted, and find the temperature that makes them better.

    A temperature is found by the lowest loss. To be judged on photos that it was not found on, it is found on one half
    of the photos and used on the other, and the other way round.

    Returns:
        None where there are fewer than ``FEWEST`` photos.
    """
    if len(outputs) < FEWEST:
        return None
    first = halves(outputs.labels, seed)
    scaled = np.empty_like(outputs.probabilities)
    for half in (first, ~first):
        temperature = best_temperature(outputs.probabilities[~half], outputs.labels[~half])
        scaled[half] = at_temperature(outputs.probabilities[half], temperature)
    return Calibration(
        reliability(outputs.probabilities, outputs.labels),
        reliability(scaled, outputs.labels),
        best_temperature(outputs.probabilities, outputs.labels),
        scaled,
    )


def at_temperature(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities whose logits are divided by the temperature, (photos, classes).

    >>> at_temperature(np.array([[0.9, 0.1]]), 2.0).round(2).tolist()
    [[0.75, 0.25]]
    """
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)) / temperature
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True))
    return scaled / scaled.sum(axis=1, keepdims=True)


def best_temperature(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature of the lowest loss, by golden-section search: in 1/temperature the loss is convex."""
    ratio = (5**0.5 - 1) / 2
    low, high = 1 / RANGE[1], 1 / RANGE[0]

    def loss(inverse: float) -> float:
        return mean_loss(at_temperature(probabilities, 1 / inverse), labels)

    inner, outer = high - ratio * (high - low), low + ratio * (high - low)
    left, right = loss(inner), loss(outer)
    while high - low > 1e-3:
        if left <= right:
            high, outer, right = outer, inner, left
            inner = high - ratio * (high - low)
            left = loss(inner)
        else:
            low, inner, left = inner, outer, right
            outer = low + ratio * (high - low)
            right = loss(outer)
    return 2 / (low + high)


def mean_loss(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The mean negative logarithm of the true class's probability, in nats."""
    true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean())


def reliability(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Reliability:
    """Photos in bins of about equal confidence, and how many of each are right."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = min(MOST_BINS, max(len(labels) // BIN, 1))
    groups = np.array_split(np.argsort(confidence, kind="stable"), bins)
    return Reliability(
        tuple(Bin(float(confidence[group].mean()), Share(int(right[group].sum()), len(group))) for group in groups),
        float(confidence.mean()),
        mean_loss(probabilities, labels),
    )
