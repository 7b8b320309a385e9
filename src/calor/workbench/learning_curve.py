"""Training anew on a part of the photos, to see whether more of them would help."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from calor.errors import ArgumentError, DataError
from calor.workbench.classify import load_classifier
from calor.workbench.report.evidence.learning_curve import LearningCurve
from calor.workbench.report.evidence.outputs import observe
from calor.workbench.report.evidence.photos import Photos
from calor.workbench.report.evidence.share import Share
from calor.workbench.run_folder import MODEL, SPLIT
from calor.workbench.run_record import RunRecord
from calor.workbench.split import Part, Split
from calor.workbench.trainer import train

SHARES = (0.25, 0.5)
"""Of the training photos; all of them are what the run itself was trained on."""


def measure_learning_curve(
    run_folder: str | os.PathLike[str], *, shares: Sequence[float] = SHARES, verbose: int = 1
) -> LearningCurve:
    """Train with a run's settings on parts of its training photos, and measure each network on its validation part.

    It takes about three quarters of the run's time. What comes out is kept in the run folder, where ``write_report``
    finds it.

    Args:
        run_folder: of a run that ``train`` has finished.
        shares: of the training photos of each class, rising, more than 0 and less than 1.
        verbose: as for ``train``.

    Raises:
        ArgumentError: ``shares`` are not such.
        DataError: the run has no ``run.json`` or ``split.json``, or its photos are not there any more.
    """
    if not shares or sorted(set(shares)) != list(shares) or not 0 < shares[0] <= shares[-1] < 1:
        raise ArgumentError(f"shares is {shares!r}: give rising shares of more than 0 and less than 1.")
    run = Path(run_folder)
    settings = RunRecord.load(run).settings.as_dict()
    # What the run looked for and left out, its split has written down.
    settings |= {name: value for name, value in (("check", False), ("leave_out", None)) if name in settings}
    split = Split.load(run / SPLIT)
    sizes, found = [], []
    for share in shares:
        smaller = take(split, share, seed=split.seed)
        with tempfile.TemporaryDirectory() as place:
            smaller.save(Path(place) / SPLIT)
            output = Path(place) / "run"
            train(**settings | {"split": Path(place) / SPLIT}, output=output, verbose=verbose)
            if Split.load(output).training != smaller.training:
                raise DataError(f"The photos in {split.folder} have changed meanwhile: nothing can be compared.")
            sizes.append(len(smaller.training))
            found.append(_right(output, split))
    curve = LearningCurve((*sizes, len(split.training)), (*found, _right(run, split)))
    curve.save(run)
    return curve


def take(split: Split, share: float, *, seed: int = 0) -> Split:
    """The same split with a share of each class's training photos, at least one; the others are left out."""
    training, random = split.training, np.random.default_rng(seed)
    kept = np.zeros(len(training), bool)
    for label in range(len(split.class_names)):
        places = random.permutation(np.flatnonzero(training.labels == label))
        kept[places[: max(round(share * len(places)), 1)]] = True
    chosen = np.flatnonzero(kept)
    rest = {training.files[place]: "left out to see what fewer photos give" for place in np.flatnonzero(~kept)}
    part = Part(
        tuple(training.files[place] for place in chosen),
        training.labels[chosen],
        tuple(training.hashes[place] for place in chosen),
    )
    return replace(split, training=part, left_out={**split.left_out, **rest})


def _right(run: Path, split: Split) -> Share:
    validation = Photos(tuple(split.paths("validation")), split.validation.labels.astype(int))
    outputs = observe(load_classifier(run / MODEL), validation)
    return Share(int(outputs.right.sum()), len(outputs))
