"""The check-up of a folder of labelled photos, before training on it: what is wrong, why it matters, what to do.

Nothing is deleted, moved or changed.
"""

import os
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from calor.data.folder import Listing, list_folder
from calor.data.images import EXTENSIONS
from calor.data.reading_bar import Progress, reading
from calor.data.source import workers
from calor.errors import DataError
from calor.workbench import duplicates
from calor.workbench.examine import ENDINGS, Damaged, Picture, examine
from calor.workbench.giveaways import Giveaway, attributes, bordered, giveaways
from calor.workbench.photos import Layout, find_layout
from calor.workbench.run_folder import replacing

SERIOUS, LOOK_AT, NOTE = "serious", "look at", "note"
"""The grades: the accuracy cannot be believed or pictures are lost; a person should look; good to know."""

FEW = 20
"""Pictures a class below which it is too small to learn from, and its accuracy too uncertain to mean much."""

UNEVEN, VERY_UNEVEN = 3, 10
"""How many times as large the largest class is as the smallest: worth a look, and serious."""

_AHEAD = 64
"""Files in the hands of the threads at any time."""

_TELLING = {
    "size": (SERIOUS, "size-tells-class", "have the size {value}"),
    "mode": (SERIOUS, "mode-tells-class", "are of the mode {value}"),
    "format": (LOOK_AT, "format-tells-class", "are {value} files"),
    "origin": (LOOK_AT, "origin-tells-class", "come from {value}"),
    "name": (NOTE, "name-tells-class", "have names like {value}"),
}


@dataclass(frozen=True)
class Finding:
    """Something that the check-up found.

    Attributes:
        code: its name for scripts, such as ``duplicates-across-splits``; it stays the same from version to version.
        grade: ``"serious"``, ``"look at"`` or ``"note"``.
        what: what was found, in a sentence.
        why: why it matters.
        advice: what to do.
        groups: the files, those that belong together in one group; empty where it is about whole classes.
    """

    code: str
    grade: str
    what: str
    why: str
    advice: str
    groups: tuple[tuple[Path, ...], ...] = ()

    @property
    def files(self) -> int:
        """How many files it is about."""
        return len({file for group in self.groups for file in group})


