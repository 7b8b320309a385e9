"""Which classes are taken for which, and how far each class's name can be trusted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calor.workbench.report.evidence.outputs import Outputs
from calor.workbench.report.evidence.share import Share


@dataclass(frozen=True)
class ClassFigures:
    """How the network does on one class.

    Attributes:
        name: of the class.
        recall: of the photos that show it, those that were recognised.
        precision: of the photos that were taken for it, those that show it; of none, where none was.
    """

    name: str
    recall: Share
    precision: Share


@dataclass(frozen=True)
class Confusion:
    """What was taken for what.

    Attributes:
        class_names: by class number.
        counts: photos by true class (rows) and what they were taken for (columns), (classes, classes) int.
        places: the photos behind each cell that has any, as numbers of all photos, the surest first.
    """

    class_names: tuple[str, ...]
    counts: NDArray[np.int64]
    places: dict[tuple[int, int], list[int]]

    @property
    def classes(self) -> list[ClassFigures]:
        """Recall and precision of each class."""
        diagonal = np.diag(self.counts)
        shown, taken = self.counts.sum(axis=1), self.counts.sum(axis=0)
        return [
            ClassFigures(name, Share(int(right), int(of)), Share(int(right), int(named)))
            for name, right, of, named in zip(self.class_names, diagonal, shown, taken, strict=True)
        ]

    def commonest(self, most: int) -> list[tuple[int, int]]:
        """The cells with the most mistakes, those first."""
        wrong = [cell for cell in self.places if cell[0] != cell[1]]
        return sorted(wrong, key=lambda cell: (-self.counts[cell], cell))[:most]


def confuse(outputs: Outputs) -> Confusion:
    """Count what was taken for what."""
    classes = len(outputs.class_names)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (outputs.labels, outputs.predicted), 1)
    places: dict[tuple[int, int], list[int]] = {}
    for place in np.argsort(-outputs.confidence, kind="stable"):
        places.setdefault((int(outputs.labels[place]), int(outputs.predicted[place])), []).append(int(place))
    return Confusion(outputs.class_names, counts, places)
