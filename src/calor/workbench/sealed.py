"""The sealed test part of a run: measured once, when all is decided, and every opening is written down.

A network that was chosen among several by their accuracy on some pictures looks better on these than on new ones, as
part of that accuracy is luck. So the test part chooses nothing: training, its report and comparisons never read it.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calor.errors import DataError
from calor.workbench.classify import Evaluation, load_classifier, measure
from calor.workbench.run_folder import SPLIT, replacing
from calor.workbench.split import Part, Split

SEALED = "sealed.json"
"""The file in the run folder."""

_FORMAT, _VERSION = "calor sealed", 1


@dataclass(frozen=True)
class Opening:
    """One time that the sealed pictures were measured on.

    Attributes:
        when: date and time, UTC, in ISO 8601.
        run: the name of the run folder.
        pictures: how many there were.
        right: how many were recognised.
    """

    when: str
    run: str
    pictures: int
    right: int

    @property
    def accuracy(self) -> float:
        """The share of the pictures that were recognised."""
        return self.right / self.pictures


@dataclass(frozen=True)
class Unsealed:
    """What ``open_sealed`` gives.

    Attributes:
        evaluation: the figures.
        openings: all times that these pictures were measured on, the first one first and this one last; by this run,
            and by others beside it that sealed the same pictures.
    """

    evaluation: Evaluation
    openings: tuple[Opening, ...]


def open_sealed(run: str | os.PathLike[str]) -> Unsealed:
    """Measure the model of a run on its sealed test part, and write down in ``sealed.json`` that it was opened.

    Args:
        run: the run folder.

    Raises:
        DataError: the run sealed no pictures, or they are not as they were; or ``sealed.json`` is damaged.
        ModelFileError, ModelStateError: as for ``load_classifier``.
        OSError: the opening cannot be written down; nothing is told then.
    """
    folder = Path(run)
    if not (folder / SPLIT).is_file():
        raise DataError(
            f"{run} is no run folder with a {SPLIT}, so it sealed no pictures: give a FOLDER to measure on, too."
        )
    split = Split.load(folder)
    if not len(split.test):
        raise DataError(
            f"The run {run} sealed no pictures, as its folder was small or gives no test part. Give a FOLDER of "
            "pictures that it has not seen; or train with --test-share 0.15, which seals some."
        )
    before = _read(folder / SEALED)
    split.check_unchanged("test")
    classifier = load_classifier(folder)
    if classifier.class_names != split.class_names:
        raise DataError(
            f"The classes of the model in {run}, {', '.join(classifier.class_names)}, are not those of its {SPLIT}, "
            f"{', '.join(split.class_names)}."
        )
    pictures = split.dataset("test", classifier.image_size, color_mode=classifier.color_mode, unsealed=True)
    evaluation = measure(classifier, pictures, split.class_names)
    now = Opening(
        datetime.now(UTC).isoformat(timespec="microseconds"),
        folder.resolve().name,
        int(evaluation.pictures.sum()),
        int(evaluation.right.sum()),
    )
    _write(folder / SEALED, _key(split.test), [*before, now])
    others = sorted(_elsewhere(folder.resolve(), _key(split.test)), key=lambda opening: opening.when)
    return Unsealed(evaluation, (*sorted([*others, *before], key=lambda opening: opening.when), now))


def _key(part: Part) -> str:
    """The same for the same pictures, wherever they lie."""
    return hashlib.blake2b("".join(sorted(part.hashes)).encode(), digest_size=16).hexdigest()


def _write(path: Path, key: str, openings: list[Opening]) -> None:
    record = {
        "format": _FORMAT,
        "version": _VERSION,
        "pictures": key,
        "opened": len(openings),
        "openings": [asdict(opening) | {"accuracy": opening.accuracy} for opening in openings],
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="ascii")


def _read(path: Path) -> list[Opening]:
    """The openings that are written down; none where there is no such file."""
    if not path.exists():
        return []
    try:
        return _openings(json.loads(path.read_text(encoding="ascii")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}, which counts how often the test part was opened, cannot be read ({error!r:.80}): bring it back, "
            "or remove it, knowing that the count begins anew."
        ) from error


def _openings(record: Any) -> list[Opening]:
    if record["format"] != _FORMAT or record["version"] > _VERSION:
        raise ValueError(f"format {record['format']!r}, version {record['version']!r}")
    return [
        Opening(str(one["when"]), str(one["run"]), int(one["pictures"]), int(one["right"]))
        for one in record["openings"]
    ]


def _elsewhere(run: Path, key: str) -> Iterator[Opening]:
    """The openings of the same pictures by other runs beside this one."""
    for path in run.parent.glob(f"*/{SEALED}"):
        if path.parent == run:
            continue
        try:
            record = json.loads(path.read_text(encoding="ascii"))
            if record["pictures"] == key:
                yield from _openings(record)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # that is for its own run to tell
