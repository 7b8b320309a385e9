"""The photos that a report is about: files with their labels, read in order, some at a time, while others compute."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calor.errors import ArgumentError, ImageError

AT_ONCE = 128
"""How many photos are in memory together at their full size, twice over: as many are read ahead."""


@dataclass(frozen=True)
class Photos:
    """Photo files and their classes.

    Attributes:
        files: their paths.
        labels: the class of each, (photos,) int.

    Raises:
        ArgumentError: there are more of one than of the other.

    >>> len(Photos((Path("cats/1.jpg"), Path("dogs/1.jpg")), np.array([0, 1])))
    2
    """

    files: tuple[Path, ...]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(map(Path, self.files)))
        object.__setattr__(self, "labels", np.asarray(self.labels, np.int64).reshape(-1))
        if len(self.files) != len(self.labels):
            raise ArgumentError(f"There are {len(self.files)} files and {len(self.labels)} labels: each needs its own.")

    def __len__(self) -> int:
        return len(self.files)

    def some(self, most: int, seed: int) -> "Photos":
        """At most that many of them, drawn at random, in their order."""
        if len(self) <= most:
            return self
        places = np.sort(np.random.default_rng(seed).permutation(len(self))[:most])
        return Photos(tuple(self.files[place] for place in places), self.labels[places])


@dataclass(frozen=True)
class Batch:
    """Some photos as they were read.

    Attributes:
        places: which of the files could be read, as numbers of the whole.
        images: these, stacked.
        problems: why the others could not.
    """

    places: list[int]
    images: NDArray[np.uint8]
    problems: list[str]


def read(files: Sequence[Path], load: Callable[[Path], NDArray[np.uint8]]) -> Iterator[Batch]:
    """Read files on all cores, some ahead of those that are asked for.

    Args:
        files: in the order in which they come.
        load: reads one; where it raises ``ImageError`` the file is left out, and its batch says why.
    """

    def attempt(file: Path) -> Any:
        try:
            return load(file)
        except ImageError as error:
            return str(error)

    groups = [range(start, min(start + AT_ONCE, len(files))) for start in range(0, len(files), AT_ONCE)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ahead = [pool.map(attempt, [files[place] for place in group]) for group in groups[:1]]
        for number, group in enumerate(groups):
            if number + 1 < len(groups):
                ahead.append(pool.map(attempt, [files[place] for place in groups[number + 1]]))
            results = list(zip(group, ahead.pop(0), strict=True))
            good = [(place, image) for place, image in results if not isinstance(image, str)]
            images = np.stack([image for _, image in good]) if good else np.empty(0, np.uint8)
            yield Batch([place for place, _ in good], images, [text for _, text in results if isinstance(text, str)])