@dataclass(frozen=True)
class CheckUp:
    """What ``check`` gives.

    Attributes:
        folder: the folder.
        class_names: sorted.
        counts: the files of each class, by part (``"train"``, ``"validation"``, ...; ``"all"`` where there are none).
        sizes: how many pictures have each width and height, the most frequent first.
        modes: how many have each of Pillow's modes.
        formats: how many are of each format.
        findings: the gravest first.
        leave_out: the files to leave out, and why.
        hashes: of the contents of the files that can be read.
        copies: those that are the same, or nearly, in groups.
        seconds: how long it took.
    """

    folder: Path
    class_names: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    sizes: dict[tuple[int, int], int]
    modes: dict[str, int]
    formats: dict[str, int]
    findings: tuple[Finding, ...]
    leave_out: dict[Path, str]
    hashes: dict[Path, str]
    copies: tuple[tuple[Path, ...], ...]
    seconds: float

    @property
    def files(self) -> int:
        """How many files were opened."""
        return sum(sum(counts) for counts in self.counts.values())

    @property
    def serious(self) -> bool:
        """Whether one of the findings is."""
        return any(finding.grade == SERIOUS for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """All of it in JSON's types."""
        return {
            "folder": str(self.folder),
            "files": self.files,
            "classes": {part: dict(zip(self.class_names, counts, strict=True)) for part, counts in self.counts.items()},
            "sizes": [{"width": width, "height": height, "files": n} for (width, height), n in self.sizes.items()],
            "modes": self.modes,
            "formats": self.formats,
            "serious": self.serious,
            "findings": [
                {
                    "code": finding.code,
                    "grade": finding.grade,
                    "what": finding.what,
                    "why": finding.why,
                    "advice": finding.advice,
                    "files": finding.files,
                    "groups": [[str(file) for file in group] for group in finding.groups],
                }
                for finding in self.findings
            ],
            "leave_out": {str(file): reason for file, reason in self.leave_out.items()},
            "seconds": round(self.seconds, 3),
        }

    def write_list(self, path: str | os.PathLike[str]) -> None:
        """Save what to leave out: a file in each line, then a tab and the reason.

        Raises:
            OSError: it cannot be written.
        """
        lines = "".join(f"{file}\t{reason}\n" for file, reason in self.leave_out.items())
        with replacing(Path(path)) as temporary:
            temporary.write_text(lines, encoding="utf-8", errors="surrogateescape")


def check(folder: str | os.PathLike[str], *, progress: Progress | bool = False) -> CheckUp:
    """Open every picture of a folder once, and say what is wrong with them as material for a classifier.

    Args:
        folder: a subfolder of photos for each class; or ``train/`` and others (``validation/``, ``test/``), each with
            such subfolders.
        progress: told how many files are examined, and how many there are; True draws a bar.

    Raises:
        DataError: the folder has neither layout.

    >>> import tempfile
    >>> from calor.workbench import draw_pictures
    >>> with tempfile.TemporaryDirectory() as place:
    ...     found = check(draw_pictures(place, per_class=20))
    >>> found.files, found.findings
    (80, ())
    """
    began = time.perf_counter()
    layout = find_layout(folder)
    listings, skipped = _parts(Path(folder), layout)
    files = [file for listing in listings.values() for file in listing.files]
    examined = list(_examined(files, progress))
    damaged = [one for one in examined if isinstance(one, Damaged)]
    good = np.array([isinstance(one, Picture) for one in examined])
    labels = np.concatenate([listing.labels for listing in listings.values()])[good]
    parts = np.repeat(range(len(listings)), [len(listing.files) for listing in listings.values()])[good]
    pictures = _Pictures(
        [one for one in examined if isinstance(one, Picture)], labels, parts, layout.class_names, tuple(listings)
    )
    counts = {
        part: tuple(np.bincount(listing.labels, minlength=len(layout.class_names)).tolist())
        for part, listing in listings.items()
    }
    leave_out: dict[Path, str] = {}
    copies = _Copies.among(pictures.all)
    findings = [
        *_damages(damaged, leave_out),
        *_copies(pictures, copies, leave_out),
        *_telling(pictures),
        *_sizes_of_classes(pictures),
        *_small_things(pictures, listings, skipped),
    ]
    order = (SERIOUS, LOOK_AT, NOTE)
    found = pictures.all
    return CheckUp(
        folder=Path(folder),
        class_names=layout.class_names,
        counts=counts,
        sizes=dict(Counter(picture.size for picture in found).most_common()),
        modes=dict(Counter(picture.mode for picture in found).most_common()),
        formats=dict(Counter(picture.format for picture in found).most_common()),
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.grade))),
        leave_out=leave_out,
        hashes={picture.file: picture.contents for picture in found},
        copies=tuple(map(pictures.files, copies.sure)),
        seconds=time.perf_counter() - began,
    )


@dataclass(frozen=True)
class _Pictures:
    """The readable pictures, their classes and the parts that they lie in, by number."""

    all: list[Picture]
    labels: np.ndarray
    parts: np.ndarray
    class_names: tuple[str, ...]
    part_names: tuple[str, ...]

    def training(self) -> "_Pictures":
        """Those that a network learns from."""
        chosen = np.flatnonzero(self.parts == 0)
        pictures = [self.all[place] for place in chosen]
        return _Pictures(pictures, self.labels[chosen], self.parts[chosen], self.class_names, self.part_names)

    def files(self, places: Iterable[int]) -> tuple[Path, ...]:
        return tuple(self.all[place].file for place in places)


def _parts(root: Path, layout: Layout) -> tuple[dict[str, Listing], list[str]]:
    """The pictures of each part, and the subfolders that are none."""
    if layout.training == root:
        return {"all": list_folder(root)}, []
    used = [part for part in (layout.training, layout.validation, layout.test) if part is not None]
    listings = {part.name: list_folder(part, layout.class_names) for part in used}
    skipped = []
    for other in layout.unused:
        try:
            listings[other] = list_folder(root / other, layout.class_names)
        except DataError:
            skipped.append(other)
    return listings, skipped


