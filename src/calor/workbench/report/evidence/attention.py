"""What the network looks at: where covering a patch of the photo makes it less sure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from calor.data import load_image
from calor.workbench.classify import Classifier
from calor.workbench.report.evidence.mistakes import Mistake
from calor.workbench.report.evidence.outputs import Outputs

PATCH = 5
"""A patch has a fifth of the photo's height and width, and moves by half of that."""

MOST_RIGHT, MOST_WRONG = 4, 2
"""Of how many photos that were recognised, and of how many that were not, maps are made."""


@dataclass(frozen=True)
class AttentionMap:
    """How much the network's certainty rests on each place of a photo.

    Attributes:
        place: the photo's number among all.
        predicted: the class that it takes the photo for.
        image: as the network sees it, uint8 (height, width, channels).
        importance: how much the logarithm of the odds of that class falls on average when the place is covered;
            float (height, width), where it does not fall 0.
    """

    place: int
    predicted: int
    image: NDArray[np.uint8]
    importance: NDArray[np.float64]


def choose(outputs: Outputs, mistakes: Sequence[Mistake]) -> list[int]:
    """Some photos that were recognised, of as many classes as there can be, and the first of the mistakes.

    Of a class the usual photos come first: those whose confidence is the nearest to its median.
    """
    usual = []
    for label in range(len(outputs.class_names)):
        own = np.flatnonzero(outputs.right & (outputs.labels == label))
        if len(own):
            far = np.abs(outputs.confidence[own] - np.median(outputs.confidence[own]))
            usual.append(own[np.argsort(far, kind="stable")].tolist())
    right = [place for row in zip_longest(*usual) for place in row if place is not None]
    return right[:MOST_RIGHT] + [mistake.place for mistake in mistakes[:MOST_WRONG]]


def attend(classifier: Classifier, outputs: Outputs, places: Sequence[int]) -> list[AttentionMap]:
    """Cover one patch after the other, and see how the network's answer changes.

    Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014). A patch has the photo's mean
    colour.

    Args:
        classifier: the network.
        outputs: what it says of the photos.
        places: of which of them to make maps.
    """
    return [_attended(classifier, outputs, place) for place in places]


def _attended(classifier: Classifier, outputs: Outputs, place: int) -> AttentionMap:
    file = outputs.photos.files[place]
    image = load_image(file, size=classifier.image_size, color_mode=classifier.color_mode)
    predicted = int(outputs.predicted[place])
    height, width = image.shape[:2]
    down, across = max(height // PATCH, 1), max(width // PATCH, 1)
    corners = [(top, left) for top in _starts(height, down) for left in _starts(width, across)]
    covered = np.repeat(image[None], len(corners), axis=0)
    mean = image.mean(axis=(0, 1))
    for one, (top, left) in zip(covered, corners, strict=True):
        one[top : top + down, left : left + across] = mean
    before = _log_odds(outputs.probabilities[place, predicted])
    falls = before - _log_odds(np.asarray(classifier.probabilities(covered), np.float64)[:, predicted])
    total, times = np.zeros((height, width)), np.zeros((height, width))
    for fall, (top, left) in zip(falls, corners, strict=True):
        total[top : top + down, left : left + across] += fall
        times[top : top + down, left : left + across] += 1
    return AttentionMap(place, predicted, image, np.maximum(np.nan_to_num(total / times), 0.0))


def _starts(side: int, patch: int) -> list[int]:
    """Where patches begin, half a patch apart, the last one at the edge."""
    return sorted({*range(0, side - patch, max(patch // 2, 1)), side - patch})


def _log_odds(share: NDArray[np.float64] | float) -> NDArray[np.float64]:
    share = np.clip(share, 1e-7, 1 - 1e-7)  # what float32 can tell from 0 and 1
    return np.log(share / (1 - share))
