"""Before training: the folder is looked over and divided, once, so that all that follows sees the same parts."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from calor.data.folder import Listing, list_folder
from calor.errors import ArgumentError, DataError
from calor.workbench.photos import Layout, find_layout
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
        hashes: of the contents of the files that can be read, by path; by default of all files.
        copies: groups of files that are the same, or nearly.
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
    rows = [row for row in rows if row[0] not in out and hashes.get(row[0])]
    files = [path.relative_to(root).as_posix() for path, _, _ in rows]
    contents = [hashes[path] for path, _, _ in rows]
    labels = np.array([label for _, label, _ in rows], np.int32)
    given = [part for part, place in ((VALIDATION, layout.validation), (TEST, layout.test)) if place is not None]
    drawn = np.array([part == TRAINING for _, _, part in rows])
    _check_enough(layout, np.bincount(labels[drawn], minlength=len(names)), least=1 if VALIDATION in given else 2)
    shares = _shares(layout, int(drawn.sum()), earlier, test_share)
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
        validation=shares[0],
        test=shares[1],
        settled=settled,
        given=given,
        class_names=names,
    )
    reasons = {path.relative_to(root).as_posix(): reason for path, reason in out.items()}
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
        shares=shares,
        given=tuple(NAMES[number] for number in given),
        left_out=reasons,
    )


def _labelled(listing: Listing) -> Iterable[tuple[Path, int]]:
    return zip(listing.files, listing.labels, strict=True)


def _check_enough(layout: Layout, counts: np.ndarray, *, least: int) -> None:
    """Each class must have pictures to learn from, and to hold out where that has to be."""
    few = [name for name, count in zip(layout.class_names, counts, strict=True) if count < least]
    if few:
        what = "no usable picture" if least == 1 else "fewer than two usable pictures"
        raise DataError(
            f"In {layout.training} there {'is' if least == 1 else 'are'} {what} of {', '.join(few)}: a class needs "
            + ("one at least to learn from." if least == 1 else "one to learn from and one to hold out.")
        )


def _shares(layout: Layout, pictures: int, earlier: Split | None, test_share: float | None) -> tuple[float, float]:
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
