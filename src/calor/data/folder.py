"""Folders of pictures, one subfolder for each class: finding the files, leaving out the unusable."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from calor.data import images
from calor.data.memory import available_memory
from calor.data.picture_store import PictureStore
from calor.data.reading_bar import Progress
from calor.data.room import Room
from calor.data.source import Source, size_in_bytes
from calor.errors import DataError, warn

LAYOUT = "It must hold a subfolder of pictures for each class, such as photos/cats/1.jpg and photos/dogs/1.jpg."


@dataclass(frozen=True)
class Listing:
    """What lies in a folder of pictures.

    Attributes:
        class_names: the subfolders, sorted, or in the order that was asked for.
        files: the files that look like pictures, class by class, sorted by name.
        labels: the class of each file, (files,) int32.
        directories: folders inside the class folders, which are not looked into.
        ignored: how many other files there are: hidden ones, or such that do not end like pictures.
    """

    class_names: tuple[str, ...]
    files: tuple[Path, ...]
    labels: np.ndarray
    directories: tuple[Path, ...]
    ignored: int

    @property
    def ignored_files(self) -> str:
        """How many files were ignored, as a sentence."""
        what = "file that is no picture was" if self.ignored == 1 else "files that are no pictures were"
        return f"{self.ignored} {what} ignored."


def list_folder(directory: str | os.PathLike[str], class_names: Sequence[str] | None = None) -> Listing:
    """Find the pictures in a folder with one subfolder for each class.

    Args:
        directory: the folder.
        class_names: the subfolders to read, in the order of their labels; by default all, sorted by name.

    Raises:
        DataError: there is no such folder, or it has not the layout; the message says what was found.
    """
    try:
        return _listed(Path(directory), class_names)
    except OSError as error:
        raise DataError(f"The folder {error.filename or directory} cannot be read: {error.strerror}.") from error


def _listed(root: Path, class_names: Sequence[str] | None) -> Listing:
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}. {LAYOUT}")
    entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    folders = [path for path in entries if path.is_dir()]
    if not entries:
        raise DataError(f"The folder {root} is empty. {LAYOUT}")
    if not folders:
        raise DataError(f"The folder {root} holds {_some(entries)} but no subfolders. {LAYOUT}")
    names = tuple(path.name for path in folders) if class_names is None else tuple(class_names)
    if missing := [name for name in names if not (root / name).is_dir()]:
        raise DataError(f"The folder {root} has no subfolder {_names(missing)}; it has {_some(folders)}.")
    if len(set(names)) < len(names):
        raise DataError(f"Each class needs a name of its own, not {_names(names)}.")
    if len(names) < 2:
        raise DataError(
            f"The folder {root} has one class only, {names[0]!r}: there is nothing to tell apart. {LAYOUT}"
            if names
            else "class_names is empty: name at least two subfolders."
        )

    files: list[Path] = []
    labels: list[int] = []
    directories: list[Path] = []
    ignored = 0
    for label, name in enumerate(names):
        for path in sorted((root / name).iterdir()):
            if path.is_dir():
                directories.append(path)
            elif path.name.startswith(".") or path.suffix.lower() not in images.EXTENSIONS:
                ignored += 1
            else:
                files.append(path)
                labels.append(label)
    listing = Listing(names, tuple(files), np.array(labels, np.int32), tuple(directories), ignored)
    _check_classes(root, listing, np.unique(listing.labels), {})
    return listing


def _check_classes(root: Path, listing: Listing, present: np.ndarray, problems: dict[Path, str]) -> None:
    """Every class must have a picture; ``present`` are the labels that have."""
    empty = [name for label, name in enumerate(listing.class_names) if label not in present]
    if not empty:
        return
    inside = [path for path in listing.directories if path.parent.name in empty]
    reasons = [reason for path, reason in problems.items() if path.parent.name in empty]
    it = "them" if len(empty) > 1 else "it"
    hint = f" Put pictures into {it}, or take {it} away."
    if reasons:
        hint = f" {' '.join(reasons[:3])}{hint}"
    elif inside:
        hint = f" It holds folders, such as {inside[0]}: give the folder whose subfolders are the classes."
    elif listing.ignored:
        hint += f" Pictures end in {', '.join(sorted(images.EXTENSIONS))}. {listing.ignored_files}"
    plural = "class folders have" if len(empty) > 1 else "class folder has"
    raise DataError(f"In {root} the {plural} no usable picture: {_names(empty)}.{hint}")


def _some(paths: Sequence[Path]) -> str:
    shown = ", ".join(path.name for path in paths[:5])
    return shown if len(paths) <= 5 else f"{shown} and {len(paths) - 5} more"


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


class FolderSource(Source):
    """The pictures of a folder as (uint8 (height, width, channels), int32 label).

    Which files are usable is found out by decoding them all, at the first need. Where the pixels fit in memory they
    are kept there. They are also written into the cache folder, from where the next start takes them, and where
    pixels are read from that do not fit in memory; without it, each picture is decoded again whenever it is read.

    Args:
        directory: the folder, one subfolder for each class.
        how: size, colours and interpolation.
        class_names: the subfolders to read, in the order of their labels; by default all, sorted by name.
        progress: told how many files are decoded, and how many there are; True draws a bar, False does not.

    Raises:
        DataError: the folder has not the layout, or a class has no usable picture.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        how: images.Decoding,
        *,
        class_names: Sequence[str] | None,
        progress: Progress | bool,
    ) -> None:
        super().__init__()
        self.directory = Path(directory)
        self.listing = list_folder(directory, class_names)
        self.class_names = self.listing.class_names
        self._store = PictureStore(
            self.directory,
            [str(path.relative_to(directory)) for path in self.listing.files],
            how,
            selection=("classes", *self.class_names),
            progress=progress,
            when_unreadable="that was possible at first.",
        )
        self._good: np.ndarray | None = None

    @property
    def spec(self) -> Any:
        return jax.ShapeDtypeStruct(self._store.shape, np.uint8), jax.ShapeDtypeStruct((), np.int32)

    @property
    def length(self) -> int:
        return len(self.good)

    @property
    def good(self) -> np.ndarray:
        """Which of the listed files are usable."""
        if self._good is None:
            self.prepare(available_memory() // 2)
        assert self._good is not None
        return self._good

    @property
    def labels(self) -> np.ndarray:
        return self.listing.labels[self.good]

    @property
    def files(self) -> list[Path]:
        return [self.listing.files[place] for place in self.good]

    def describe(self, position: int) -> str:
        return str(self.listing.files[self.good[position]])

    def prepare(self, memory_limit: int) -> None:
        if self._good is None:
            self._good = self._found_out(memory_limit)
        if self.nbytes <= memory_limit:
            self._store.keep()

    def read(self, positions: np.ndarray) -> Any:
        return self._store.read(positions), self.listing.labels[self.good[positions]]

    def read_into(self, room: Room, positions: np.ndarray) -> Any:
        return self._store.read(positions, room), self.listing.labels[self.good[positions]]

    def on_device(self) -> Any:
        if self._device is None:
            # The pixels are our own and never change, so the device may share their memory.
            self._device = jax.device_put((self._store.keep(), self.labels))
        return self._device

    def _found_out(self, memory_limit: int) -> np.ndarray:
        """The usable files; of the others there is a warning."""
        listing = self.listing
        self._store.find_out(keep=len(listing.files) * size_in_bytes(self.spec) <= memory_limit)
        usable, problems = self._store.usable, self._store.problems
        named = {listing.files[place]: problem for place, problem in problems.items()}
        _check_classes(self.directory, listing, np.unique(listing.labels[usable]), named)
        self._warn([*named.values(), *(f"{path} is a folder." for path in listing.directories)])
        return usable

    def _warn(self, problems: list[str]) -> None:
        if not problems:
            return
        shown = "\n  ".join(problems[:10] + [f"and {len(problems) - 10} more"] * (len(problems) > 10))
        noun = "file that cannot be used was" if len(problems) == 1 else "files that cannot be used were"
        ignored = f" {self.listing.ignored_files}" if self.listing.ignored else ""
        warn(f"{self.directory}: {len(problems)} {noun} skipped.{ignored}\n  {shown}")


def stratified_split(
    length: int, labels: np.ndarray | None, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions for training and for validation, sorted, drawn class by class so that both hold the same mixture.

    Args:
        length: the number of examples.
        labels: the class of each, (length,); None draws from all alike.
        fraction: the share of each class that is held out, rounded, at least one example and never all.
        seed: fixes the draw.

    Raises:
        DataError: there are too few examples to split.
    """
    classes = np.zeros(length, np.int32) if labels is None else labels
    generator = np.random.default_rng(seed)
    held = [
        generator.permutation(members)[: min(max(round(fraction * len(members)), 1), len(members) - 1)]
        for members in _members(classes)
    ]
    validation = np.sort(np.concatenate(held)).astype(np.int32)
    if not len(validation):
        counts = Counter(classes.tolist())
        raise DataError(f"There are too few examples to hold any out: {max(counts.values())} in the largest class.")
    return np.setdiff1d(np.arange(length, dtype=np.int32), validation), validation


def _members(classes: np.ndarray) -> Iterator[np.ndarray]:
    for value in np.unique(classes):
        yield np.flatnonzero(classes == value)
