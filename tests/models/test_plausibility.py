"""What trains nonsense in silence elsewhere is an error or a warning here; its sound neighbours stay quiet.

Warnings are errors in these tests, so that a model that trains without one is shown to be quiet.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import calor
from calor import Dataset, layers, losses, metrics
from calor.errors import ArgumentError, CalorWarning, DataError, LabelError, ShapeError

COUNT = 40
RANDOM = np.random.default_rng(0)
X = RANDOM.random((COUNT, 8, 8, 1), np.float32)
CLASSES = np.arange(COUNT) % 10
ONE_HOT = np.eye(10, dtype=np.float32)[CLASSES]
SEVERAL = (RANDOM.random((COUNT, 10)) < 0.5).astype(np.float32)
YES_OR_NO = CLASSES % 2
SPARSE, ONE, BINARY = "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"
LOGITS = losses.SparseCategoricalCrossentropy(from_logits=True)
BINARY_LOGITS = losses.BinaryCrossentropy(from_logits=True)


def model_of(units: int, activation: str | None, loss: Any, *measured: Any) -> calor.Sequential:
    model = calor.Sequential([layers.Flatten(input_shape=(8, 8, 1)), layers.Dense(units, activation)], seed=0)
    model.compile("sgd", loss, metrics=measured)
    return model


def in_arrays(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    return {"x": x, "y": y}


def in_a_dataset(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    return {"x": Dataset.from_arrays(x, y).batch(10)}


def mapped(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    return {"x": Dataset.from_arrays(x, y).map(lambda x, y: (x / 2, y)).batch(10)}


def streamed(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    return {"x": Dataset.from_arrays(x, y).map(lambda x, y: (x / 2, y)).batch(10), "memory_limit": 0}


def generated(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    def batches() -> Iterator[Any]:
        for start in range(0, len(x), 10):
            yield x[start : start + 10], y[start : start + 10]

    return {"x": batches()}


WAYS = [in_arrays, in_a_dataset, mapped, streamed, generated]


def by_turns(cases: list[Any]) -> list[Any]:
    """The cases, each with the next way in which data may come."""
    return [(way, *case) for way, case in zip(itertools.cycle(WAYS), cases, strict=False)]


WRONG_LABELS = [
    (1, "sigmoid", BINARY, CLASSES, "run from 0 to 9, .* give the last Dense 10 units and use 'sparse_categorical"),
    (1, None, BINARY_LOGITS, CLASSES, "run from 0 to 9, and must be 0 or 1"),
    (10, "softmax", SPARSE, CLASSES + 1, "run from 1 to 10 .* Use labels - 1"),
    (10, "softmax", SPARSE, CLASSES / 2, "not all whole numbers"),
    (10, "softmax", SPARSE, ONE_HOT, "the labels are one-hot"),
    (10, "softmax", ONE, ONE_HOT * 255, "run from 0 to 255. One-hot labels are 1"),
    (10, "softmax", ONE, CLASSES, "each label is one class number"),
    (1, None, "mse", ONE_HOT, "Give the last Dense 10 units"),
]


@pytest.mark.parametrize("way", [mapped, generated])
@pytest.mark.parametrize(("units", "activation", "loss", "labels", "message"), WRONG_LABELS)
def test_labels_are_looked_at_wherever_they_come_from(way, units, activation, loss, labels, message) -> None:
    model = model_of(units, activation, loss)
    with pytest.raises(LabelError, match=message):
        model.fit(**way(X, labels), verbose=0)
    assert model.step == 0
    with pytest.raises(LabelError, match=message):
        model_of(units, activation, loss).evaluate(**way(X, labels), verbose=0)


@pytest.mark.parametrize("way", [mapped, streamed, generated])
@pytest.mark.parametrize(
    ("units", "activation", "loss", "good", "bad"),
    [
        (1, "sigmoid", BINARY, YES_OR_NO, CLASSES),
        (10, "softmax", ONE, ONE_HOT, ONE_HOT * 2),
        (10, "softmax", SPARSE, CLASSES.astype(np.float32), CLASSES + 0.5),
    ],
)
def test_labels_that_go_wrong_later(way, units, activation, loss, good, bad) -> None:
    labels = np.concatenate([good[:-10], bad[-10:]])
    model = model_of(units, activation, loss)
    with pytest.raises(LabelError):
        model.fit(**way(X, labels), verbose=0)
    with pytest.raises(LabelError):
        model.evaluate(**way(X, labels), verbose=0)


@pytest.mark.parametrize("way", [in_arrays, streamed, generated])
def test_validation_labels_are_looked_at_wherever_they_come_from(way) -> None:
    given = way(X, CLASSES)
    validation = (X, CLASSES) if "y" in given else given["x"]
    with pytest.raises(LabelError, match="In the validation data: BinaryCrossentropy: the labels run from 0 to 9"):
        model_of(1, "sigmoid", BINARY).fit(X, YES_OR_NO, validation_data=validation, verbose=0)


def test_a_stream_loses_no_batch_to_the_look_at_its_labels() -> None:
    taken = []

    def batches() -> Iterator[Any]:
        for number in range(4):
            taken.append(number)
            yield X[:10], YES_OR_NO[:10]

    model = model_of(1, "sigmoid", BINARY)
    model.fit(batches(), verbose=0)
    assert (taken, model.step) == ([0, 1, 2, 3], 4)


def test_mixed_labels_may_round_past_one() -> None:
    labels = np.where(ONE_HOT > 0, np.float32(1 + 1e-6), np.float32(-1e-6))
    model_of(10, "softmax", ONE).fit(**in_arrays(X, labels), verbose=0)
    model_of(10, "sigmoid", BINARY).fit(**streamed(X, labels), verbose=0)


UNSOUND = [
    (10, "sigmoid", SPARSE, [], CLASSES, "ends in sigmoid, but SparseCategoricalCrossentropy is for one of 10 classes"),
    (10, "sigmoid", ONE, [], ONE_HOT, "ends in sigmoid, but CategoricalCrossentropy .* use 'binary_crossentropy'"),
    (10, "softmax", BINARY, [], ONE_HOT, "softmax over 10 units, .* use 'categorical_crossentropy'"),
    (10, "softmax", BINARY, [], SEVERAL, "several classes can be true at once, give .* activation='sigmoid'"),
    (10, "softmax", LOGITS, [], CLASSES, "ends in softmax, but the loss has from_logits=True"),
    (1, "sigmoid", BINARY_LOGITS, [], YES_OR_NO, "ends in sigmoid, but the loss has from_logits=True"),
    (10, "relu", LOGITS, [], CLASSES, "ends in relu, but the loss has from_logits=True"),
    (10, None, SPARSE, [], CLASSES, "ends in linear, but the loss takes probabilities"),
    (
        1,
        None,
        "mse",
        ["accuracy"],
        CLASSES,
        "'accuracy' tells yes from no, .* 0 to 9. .* 10 units .* 'mean_absolute_er",
    ),
    (1, None, "mse", ["acc"], CLASSES / 4, r"'acc' tells .* from 0 to 2.25. For quantities measure 'mean_absolute"),
    (1, None, "mse", ["binary_accuracy"], -CLASSES, "'binary_accuracy' tells .* from -9 to 0. For quantities"),
    (10, "sigmoid", BINARY, ["accuracy"], SEVERAL, "'accuracy' compares the largest output .* 'binary_accuracy'"),
    (1, None, BINARY_LOGITS, [metrics.BinaryAccuracy()], YES_OR_NO, r"Write BinaryAccuracy\(threshold=0\)"),
    (1, None, BINARY_LOGITS, [metrics.Recall()], YES_OR_NO, r"'recall' .* Write Recall\(thresholds=0\)"),
    (1, None, BINARY_LOGITS, ["auc"], YES_OR_NO, r"Write AUC\(from_logits=True\)"),
    (1, "sigmoid", "mse", [], CLASSES * 10, "ends in sigmoid, which gives 0 to 1, but the labels run from 0 to 90"),
    (1, "tanh", "mae", [], CLASSES, "ends in tanh, which gives -1 to 1, but"),
    (1, "relu", "mse", [], CLASSES - 5, "ends in relu, which gives nothing below 0, but the labels run from -5 to 4"),
]


@pytest.mark.parametrize(("way", "units", "activation", "loss", "measured", "labels", "message"), by_turns(UNSOUND))
def test_a_warning_of_what_trains_nonsense(way, units, activation, loss, measured, labels, message) -> None:
    with pytest.warns(CalorWarning, match=message) as caught:
        model_of(units, activation, loss, *measured).fit(**way(X, labels), verbose=0)
    assert len(caught) == 1


SOUND = [
    (10, "softmax", SPARSE, ["accuracy"], CLASSES),
    (10, "softmax", ONE, ["accuracy"], ONE_HOT),
    (10, None, LOGITS, ["accuracy"], CLASSES),
    (10, "tanh", LOGITS, [], CLASSES),
    (1, "sigmoid", BINARY, ["accuracy", metrics.AUC(), metrics.Precision()], YES_OR_NO),
    (1, None, BINARY_LOGITS, ["accuracy", metrics.AUC(from_logits=True), metrics.Recall(thresholds=0)], YES_OR_NO),
    (10, "sigmoid", BINARY, ["binary_accuracy"], SEVERAL),
    (10, "sigmoid", BINARY, ["accuracy"], ONE_HOT),
    (2, "softmax", BINARY, ["accuracy"], np.eye(2)[YES_OR_NO]),  # the same as the categorical one
    (10, "softmax", "mse", [], ONE_HOT),  # the Brier score
    (1, None, "mse", ["mae"], CLASSES),  # counts
    (1, "relu", "mae", [], CLASSES),
    (1, "sigmoid", "mse", ["accuracy"], YES_OR_NO),
    (1, "sigmoid", "mse", [], CLASSES / 10),
    (1, "relu", "mse", [], np.where(np.arange(COUNT) == 7, -1, CLASSES)),  # one outlier
    (3, None, "mse", [], SEVERAL[:, :3] * 50),
]


@pytest.mark.parametrize(("way", "units", "activation", "loss", "measured", "labels"), by_turns(SOUND))
def test_what_is_sound_stays_quiet(way, units, activation, loss, measured, labels) -> None:
    model_of(units, activation, loss, *measured).fit(**way(X, labels), verbose=0)


@pytest.mark.filterwarnings("ignore:Dense. a softmax over 1 unit")
@pytest.mark.parametrize("loss", ["mse", BINARY, SPARSE])
def test_a_softmax_over_one_unit(loss: str) -> None:
    for end in (layers.Dense(1, "softmax"), layers.Dense(1)):
        model = calor.Sequential([layers.Flatten(input_shape=(8, 8, 1)), end])
        if end.activation is not None and calor.activations.name_of(end.activation) == "linear":
            model.add(layers.Softmax())
        model.compile("sgd", loss)
        with pytest.raises(ArgumentError, match="softmax over 1 unit, whose output is always 1"):
            model.fit(X, YES_OR_NO, verbose=0)


def test_a_metric_with_no_labels_to_look_at() -> None:
    metrics.BinaryAccuracy().check(np.array(["a"]), (1,))
    metrics.BinaryAccuracy().check(np.zeros((0, 1)), (1,))
    metrics.MeanAbsoluteError().check(np.array([9.0]), (1,))


def conv_model(shape: Any = None) -> calor.Sequential:
    model = calor.Sequential(
        [layers.Conv2D(2, 3, padding="same", input_shape=shape), layers.Flatten(), layers.Dense(10, "softmax")]
    )
    model.compile("sgd", SPARSE)
    return model


def test_channels_that_come_first() -> None:
    x = RANDOM.random((COUNT, 3, 8, 8), np.float32)
    with pytest.raises(ShapeError, match=r"The channels come last here: np.moveaxis\(x, 1, -1\)"):
        conv_model((8, 8, 3)).fit(x, CLASSES, verbose=0)
    with pytest.warns(CalorWarning, match=r"3 by 8 pixels in 8 channels.* np.moveaxis\(x, 1, -1\)"):
        conv_model().fit(x, CLASSES, verbose=0)
    conv_model().fit(np.moveaxis(x, 1, -1), CLASSES, verbose=0)
    # A signal of 12 steps in 6 channels, as a picture of one row, is sound.
    conv_model().fit(RANDOM.random((COUNT, 1, 12, 6), np.float32), CLASSES, verbose=0)


def test_a_validation_split_of_sorted_arrays() -> None:
    model = model_of(10, "softmax", SPARSE)
    with pytest.warns(CalorWarning, match=r"its labels 8, 9 do not occur before it: are the arrays sorted by class"):
        model.fit(X, np.sort(CLASSES), validation_split=0.2, verbose=0)
    with pytest.warns(CalorWarning, match=r"labels 4, 5, 6, 7, 8, \.\.\. do not"):
        model.fit(X, np.sort(CLASSES)[:, None], validation_split=0.6, verbose=0)
    model.fit(X, CLASSES, validation_split=0.2, verbose=0)
    model_of(1, None, "mse").fit(X, np.sort(CLASSES), validation_split=0.2, verbose=0)
    model_of(10, "softmax", ONE).fit(X, np.sort(ONE_HOT, axis=0), validation_split=0.2, verbose=0)


def test_examples_in_the_order_of_their_classes() -> None:
    sorted_classes, model = np.sort(CLASSES), model_of(10, "softmax", SPARSE)
    with pytest.warns(CalorWarning, match="come sorted by class"):
        model.fit(X, sorted_classes, batch_size=8, shuffle=False, verbose=0)
    with pytest.warns(CalorWarning, match=r"dataset.shuffle\(len\(dataset\)\)"):
        model.fit(Dataset.from_arrays(X, sorted_classes[::-1].copy()).take(36).batch(8), verbose=0)
    model.fit(X, sorted_classes, batch_size=8, verbose=0)
    model.fit(X, sorted_classes, batch_size=COUNT // 2, shuffle=False, verbose=0)  # two steps mix enough
    model.fit(X, CLASSES, batch_size=8, shuffle=False, verbose=0)
    model.evaluate(X, sorted_classes, batch_size=8, verbose=0)
    model_of(1, None, "mse").fit(X, sorted_classes, batch_size=8, shuffle=False, verbose=0)


def test_labels_that_are_all_the_same() -> None:
    model = model_of(10, "softmax", SPARSE)
    with pytest.warns(CalorWarning, match="All 40 labels are 3: there is nothing to tell apart"):
        model.fit(X, np.full(COUNT, 3), batch_size=10, verbose=0)
    model.fit(X[:2], np.full(2, 3), verbose=0)  # a try whether the network can learn a batch by heart


def test_inputs_and_labels_in_one_tuple() -> None:
    with pytest.raises(ArgumentError, match=r"two arguments, fit\(x, y\)"):
        model_of(10, "softmax", SPARSE).fit((X, CLASSES), verbose=0)


@pytest.mark.parametrize("labels", [list("ab") * 20, np.array(list("ab") * 20, object)])
def test_labels_that_are_text(labels: Any) -> None:
    with pytest.raises(DataError, match=re.escape("Number the classes: names, labels = np.unique(")):
        model_of(10, "softmax", SPARSE).fit(X, labels, verbose=0)
