"""What the curves of a run say, in words, with the figures that it rests on.

The rules are those that a careful person applies to two curves: has anything been learned at all, does validation
follow training, where do they part, do both stand still, do they jump or creep? Each threshold is explained where it
stands. Where the curves fit two causes, the verdict names both.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calor.training.interval import wilson_interval

FEWEST_EPOCHS = 4
"""Below that, three medians of three are not to be had, and nothing that looks like a course is one."""

RISE = 1.1
"""How many times its lowest value the validation loss has risen to at the end where overfitting counts as seen. From
epoch to epoch it moves by a few percent on a thousand examples."""

APART = 1.02
"""Overfitting began after the last epoch in which the validation loss was still within 2 % of its lowest."""

GAP, CLEAR_GAP = 0.05, 0.065
"""The least difference of training and validation accuracy to speak of."""

SMALLEST_GAP = 0.02
"""What must be left of it where validation is at the upper end of its 95 % interval: less is nothing to speak of."""

TOGETHER = 0.25
"""How far at most training may have been ahead, in shares of how far it is in the end, when validation reached the
accuracy that it was to keep: then the two have climbed together. Where examples are few and right, training is ahead
by half and more of it."""

STANDSTILL, BENT = 0.1, 0.3
"""A training loss that falls in the second half by less than a tenth of the loss of guessing, and by less than 0.3
times as much as in the first half, stands still."""

ENOUGH = 10
"""Epochs before which a training loss that stands still may only be pausing."""

HALFWAY = 0.5
"""A training loss of less than that share of the loss of guessing is on the way to learning by heart; a difference of
the accuracies alone is no overfitting before."""

FAR, WRONG = 0.4, 0.3
"""A training loss of more than that share of the loss of guessing is far from learned; so is a training accuracy that
leaves more than 0.3 of the mistakes of guessing."""

STEADY, STRAIGHT = 0.95, 0.45
"""Creeping: the training loss falls in 95 % of the epochs, which steps of a useful size do not, and in the second half
by at least 0.45 times as much as in the first, where a curve that nears its end bends."""

LED = 3 * GAP
"""A network that is ahead on the training examples by that is not creeping."""

SPIKE = 3.0
"""Steps that are too large throw the training loss back to that many times its lowest value, and to at least a tenth
of that of guessing."""

EXPLODED, HIGH = 3.0, 1.3
"""Or they begin with an epoch of three times the loss of guessing. 1.3 times is possible with good steps, too."""

RESTLESS = 0.15
"""Or it rises from one epoch to the next, by 5 % and by 2 % of the loss of guessing, in that share of the epochs.
Augmentation and Dropout alone make it rise so in one of thirty."""

CLIMB = 0.04
"""Or the training loss itself climbs, by a tenth and by that share of the loss of guessing."""

SURE = 30.0
"""Or they make the weights so large that each mistake costs 30 nats: the network gave the truth odds of 1 to 10¹³.
An overfitted network's mistakes cost 5 to 10."""

WORSE = 0.8
"""Right in less than that share of the cases in which dice would be is no guessing, but something systematic."""

FEW = 50
"""Examples a class below which little data is the likelier cause of overfitting."""

