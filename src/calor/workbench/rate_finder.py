"""The learning rate range test: how large a step a network can take, found out before training it.

The network is trained for a hundred steps or two while the rate grows from far too small to far too large, and the loss
of each step is looked at: it stays, then falls, then rises (Smith 2017, https://arxiv.org/abs/1506.01186, section 3.3).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from calor._arguments import integer, number
from calor.callbacks import Callback
from calor.data import Dataset
from calor.errors import ArgumentError, ModelStateError, NonFiniteError
from calor.models import Sequential
from calor.schedules import ExponentialDecay
from calor.workbench.recipes import Training
from calor.workbench.run_folder import replacing

PLOT = "learning_rate.png"
"""The test's plot in the folder of a run."""

SAFETY = 10
"""How many times as large as the suggested rate the one is from which the loss rises."""

DIVERGED = 4
"""How many times its lowest value the loss has to reach for the test to end."""

_FEWEST = 20
"""Steps below which the curve says nothing."""

_WIDTH = 0.02
"""The standard deviation of the smoothing, as a share of the steps."""


_END = 0.05
"""The share of the steps at the end that is too short to see the loss rise."""

_CLOSE = 0.1
"""The share of its fall by which the loss may be above its lowest and still count as not having risen."""


@dataclass(frozen=True)
class RateTest:
    """What ``find_learning_rate`` gives.

    Attributes:
        rates: the learning rate of each step, (steps,), rising.
        losses: the loss of each step, (steps,).
        smoothed: the same without the ups and downs from batch to batch.
        suggested: the rate to train with; None where the curve shows none.
        reason: why, in a sentence.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggested: float | None
    reason: str

    def plot(self) -> Figure:
        """The loss over the rate, with the suggestion; save it with ``test.plot().savefig("rates.png")``."""
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(self.rates, self.losses, color="tab:blue", alpha=0.3, linewidth=1, label="Loss of each step")
        axes.plot(self.rates, self.smoothed, color="tab:blue", label="Smoothed")
        if self.suggested is not None:
            label = f"Suggested: {self.suggested:g}"
            axes.axvline(self.suggested, color="tab:orange", linestyle="--", label=label)
        axes.set_xscale("log")
        low, high = min(self.smoothed.min(), self.losses.min()), self.smoothed[: _FEWEST // 2].mean()
        # What it comes to in the end would press the part that matters into a line.
        axes.set_ylim(low - 0.15 * (high - low) - 0.02 * high, high + 0.6 * (high - low) + 0.1 * high)
        axes.set_title("Learning rate range test")
        axes.set_xlabel("Learning rate")
        axes.set_ylabel("Loss")
        axes.grid(alpha=0.25)
        axes.legend(loc="lower left")
        return figure


def find_learning_rate(
    model: Sequential,
    x: Any,
    y: Any = None,
    *,
    batch_size: int | None = None,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 150,
) -> RateTest:
    """Train a model with a rising learning rate, and say which rate suits it; then all is as it was before.

    The rate grows from step to step by the same factor. The test ends early when the loss is four times its lowest, or
    is no number any more. Suggested is a tenth of the rate from which the smoothed loss rises above its lowest, by more
    than its ups and downs from batch to batch. (The rate of the lowest loss itself is a matter of chance where the loss
    hardly falls in so few steps, as with photos.)

    Args:
        model: compiled; its optimizer is used with rates of the test's.
        x: the inputs, or a ``Dataset`` of batches, as for ``fit``.
        y: the labels, likewise.
        batch_size: for arrays, as for ``fit``.
        lowest: the rate of the first step.
        highest: the rate of the last step.
        steps: how many, 20 or more. Data with fewer batches are gone through again.

    Raises:
        ModelStateError: the model is not compiled.
        ArgumentError: a rate or the number of steps makes no sense.
        ShapeError, LabelError, DataError: the data do not fit the model; as for ``fit``.

    >>> import calor
    >>> model = calor.Sequential([calor.layers.Dense(1, input_shape=[1])], seed=0)
    >>> model.compile(loss="mse", optimizer=calor.optimizers.SGD(0.01))
    >>> x = np.linspace(-1, 1, 64)
    >>> test = find_learning_rate(model, x, 3 * x + 1)
    >>> 0.01 < test.suggested < 0.2
    True
    """
    steps = integer(model, "steps", steps, least=_FEWEST)
    lowest = number(model, "lowest", lowest, least=0)
    highest = number(model, "highest", highest, least=0)
    if not 0 < lowest < highest:
        raise ArgumentError(
            f"find_learning_rate: lowest must be above 0 and below highest, not {lowest} and {highest}."
        )
    if model.optimizer is None:
        raise ModelStateError("find_learning_rate needs a compiled model: call model.compile(optimizer=..., loss=...).")
    growing = ExponentialDecay(lowest, steps - 1, highest / lowest)
    losses = np.array(_losses(model, growing, x, y, batch_size, steps))
    rates = lowest * (highest / lowest) ** (np.arange(len(losses)) / (steps - 1))
    return judge(rates, losses)


def judge(rates: np.ndarray, losses: np.ndarray) -> RateTest:
    """Smooth the losses of a test, and read the suggestion off them; see ``find_learning_rate``.

    Args:
        rates: rising, (steps,).
        losses: finite, (steps,).

    >>> rates = np.geomspace(1e-4, 1, 60)
    >>> judge(rates, np.abs(np.log10(rates) + 2) + 1).suggested
    0.0015
    """
    if len(losses) < _FEWEST:
        reason = (
            f"The loss was no number, or far too large, after {len(losses)} steps with rates that are still tiny: "
            "look at the scale of the inputs."
        )
        return RateTest(rates, losses, losses, None, reason)
    smoothed = _smoothed(losses)
    best = int(np.argmin(smoothed))
    start, lowest = smoothed[: _FEWEST // 2].mean(), smoothed[best]
    # From step to step, as a median, which the explosion at the end does not move; a mean of neighbours moves by less
    # than they do: by the root of how many it is over.
    noise = 1.05 * np.median(np.abs(np.diff(losses))) / np.sqrt(max(1, len(losses) * _WIDTH) * 2 * np.sqrt(np.pi))
    good = lowest + max(_CLOSE * (start - lowest), 3 * noise, 0.01 * abs(lowest))
    edge = int(np.flatnonzero(smoothed <= good)[-1])
    fell = start - lowest >= max(0.01 * abs(start), 3 * noise)
    rose = edge < len(rates) * (1 - _END)
    suggested = float(f"{rates[edge] / SAFETY:.1e}")
    if not (fell or rose):
        reason = (
            "The loss neither fell nor rose by more than chance: there is nothing to read off, so keep the usual rate."
        )
        return RateTest(rates, losses, smoothed, None, reason)
    way = f"The loss fell from {start:.3g} to {lowest:.3g}" if fell else "The loss did not fall by more than chance"
    if rose:
        reason = f"{way}, and rose from a rate of {rates[edge]:.1e} on; {suggested:.1e} is a tenth of that."
    else:
        reason = f"{way}, and did not rise up to the highest rate that was tried; {suggested:.1e} is a tenth of it."
    return RateTest(rates, losses, smoothed, suggested, reason)


class _Watch(Callback):
    """Ends the run when the loss has grown too large. An epoch is one step here."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self.losses.append(logs["loss"])
        recent = [np.mean(self.losses[max(0, end - 5) : end]) for end in range(1, len(self.losses) + 1)]
        self.model.stop_training = bool(recent[-1] > DIVERGED * min(recent) and recent[-1] > recent[0])


