"""Several runs side by side on the pictures that they all held out, and whether the best is better than by chance.

The validation part compares: its pictures chose the epochs of all the runs alike. The sealed test part is not read.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calor.data import Dataset
from calor.data.reading_bar import Progress
from calor.errors import ArgumentError, DataError, warn
from calor.training.history import History
from calor.training.interval import wilson_interval
from calor.training.paired import PairedDifference, mcnemar, paired_difference
from calor.workbench.classify import AT_ONCE, Classifier, load_classifier
from calor.workbench.run_folder import HISTORY, SPLIT
from calor.workbench.run_record import RunRecord
from calor.workbench.split import Part, Split

_TINY = 1e-7
"""Below it a probability counts as this much, as in Keras' cross-entropy."""

_NOT_TOLD = ("folder", "split", "recipe", "check")
"""Settings that are not listed as differences: places, what has a column of its own, and what the split says."""


@dataclass(frozen=True)
class Compared:
    """One of the runs.

    Attributes:
        name: of its folder; its path, where two have the same name.
        folder: the run folder.
        recipe: the name of its way of training.
        settings: those that are not the same in all of the runs, by name.
        history: its record.
        best_epoch: the one whose weights were kept, from 1; None where its validation loss was never a number.
        losses: the cross-entropy of each picture of the validation part, (pictures,) float64, in the order of the first
            run's split.
        recognised: whether each of them was, (pictures,) bool.
        parameters: how many the network has.
    """

    name: str
    folder: Path
    recipe: str
    settings: Mapping[str, Any]
    history: History
    best_epoch: int | None
    losses: np.ndarray
    recognised: np.ndarray
    parameters: int

    @property
    def loss(self) -> float:
        """The mean cross-entropy on the validation part."""
        return float(self.losses.mean())

    @property
    def accuracy(self) -> float:
        """The share of the validation part that it recognises."""
        return float(self.recognised.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """The range that covers the true accuracy in 95 of 100 cases (Wilson)."""
        return wilson_interval(int(self.recognised.sum()), len(self.recognised))


@dataclass(frozen=True)
class Difference:
    """Between the run with the lowest validation loss and the next, on the same pictures.

    Attributes:
        better: the name of the one.
        next: the name of the other.
        loss: how much larger the other's loss is, with its standard error and 95 % interval.
        only_better: how many pictures the one alone recognises.
        only_next: how many the other alone does.
        p: of McNemar's exact test: how probable accuracies that differ so much are, if both networks are as good.
    """

    better: str
    next: str
    loss: PairedDifference
    only_better: int
    only_next: int
    p: float

    @property
    def real(self) -> bool:
        """Whether the difference of the losses is more than chance: its 95 % interval excludes 0."""
        return self.loss.real

    def __str__(self) -> str:
        low, high = self.loss.interval
        count = self.loss.examples
        pictures = f"{count} picture{'s' * (count != 1)}"
        if self.loss.mean == self.loss.error == 0:
            return (
                f"{self.better} and {self.next} have the same loss on every one of {pictures}: they are equally good."
            )
        measured = (
            f"The loss of {self.better} is lower than that of {self.next} by {self.loss.mean:.4f} "
            f"(95 % interval {low:.4f} to {high:.4f}, on the same {pictures})"
        )
        if self.real:
            verdict = "the difference is real."
        elif count == 1:
            verdict = "it could be chance: with 1 picture no difference can be told."
        else:
            verdict = f"it could be chance: with {pictures} a difference below {self.loss.smallest:.4f} cannot be told."
        accuracies = (
            f"{self.better} alone recognises {self.only_better} of them, {self.next} alone {self.only_next}: as "
            f"accuracies, that {'is more than chance' if self.p < 0.05 else 'could be chance'} "
            f"(p = {self.p:.2g}, McNemar's exact test)."
        )
        return f"{measured}: {verdict}\n{accuracies}"


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` gives.

    Attributes:
        runs: as they were given.
        difference: between the best and the next.
    """

    runs: tuple[Compared, ...]
    difference: Difference

    @property
    def best(self) -> Compared:
        """The run with the lowest validation loss."""
        return _by_loss(self.runs)[0]


def compare(
    runs: Sequence[str | os.PathLike[str]],
    *,
    photos: str | os.PathLike[str] | None = None,
    progress: Progress | bool = False,
) -> Comparison:
    """Compare runs that held out the same pictures: which has the lowest validation loss, and is that more than chance?

    All networks see the validation part anew, so that they are compared picture by picture, by the same loss (the
    cross-entropy) whatever each was trained with. The test is between the best and the next: among many equally good
    runs these two lie closer together than any two do, so that it calls chance real in fewer than 5 of 100 cases.

    It holds for these networks as they are. The same settings with another seed give another network, which may differ
    by more.

    Args:
        runs: run folders, two or more.
        photos: where the folder of photos is now; by default where it was.
        progress: told how many photos are read; True draws a bar.

    Raises:
        ArgumentError: there are not two, or one of them twice.
        DataError: one is no run with a ``split.json``, has not ended, or gives no numbers; they hold out different
            pictures; or these are not there, or not as they were.
        ModelFileError, ModelStateError: as for ``load_classifier``.

    Warns:
        CalorWarning: they did not learn from the same pictures.
    """
    if isinstance(runs, str | os.PathLike) or len(runs) < 2:
        raise ArgumentError("compare needs two run folders or more, as a list.")
    folders = [Path(run) for run in runs]
    for place, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:place]]:
            raise ArgumentError(f"{folder} is given twice: a run does not differ from itself.")
    records = [RunRecord.load(folder) for folder in folders]
    histories = [_history(folder) for folder in folders]
    splits = [Split.load(folder) for folder in folders]
    _check_same(folders, splits)
    split = Split.load(folders[0], photos) if photos is not None else _present(splits)
    split.check_unchanged("validation")

    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    settings = _differences([record.settings.as_dict() for record in records])
    opened: dict[tuple[tuple[int, int], str], Dataset] = {}
    compared = []
    for place, folder in enumerate(folders):
        classifier = load_classifier(folder)
        if classifier.class_names != split.class_names:
            raise DataError(
                f"The classes of the model in {folder}, {', '.join(classifier.class_names)}, are not those of its "
                f"{SPLIT}, {', '.join(split.class_names)}."
            )
        form = classifier.image_size, classifier.color_mode
        if form not in opened:
            opened[form] = split.dataset("validation", form[0], color_mode=form[1], progress=progress)
        losses, recognised = _measure(classifier, opened[form], folder)
        compared.append(
            Compared(
                names[place],
                folder,
                records[place].settings.recipe,
                settings[place],
                histories[place],
                _best_epoch(histories[place]),
                losses,
                recognised,
                classifier.model.count_params(),
            )
        )
    better, following, *_ = _by_loss(compared)
    only_better = int((better.recognised & ~following.recognised).sum())
    only_next = int((following.recognised & ~better.recognised).sum())
    difference = Difference(
        better.name,
        following.name,
        paired_difference(better.losses, following.losses),
        only_better,
        only_next,
        mcnemar(only_better, only_next),
    )
    return Comparison(tuple(compared), difference)


def _by_loss(runs: Sequence[Compared]) -> list[Compared]:
    return sorted(runs, key=lambda run: run.loss)


def _history(folder: Path) -> History:
    if not (folder / HISTORY).exists():
        raise DataError(
            f"The run in {folder} has not come to its end, so it has no {HISTORY}: "
            f"`calor train --resume {folder}` goes on with it."
        )
    history = History.load(folder / HISTORY)
    if not history.epoch:
        raise DataError(f"The run in {folder} finished no epoch: there is nothing to compare.")
    return history


def _best_epoch(history: History) -> int | None:
    losses = np.asarray(history.history.get("val_loss", ()))
    return history.epoch[int(np.nanargmin(losses))] + 1 if np.isfinite(losses).any() else None


def _check_same(folders: Sequence[Path], splits: Sequence[Split]) -> None:
    """Insist that all held out the same pictures; warn if they did not learn from the same ones."""
    first, begun = splits[0], folders[0]
    held_out = _contents(first.validation)
    for split, folder in zip(splits[1:], folders[1:], strict=True):
        if split.class_names != first.class_names:
            raise DataError(
                f"{begun} and {folder} do not tell the same classes apart: the one knows "
                f"{', '.join(first.class_names)}, the other {', '.join(split.class_names)}."
            )
        if (others := _contents(split.validation)) != held_out:
            common = len(set(held_out) & set(others))
            raise DataError(
                f"{begun} and {folder} were not trained on the same split: of {len(held_out)} and {len(others)} "
                f"pictures that they held out for validation, {common} are the same. On other pictures a difference "
                f"may be that of the pictures; and what one held out, the other may have learned. Train them on one "
                f"split: `calor train {first.folder} --split {begun}`."
            )
    different = [
        str(folder)
        for split, folder in zip(splits, folders, strict=True)
        if _contents(split.training) != _contents(first.training)
    ]
    if different:
        warn(
            f"{', '.join(different)} did not learn from the same pictures as {begun}, though the validation part is "
            "the same: a difference may come from those pictures rather than from the settings."
        )


def _contents(part: Part) -> list[tuple[str, int]]:
    return sorted(zip(part.hashes, part.labels.tolist(), strict=True))


def _present(splits: Sequence[Split]) -> Split:
    """The first split whose photos are where they were."""
    for split in splits:
        if split.folder.is_dir():
            return split
    places = ", ".join(dict.fromkeys(str(split.folder) for split in splits))
    raise DataError(
        f"The photos of these runs are not there any more; they were in {places}. Bring them back, or say where they "
        "are now: --photos FOLDER, in Python photos=."
    )


def _differences(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each, what is not the same in all."""
    names = [
        name
        for name in settings[0]
        if name not in _NOT_TOLD and any(one[name] != settings[0][name] for one in settings)
    ]
    return [{name: one[name] for name in names} for one in settings]


def _measure(classifier: Classifier, pictures: Dataset, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    labels = np.asarray(pictures.labels)
    shares = classifier.probabilities(pictures.batch(AT_ONCE)).astype(np.float64)
    if not np.isfinite(shares).all():
        raise DataError(f"The model in {folder} gives no numbers, as its training diverged: leave it out.")
    own = shares[np.arange(len(labels)), labels]
    return -np.log(np.clip(own, _TINY, 1.0)), shares.argmax(axis=1) == labels
