"""The verdict on a run: on recorded curves, on runs with planted faults that are really trained, and on its edges."""

import contextlib
import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest

import calor
from calor import layers
from calor.errors import NonFiniteError
from calor.training.history import History
from calor.training.verdict import Verdict, judge


def numbers(text: str) -> list[float]:
    return [float(number) for number in text.split()]


# The curves of docs/results.md: photos of cats and dogs without anything against overfitting.
OVERFITTED = {
    "accuracy": numbers(
        "0.518 0.544 0.571 0.606 0.69 0.711 0.739 0.767 0.788 0.813 0.841 0.867 0.896 "
        "0.924 0.939 0.956 0.968 0.971 0.981 0.968 0.962 0.992 0.998 1.0 1.0"
    ),
    "val_accuracy": numbers(
        "0.502 0.567 0.557 0.633 0.664 0.705 0.699 0.689 0.732 0.721 0.747 0.762 0.73 "
        "0.754 0.743 0.743 0.744 0.752 0.735 0.739 0.747 0.76 0.746 0.755 0.748"
    ),
    "loss": numbers(
        "0.755 0.723 0.692 0.661 0.602 0.562 0.523 0.494 0.454 0.412 0.359 0.309 0.252 "
        "0.199 0.17 0.132 0.093 0.073 0.054 0.083 0.093 0.035 0.016 0.006 0.003"
    ),
    "val_loss": numbers(
        "0.693 0.684 0.674 0.64 0.625 0.591 0.601 0.596 0.562 0.582 0.562 0.584 0.645 "
        "0.717 0.79 0.8 0.96 0.991 1.245 1.047 0.984 1.255 1.357 1.439 1.532"
    ),
}
# And with augmentation and dropout: every other epoch of sixty.
AUGMENTED = {
    "accuracy": numbers(
        "0.5 0.53 0.514 0.563 0.602 0.631 0.655 0.68 0.687 0.682 0.731 0.704 0.733 0.714 0.743 "
        "0.725 0.729 0.739 0.728 0.772 0.741 0.776 0.773 0.785 0.782 0.787 0.782 0.777 0.804 0.8"
    ),
    "val_accuracy": numbers(
        "0.487 0.497 0.58 0.61 0.64 0.646 0.685 0.667 0.709 0.706 0.716 0.735 0.75 0.732 0.745 "
        "0.742 0.716 0.75 0.772 0.764 0.732 0.784 0.767 0.806 0.774 0.766 0.798 0.795 0.811 0.809"
    ),
    "loss": numbers(
        "0.708 0.698 0.692 0.676 0.661 0.645 0.617 0.603 0.583 0.588 0.574 0.568 0.534 0.547 0.525 "
        "0.537 0.54 0.51 0.537 0.489 0.519 0.483 0.475 0.465 0.462 0.461 0.454 0.471 0.422 0.432"
    ),
    "val_loss": numbers(
        "0.696 0.692 0.692 0.674 0.638 0.63 0.606 0.624 0.577 0.563 0.548 0.543 0.518 0.54 0.518 "
        "0.555 0.548 0.506 0.495 0.493 0.526 0.478 0.489 0.456 0.469 0.484 0.439 0.445 0.424 0.449"
    ),
}
PHOTOS: dict[str, Any] = {"classes": 2, "examples": 2000, "validation_examples": 1000}


def test_photos_learned_by_heart() -> None:
    found = judge(OVERFITTED, **PHOTOS)
    assert (found.name, found.epoch, found.alternatives) == ("overfitting", 12, ())
    assert found.evidence["lowest validation loss"] == 0.562
    assert found.evidence["in epoch"] == 9
    assert "training loss goes on falling, the validation loss rises" in found.sentence


def test_photos_with_augmentation() -> None:
    found = judge(AUGMENTED, **PHOTOS)
    assert (found.name, found.epoch) == ("healthy", None)
    assert "not at their end yet" in found.sentence
    assert found.evidence["at least"] < found.evidence["validation accuracy"] < found.evidence["at most"]
    assert "more epochs" in found.next_steps[0]


