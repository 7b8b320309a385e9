"""Before training: the folder is checked and divided, once, and all that follows sees the same parts."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from calor.data import Dataset
from calor.data.folder import Listing, list_folder
from calor.errors import ArgumentError, DataError, warn
from calor.workbench.checkup import SERIOUS, CheckUp, check
from calor.workbench.class_weights import class_weights
from calor.workbench.photos import Layout, Photos, find_layout
from calor.workbench.run_folder import SPLIT
from calor.workbench.settings import Settings
from calor.workbench.split import (
    LEFT_OUT,
    NAMES,
    TEST,
    TRAINING,
    VALIDATION,
    Part,
    Split,
    content_hashes,
    divide,
    units,
)

Say: TypeAlias = Callable[[str], object]

HELD_OUT = 0.15
"""The share of each class that the validation part gets, and the same again the sealed test part."""

HELD_OUT_ALONE = 0.2
"""The share of the validation part where there is no test part."""

LEAST_SEALED = 30
"""The pictures of a test part below which it is not worth its price.

Of 30 pictures the 95 % interval of an accuracy of 85 % is 26 points wide (Wilson). In a folder so small, every
picture is of more use in training.
"""

MOST_SEALED = 0.5
"""The largest share of a test part."""

_SHOWN = 3
"""How many files, or findings, a line names."""

_NAMED = 10
"""How many files a warning names, a line each."""


def prepare(settings: Settings, run: Path, *, progress: bool = True, say: Say = print) -> Photos:
    """Check a folder of photos, divide it, write the split into the run folder, and say what was found.

    Where the run folder has a split already, the photos must be as it says: a run that goes on sees what it saw before.

    Args:
        settings: ``folder``, ``image_size``, ``seed``, ``check``, ``leave_out``, ``split``, ``test_share`` and
            ``class_weight`` count here.
        run: the run folder.
        progress: whether to draw a bar while files are read, where a person looks.
        say: takes the lines.

    Warns:
        CalorWarning: files cannot be read and are left out; or files of an earlier split have changed, or are gone.

    Raises:
        DataError: the folder has not the layout; a class has too few pictures; a list or split cannot be used; or the
            photos have changed since the run began.
        ArgumentError: ``test_share`` cannot be.
        OSError: the split cannot be written.
    """
    if (run / SPLIT).exists():
        split = Split.load(run / SPLIT, settings.folder)
        split.check_unchanged("training", "validation")
    else:
        split = _new_split(settings, progress, say)
        split.save(run / SPLIT)
    training, validation = split.datasets("training", "validation", image_size=settings.image_size, progress=progress)
    counts = split.training.counts(len(split.class_names))
    weights = class_weights(counts, settings.class_weight)
    for line in _described(split):
        say(line)
    if weights is not None:
        most, least = int(counts.argmax()), int(counts.argmin())
        say(
            f"Class weights: a photo of {split.class_names[least]} counts {weights[least]:.2f}, one of "
            f"{split.class_names[most]} {weights[most]:.2f}, as there are {counts[most] / counts[least]:.1f} times as "
            "many of these."
        )
    return Photos(training, validation, split.class_names, split, weights)


@dataclass(frozen=True)
class _Known:
    """What is known of the files of a folder before it is divided.

    Attributes:
        hashes: of the contents of those that can be read.
        copies: groups of files that are the same, or nearly.
        unreadable: why each of the others cannot be read.
    """

    hashes: Mapping[Path, str]
    copies: Iterable[Sequence[Path]] = ()
    unreadable: Mapping[Path, str] = field(default_factory=dict)


def _new_split(settings: Settings, progress: bool, say: Say) -> Split:
    folder = settings.folder
    layout = find_layout(folder)
    earlier = None if settings.split is None else Split.load(settings.split, folder)
    listed = {} if settings.leave_out is None else read_list(settings.leave_out, folder)
    if settings.check:
        found = check(folder, progress=progress)
        damaged = {path: reason for path, reason in found.leave_out.items() if path not in found.hashes}
        known = _Known(found.hashes, found.copies, damaged)
        for line in _checked(found):
            say(line)
        if damaged:
            named = [f"{path} {reason}." for path, reason in damaged.items()]
            shown = "\n  ".join(named[:_NAMED] + [f"and {len(named) - _NAMED} more"] * (len(named) > _NAMED))
            what = "1 file cannot be used and is" if len(named) == 1 else f"{len(named)} files cannot be used and are"
            warn(f"{folder}: {what} left out.\n  {shown}")
    else:
        known = _unchecked(layout, settings.image_size, progress)
        say(f"{folder} was not checked: only files with the same bytes are known as copies.")
    split = split_folder(
        folder,
        seed=settings.seed,
        hashes=known.hashes,
        copies=known.copies,
        left_out={**known.unreadable, **listed},
        earlier=earlier,
        test_share=settings.test_share,
    )
    if earlier is not None:
        _warn_of_changes(earlier, split)
    told = {path.relative_to(folder).as_posix() for path in (*known.unreadable, *listed)}
    told |= set() if earlier is None else set(earlier.left_out)
    for line in _left_out(len(listed), [file for file in split.left_out if file not in told]):
        say(line)
    if layout.unused:
        say(f"Not used: {', '.join(layout.unused)}.")
    return split


def _unchecked(layout: Layout, image_size: tuple[int, int], progress: bool) -> _Known:
    """Which files can be read, by decoding them as training needs them."""
    hashes: dict[Path, str] = {}
    unreadable: dict[Path, str] = {}
    for place in (layout.training, layout.validation, layout.test):
        if place is None:
            continue
        pictures = Dataset.from_image_folder(
            place, image_size=image_size, class_names=layout.class_names, progress=progress
        )
        usable = pictures.files or []
        hashes |= zip(usable, content_hashes(usable), strict=True)
        unreadable |= dict.fromkeys(set(list_folder(place, layout.class_names).files) - set(usable), "cannot be read")
    return _Known(hashes, unreadable=unreadable)


def _checked(found: CheckUp) -> Iterator[str]:
    """What the check-up found, in a few lines."""
    serious = [finding for finding in found.findings if finding.grade == SERIOUS]
    others = len(found.findings) - len(serious)
    more = f"; {others} of less weight" if others else ""
    where = f" `calor check {found.folder}` shows all of it." if found.findings else ""
    if not serious:
        yield f"Checked {found.files} files: nothing serious{more}.{where}"
        return
    yield f"Checked {found.files} files: {len(serious)} serious{more}.{where}"
    for finding in serious[:_SHOWN]:
        yield f"  {finding.code}: {finding.what}"
    if len(serious) > _SHOWN:
        yield f"  and {len(serious) - _SHOWN} more"


def _left_out(listed: int, copies: Sequence[str]) -> Iterator[str]:
    """Which files are in no part, by reason."""
    if listed:
        yield f"Left out, as the list says: {listed} file{'s' * (listed != 1)}."
    if copies:
        yield (
            f"Left out, as copies of photos that are held out: {_some(copies)}. What a network has learned from, "
            "it cannot be measured on."
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _described(split: Split) -> Iterator[str]:
    """The parts, by class, and where they come from."""
    parts = [name for name in NAMES if len(split.part(name))]
    counts = [split.part(name).counts(len(split.class_names)).tolist() for name in parts]
    heads = [f"{name} (sealed)" if name == NAMES[TEST] else name for name in parts]
    rows = [("class", *heads), *zip(split.class_names, *counts, strict=True), ("together", *map(sum, counts))]
    yield f"{len(split.class_names)} classes in {split.folder}"
    width = max(len(str(row[0])) for row in rows)
    for name, *numbers in rows:
        yield f"  {name:<{width}}" + "".join(f"{number:>15}" for number in numbers)
    if NAMES[VALIDATION] in split.given:
        yield f"Validation: as given in {split.paths('validation')[0].parent.parent}."
    else:
        yield f"Validation: {split.shares[0]:.0%} of each class, held out."
    if not len(split.test):
        given = NAMES[VALIDATION] in split.given
        why = "the folder gives none" if given else f"it would have fewer than {LEAST_SEALED} photos"
        yield f"Test: none, as {why} (--test-share 0.15 seals some)."
    else:
        source = "as given" if NAMES[TEST] in split.given else f"{split.shares[1]:.0%} of each class"
        yield f"Test: {source}, sealed until `calor evaluate RUN` opens it, once all is decided."


def read_list(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> dict[Path, str]:
    """The files of a folder that a list says to leave out, and why.

    Args:
        path: a file in each line, and after a tab the reason, as ``calor check --write-list`` writes it. Files are
            relative to the working folder, to the folder of photos, or absolute.
        folder: the photos.

    Raises:
        DataError: the list is not there or cannot be read, or names no file of the folder.

    Warns:
        CalorWarning: it names files that are not in the folder.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError as error:
        raise DataError(f"The list {path} of files to leave out cannot be read: {error.strerror}.") from error
    root = Path(folder)
    found: dict[Path, str] = {}
    missing = []
    for line in filter(None, lines):
        name, _, reason = line.partition("\t")
        below = next((place for place in _places(name, root) if (root / place).is_file()), None)
        if below is None:
            missing.append(name)
        else:
            found[root / below] = reason or "on the list of files to leave out"
    if missing and not found:
        raise DataError(f"The list {path} names no file in {folder}, but {_some(missing)}: it is of another folder.")
    if missing:
        warn(f"The list {path} names files that are not in {folder}: {_some(missing)}.")
    return found


