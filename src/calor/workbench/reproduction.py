"""Training a run again, and saying whether the same comes out: bit by bit, and where and why not."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calor.errors import ArgumentError, NonFiniteError
from calor.models import Sequential
from calor.models.loading import load_model
from calor.training import checkpoint
from calor.training.history import History
from calor.workbench import trainer
from calor.workbench.run_folder import CHECKPOINT, HISTORY, MODEL, SPLIT, first_free
from calor.workbench.run_record import RunRecord
from calor.workbench.split import Split


@dataclass(frozen=True)
class Reproduction:
    """What ``reproduce`` gives.

    Attributes:
        run: the run that was there.
        again: the one that was trained after it.
        figures: how many figures of both histories were compared.
        first_figure: the first one that differs: its name, its epoch (from 1) and both values; None: all are the same.
        weights: how many weights of both models were compared.
        first_weights: the first array that differs: where, how many of its weights do and by how much at the most;
            None: all are the same in every bit.
        causes: what may be the reason, by name: as it was then, and as it is now.
    """

    run: Path
    again: Path
    figures: int
    first_figure: tuple[str, int, float, float] | None
    weights: int
    first_weights: tuple[str, int, float] | None
    causes: Mapping[str, tuple[str, str]]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.first_figure is None and self.first_weights is None

    def __str__(self) -> str:
        if self.same:
            return (
                f"The same: all {self.figures} figures of the history and all {self.weights:,} weights of {self.again} "
                f"are those of {self.run} in every bit."
            )
        lines = [f"Different: {self.again} is not {self.run} again."]
        if self.first_figure is not None:
            name, epoch, then, now = self.first_figure
            lines.append(f"  The histories part in epoch {epoch}: {name} was {then!r} and is {now!r}.")
        if self.first_weights is not None:
            layer, count, most = self.first_weights
            size = f", by {most:.3g} at the most" if np.isfinite(most) else ""
            lines.append(f"  The weights differ first in {layer}: {count:,} of them{size}.")
        if self.causes:
            lines.append("  Probable causes:")
            lines += [f"    {name}: {then} then, {now} now" for name, (then, now) in self.causes.items()]
        else:
            lines.append("  Versions, processor, threads and kernels are the same: the cause is another one.")
        return "\n".join(lines)


def reproduce(
    run: str | os.PathLike[str], *, output: str | os.PathLike[str] | None = None, verbose: int = 1
) -> Reproduction:
    """Train a run again, with its settings on its photos, in a new folder, and compare the two.

    Args:
        run: the run folder; the run must have ended.
        output: the new run folder; by default the first of ``RUN-again-1``, ``RUN-again-2``, ... that is free.
        verbose: 0 silent, 1 live progress, 2 lines only.

    Raises:
        DataError: it is no run, or its photos are not there or have changed.
        ArgumentError: it has not ended, or ``output`` is in use.
        ModelFileError: its model cannot be read.
    """
    place = Path(run)
    record = RunRecord.load(place)
    if checkpoint.exists(place / CHECKPOINT) or not (place / HISTORY).exists():
        raise ArgumentError(
            f"The run in {run} has not come to its end: `calor train --resume {run}` goes on with it. "
            "Only then is there something to compare."
        )
    before, model = History.load(place / HISTORY), load_model(place / MODEL)
    settings = record.settings
    if (split := place / SPLIT).exists():
        Split.load(split, settings.folder).check_unchanged("training", "validation")
        settings = replace(settings, split=split)
    folder = Path(output) if output is not None else first_free(place.with_name(f"{place.name}-again"))
    try:
        trainer.start(replace(record, settings=settings), folder, verbose)
    except NonFiniteError:
        if not (folder / HISTORY).exists():
            raise
    figures, first_figure = compare_figures(before, History.load(folder / HISTORY))
    weights, first_weights = compare_weights(model, load_model(folder / MODEL))
    causes = record.environment.differences(RunRecord.load(folder).environment)
    return Reproduction(place, folder, figures, first_figure, weights, first_weights, causes)


def compare_figures(one: History, other: History) -> tuple[int, tuple[str, int, float, float] | None]:
    """How many figures were compared, and the first that differs; a figure that is not there is NaN.

    >>> one, other = History({}), History({})
    >>> one.record(0, {"loss": 0.5}, 1.0, 0.0)
    >>> other.record(0, {"loss": 0.25}, 1.0, 0.0)
    >>> compare_figures(one, other)
    (1, ('loss', 1, 0.5, 0.25))
    """
    count = 0
    for epoch in range(max(len(one.epoch), len(other.epoch))):
        for name in one.history | other.history:
            mine, theirs = (_at(history.history.get(name, ()), epoch) for history in (one, other))
            count += 1
            if mine != theirs and not (np.isnan(mine) and np.isnan(theirs)):
                return count, (name, epoch + 1, mine, theirs)
    if len(one.epoch) != len(other.epoch):
        return count, ("epochs", min(len(one.epoch), len(other.epoch)) + 1, len(one.epoch), len(other.epoch))
    return count, None


def _at(values: Sequence[float], epoch: int) -> float:
    return values[epoch] if epoch < len(values) else np.nan


def compare_weights(one: Sequential, other: Sequential) -> tuple[int, tuple[str, int, float] | None]:
    """How many weights were compared bit by bit, and the first array in which some differ."""
    shapes = [[array.shape for array in model.get_weights()] for model in (one, other)]
    if shapes[0] != shapes[1]:
        return 0, ("shape, so it is another network", one.count_params(), np.nan)
    count = 0
    for name, mine, theirs in zip(one.layer_names, _by_layer(one), _by_layer(other), strict=True):
        for here, there in zip(mine, theirs, strict=True):
            count += here.size
            if here.tobytes() != there.tobytes():
                differ = here.view(np.uint32) != there.view(np.uint32)
                return count, (f"layer {name}", int(differ.sum()), float(np.nanmax(np.abs(here - there))))
    return count, None


def _by_layer(model: Sequential) -> list[list[np.ndarray]]:
    return [model.get_layer_weights(layer) for layer in model.layers]