def _examined(files: Sequence[Path], progress: Progress | bool) -> Iterator[Picture | Damaged]:
    """What each file tells, in order, with few in hand at a time."""
    waiting = iter(files)
    with warnings.catch_warnings(), reading(progress, len(files)) as advance:
        warnings.simplefilter("ignore")  # of Pillow, on files that are damaged, or large
        hand = [workers().submit(examine, file) for file in islice(waiting, _AHEAD)]
        try:
            for done in range(len(files)):
                yield hand.pop(0).result()
                hand.extend(workers().submit(examine, file) for file in islice(waiting, 1))
                advance(done + 1, len(files))
        finally:
            for future in hand:
                future.cancel()


def _damages(damaged: Sequence[Damaged], leave_out: dict[Path, str]) -> Iterator[Finding]:
    for code, cut_off, what in (
        ("unreadable", False, "cannot be read as a picture"),
        ("truncated", True, "cut off: the end of the picture is missing"),
    ):
        files = [one for one in damaged if one.cut_off == cut_off]
        if files:
            leave_out.update((one.file, one.reason.removeprefix(f"{one.file} ").rstrip(".")) for one in files)
            verb = "" if code == "unreadable" else "is " if len(files) == 1 else "are "
            yield Finding(
                code,
                SERIOUS,
                f"{_many(len(files), 'file')} {verb}{what}.",
                "Calor leaves such files out with a warning; other programs stop, or learn from the grey rest.",
                "Copy or download them again, or leave them out (--write-list).",
                tuple((one.file,) for one in files),
            )


@dataclass(frozen=True)
class _Copies:
    """Which pictures are copies of one another, as lists of positions.

    Attributes:
        exact: those with the same pixels.
        near: those that are nearly the same, their exact copies with them.
        all_alike: whether so many are near that copies cannot be told from pictures that are similar.
    """

    exact: list[list[int]]
    near: list[list[int]]
    all_alike: bool

    @classmethod
    def among(cls, pictures: Sequence[Picture]) -> "_Copies":
        exact = duplicates.equal(picture.digest for picture in pictures)
        copies = {place for group in exact for place in group[1:]}
        ones = [place for place in range(len(pictures)) if place not in copies]
        others = {group[0]: group for group in exact}
        alike = duplicates.near(np.array([pictures[place].thumbnail for place in ones]))
        near = [sorted(copy for one in group for copy in others.get(ones[one], [ones[one]])) for group in alike]
        return cls(exact, near, sum(map(len, near)) > max(len(ones) / 2, 10))

    @property
    def sure(self) -> list[list[int]]:
        """All groups that are told as copies; an exact one may be in a near one."""
        return self.exact if self.all_alike else [*self.exact, *self.near]


def _copies(pictures: _Pictures, copies: _Copies, leave_out: dict[Path, str]) -> Iterator[Finding]:
    for prefix, groups, adjective in (("", copies.exact, "the same"), ("near-", copies.near, "nearly the same")):
        if prefix and copies.all_alike:
            yield _all_alike(pictures, groups)
            return
        across_splits = [group for group in groups if len(set(pictures.parts[group])) > 1]
        across_classes = [group for group in groups if len(set(pictures.labels[group])) > 1]
        rest = [group for group in groups if group not in across_splits and group not in across_classes]
        how = "" if not prefix else " (resized, compressed again, mirrored or cropped a little)"
        if across_splits:
            yield Finding(
                f"{prefix}duplicates-across-splits",
                SERIOUS,
                f"{_many(len(across_splits), 'picture')} in one part of the folder {_is(across_splits)} {adjective} as "
                f"in another{how}.",
                "A network that has seen a picture in training knows it by heart: measured on it again, its accuracy "
                "is better than it will be on new pictures.",
                "`calor train` leaves the copies out of the training part. For other programs, do so (--write-list).",
                tuple(map(pictures.files, across_splits)),
            )
        if across_classes:
            yield Finding(
                f"{prefix}duplicates-across-classes",
                SERIOUS,
                f"{_many(len(across_classes), 'picture')} of one class {_is(across_classes)} {adjective} as in "
                f"another{how}.",
                "One of the labels is wrong, and a network cannot learn what contradicts itself.",
                "Look at them, and keep each in the class that it shows; or leave all of them out (--write-list).",
                tuple(map(pictures.files, across_classes)),
            )
        if rest:
            risk = (
                " `calor train` keeps them in one part; other programs hold out pictures at random, copies among them."
                if len(pictures.part_names) == 1
                else ""
            )
            yield Finding(
                f"{prefix}duplicates",
                LOOK_AT,
                f"{_many(len(rest), 'picture')} of a class {'comes' if len(rest) == 1 else 'come'} more than once, "
                f"{adjective}{how}.",
                f"They count twice in training, and there are fewer pictures than it seems.{risk}",
                "Leave the copies out (--write-list).",
                tuple(map(pictures.files, rest)),
            )
        for group in groups:
            _leave_out_copies(pictures, group, adjective, leave_out)


