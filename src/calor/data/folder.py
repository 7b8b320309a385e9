"""Folders of pictures, one subfolder for each class: finding the files, decoding them, leaving out the unusable."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from calor.data import images, pixel_cache
from calor.data.memory import available_memory
from calor.data.pixel_cache import Damaged, KeptPixels
from calor.data.reading_bar import Progress, reading
from calor.data.source import Source, workers
from calor.errors import DataError, ImageError, warn

_CHUNK = 8 << 20
"""About how many bytes of pixels are decoded before they are written into the cache."""

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
        assert how.size is not None, "pictures of different sizes are no arrays of the same shape"
        self.directory = Path(directory)
        self.listing = list_folder(directory, class_names)
        self.class_names = self.listing.class_names
        self._how = how
        self._shape = (*how.size, how.channels)
        self._progress = progress
        self._stamps = np.empty((0, 3), np.int64)
        self._good: np.ndarray | None = None
        self._pixels: np.ndarray | None = None
        self._kept: KeptPixels | None = None

    @property
    def spec(self) -> Any:
        return jax.ShapeDtypeStruct(self._shape, np.uint8), jax.ShapeDtypeStruct((), np.int32)

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
            fits = len(self.listing.files) * (int(np.prod(self._shape)) + 4) <= memory_limit
            self._find_out(keep=fits)
        if self._pixels is None and self.nbytes <= memory_limit:
            self._pixels = self._stored(np.arange(self.length))

    def read(self, positions: np.ndarray) -> Any:
        pixels = self._pixels[positions] if self._pixels is not None else self._stored(positions)
        return pixels, self.listing.labels[self.good[positions]]

    def on_device(self) -> Any:
        if self._device is None:
            assert self._pixels is not None, "prepare() keeps what is to be resident"
            # The pixels are our own and never change, so the device may share their memory.
            self._device = jax.device_put((self._pixels, self.labels))
        return self._device

    def _stored(self, positions: np.ndarray) -> np.ndarray:
        """Pixels from the cache, or else from the files."""
        kept = self._kept
        if kept is not None:
            try:
                return kept.read(positions)
            except Damaged as error:
                self._kept = None
                kept.discard(error)
        return self._decoded(self.good[positions])

    def _decoded(self, places: np.ndarray) -> np.ndarray:
        pixels = np.empty((len(places), *self._shape), np.uint8)

        def decode(row: int) -> None:
            path, stamp = self.listing.files[places[row]], self._stamps[places[row]]
            pixels[row] = images.decode(path, self._how)
            if _stamp(path)[:2] != tuple(stamp[:2]):
                raise ImageError(f"{path} has changed since the folder was read. Start again, to use it as it is now.")

        for _ in workers().map(decode, range(len(places))):
            pass
        return pixels

    def _find_out(self, *, keep: bool) -> None:
        """Learn which files are usable, from the cache or by decoding them; with ``keep``, have their pixels."""
        files = self.listing.files
        self._stamps = np.array([_stamp(path) for path in files], np.int64)
        worth = int(self._stamps[:, 0].sum()) >= pixel_cache.LEAST
        request = self._request() if worth else None
        problems = self._from_cache(request, keep=keep) if request is not None else None
        if problems is None:
            problems = self._scan(request, keep=keep)
        usable = np.setdiff1d(np.arange(len(files), dtype=np.int32), list(problems))
        named = {files[place]: f"{files[place]}{problem}" for place, problem in problems.items()}
        _check_classes(self.directory, self.listing, np.unique(self.listing.labels[usable]), named)
        self._warn([*named.values(), *(f"{path} is a folder." for path in self.listing.directories)])
        self._good = usable

    def _request(self) -> pixel_cache.Request:
        listing = self.listing
        numbers = np.column_stack([self._stamps, listing.labels])
        names = (path.name for path in listing.files)
        return pixel_cache.Request(
            self.directory.resolve(),
            str(self._how),
            listing.class_names,
            pixel_cache.fingerprint(names, numbers, images.decoder()),
            self._shape,
        )

    def _from_cache(self, request: pixel_cache.Request, *, keep: bool) -> dict[int, str] | None:
        """The unusable files, by their places; None where the cache has nothing of use."""
        kept = pixel_cache.find(request)
        if kept is None:
            return None
        if keep:
            try:
                self._pixels = kept.read(np.arange(len(kept)))
            except Damaged as error:
                kept.discard(error)
                return None
        self._kept = kept
        return kept.problems

    def _scan(self, request: pixel_cache.Request | None, *, keep: bool) -> dict[int, str]:
        """Decode every file once, to know the usable ones, and to keep their pixels where there is a request for it.

        Returns:
            The unusable files, by their places, and what is wrong with them.
        """
        total, row_bytes = len(self.listing.files), int(np.prod(self._shape))
        at_once = min(max(_CHUNK // row_bytes, os.cpu_count() or 1), total)
        pixels = np.empty((total if keep else at_once, *self._shape), np.uint8)
        problems: dict[int, str] = {}
        lasting, count = True, 0
        with ExitStack() as stack:
            advance = stack.enter_context(reading(self._progress, total))
            writer = stack.enter_context(pixel_cache.Writer(request, total)) if request is not None else None
            for start in range(0, total, at_once):
                rows = pixels[count:] if keep else pixels
                good = []
                places = range(start, min(start + at_once, total))
                for row, error in enumerate(workers().map(partial(self._try, rows, start), places)):
                    if error is None:
                        good.append(row)
                    else:
                        lasting = lasting and _lasting(error)
                        problems[start + row] = str(error).removeprefix(str(self.listing.files[start + row]))
                    advance(start + row + 1, total)
                if len(good) < len(places):
                    rows[: len(good)] = rows[good]
                if writer is not None:
                    writer.add(rows[: len(good)])
                count += len(good)
            if writer is not None and lasting and count:
                self._kept = writer.finish(problems)
        if keep:
            self._pixels = pixels[:count]
        return problems

    def _try(self, rows: np.ndarray, start: int, place: int) -> ImageError | None:
        try:
            rows[place - start] = images.decode(self.listing.files[place], self._how)
        except ImageError as error:
            return error
        return None

    def _warn(self, problems: list[str]) -> None:
        if not problems:
            return
        shown = "\n  ".join(problems[:10] + [f"and {len(problems) - 10} more"] * (len(problems) > 10))
        noun = "file that cannot be used was" if len(problems) == 1 else "files that cannot be used were"
        ignored = f" {self.listing.ignored_files}" if self.listing.ignored else ""
        warn(f"{self.directory}: {len(problems)} {noun} skipped.{ignored}\n  {shown}")


def _stamp(path: Path) -> tuple[int, int, int]:
    """Numbers that change when the file does: its bytes, and when its contents and its state changed, in ns."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _lasting(error: ImageError) -> bool:
    """Whether a file is unusable for what is in it, and not for what happened while it was read."""
    cause = error.__cause__
    return not (isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno is not None))


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
