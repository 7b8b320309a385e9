"""The mistakes that the network is the surest of: some of them are not its own, but the labels'."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calor.workbench.report.evidence.outputs import Outputs

UNLIKELY = 0.05
"""The probability of the label below which it may be the label that is wrong."""

FEWEST = 10
"""Photos of a class below which nobody knows how sure the network usually is of it."""


@dataclass(frozen=True)
class Mistake:
    """A photo that was taken for another class.

    Attributes:
        place: its number among all photos.
        label: what the folder says.
        predicted: what the network says.
        confidence: how sure it is.
        suspect: whether the label is probably wrong.
    """

    place: int
    label: int
    predicted: int
    confidence: float
    suspect: bool


def find_mistakes(outputs: Outputs, probabilities: NDArray[np.float64] | None = None) -> list[Mistake]:
    """All mistakes: first those where the label is probably wrong, then the surest.

    A label is suspect where the network is as sure of another class as it is on average of that class's own photos
    (Northcutt, Jiang and Chuang, "Confident learning", 2021), and gives the label less than ``UNLIKELY``.

    Args:
        outputs: what the network says.
        probabilities: calibrated ones to judge labels with, (photos, classes); by default the network's own.
    """
    fair = outputs.probabilities if probabilities is None else probabilities
    labels, predicted = outputs.labels, outputs.predicted
    counts = np.bincount(labels, minlength=fair.shape[1])
    own = fair[np.arange(len(labels)), labels]
    usual = np.bincount(labels, weights=own, minlength=fair.shape[1]) / np.maximum(counts, 1)
    sure = fair[np.arange(len(labels)), predicted] >= usual[predicted]
    suspect = ~outputs.right & sure & (own < UNLIKELY) & (counts[predicted] >= FEWEST)
    wrong = np.flatnonzero(~outputs.right)
    order = wrong[np.lexsort((-outputs.confidence[wrong], ~suspect[wrong]))]
    return [
        Mistake(
            int(place),
            int(labels[place]),
            int(predicted[place]),
            float(outputs.confidence[place]),
            bool(suspect[place]),
        )
        for place in order
    ]