def _is(groups: Sequence[object]) -> str:
    return "is" if len(groups) == 1 else "are"


def _leave_out_copies(pictures: _Pictures, group: Sequence[int], adjective: str, leave_out: dict[Path, str]) -> None:
    """Which of some copies to leave out: all where their classes differ; else all but one, of a part not trained on."""
    if len(set(pictures.labels[group])) > 1:
        for place in group:
            other = next(one for one in group if pictures.labels[one] != pictures.labels[place])
            reason = f"{adjective} as {pictures.all[other].file}, which is of another class"
            leave_out.setdefault(pictures.all[place].file, reason)
        return
    keep = max(group, key=lambda place: (pictures.parts[place], np.prod(pictures.all[place].size), -place))
    for place in group:
        # A copy in a further part that is only measured on stays: it does no harm there.
        if place != keep and (pictures.parts[place] in (0, pictures.parts[keep])):
            leave_out.setdefault(pictures.all[place].file, f"{adjective} as {pictures.all[keep].file}")


def _all_alike(pictures: _Pictures, groups: Sequence[Sequence[int]]) -> Finding:
    return Finding(
        "pictures-look-alike",
        LOOK_AT,
        f"{_many(sum(map(len, groups)), 'picture')} look nearly the same as another.",
        "Where all look alike (one camera that never moves, say), copies cannot be told from pictures that are just "
        "similar. Pictures taken one after the other are nearly copies: in different parts they make the accuracy "
        "look better than it is.",
        "Look at some. Keep pictures of one occasion in one part.",
        tuple(map(pictures.files, groups)),
    )


def _telling(pictures: _Pictures) -> Iterator[Finding]:
    count = len(pictures.class_names)
    training = pictures.training()
    values = attributes(training.all, training.class_names)
    for kind, (grade, code, has) in _TELLING.items():
        if found := giveaways(values[kind], training.labels, count):
            yield _giveaway(training, code, grade, has, found)
    if found := bordered(training.all, training.labels, count):
        yield _giveaway(training, "border-tells-class", SERIOUS, "have an edge that is {value}", found)
    values = attributes(pictures.all, pictures.class_names)
    for kind in ("size", "mode", "format"):
        if found := giveaways(values[kind], pictures.parts, len(pictures.part_names)):
            has = _TELLING[kind][2].format(value=found[0].value)
            yield Finding(
                f"{kind}-differs-by-split",
                LOOK_AT,
                f"{_shares(found[0], pictures.part_names)} {has}.",
                "The parts seem to come from different sources. What is measured on one says little about the other.",
                "Mix all pictures, and split them anew at random.",
                (pictures.files(found[0].places),),
            )


def _giveaway(pictures: _Pictures, code: str, grade: str, has: str, found: Sequence[Giveaway]) -> Finding:
    first = found[0]
    more = f" {_many(len(found) - 1, 'other value')} tell the classes apart, too." if len(found) > 1 else ""
    if code == "name-tells-class":
        why = "The network does not see names. But pictures of different sources often differ in more than their names."
        advice = "Compare some pictures of the classes: do they differ in anything but what they show?"
    else:
        why = (
            "A network takes the easiest way: it may learn this instead of what the pictures show, look very good "
            "here, and fail on other pictures."
        )
        advice = "Make all classes alike in this (crop, resize or convert them), or collect pictures of one source."
    return Finding(
        code,
        grade,
        f"{_shares(first, pictures.class_names)} {has.format(value=first.value)}.{more}",
        why,
        advice,
        (pictures.files(first.places),),
    )


def _shares(found: Giveaway, names: Sequence[str]) -> str:
    highest, lowest = int(np.argmax(found.shares)), int(np.argmin(found.shares))
    return f"{found.shares[highest]:.0%} of {names[highest]} and {found.shares[lowest]:.0%} of {names[lowest]}"


