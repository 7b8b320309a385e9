"""The honest split: which pictures a network learns from, which choose its best epoch, and which stay sealed.

Pictures that are the same, or nearly, are never divided between two parts. Which part one comes to depends on its
contents and the seed, not on its name or on what else is there: the files are ordered by a hash of both, and of each
class the first go to the validation part and the last to the test part. So the same folder gives the same split
tomorrow, and a picture that is added moves one other at the most over each of the two borders; none, where an earlier
split is kept to.

A split is written down as JSON, file by file, with a hash of the contents of each.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np

from calor.data import Dataset
from calor.data.reading_bar import Progress
from calor.data.source import workers
from calor.errors import ArgumentError, CalorWarning, DataError
from calor.workbench import duplicates
from calor.workbench.examine import content_hash
from calor.workbench.run_folder import SPLIT, replacing

TRAINING, VALIDATION, TEST = range(3)
"""The numbers of the parts, the more held out the higher."""

NAMES = ("training", "validation", "test")
"""Their names."""

LEFT_OUT = -1

_FORMAT, _VERSION = "calor split", 1
_SHOWN = 10
"""How many files an error names."""


@dataclass(frozen=True)
class Part:
    """Some of the pictures of a folder; equal to another where files and contents are.

    Attributes:
        files: their paths relative to the folder, with ``/`` between the names, class by class.
        labels: the class of each, (files,) int32.
        hashes: of the contents of each, as ``content_hash`` gives them.
    """

    files: tuple[str, ...]
    labels: np.ndarray = field(compare=False)
    hashes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    def counts(self, classes: int) -> np.ndarray:
        """How many pictures of each class there are, (classes,)."""
        return np.bincount(self.labels, minlength=classes)


@dataclass(frozen=True)
class Split:
    """The pictures of a folder, divided into a training, a validation and a test part.

    Attributes:
        folder: the folder of photos, absolute.
        class_names: by class number.
        training: what is learned from.
        validation: what chooses the best epoch.
        test: the sealed part, which ``calor evaluate`` alone opens; empty where there is none.
        seed: that drew it.
        shares: of the validation and of the test part, among the pictures that were drawn from; 0 for one that is
            given, or not there.
        given: the names of the parts that are as the folder gives them, rather than drawn.
        left_out: the files that are in none of the parts, relative to the folder, and why.
    """

    folder: Path
    class_names: tuple[str, ...]
    training: Part
    validation: Part
    test: Part
    seed: int = 0
    shares: tuple[float, float] = (0.0, 0.0)
    given: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def part(self, name: str) -> Part:
        """A part by its name.

        Raises:
            ArgumentError: it is none of ``training``, ``validation`` and ``test``.
        """
        if name not in NAMES:
            raise ArgumentError(f"A split has no part {name!r}: its parts are {', '.join(NAMES)}.")
        part: Part = getattr(self, name)
        return part

    def paths(self, name: str) -> list[Path]:
        """Where the pictures of a part lie."""
        return [self.folder / file for file in self.part(name).files]

    def dataset(
        self,
        name: str,
        image_size: tuple[int, int],
        *,
        color_mode: str = "rgb",
        progress: Progress | bool = True,
        unsealed: bool = False,
    ) -> Dataset:
        """A part as a data set of (uint8 (height, width, channels), int32 label), in the order of its files.

        The pixels are those of ``Dataset.from_image_folder``, kept in the cache folder.

        Args:
            name: ``"training"`` or ``"validation"``.
            image_size: height and width that all pictures are resized to.
            color_mode: as for ``Dataset.from_image_folder``.
            progress: likewise.
            unsealed: whether ``"test"`` is allowed, too.

        Raises:
            ArgumentError: there is no such part, or it is sealed.
            DataError: the part is empty, or a file of it is not there any more, or cannot be read any more.
        """
        (part,) = self.datasets(
            name, image_size=image_size, color_mode=color_mode, progress=progress, unsealed=unsealed
        )
        return part

    def datasets(
        self,
        *names: str,
        image_size: tuple[int, int],
        color_mode: str = "rgb",
        progress: Progress | bool = True,
        unsealed: bool = False,
    ) -> tuple[Dataset, ...]:
        """Several parts as data sets, which share their pixels; arguments and errors as for ``dataset``."""
        opened: dict[str, tuple[Dataset, dict[Path, int]]] = {}
        given = []
        for name in names:
            if name == NAMES[TEST] and not unsealed:
                raise ArgumentError(
                    "The test part is sealed: who looks at it while choosing a network measures their own choice. "
                    "`calor evaluate RUN` opens it, and counts how often; or say unsealed=True."
                )
            part = self.part(name)
            if not part.files:
                raise DataError(f"The {name} part of the split of {self.folder} is empty.")
            root = _root(part.files[0])
            if root not in opened:
                pictures = Dataset.from_image_folder(
                    self.folder / root, image_size, color_mode, class_names=self.class_names, progress=progress
                )
                with warnings.catch_warnings():
                    # Files that cannot be read were told of when the split was made.
                    warnings.simplefilter("ignore", CalorWarning)
                    opened[root] = pictures, {path: place for place, path in enumerate(pictures.files or ())}
            pictures, places = opened[root]
            self._check_there(name, places)
            given.append(pictures.select([places[path] for path in self.paths(name)]))
        return tuple(given)

    def changed(self, *names: str) -> dict[str, str]:
        """The files of some parts (by default all) that are not as they were, and what is wrong with each.

        >>> import tempfile
        >>> from calor.workbench import draw_pictures, split_folder
        >>> with tempfile.TemporaryDirectory() as place:
        ...     split = split_folder(draw_pictures(place, per_class=5))
        ...     split.paths("training")[0].write_bytes(b"another picture")
        ...     split.paths("validation")[0].unlink()
        ...     split.changed()
        15
        {'boat/000.png': 'has changed', 'boat/003.jpg': 'is not there any more'}
        """
        parts = [self.part(name) for name in names or NAMES]
        files = [file for part in parts for file in part.files]
        before = [known for part in parts for known in part.hashes]
        now = content_hashes([self.folder / file for file in files])
        return {
            file: "has changed" if found else "is not there any more"
            for file, known, found in zip(files, before, now, strict=True)
            if found != known
        }

    def check_unchanged(self, *names: str) -> None:
        """Insist that the files of some parts (by default all) are as they were.

        Raises:
            DataError: some are not; it names ten at the most.
        """
        if changed := self.changed(*names):
            self._fail(changed)

    def _check_there(self, name: str, places: Collection[Path]) -> None:
        if missing := [file for file in self.part(name).files if self.folder / file not in places]:
            there = (self.folder / file for file in missing)
            reasons = ("cannot be read any more" if path.exists() else "is not there any more" for path in there)
            self._fail(dict(zip(missing, reasons, strict=True)))

    def _fail(self, problems: Mapping[str, str]) -> NoReturn:
        shown = [f"{file} {problem}" for file, problem in list(problems.items())[:_SHOWN]]
        more = [f"and {len(problems) - _SHOWN} more"] * (len(problems) > _SHOWN)
        listed = "\n  ".join([*shown, *more])
        raise DataError(
            f"{self.folder} is not as it was when it was split: bring the files back, or train anew.\n  {listed}"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the split as JSON; the file appears when it is whole.

        Raises:
            OSError: it cannot be written.
        """
        record = {
            "format": _FORMAT,
            "version": _VERSION,
            "folder": str(self.folder),
            "class_names": self.class_names,
            "seed": self.seed,
            "shares": self.shares,
            "given": self.given,
            **{name: self._by_class(self.part(name)) for name in NAMES},
            "left_out": dict(self.left_out),
        }
        with replacing(Path(path)) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="ascii")

    def _by_class(self, part: Part) -> dict[str, dict[str, str]]:
        classes: dict[str, dict[str, str]] = {name: {} for name in self.class_names}
        for file, label, known in zip(part.files, part.labels, part.hashes, strict=True):
            classes[self.class_names[label]][file] = known
        return classes

    @classmethod
    def load(cls, path: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None) -> "Split":
        """The split that ``save`` wrote.

        Args:
            path: the file, or a run folder with a ``split.json``.
            folder: where the photos are now; by default where they were.

        Raises:
            DataError: the file is not there, is no split, is damaged, or was written by a newer Calor.
        """
        file = Path(path)
        if file.is_dir():
            file /= SPLIT
        try:
            record = json.loads(file.read_text(encoding="ascii"))
        except FileNotFoundError:
            raise DataError(f"There is no split {file}: give a run folder, or the {SPLIT} in it.") from None
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise DataError(f"{file} is no split, or is damaged: it is no JSON ({error}).") from None
        try:
            return _parsed(record, folder)
        except _WrongError as error:
            raise DataError(f"{file} is no split that can be used: {error}.") from None