def _losses(model: Sequential, rate: Any, x: Any, y: Any, batch_size: int | None, steps: int) -> Sequence[float]:
    """The loss of each step with that schedule; the model is left as it was."""
    optimizer, loss, metrics, history = model.optimizer, model.loss, model.metrics, model.history
    assert optimizer is not None
    if not model.built:
        raise ModelStateError("find_learning_rate needs a model whose input shape is known: call model.build(shape).")
    before, rate_before = model.carry(), model.learning_rate
    watch = _Watch()
    try:
        model.compile(replace(optimizer, learning_rate=rate), loss, precision=model.precision)
        model.step = 0
        model.fit(x, y, batch_size=batch_size, epochs=steps, steps_per_epoch=1, callbacks=[watch], verbose=0)
    except NonFiniteError:
        pass  # the end that the test is after
    finally:
        model.compile(optimizer, loss, metrics=metrics, precision=model.precision)
        model.publish(before)
        if not callable(optimizer.learning_rate):
            model.learning_rate = rate_before
        model.history, model.stop_training = history, False
    return watch.losses


def _smoothed(values: np.ndarray) -> np.ndarray:
    """The mean of each value's neighbours, weighted by a bell curve: unlike a running mean it does not lag behind."""
    places = np.arange(len(values))
    weights = np.exp(-0.5 * ((places[:, None] - places) / max(1, _WIDTH * len(values))) ** 2)
    return np.asarray(weights @ values / weights.sum(axis=1))


def find_rate(training: Training, pictures: Dataset, folder: Path, seed: int, say: Callable[[str], object]) -> Training:
    """The same training with the rate that suits it, if the test shows one; with a plot of the test in ``folder``."""
    say("Looking for the learning rate ...")
    model = training.model(seed=seed)
    test = find_learning_rate(model, training.batches(pictures))
    with replacing(folder / PLOT) as path:
        test.plot().savefig(path, format="png", dpi=110)
    say(f"{test.reason} See {folder / PLOT}.\n")
    return training if test.suggested is None else training.with_learning_rate(test.suggested)