def _sizes_of_classes(pictures: _Pictures) -> Iterator[Finding]:
    training = np.bincount(pictures.labels[pictures.parts == 0], minlength=len(pictures.class_names))
    largest, smallest = int(training.argmax()), int(training.argmin())
    names = pictures.class_names
    if (ratio := training[largest] / max(int(training[smallest]), 1)) >= UNEVEN:
        yield Finding(
            "imbalance",
            SERIOUS if ratio >= VERY_UNEVEN else LOOK_AT,
            f"There are {ratio:.0f} times as many pictures of {names[largest]} ({training[largest]}) as of "
            f"{names[smallest]} ({training[smallest]}).",
            f"A network that always says {names[largest]} would be right in "
            f"{training[largest] / training.sum():.0%} of the cases and know nothing.",
            f"Collect more pictures of {names[smallest]}. `calor train` lets rare classes count more; with fit, give a "
            "class_weight. Look at the accuracy class by class.",
        )
    if few := [name for name, count in zip(names, training, strict=True) if count < FEW]:
        yield Finding(
            "few-pictures",
            LOOK_AT,
            f"Fewer than {FEW} pictures to learn from: {', '.join(few)}.",
            "A class needs many different pictures; from a few a network learns these, by heart.",
            "Collect more: a hundred a class is a start, a thousand is good.",
        )


def _small_things(pictures: _Pictures, listings: dict[str, Listing], skipped: Sequence[str]) -> Iterator[Finding]:
    if wrong := [picture for picture in pictures.all if picture.wrong_ending]:
        example = wrong[0]
        yield Finding(
            "wrong-extension",
            LOOK_AT,
            f"{_many(len(wrong), 'file')} {'is' if len(wrong) == 1 else 'are'} named as another format, such as "
            f"{example.file.name}, which is {example.format}.",
            "Calor looks at what is in a file and reads it all the same; other programs may not.",
            f"Rename them ({example.file.with_suffix(ENDINGS[example.format][0]).name}).",
            tuple((picture.file,) for picture in wrong),
        )
    if folders := [path for listing in listings.values() for path in listing.directories]:
        yield Finding(
            "folders-in-classes",
            LOOK_AT,
            f"{_many(len(folders), 'folder')} inside of class folders {'is' if len(folders) == 1 else 'are'} "
            "not looked into.",
            "Pictures in there are not learned from.",
            "Move their pictures up into the folder of the class.",
            tuple((path,) for path in folders),
        )
    if skipped:
        yield Finding(
            "part-not-checked",
            NOTE,
            f"Not looked into, as {'it has' if len(skipped) == 1 else 'they have'} not the folders of the classes: "
            f"{', '.join(skipped)}.",
            "It is no part of the training either.",
            "Nothing, unless it should be.",
        )
    if ignored := sum(listing.ignored for listing in listings.values()):
        yield Finding(
            "ignored-files",
            NOTE,
            f"{_many(ignored, 'file')} in the class folders {'does' if ignored == 1 else 'do'} not end like a picture.",
            f"Pictures end in {', '.join(sorted(EXTENSIONS))}; others are not looked at.",
            "Convert pictures in other formats (such as .heic) to JPEG.",
        )
    if turned := [picture for picture in pictures.all if picture.orientation != 1]:
        yield Finding(
            "exif-rotated",
            NOTE,
            f"{_many(len(turned), 'picture')} {'is' if len(turned) == 1 else 'are'} stored lying, with a note how to "
            "turn them (EXIF).",
            "Calor turns them upright wherever it reads pictures; other programs may see them lying.",
            "Nothing.",
            tuple((picture.file,) for picture in turned),
        )
    modes = Counter(picture.mode for picture in pictures.all)
    if len(modes) > 1:
        rare = [picture for picture in pictures.all if picture.mode != modes.most_common(1)[0][0]]
        yield Finding(
            "mixed-modes",
            NOTE,
            f"The pictures are of different modes: {', '.join(f'{n} {mode}' for mode, n in modes.most_common())}.",
            "Calor makes all of them RGB: grey ones stay grey, transparent parts become white.",
            "Nothing, where each class has some of each.",
            tuple((picture.file,) for picture in rare),
        )


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)