_STEPS: dict[str, tuple[tuple[str | None, str], ...]] = {
    "diverged": (
        (None, "Train again with a tenth of the learning rate."),
        (
            None,
            "Look at the data: inputs far beyond 0 to 1 (or -1 to 1) want layers.Rescaling(1 / 255) or a "
            "normalisation.",
        ),
    ),
    "learning rate too high": (
        (None, "Train again with a tenth of the learning rate; 0.001 is Adam's usual one."),
        (None, "Let it fall in the course of the run: calor.schedules.CosineDecay."),
    ),
    "learning rate too low": (
        (None, "Train again with ten times the learning rate; 0.001 is Adam's usual one."),
        (None, "Or give the run more epochs."),
    ),
    "nothing learned": (
        (None, "Look at some pictures with their labels: calor check FOLDER, and your own eyes."),
        (
            None,
            "Try to learn twenty examples by heart: a network and learning rate that cannot do that are not to be "
            "used.",
        ),
    ),
    "overfitting": (
        ("augmentation", "Show it varied pictures (augmentation)."),
        ("dropout", "Add a Dropout layer before the last Dense layers."),
        ("early stopping", "Stop in time: callbacks.EarlyStopping(patience=5, restore_best_weights=True)."),
        (None, "Collect more examples."),
        (None, "Take a smaller network."),
    ),
    "too little data": (
        ("augmentation", "Collect more examples; until then, vary those there are (augmentation)."),
        (
            "early stopping",
            "Take a smaller network, and stop in time: callbacks.EarlyStopping(restore_best_weights=True).",
        ),
        (None, "Collect more examples."),
        (None, "Take a smaller network."),
    ),
    "noisy labels": (
        (
            None,
            "Look at the training examples that the network gets wrong with the most confidence: are their labels "
            "right?",
        ),
        (
            "early stopping",
            "Stop before it learns the wrong ones by heart: callbacks.EarlyStopping(restore_best_weights=True).",
        ),
        (None, "Mend the wrong labels, or leave these examples out, and train again."),
    ),
    "underfitting": (
        (None, "Take a larger network: more units, filters or layers; and less Dropout."),
        (None, "Ten times the learning rate, for a few epochs, shows whether it was stuck."),
    ),
    "split problem": (
        (None, "Compare pictures of the parts, and the order of their classes: calor check FOLDER."),
        (None, "Mix all examples, and split them anew at random."),
    ),
    "healthy": (
        (None, "Measure it once, at the very end, on test data that no decision was made with."),
        (None, "For more, collect more examples, or compare architectures by their validation loss."),
    ),
    "not finished": (
        (None, "Train for more epochs: both losses are still falling."),
        ("early stopping", "Keep the best epoch: callbacks.EarlyStopping(patience=10, restore_best_weights=True)."),
        (None, "Measure it once, at the very end, on test data that no decision was made with."),
    ),
    "too short to tell": (
        (None, "Train for ten epochs or more."),
        (None, "Give fit validation_data (or validation_split=0.2): without it nobody sees overfitting."),
    ),
}
"""What to try, the most promising first, with the name of what it adds: it is left out where that was tried already."""


@dataclass(frozen=True)
class Verdict:
    """What is to be thought of a run.

    Attributes:
        name: ``"healthy"``, ``"overfitting"``, ``"underfitting"``, ``"learning rate too high"``, ``"learning rate too
            low"``, ``"too little data"``, ``"noisy labels"``, ``"split problem"``, ``"nothing learned"``,
            ``"diverged"`` or ``"too short to tell"``.
        sentence: what happened, in plain words.
        evidence: the figures that it rests on, by name.
        epoch: where in the curves it began, counted from 1; None where it is about the whole run.
        next_steps: two things to try.
        alternatives: other names that the same curves allow.
        finished: False where both curves were still falling at the end: more epochs may give more.
    """

    name: str
    sentence: str
    evidence: dict[str, float] = field(default_factory=dict)
    epoch: int | None = None
    next_steps: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    finished: bool = True

    def as_dict(self) -> dict[str, Any]:
        """All of it in JSON's types."""
        return {
            "name": self.name,
            "sentence": self.sentence,
            "evidence": dict(self.evidence),
            "epoch": self.epoch,
            "next_steps": list(self.next_steps),
            "alternatives": list(self.alternatives),
            "finished": self.finished,
        }

    def __str__(self) -> str:
        names = f"either {self.name} or {' or '.join(self.alternatives)}" if self.alternatives else self.name
        since = f", from epoch {self.epoch} on" if self.epoch is not None else ""
        lines = [f"Verdict: {names}{since}. {self.sentence}"]
        if self.evidence:
            figures = ", ".join(f"{name} {_figure(value)}" for name, value in self.evidence.items())
            lines.append(f"  It rests on: {figures}.")
        lines += [f"  {'Next:' if number == 0 else '     '} {step}" for number, step in enumerate(self.next_steps)]
        return "\n".join(lines)