class _WrongError(Exception):
    """What is wrong with a split that was read."""


def _parsed(record: Any, folder: str | os.PathLike[str] | None) -> Split:
    def insist(right: bool, what: str) -> None:
        if not right:
            raise _WrongError(what)

    insist(isinstance(record, dict) and record.get("format") == _FORMAT, "it does not say that it is one")
    version = record.get("version")
    insist(isinstance(version, int) and version >= 1, f"its version is {version!r}")
    insist(version <= _VERSION, f"it was written by a newer Calor (version {version} of the format): update Calor")
    names = record.get("class_names")
    insist(_texts(names) and len(set(names)) == len(names) >= 2, "class_names must be two different names or more")
    insist(isinstance(record.get("folder"), str), "it names no folder")
    insist(isinstance(record.get("seed"), int), f"seed is {record.get('seed')!r}")
    shares = record.get("shares")
    insist(isinstance(shares, list) and len(shares) == 2 and all(map(_is_share, shares)), f"shares is {shares!r}")
    given = record.get("given")
    insist(_texts(given) and set(given) <= set(NAMES), f"given is {given!r}, and must name parts")
    left_out = record.get("left_out")
    insist(isinstance(left_out, dict) and _texts([*left_out, *left_out.values()]), "left_out must name files")
    seen: set[str] = set()
    parts = []
    for name in NAMES:
        classes = record.get(name)
        insist(isinstance(classes, dict) and set(classes) == set(names), f"{name} must have the classes of class_names")
        files: list[str] = []
        labels: list[int] = []
        hashes: list[str] = []
        for label, class_name in enumerate(names):
            members = classes[class_name]
            insist(isinstance(members, dict) and _texts(members.values()), f"{name} has no files of {class_name}")
            for file, known in members.items():
                insist(_inside(file, class_name), f"{file!r} is no file of the class {class_name}")
                insist(file not in seen, f"{file} is in it twice")
                insist(len(known) == 32 and set(known) <= set("0123456789abcdef"), f"the hash of {file} is {known!r}")
                seen.add(file)
                files.append(file)
                labels.append(label)
                hashes.append(known)
        insist(len({_root(file) for file in files}) <= 1, f"the files of {name} lie in more than one folder of classes")
        parts.append(Part(tuple(files), np.array(labels, np.int32), tuple(hashes)))
    place = Path(record["folder"] if folder is None else folder).absolute()
    training, validation, test = parts
    return Split(place, tuple(names), training, validation, test, record["seed"], tuple(shares), tuple(given), left_out)