# Small pictures of four smooth patterns, shifted, of changing contrast, under noise.
CLASSES = 4


@cache
def patterns() -> np.ndarray:
    drawn = np.random.default_rng(7).normal(0, 1, (CLASSES, 16, 16))
    for _ in range(4):
        drawn = (drawn + sum(np.roll(drawn, by, axis) for by in (-1, 1) for axis in (1, 2))) / 5
    return drawn / drawn.std(axis=(1, 2), keepdims=True)


def draw(count: int, seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    shifted = [np.roll(patterns()[label], random.integers(-2, 3, 2), (0, 1)) for label in labels]
    images = np.stack(shifted) * random.uniform(0.6, 1.4, (count, 1, 1)) + random.normal(0, noise, (count, 16, 16))
    return images.astype(np.float32), labels.astype(np.int32)


def swapped(share: float) -> Callable[[np.ndarray, int], np.ndarray]:
    """Labels of which a share is replaced by other classes."""

    def swap(labels: np.ndarray, seed: int) -> np.ndarray:
        random = np.random.default_rng(seed)
        chosen = random.random(len(labels)) < share
        return np.where(chosen, (labels + random.integers(1, CLASSES, len(labels))) % CLASSES, labels).astype(np.int32)

    return swap


def trained(
    seed: int,
    *,
    count: int = 1000,
    units: Sequence[int] = (64,),
    rate: float = 1e-3,
    epochs: int = 25,
    noise: float = 2.0,
    labelled: Callable[[np.ndarray, int], np.ndarray] = lambda labels, _: labels,
    optimizer: Any = calor.optimizers.Adam,
    dropout: float = 0.0,
) -> tuple[calor.Sequential, History]:
    (images, labels), (others, other_labels) = draw(count, 1000 + seed, noise), draw(500, 2000 + seed, noise)
    hidden = [layer for size in units for layer in (layers.Dense(size, activation="relu"), layers.Dropout(dropout))]
    model = calor.Sequential(
        [layers.Input((16, 16)), layers.Flatten(), *hidden, layers.Dense(CLASSES, activation="softmax")], seed=seed
    )
    model.compile(optimizer=optimizer(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    validation = (others, labelled(other_labels, 4000 + seed))
    with contextlib.suppress(NonFiniteError):
        model.fit(images, labelled(labels, 3000 + seed), epochs=epochs, validation_data=validation, verbose=0)
    assert model.history is not None
    return model, model.history


PLANTED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "sound": ({"count": 3000, "noise": 1.0, "epochs": 10, "dropout": 0.3}, {"healthy"}),
    "rate 100 times too high": ({"rate": 0.1}, {"learning rate too high"}),
    "rate so high that the loss is no number": (
        {"rate": 50.0, "optimizer": calor.optimizers.SGD},
        {"diverged", "learning rate too high"},
    ),
    "rate 100 times too low": ({"rate": 1e-5}, {"learning rate too low"}),
    "far too small network": (
        {"count": 4000, "units": (1,), "epochs": 30, "noise": 1.0, "rate": 0.003},
        {"underfitting"},
    ),
    "far too large network on few examples": (
        {"count": 60, "units": (512, 512), "epochs": 40},
        {"too little data"},
    ),
    "large network": ({"count": 300, "units": (256,), "epochs": 40, "noise": 2.5}, {"overfitting"}),
    "random labels": ({"count": 500, "labelled": swapped(0.75)}, {"nothing learned"}),
    "5 % swapped labels": (
        {"count": 2000, "noise": 1.0, "labelled": swapped(0.05), "epochs": 40},
        {"noisy labels"},
    ),
    "30 % swapped labels": (
        {"count": 2000, "noise": 1.0, "labelled": swapped(0.3), "epochs": 40},
        {"noisy labels"},
    ),
}


@pytest.mark.parametrize("case", PLANTED)
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_faults(case: str, seed: int) -> None:
    settings, names = PLANTED[case]
    _, history = trained(seed, **settings)
    found = history.verdict()
    assert names & {found.name, *found.alternatives}, found
    assert len(found.next_steps) == 2
    if case == "random labels":
        # As often right as dice are. (Chance is always naming the commonest class.)
        assert found.evidence["at least"] <= 1 / CLASSES <= found.evidence["at most"]
        assert found.evidence["at least"] <= found.evidence["chance"]
    if case == "far too large network on few examples":
        assert found.alternatives == ("overfitting",)


def test_a_test_set_of_another_kind() -> None:
    model, history = trained(0, noise=1.0, epochs=8)
    same, other = draw(500, 5, 1.0), draw(500, 6, 5.0)
    for (images, labels), name in ((same, "healthy"), (other, "split problem")):
        _, accuracy = model.evaluate(images, labels, verbose=0)
        found = history.verdict(test_accuracy=accuracy, test_examples=len(labels))
        assert found.name == name
    assert found.evidence["at most"] < found.evidence["at least"]


def test_what_fit_tells_the_verdict() -> None:
    _, history = trained(0, epochs=4, noise=1.0)
    assert history.params["examples"] == 1000
    assert history.params["validation_examples"] == 500
    assert history.params["classes"] == CLASSES
    labels = draw(500, 2000, 1.0)[1]
    assert history.params["chance"] == np.bincount(labels).max() / 500
    _, history = trained(0, rate=1e9, optimizer=calor.optimizers.SGD)
    assert history.params["diverged"] is True
    assert history.verdict().name == "diverged"
    json.dumps(history.verdict().as_dict())


@pytest.mark.parametrize(
    ("labels", "units", "expected"),
    [
        ([[0], [1], [1], [1]], 1, {"classes": 2, "chance": 0.75}),
        (np.eye(3)[[0, 0, 1, 2]], 3, {"classes": 3, "chance": 0.5}),
        ([0.5, 1.5, 2.0, 2.0], 1, {"classes": 2}),
    ],
)
def test_chance_is_that_of_the_commonest_class(labels: Any, units: int, expected: dict[str, float]) -> None:
    model = calor.Sequential([layers.Dense(units, input_shape=(2,))])
    model.compile(loss="mse")
    history = model.fit(np.ones((4, 2)), np.asarray(labels, np.float32), verbose=0)
    assert {name: history.params[name] for name in ("classes", "chance") if name in history.params} == expected


def test_outputs_that_are_no_classes_have_no_chance() -> None:
    model = calor.Sequential([layers.Dense(3, input_shape=(4, 2))])
    model.compile(loss="mse")
    history = model.fit(np.ones((5, 4, 2)), np.ones((5, 4, 3)), epochs=5, verbose=0)
    assert "classes" not in history.params
    assert "classes" not in history.verdict().evidence


def curves(**given: Sequence[float]) -> dict[str, list[float]]:
    return {name: list(values) for name, values in given.items()}


def fading(start: float, end: float, epochs: int = 20, pace: float = 4.0) -> np.ndarray:
    """From start towards end, ever slower."""
    return end + (start - end) * np.exp(-pace * np.linspace(0, 1, epochs))


def test_numbers_that_are_none() -> None:
    found = judge({"loss": [0.7, 0.6, math.nan], "val_loss": [0.7, 0.7, 0.7]})
    assert (found.name, found.epoch) == ("diverged", 3)
    assert found.evidence == {"epochs until then": 2, "last training loss": 0.6}
    assert judge({}, diverged=True).epoch == 1


def test_too_short() -> None:
    found = judge({"loss": [0.7, 0.6, 0.5]})
    assert (found.name, found.evidence) == ("too short to tell", {"epochs": 3})
    assert judge({}).name == "too short to tell"


def test_without_validation_nobody_knows() -> None:
    found = judge(curves(loss=fading(0.7, 0.01), accuracy=fading(0.5, 1.0)), classes=2)
    assert found.name == "too short to tell"
    assert "Without validation data" in found.sentence


def test_numbers_instead_of_classes() -> None:
    loss = fading(900.0, 4.0, pace=9.0)
    assert judge(curves(loss=loss, val_loss=loss + 2)).name == "healthy"
    rising = np.concatenate([loss[:10], np.linspace(loss[9], 4 * loss[9], 10)])
    found = judge(curves(loss=loss, val_loss=rising), test_accuracy=0.5)
    assert (found.name, found.epoch) == ("overfitting", 12)
    assert "validation accuracy" not in found.evidence
    still = np.full(20, 800.0)
    assert (judge(curves(loss=still, val_loss=still)).name, judge(curves(loss=still)).alternatives) == (
        "underfitting",
        (),
    )


def test_validation_worse_than_guessing() -> None:
    found = judge(
        curves(
            loss=fading(0.69, 0.05),
            accuracy=fading(0.5, 0.99),
            val_loss=np.linspace(0.7, 3.0, 20),
            val_accuracy=fading(0.5, 0.05),
        ),
        **PHOTOS,
    )
    assert found.name == "split problem"
    assert "worse than guessing" in found.sentence


@pytest.mark.parametrize(
    ("first", "alternatives"), [(0.694, ("learning rate too high",)), (1.2, ("learning rate too high",))]
)
def test_a_loss_that_does_not_move(first: float, alternatives: tuple[str, ...]) -> None:
    flat = np.where(np.arange(20) % 2, 0.693, 0.694)
    flat[0] = first
    half = np.full(20, 0.5)
    found = judge(curves(loss=flat, accuracy=half, val_loss=flat, val_accuracy=half), **PHOTOS)
    assert (found.name, found.alternatives) == ("nothing learned", alternatives)
    assert str(found).startswith("Verdict: either nothing learned or learning rate too high. It guesses")


def test_a_rate_too_low_to_get_off_guessing() -> None:
    loss, half = np.linspace(0.9, 0.75, 20), np.full(20, 0.5)
    found = judge(curves(loss=loss, accuracy=half, val_loss=loss, val_accuracy=half), **PHOTOS)
    assert found.name == "learning rate too low"
    assert found.evidence["chance"] == 0.5


@pytest.mark.parametrize(
    ("loss", "epoch", "word"),
    [
        ([30.0, *fading(0.6, 0.1, 19)], 1, "first steps"),
        ([*fading(0.7, 0.05, 10), 0.9, *fading(0.5, 0.1, 9)], 11, "jumps"),
        ([*fading(0.7, 0.3, 10), *np.linspace(0.3, 0.4, 10)], 11, "climbs"),
        ([0.6 + 0.05 * (epoch % 2) for epoch in range(20)], 2, "rises and falls"),
    ],
)
def test_steps_that_are_too_large(loss: list[float], epoch: int, word: str) -> None:
    accuracy = np.full(20, 0.8)
    found = judge(curves(loss=loss, accuracy=accuracy, val_loss=loss, val_accuracy=accuracy), **PHOTOS)
    assert found.name == "learning rate too high"
    assert abs((found.epoch or 0) - epoch) <= 1
    assert word in found.sentence


def test_mistakes_that_cost_too_much() -> None:
    accuracy = fading(0.6, 0.98)
    found = judge(
        curves(loss=fading(0.6, 0.01), accuracy=accuracy, val_loss=np.full(20, 2.0), val_accuracy=accuracy), **PHOTOS
    )
    assert found.name == "learning rate too high"
    assert found.evidence["validation loss a mistake"] > 30


def test_standing_still_after_a_first_throw() -> None:
    loss = np.array([1.1, *np.full(19, 0.55)])
    accuracy = np.full(20, 0.7)
    found = judge(curves(loss=loss, accuracy=accuracy, val_loss=loss, val_accuracy=accuracy), **PHOTOS)
    assert (found.name, found.alternatives) == ("underfitting", ("learning rate too high",))


def test_chance_alone_gives_the_classes_and_no_interval_without_a_count() -> None:
    found = judge(OVERFITTED, chance=0.5)
    assert (found.name, found.epoch) == ("overfitting", 12)


def test_one_class_alone_and_a_loss_of_zero() -> None:
    ones, zeros = np.ones(10), np.zeros(10)
    found = judge(curves(loss=zeros, accuracy=ones, val_loss=zeros, val_accuracy=ones), classes=2, chance=1.0)
    assert found.name == "nothing learned"  # always naming the only class is as good
    assert judge(curves(loss=zeros, val_loss=zeros)).name == "healthy"


def test_what_was_tried_is_not_advised() -> None:
    def steps(*tried: str) -> tuple[str, ...]:
        return judge(OVERFITTED, tried=tried, **PHOTOS).next_steps

    assert "augmentation" in steps()[0]
    assert "Dropout" in steps("augmentation")[0]
    assert steps("augmentation", "dropout", "early stopping") == ("Collect more examples.", "Take a smaller network.")


@pytest.mark.parametrize(("layer", "tried"), [(layers.RandomFlip(), "augmentation"), (layers.Dropout(0.5), "dropout")])
def test_fit_tells_what_it_has_against_overfitting(layer: Any, tried: str) -> None:
    model = calor.Sequential([layers.Input((4, 4, 1)), layer, layers.Flatten(), layers.Dense(1)])
    model.compile(loss="mse")
    data = np.ones((6, 4, 4, 1)), np.ones((6, 1))
    stop = calor.callbacks.EarlyStopping("loss")
    assert model.fit(*data, verbose=0).params["tried"] == [tried]
    assert model.fit(*data, verbose=0, callbacks=[stop]).params["tried"] == [tried, "early stopping"]


def test_fit_knows_augmentation_of_the_data() -> None:
    model = calor.Sequential([layers.Input((4,)), layers.Dropout(0.0), layers.Dense(1)])
    model.compile(loss="mse")
    batches = calor.data.Dataset.from_arrays(np.ones((6, 4), np.float32), np.ones((6, 1), np.float32)).batch(2)
    assert model.fit(batches, verbose=0).params["tried"] == []
    varied = batches.map(lambda x, y, key: (x + jax.random.normal(key, x.shape), y))
    assert model.fit(varied, verbose=0).params["tried"] == ["augmentation"]


def test_a_gap_that_few_pictures_cannot_show() -> None:
    # 88 pictures: 0.886 right may be 0.94 as well.
    both_fall = {"loss": fading(1.3, 0.2), "val_loss": fading(2.4, 0.3)}
    rising = {"accuracy": fading(0.4, 0.94, pace=9.0), "val_accuracy": fading(0.25, 0.886, pace=9.0)}
    few = judge(both_fall | rising, classes=4, examples=424, validation_examples=88)
    many = judge(both_fall | rising, classes=4, examples=424, validation_examples=880)
    assert (few.name, many.name) == ("healthy", "overfitting")


def test_it_prints_and_serialises() -> None:
    found = judge(OVERFITTED, **PHOTOS)
    assert str(found) == (
        "Verdict: overfitting, from epoch 12 on. The network learns the training examples by heart: the training loss "
        "goes on falling, the validation loss rises.\n"
        "  It rests on: lowest validation loss 0.562, in epoch 9, at the end 1.44, training loss 0.003, "
        "training accuracy 0.986, validation accuracy 0.748.\n"
        "  Next: Show it varied pictures (augmentation).\n"
        "        Add a Dropout layer before the last Dense layers."
    )
    record = json.loads(json.dumps(found.as_dict()))
    assert record["name"] == "overfitting"
    assert record["epoch"] == 12
    assert record["alternatives"] == []
    assert str(Verdict("healthy", "All is well.")) == "Verdict: healthy. All is well."