def judge(
    history: Mapping[str, Sequence[float]],
    *,
    classes: int | None = None,
    chance: float | None = None,
    examples: int | None = None,
    validation_examples: int | None = None,
    diverged: bool = False,
    test_accuracy: float | None = None,
    test_examples: int | None = None,
    tried: Collection[str] = (),
) -> Verdict:
    """Read the curves of a run.

    Args:
        history: the figures of each epoch by name: ``loss``, and where there are any ``val_loss``, ``accuracy`` and
            ``val_accuracy``.
        classes: how many there are.
        chance: the accuracy of always naming the commonest class; by default one in ``classes``.
        examples: how many the network learned from.
        validation_examples: how many it was validated on: without it the accuracy has no interval.
        diverged: whether the run was ended because the loss was no number.
        test_accuracy: the accuracy on data that were held out from all decisions.
        test_examples: how many these were.
        tried: what the run had already of ``"augmentation"``, ``"dropout"`` and ``"early stopping"``, so that the
            next steps do not advise it.

    >>> falling, rising = [0.7, 0.6, 0.5, 0.4, 0.3, 0.2], [0.7, 0.62, 0.6, 0.65, 0.75, 0.9]
    >>> found = judge({"loss": falling, "val_loss": rising})
    >>> found.name, found.epoch
    ('overfitting', 4)
    """
    losses = [*history.get("loss", ()), *history.get("val_loss", ())]
    if diverged or not all(map(math.isfinite, losses)):
        found = _diverged(history)
    elif (epochs := len(history.get("loss", ()))) < FEWEST_EPOCHS:
        found = _verdict("too short to tell", f"{epochs} epochs are too few to read a course from.", {"epochs": epochs})
    else:
        if classes is None and chance is not None:
            classes = max(round(1 / chance), 2)
        run = _Run(history, classes, chance, examples, validation_examples)
        other = None if test_accuracy is None else _other_test(run, test_accuracy, test_examples)
        found = other or next(read for rule in _RULES if (read := rule(run)) is not None)
    return replace(found, next_steps=_next_steps(found, tried))


def _next_steps(found: Verdict, tried: Collection[str]) -> tuple[str, ...]:
    """The two most promising steps that were not tried; where two causes are possible, one for each."""

    def untried(name: str) -> list[str]:
        return [step for adds, step in _STEPS[name] if adds not in tried]

    first = untried(found.name if found.finished else "not finished")
    return (first[0], untried(found.alternatives[0])[0]) if found.alternatives else tuple(first[:2])