def _places(name: str, root: Path) -> Iterator[Path]:
    """Where below the folder of photos a file of a list may lie."""
    for base in (Path.cwd(), root):
        place = Path(os.path.normpath(base / name))
        for path, folder in ((place, root.absolute()), (place.parent.resolve() / place.name, root.resolve())):
            if path.is_relative_to(folder):
                yield path.relative_to(folder)


def _warn_of_changes(earlier: Split, split: Split) -> None:
    """Tell of files of an earlier split that are not there, or not as they were."""
    before, now = _contents(earlier), _contents(split)
    here = set(now.values())
    changed = [file for file, known in before.items() if now.get(file, known) != known]
    gone = [
        file for file, known in before.items() if file not in now and known not in here and file not in split.left_out
    ]
    if changed:
        warn(f"Files that have changed since they were divided stay in their part: {_some(changed)}.")
    if gone:
        warn(f"Files that were divided are not in {split.folder} any more: {_some(gone)}.")


def _contents(split: Split) -> dict[str, str]:
    parts = [split.part(name) for name in NAMES]
    return {file: known for part in parts for file, known in zip(part.files, part.hashes, strict=True)}


def split_folder(
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    hashes: Mapping[Path, str] | None = None,
    copies: Iterable[Sequence[Path]] = (),
    left_out: Mapping[Path, str] | None = None,
    earlier: Split | None = None,
    test_share: float | None = None,
) -> Split:
    """Divide the pictures of a folder into a training, a validation and a test part.

    Parts that the folder has as ``validation/`` and ``test/`` beside ``train/`` stay as they are given: what is
    measured on them can be compared with what others measured. What is a copy of a picture in them is left out of
    training. Where there is no ``validation/``, pictures of each class are held out, 15 % for validation and 15 % for
    the sealed test. Where there is ``validation/`` but no ``test/``, or where the test part would have fewer than
    ``LEAST_SEALED`` pictures, there is none, and 20 % are held out for validation.

    Args:
        folder: as for ``train``.
        seed: fixes the draw.
        hashes: of the contents of the files that can be read, by path, as ``check(folder).hashes`` has them; by default
            all files are taken.
        copies: groups of files that are the same, or nearly, as ``check(folder).copies`` has them.
        left_out: files that are in none of the parts, and why.
        earlier: a split of the same folder that is kept to: what it has stays where it is, only what is new is drawn.
        test_share: the share of the sealed test part; 0 for none.

    Raises:
        DataError: the folder has not the layout, or a class has too few pictures.
        ArgumentError: ``test_share`` is no such share, or the folder has a test part.

    >>> import tempfile
    >>> from calor.workbench import draw_pictures
    >>> with tempfile.TemporaryDirectory() as place:
    ...     split = split_folder(draw_pictures(place, per_class=100))
    >>> [len(part) for part in (split.training, split.validation, split.test)]
    [280, 60, 60]
    """
    layout = find_layout(folder)
    names = layout.class_names
    if earlier is not None and earlier.class_names != names:
        raise DataError(
            f"{folder} has the classes {', '.join(names)}, and the split that is to be kept to "
            f"{', '.join(earlier.class_names)}: it is of another folder."
        )
    rows = [
        (path, int(label), part)
        for part, place in ((TRAINING, layout.training), (VALIDATION, layout.validation), (TEST, layout.test))
        if place is not None
        for path, label in _labelled(list_folder(place, names))
    ]
    if hashes is None:
        paths = [path for path, _, _ in rows]
        hashes = dict(zip(paths, content_hashes(paths), strict=True))
    root = Path(folder)
    out = {} if earlier is None else {root / file: reason for file, reason in earlier.left_out.items()}
    out |= left_out or {}
    out |= {path: "cannot be read" for path, _, _ in rows if not hashes.get(path) and path not in out}
    reasons = {path.relative_to(root).as_posix(): out[path] for path, _, _ in rows if path in out}
    rows = [row for row in rows if row[0] not in out]
    files = [path.relative_to(root).as_posix() for path, _, _ in rows]
    contents = [hashes[path] for path, _, _ in rows]
    labels = np.array([label for _, label, _ in rows], np.int32)
    given = [part for part, place in ((VALIDATION, layout.validation), (TEST, layout.test)) if place is not None]
    drawn = np.array([part == TRAINING for _, _, part in rows])
    counts = np.bincount(labels[drawn], minlength=len(names))
    _check_enough(layout, counts, least=1 if VALIDATION in given else 2)
    drawn_shares = shares(layout, int(drawn.sum()), earlier, test_share)
    settled = np.array([part if part in given else -1 for _, _, part in rows])
    if earlier is not None:
        settled = np.where(drawn, _kept(earlier, files, contents), settled)
        seed = earlier.seed
    place_of = {path: place for place, (path, _, _) in enumerate(rows)}
    groups = [[place_of[path] for path in group if path in place_of] for group in copies]
    chosen = divide(
        labels,
        contents,
        groups=[group for group in groups if group],
        seed=seed,
        validation=drawn_shares[0],
        test=drawn_shares[1],
        settled=settled,
        given=given,
        class_names=names,
    )
    _check_left(layout, labels, chosen)
    for group in units(contents, groups):
        kept = max(group, key=lambda place: chosen[place])
        for place in group:
            if chosen[place] == LEFT_OUT:
                same = "the same as" if contents[place] == contents[kept] else "nearly the same as"
                reasons[files[place]] = f"{same} {files[kept]}, which is in the {NAMES[chosen[kept]]} part"

    def part(number: int) -> Part:
        # By class, so that it is the same when it is read again.
        places = sorted(np.flatnonzero(chosen == number), key=lambda place: (labels[place], files[place]))
        return Part(tuple(files[i] for i in places), labels[places], tuple(contents[i] for i in places))

    return Split(
        root.absolute(),
        names,
        part(TRAINING),
        part(VALIDATION),
        part(TEST),
        seed=seed,
        shares=drawn_shares,
        given=tuple(NAMES[number] for number in given),
        left_out=reasons,
    )


