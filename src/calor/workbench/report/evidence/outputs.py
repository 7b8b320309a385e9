"""What the network says of every photo of a part, and of the same photo changed: all in one reading of the files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calor.data import load_image
from calor.errors import DataError
from calor.workbench.classify import Classifier
from calor.workbench.report.evidence.photos import Photos, read

Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Outputs:
    """What the network says of the photos of a part.

    Attributes:
        photos: those that could be read.
        class_names: by class number.
        probabilities: a row for each photo, (photos, classes).
        changed: what the photos are taken for after each change, by its name: (photos,) classes.
        problems: why the other photos could not be read.
        no_numbers: of how many photos the network said nothing but NaN; all classes count as equally probable then.
    """

    photos: Photos
    class_names: tuple[str, ...]
    probabilities: NDArray[np.float64]
    changed: Mapping[str, NDArray[np.int64]]
    problems: tuple[str, ...] = ()
    no_numbers: int = 0

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The true classes, (photos,)."""
        return self.photos.labels

    @property
    def predicted(self) -> NDArray[np.int64]:
        """What each photo is taken for, (photos,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of that, (photos,)."""
        return self.probabilities.max(axis=1)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether it is the true class, (photos,)."""
        return self.predicted == self.labels


def observe(
    classifier: Classifier,
    photos: Photos,
    changes: Mapping[str, Change] | None = None,
    *,
    progress: Callable[[int, int], object] | None = None,
) -> Outputs:
    """Show the network every photo, as it is and changed.

    Args:
        classifier: the network.
        photos: at least one of them must be readable.
        changes: functions of photos, uint8 (photos, height, width, channels), by name.
        progress: told how many photos are done, and how many there are.

    Raises:
        DataError: no photo can be read.
    """
    changes = changes or {}

    def load(file: Path) -> NDArray[np.uint8]:
        return load_image(file, size=classifier.image_size, color_mode=classifier.color_mode)

    places: list[int] = []
    rows: list[NDArray[np.float64]] = []
    changed: dict[str, list[NDArray[np.int64]]] = {name: [] for name in changes}
    problems: list[str] = []
    done = 0
    for batch in read(photos.files, load):
        problems += batch.problems
        if batch.places:
            places += batch.places
            rows.append(np.asarray(classifier.probabilities(batch.images), np.float64))
            for name, change in changes.items():
                changed[name].append(_finite(classifier.probabilities(change(batch.images)))[0].argmax(axis=1))
        done += len(batch.places) + len(batch.problems)
        if progress is not None:
            progress(done, len(photos))
    if not places:
        example = f" {problems[0]}" if problems else ""
        raise DataError(
            f"None of the {len(photos)} photos to measure the network on can be read.{example} "
            "Put them back where they were when it was trained."
        )
    probabilities, no_numbers = _finite(np.concatenate(rows))
    return Outputs(
        Photos(tuple(photos.files[place] for place in places), photos.labels[places]),
        classifier.class_names,
        probabilities,
        {name: np.concatenate(parts) for name, parts in changed.items()},
        tuple(problems),
        no_numbers,
    )


def _finite(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Rows of equal probabilities where they are no numbers, and how many were not."""
    rows = np.asarray(rows, np.float64)
    broken = np.logical_not(np.isfinite(rows).all(axis=1, keepdims=True))
    return np.where(broken, 1 / rows.shape[1], rows), int(np.count_nonzero(broken))