class _Run:
    """The curves, made smooth, and what is measured on them.

    Args:
        history: as for ``judge``, at least ``FEWEST_EPOCHS`` long.
        classes: as for ``judge``.
        chance: as for ``judge``.
        examples: as for ``judge``.
        validation_examples: as for ``judge``.
    """

    def __init__(
        self,
        history: Mapping[str, Sequence[float]],
        classes: int | None,
        chance: float | None,
        examples: int | None,
        validation_examples: int | None,
    ) -> None:
        self.loss = np.asarray(history["loss"], np.float64)
        self.validation_loss = _curve(history, "val_loss")
        self.accuracy = _curve(history, "accuracy")
        self.validation_accuracy = _curve(history, "val_accuracy")
        if self.accuracy is None:
            self.validation_accuracy = None
        self.classes = classes
        self.chance = chance if chance is not None else 1 / classes if classes else None
        self.examples = examples
        self.validation_examples = validation_examples
        # Guessing costs the logarithm of the number of classes. Without classes, the first epoch stands for it.
        self.guessing = math.log(classes) if classes and self.accuracy is not None else max(float(self.loss[0]), 1e-12)
        self.epochs = len(self.loss)
        self.smooth_loss = _smooth(self.loss)
        self.third = max(self.epochs // 3, 2)

    @property
    def fall(self) -> float:
        """By how much the training loss falls in the second half, in shares of the loss of guessing."""
        return float(self.smooth_loss[self.epochs // 2] - self.smooth_loss[-1]) / self.guessing

    @property
    def stands_still(self) -> bool:
        first = float(self.smooth_loss[0] - self.smooth_loss[self.epochs // 2]) / self.guessing
        return self.fall < min(STANDSTILL, max(BENT * first, STANDSTILL / 4))

    @property
    def far(self) -> bool:
        """Whether it is far from right on the training examples themselves."""
        wrong = 0.0
        if self.accuracy is not None and self.chance is not None and self.chance < 1:
            wrong = (1 - self.end_training_accuracy) / (1 - self.chance)
        return bool(self.smooth_loss[-1] > FAR * self.guessing or wrong > WRONG)

    @property
    def end_accuracy(self) -> float:
        """The validation accuracy, the middle one of the last third: single epochs, and the best, are luck."""
        assert self.validation_accuracy is not None
        return float(np.median(self.validation_accuracy[-self.third :]))

    @property
    def end_training_accuracy(self) -> float:
        assert self.accuracy is not None
        return float(np.median(self.accuracy[-self.third :]))

    def interval(self, accuracy: float) -> tuple[float, float]:
        """The 95 % interval of a validation accuracy; of no width where nobody knows how many examples there were."""
        if not self.validation_examples:
            return accuracy, accuracy
        return wilson_interval(round(accuracy * self.validation_examples), self.validation_examples)

    @property
    def gap(self) -> float | None:
        """By how much training is more accurate than validation at the end, where that is no chance."""
        if self.accuracy is None or self.validation_accuracy is None:
            return None
        gap = self.end_training_accuracy - self.end_accuracy
        least = self.end_training_accuracy - self.interval(self.end_accuracy)[1]
        return gap if gap >= GAP and least >= SMALLEST_GAP else 0.0

    @property
    def steady(self) -> bool:
        """Whether the training loss creeps down in small equal steps."""
        falls = -np.diff(self.loss)
        half = self.epochs // 2
        first, second = self.loss[0] - self.loss[half], self.loss[half] - self.loss[-1]
        return bool(np.mean(falls > 0) >= STEADY and second >= STRAIGHT * first)


def _curve(history: Mapping[str, Sequence[float]], name: str) -> NDArray[np.float64] | None:
    values = history.get(name)
    return np.asarray(values, np.float64) if values is not None and len(values) == len(history["loss"]) else None


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Medians of three; at both ends of two."""
    padded = [values[max(place - 1, 0) : place + 2] for place in range(len(values))]
    return np.array([np.median(part) for part in padded])


def _verdict(
    name: str,
    sentence: str,
    evidence: Mapping[str, float],
    epoch: int | None = None,
    alternatives: Sequence[str] = (),
) -> Verdict:
    return Verdict(name, sentence, dict(evidence), epoch, alternatives=tuple(alternatives))


def _diverged(history: Mapping[str, Sequence[float]]) -> Verdict:
    loss = list(history.get("loss", ()))
    good = next((place for place, value in enumerate(loss) if not math.isfinite(value)), len(loss))
    evidence = {"epochs until then": good} | ({"last training loss": loss[good - 1]} if good else {})
    sentence = "The loss stopped being a number: the steps grew larger and larger instead of leading anywhere."
    return _verdict("diverged", sentence, evidence, good + 1)


def _other_test(run: _Run, accuracy: float, examples: int | None) -> Verdict | None:
    if run.validation_accuracy is None:
        return None
    low = run.interval(run.end_accuracy)[0]
    high = wilson_interval(round(accuracy * examples), examples)[1] if examples else accuracy
    if high >= low or low - accuracy < GAP:
        return None
    return _verdict(
        "split problem",
        "The test data are much harder than the validation data, by more than chance: they are of another kind.",
        {"test accuracy": accuracy, "at most": high, "validation accuracy": run.end_accuracy, "at least": low},
    )


def _exploded(run: _Run) -> Verdict | None:
    lowest = np.minimum.accumulate(run.loss)
    back = (run.loss[1:] > SPIKE * lowest[:-1]) & (run.loss[1:] - lowest[:-1] > 0.1 * run.guessing)
    before, end = run.smooth_loss[: -run.third], float(np.median(run.loss[-run.third :]))
    epoch = 1
    if run.accuracy is not None and run.classes and run.loss[0] > EXPLODED * run.guessing and not run.steady:
        sentence = "The first steps threw the network far off: its loss was many times that of guessing."
        evidence = {"training loss in epoch 1": float(run.loss[0]), "loss of guessing": run.guessing}
    elif back.any():
        epoch = int(back.argmax()) + 2
        sentence = "The training loss jumps: the steps are so large that they leap over what they look for."
        evidence = {
            f"training loss in epoch {epoch}": float(run.loss[epoch - 1]),
            "lowest before": float(lowest[epoch - 2]),
        }
    elif end > RISE * before.min() and end - before.min() > CLIMB * run.guessing:
        epoch = int(before.argmin()) + 2
        sentence = "The training loss itself climbs: the steps lead away from what the network had found."
        evidence = {"lowest training loss": float(before.min()), "at the end": end}
    elif np.mean(rises := (np.diff(run.loss) > np.maximum(0.05 * run.loss[:-1], 0.02 * run.guessing))) >= RESTLESS:
        epoch = int(rises.argmax()) + 2
        sentence = "The training loss rises and falls instead of falling: the steps are too large to settle."
        evidence = {"epochs in which it rose": int(rises.sum()), "of": run.epochs - 1}
    elif (cost := _cost_of_mistakes(run)) is not None and cost > SURE:
        sentence = "Steps that are too large have made the weights huge: the network is absurdly sure of its mistakes."
        evidence = {"validation loss a mistake": cost}
    else:
        return None
    return _verdict("learning rate too high", sentence, evidence, epoch)


def _cost_of_mistakes(run: _Run) -> float | None:
    if run.validation_loss is None or run.validation_accuracy is None:
        return None
    wrong = 1 - run.end_accuracy
    loss = float(np.median(run.validation_loss[-run.third :]))
    return loss / wrong if wrong > 0 and loss > 0.1 * run.guessing else None


def _nothing(run: _Run) -> Verdict | None:
    """Validation no better than chance."""
    if run.validation_accuracy is None or run.chance is None or run.accuracy is None:
        return None
    low, high = run.interval(run.end_accuracy)
    training = run.end_training_accuracy
    evidence = {"validation accuracy": run.end_accuracy, "at least": low, "at most": high, "chance": run.chance}
    by_heart = training - run.chance > 0.15 and training > high
    # By heart, random labels are guessed as often as they come: that is less than the commonest, and nothing wrong.
    if high < WORSE / (run.classes or 2) and by_heart:
        sentence = (
            "On the validation data it is worse than guessing: their classes must be other or otherwise numbered."
        )
        return _verdict("split problem", sentence, evidence | {"training accuracy": training})
    if low > run.chance:
        return None
    if by_heart:
        return _verdict(
            "nothing learned",
            "It has learned training examples by heart, and nothing that holds beyond them: on the validation data it "
            "guesses. So it is where labels are random, or validation data of another kind.",
            evidence | {"training accuracy": training},
            alternatives=["split problem"],
        )
    if run.steady:
        return _creeping(run, evidence)
    high_first = run.loss[0] > 1.1 * run.guessing and run.loss[-1] < 1.05 * run.guessing
    alternatives = ["learning rate too high"] if high_first or run.stands_still else []
    return _verdict(
        "nothing learned",
        "It guesses, on the training data and on the validation data, and the loss does not move.",
        evidence | {"training accuracy": training, "training loss": float(run.loss[-1]), "of guessing": run.guessing},
        alternatives=alternatives,
    )


def _creeping(run: _Run, evidence: Mapping[str, float] | None = None) -> Verdict | None:
    if not (run.steady and run.loss[-1] > FAR * run.guessing) or (run.gap or 0.0) > LED:
        return None
    falls = -np.diff(run.loss)
    return _verdict(
        "learning rate too low",
        "The loss creeps down in small equal steps and is far from its end: they should be larger, or there should be "
        "many more of them.",
        {
            "training loss at first": float(run.loss[0]),
            "at the end": float(run.loss[-1]),
            "epochs in which it fell": int(np.count_nonzero(falls > 0)),
            "of": len(falls),
        }
        | dict(evidence or {}),
    )


def _overfitting(run: _Run) -> Verdict | None:
    epoch = None
    evidence: dict[str, float] = {}
    if run.validation_loss is not None:
        smooth = _smooth(run.validation_loss)
        best = int(smooth.argmin())
        end = float(np.median(run.validation_loss[-3:]))
        learns_on = run.smooth_loss[-1] < run.smooth_loss[best]
        if end > RISE * smooth[best] and end - smooth[best] > 0.02 * run.guessing and learns_on:
            epoch = int(np.flatnonzero(run.validation_loss <= APART * run.validation_loss.min())[-1]) + 2
            evidence = {
                "lowest validation loss": float(run.validation_loss.min()),
                "in epoch": int(run.validation_loss.argmin()) + 1,
                "at the end": end,
                "training loss": float(run.loss[-1]),
            }
    gap, noise = run.gap or 0.0, _plateau(run)
    learned = run.smooth_loss[-1] < HALFWAY * run.guessing and not (run.far and run.stands_still)
    if epoch is None and not (gap and learned) and not (gap >= CLEAR_GAP and noise):
        return None
    if run.accuracy is not None and run.validation_accuracy is not None:
        evidence |= {"training accuracy": run.end_training_accuracy, "validation accuracy": run.end_accuracy}
    few = run.examples is not None and run.classes is not None and run.examples < FEW * run.classes
    if noise is not None and not few:
        return _verdict(
            "noisy labels",
            "Training and validation reached the same accuracy together; then only the training accuracy went on, on "
            "examples that follow no rule. Wrong labels look like that, and examples that nobody could tell apart.",
            evidence | {"accuracy that both reached": noise[1]},
            noise[0] + 1,
            ["overfitting"],
        )
    how = "the training loss goes on falling, the validation loss rises" if epoch else "validation does not follow"
    sentence = f"The network learns the training examples by heart: {how}."
    if few:
        assert run.examples is not None
        evidence["examples"] = run.examples
        return _verdict("too little data", f"{sentence} They are very few.", evidence, epoch, ["overfitting"])
    return _verdict("overfitting", sentence, evidence, epoch)


def _plateau(run: _Run) -> tuple[int, float] | None:
    """Where both accuracies have come to the same height, from which only that of training rose (epoch from 0)."""
    if run.accuracy is None or run.validation_accuracy is None:
        return None
    validation, training = _smooth(run.validation_accuracy), _smooth(run.accuracy)
    reached = int(np.flatnonzero(validation >= run.end_accuracy - 0.01)[0])
    height = float(validation[reached])
    went_on = run.end_training_accuracy - height
    return (reached, height) if went_on >= GAP and training[reached] - height <= TOGETHER * went_on else None


def _underfitting(run: _Run) -> Verdict | None:
    if not run.far or not run.stands_still or run.epochs < ENOUGH:
        return None
    evidence = {"training loss": float(run.smooth_loss[-1]), "fall in the second half": run.fall * run.guessing}
    if run.accuracy is not None:
        evidence["training accuracy"] = run.end_training_accuracy
    thrown = run.accuracy is not None and run.loss[0] > HIGH * run.guessing
    alternatives = ["learning rate too high" if thrown else "noisy labels"] if run.accuracy is not None else []
    return _verdict(
        "underfitting",
        "Training itself stands still, far from right: the network is too small for this, or held back too much, or "
        "the examples contradict each other.",
        evidence,
        run.epochs // 2 + 1,
        alternatives,
    )


def _healthy(run: _Run) -> Verdict:
    if run.validation_loss is None:
        sentence = "The training loss falls as it should. Without validation data nobody knows what that is worth."
        return _verdict("too short to tell", sentence, {"training loss": float(run.loss[-1])})
    evidence = {"training loss": float(run.loss[-1]), "validation loss": float(run.validation_loss[-1])}
    if run.validation_accuracy is not None:
        low, high = run.interval(run.end_accuracy)
        evidence |= {"validation accuracy": run.end_accuracy, "at least": low, "at most": high}
    smooth = _smooth(run.validation_loss)
    falling = not run.stands_still and smooth.argmin() >= run.epochs - run.third
    if falling:
        sentence = "Both curves fall together, and they are not at their end yet."
        return replace(_verdict("healthy", sentence, evidence), finished=False)
    return _verdict("healthy", "Validation follows training: what it learned holds for new examples.", evidence)


def _figure(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


_RULES = (_exploded, _nothing, _creeping, _overfitting, _underfitting, _healthy)