def _labelled(listing: Listing) -> Iterable[tuple[Path, int]]:
    return zip(listing.files, listing.labels, strict=True)


def _check_enough(layout: Layout, counts: np.ndarray, *, least: int) -> None:
    """Each class must have pictures to learn from, and to hold out where that has to be."""
    few = [(name, count) for name, count in zip(layout.class_names, counts, strict=True) if count < least]
    if not few:
        return
    what = "there is no usable picture" if min(count for _, count in few) == 0 else "there is one usable picture only"
    named = ", ".join(repr(name) for name, _ in few)
    needs = "one to learn from" if least == 1 else "at least two, one to learn from and one to hold out"
    raise DataError(f"In {layout.training} {what}: {named}. A class needs {needs}.")


def _check_left(layout: Layout, labels: np.ndarray, chosen: np.ndarray) -> None:
    """Something must be left to learn from, and to validate on, after copies of what is more held out were left out."""
    learned = np.bincount(labels[chosen == TRAINING], minlength=len(layout.class_names))
    if none := [name for name, count in zip(layout.class_names, learned, strict=True) if not count]:
        raise DataError(
            f"All pictures of {', '.join(none)} in {layout.training} are copies of pictures that are held out: "
            "nothing is left to learn from. Add pictures that differ."
        )
    if not np.any(chosen == VALIDATION):
        raise DataError(
            f"All pictures in {layout.validation} are copies of pictures in {layout.test}: what chooses the best epoch "
            "must not be what is tested on. Take one of the two folders away."
        )