def _texts(values: Any) -> bool:
    return not isinstance(values, str | None) and all(isinstance(value, str) for value in values)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < 1


def _inside(file: str, class_name: str) -> bool:
    """Whether a file lies in a folder of a class, and below the folder of photos."""
    parts = PurePosixPath(file).parts
    return len(parts) in (2, 3) and parts[-2] == class_name and not {"/", ".."} & set(parts)


def _root(file: str) -> str:
    """The folder of classes that a file lies in, relative to that of the photos."""
    return PurePosixPath(file).parts[0] if file.count("/") == 2 else ""


def content_hashes(paths: Iterable[Path]) -> list[str]:
    """``content_hash`` of many files, read in parallel; empty where one cannot be read."""

    def tried(path: Path) -> str:
        try:
            return content_hash(path)
        except OSError:
            return ""

    return list(workers().map(tried, paths))


def divide(
    labels: Sequence[int] | np.ndarray,
    hashes: Sequence[str],
    *,
    groups: Iterable[Sequence[int]] = (),
    seed: int = 0,
    validation: float = 0.0,
    test: float = 0.0,
    settled: Sequence[int] | np.ndarray | None = None,
    given: Collection[int] = (),
    class_names: Sequence[str] = (),
) -> np.ndarray:
    """Draw the part of each picture, class by class, so that copies are not divided.

    Of each class the parts get their share of the pictures, rounded, as far as groups of copies fit into it. The
    validation part gets at least one group of each class, and so does the training part.

    Where the parts of some are settled, their copies go with them. A copy of a picture in a part that is given, or two
    copies that are settled in different parts: the one in the part that is less held out is left out.

    Args:
        labels: the class of each picture, (pictures,).
        hashes: of the contents; pictures with equal ones are copies.
        groups: further copies, exact or near, as lists of positions.
        seed: fixes the draw.
        validation: the share of the validation part, among the pictures that are not in a given part.
        test: that of the test part.
        settled: the part of each picture, (pictures,); -1 for one that is to be drawn. By default all are.
        given: the parts that nothing is added to.
        class_names: for messages.

    Returns:
        The part of each picture, (pictures,) int: ``TRAINING``, ``VALIDATION``, ``TEST`` or ``LEFT_OUT``.

    Raises:
        DataError: all pictures of a class are copies of one another, so that none can be held out.

    >>> divide([0] * 4 + [1] * 4, list("abcdefgh"), groups=[[0, 4]], validation=0.25, test=0.25)
    array([0, 2, 1, 0, 0, 1, 0, 2])
    """
    labels = np.asarray(labels)
    settled = np.full(len(labels), -1) if settled is None else np.asarray(settled)
    parts = settled.copy()
    free = []
    for unit in units(hashes, groups):
        home = max(settled[unit])
        if home < 0:
            free.append(unit)
            continue
        joining = settled[unit] < 0
        parts[unit] = np.where((settled[unit] == home) | (joining & (home not in given or home == TRAINING)), home, -1)
    free.sort(key=lambda unit: min(_key(hashes[place], seed) for place in unit))

    classes = int(labels.max(initial=0)) + 1
    drawn = np.isin(parts, list(set(range(3)) - set(given)))
    drawn[[place for unit in free for place in unit]] = True
    totals = np.bincount(labels[drawn], minlength=classes)

    def count(part: int) -> np.ndarray:
        return np.bincount(labels[drawn & (parts == part)], minlength=classes)

    def fill(part: int, room: np.ndarray, ordered: Iterable[list[int]]) -> None:
        for unit in ordered:
            need = np.bincount(labels[unit], minlength=classes)
            if np.all(need <= room):
                parts[unit] = part
                room -= need
        free[:] = [unit for unit in free if parts[unit[0]] < 0]

    if validation:
        # The one more that a class needs at least is left to learn from.
        wanted = np.minimum(np.maximum(np.round(totals * validation).astype(int), 1), np.maximum(totals - 1, 0))
        fill(VALIDATION, np.maximum(wanted - count(VALIDATION), 0), list(free))
        for label in np.flatnonzero((count(VALIDATION) == 0) & (totals > 1)).tolist():
            smallest = _smallest(label, free, labels, totals - count(VALIDATION) - count(TEST))
            if smallest is None:
                name = class_names[label] if class_names else label
                raise DataError(
                    f"All pictures of the class {name} are copies of one another, or nearly: none can be held out "
                    "that was not learned from. Add pictures that differ."
                )
            parts[smallest] = VALIDATION
            free.remove(smallest)
    if test:
        most = np.maximum(totals - count(VALIDATION) - 1, 0)
        wanted = np.minimum(np.round(totals * test).astype(int), most)
        fill(TEST, np.maximum(wanted - count(TEST), 0), free[::-1])
    for unit in free:
        parts[unit] = TRAINING
    return parts


def units(hashes: Sequence[str], groups: Iterable[Sequence[int]]) -> list[list[int]]:
    """The positions of all pictures, those of copies in one list.

    >>> units(["a", "b", "a", "c"], [[1, 2]])
    [[0, 1, 2], [3]]
    """
    copies = duplicates.merged([*duplicates.equal(hashes), *groups], len(hashes))
    grouped = {place for group in copies for place in group}
    return [*copies, *([place] for place in range(len(hashes)) if place not in grouped)]


def _key(contents: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} {contents}".encode(), digest_size=16).digest()


def _smallest(label: int, free: Sequence[list[int]], labels: np.ndarray, left: np.ndarray) -> list[int] | None:
    """The smallest group with a picture of a class that leaves one of each class to learn from; the first of these."""
    counts = [np.bincount(labels[unit], minlength=len(left)) for unit in free]
    able = [
        unit for unit, count in zip(free, counts, strict=True) if count[label] and np.all((count < left) | (count == 0))
    ]
    return min(able, key=len, default=None)
