"""The pixels of picture files: decoded once, kept in memory and in the cache, and checked against the files."""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from calor.data import images, pixel_cache
from calor.data.pixel_cache import Damaged, KeptPixels
from calor.data.reading_bar import Progress, reading
from calor.data.room import Room
from calor.data.source import on_threads, taken
from calor.errors import ImageError

CHUNK = 8 << 20
"""About how many bytes of pixels are decoded before they are written into the cache."""


class PictureStore:
    """The pixels of a list of picture files, all of one size.

    ``find_out`` decodes them all, unless the cache has them, and tells which are usable.

    Args:
        folder: where the files lie.
        names: theirs, relative to the folder, or absolute.
        how: size, colours and interpolation.
        selection: what tells this list of files from others of the same folder. The pixels that were kept for the
            same one make way when the files have changed.
        progress: told how many files are decoded, and how many there are; True draws a bar, False does not.
        when_unreadable: what to do about files that cannot be read, for the message.

    Attributes:
        files: the paths.
        shape: of every picture, (height, width, channels).
        usable: the numbers of the files that can be read, sorted; all of them, as long as that is not known.
        problems: what is wrong with each of the others, by its number, beginning with its path.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        how: images.Decoding,
        *,
        selection: tuple[str, ...],
        progress: Progress | bool,
        when_unreadable: str,
    ) -> None:
        assert how.size is not None, "pictures of different sizes are no arrays of the same shape"
        self.files = [folder / name for name in names]
        self.shape = (*how.size, how.channels)
        self.usable = np.arange(len(names), dtype=np.int32)
        self.problems: dict[int, str] = {}
        self._folder = folder
        self._names = names
        self._how = how
        self._selection = selection
        self._progress = progress
        self._when_unreadable = when_unreadable
        self._stamps = np.empty((0, 3), np.int64)
        self._request: pixel_cache.Request | None = None
        self._known = False
        self._pixels: np.ndarray | None = None
        self._kept: KeptPixels | None = None

    def find_out(self, *, keep: bool) -> None:
        """Learn which files are usable, once, from the cache or by decoding them; with ``keep``, have their pixels."""
        if self._known:
            return
        problems = self._from_cache(keep=keep)
        if problems is None:
            problems = self._scan(keep=keep)
        self._settle(problems)

    def recall(self) -> None:
        """Have the pixels read from the cache, if it has them all. Nothing is decoded."""
        if len(self._stamps):
            return
        problems = self._from_cache(keep=False)
        if problems == {}:
            self._settle(problems)
        else:
            self._kept = None

    def keep(self) -> np.ndarray:
        """The pixels of all usable files, uint8 (files, height, width, channels), in memory from now on.

        Raises:
            ImageError: as in ``read``.
        """
        if self._pixels is None:
            self._pixels = self.read(np.arange(len(self.usable)))
        return self._pixels

    def read(self, rows: np.ndarray, room: Room | None = None) -> np.ndarray:
        """Pictures by their number among the usable ones, uint8 (pictures, height, width, channels).

        Those that are kept in memory are copied into an array that ``room`` hands out, where there is one.

        Raises:
            ImageError: files cannot be read, or have changed since it was found out that they can.
        """
        if self._pixels is not None:
            return taken(self._pixels, rows, room)
        kept = self._kept
        if kept is not None:
            try:
                return kept.read(rows)
            except Damaged as error:
                self._kept = None
                kept.discard(error)
        return self._decoded(self.usable[rows])

    def check(self) -> None:
        """Insist that all files can be read.

        Raises:
            ImageError: some cannot; it names ten at most.
        """
        if self.problems:
            raise self._unreadable(self.problems.values())

    def _settle(self, problems: dict[int, str]) -> None:
        self.problems = {place: f"{self.files[place]}{problem}" for place, problem in problems.items()}
        self.usable = np.setdiff1d(self.usable, list(problems)).astype(np.int32)
        self._known = True

    def _decoded(self, places: np.ndarray) -> np.ndarray:
        pixels = np.empty((len(places), *self.shape), np.uint8)

        def decode(row: int) -> ImageError | None:
            path = self.files[places[row]]
            error = self._try(pixels, row, path)
            # A change of the file's state alone, such as its permissions, changes nothing in the picture.
            if error is None and self._known and _stamp(path)[:2] != tuple(self._stamps[places[row], :2]):
                error = ImageError(f"{path} has changed since it was first read. Start again, to use it as it is now.")
            return error

        errors = [error for error in on_threads(decode, len(places)) if error is not None]
        if errors:
            raise self._unreadable(map(str, errors)) from errors[0]
        return pixels

    def _unreadable(self, problems: Iterable[str]) -> ImageError:
        named = list(problems)
        shown = "\n  ".join(named[:10] + ["..."] * (len(named) > 10))
        plural = "pictures cannot" if len(named) > 1 else "picture cannot"
        return ImageError(f"{len(named)} {plural} be read: {self._when_unreadable}\n  {shown}")

    def _from_cache(self, *, keep: bool) -> dict[int, str] | None:
        """The unusable files, by their numbers; None where the cache has nothing of use."""
        self._stamps = np.array([_stamp(path) for path in self.files], np.int64)
        self._request = None
        if int(self._stamps[:, 0].sum()) < pixel_cache.LEAST:
            return None
        self._request = pixel_cache.Request(
            self._folder.resolve(),
            str(self._how),
            self._selection,
            pixel_cache.fingerprint(self._names, self._stamps, images.decoder()),
            self.shape,
        )
        kept = pixel_cache.find(self._request)
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

    def _scan(self, *, keep: bool) -> dict[int, str]:
        """Decode every file once, to know the usable ones, and to keep their pixels where there is a request for it.

        Returns:
            The unusable files, by their numbers, and what is wrong with them.
        """
        total, row_bytes = len(self.files), int(np.prod(self.shape))
        at_once = min(max(CHUNK // row_bytes, os.cpu_count() or 1), total)
        starts = range(0, total, at_once)
        # The next files are decoded while those before are written, so without all the pixels there are two parts.
        pixels = np.empty((total if keep else min(2 * at_once, total), *self.shape), np.uint8)
        problems: dict[int, str] = {}
        lasting = True

        def begun(start: int) -> tuple[np.ndarray, Iterator[ImageError | None]]:
            first = start if keep else start // at_once % 2 * at_once
            paths = self.files[start : start + at_once]
            rows = pixels[first : first + len(paths)]
            return rows, on_threads(lambda row: self._try(rows, row, paths[row]), len(paths))

        with ExitStack() as stack:
            advance = stack.enter_context(reading(self._progress, total))
            request = self._request
            writer = stack.enter_context(pixel_cache.Writer(request, total)) if request is not None else None
            ahead = begun(0)
            for start in starts:
                (rows, outcomes), ahead = ahead, begun(start + at_once)
                good = []
                for row, error in enumerate(outcomes):
                    if error is None:
                        good.append(row)
                    else:
                        lasting = lasting and _lasting(error)
                        problems[start + row] = str(error).removeprefix(str(self.files[start + row]))
                    advance(start + row + 1, total)
                if writer is not None:
                    writer.add(rows if len(good) == len(rows) else rows[good])
            if writer is not None and lasting and len(problems) < total:
                self._kept = writer.finish(problems)
        if keep:
            self._pixels = _without(pixels, problems)
        return problems

    def _try(self, rows: np.ndarray, row: int, path: Path) -> ImageError | None:
        try:
            rows[row] = images.decode(path, self._how)
        except ImageError as error:
            return error
        return None


def _without(pixels: np.ndarray, places: Collection[int]) -> np.ndarray:
    """The other pictures, moved together where they are: a copy might not fit in memory."""
    if not places:
        return pixels
    count = min(places)
    for place in range(count, len(pixels)):
        if place not in places:
            pixels[count] = pixels[place]
            count += 1
    return pixels[:count]


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