def shares(layout: Layout, pictures: int, earlier: Split | None, test_share: float | None) -> tuple[float, float]:
    """The shares of the validation and of the test part."""
    if test_share is not None:
        if layout.test is not None and test_share:
            raise ArgumentError(f"{layout.test} is the test part: leave the share of another one out.")
        if not 0 <= test_share <= MOST_SEALED:
            raise ArgumentError(f"The share of the test part must lie between 0 and {MOST_SEALED}, not {test_share}.")
    elif earlier is not None:
        return earlier.shares
    elif layout.test is not None or layout.validation is not None or pictures * HELD_OUT < LEAST_SEALED:
        test_share = 0.0
    else:
        test_share = HELD_OUT
    alone = layout.test is None and not test_share
    validation = 0.0 if layout.validation is not None else HELD_OUT_ALONE if alone else HELD_OUT
    return validation, float(test_share)


def _kept(earlier: Split, files: Sequence[str], contents: Sequence[str]) -> np.ndarray:
    """The part of each file in an earlier split, -1 for new ones; files that were renamed are known by their hash."""
    by_name = {file: number for number, name in enumerate(NAMES) for file in earlier.part(name).files}
    by_hash = {known: number for number, name in enumerate(NAMES) for known in earlier.part(name).hashes}
    return np.array([by_name.get(file, by_hash.get(known, -1)) for file, known in zip(files, contents, strict=True)])
