from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from calor import losses, metrics
from calor.errors import ArgumentError, LabelError, UnknownNameError

RANDOM = np.random.default_rng(0)
BATCH, PADDED = 8, 3  # three batches, the last with three rows that only pad
SHAPE = (3, BATCH, 5)
SCORES = RANDOM.random(SHAPE).astype(np.float32)
CLASSES = RANDOM.integers(0, 5, SHAPE[:2])
ONE_HOT = np.eye(5, dtype=np.float32)[CLASSES]
YES_OR_NO = RANDOM.integers(0, 2, SHAPE).astype(np.float32)
QUANTITIES = RANDOM.normal(0, 3, SHAPE).astype(np.float32)
WEIGHTS = RANDOM.random(SHAPE[:2]).astype(np.float32)

CASES = [
    ("MeanSquaredError", {}, QUANTITIES),
    ("RootMeanSquaredError", {}, QUANTITIES),
    ("MeanAbsoluteError", {}, QUANTITIES),
    ("BinaryAccuracy", {}, YES_OR_NO),
    ("BinaryAccuracy", {"threshold": 0.2}, YES_OR_NO),
    ("CategoricalAccuracy", {}, ONE_HOT),
    ("SparseCategoricalAccuracy", {}, CLASSES),
    ("TopKCategoricalAccuracy", {"k": 2}, ONE_HOT),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, CLASSES),
    ("Precision", {}, YES_OR_NO),
    ("Precision", {"thresholds": 0.9}, YES_OR_NO),
    ("Recall", {}, YES_OR_NO),
    ("Recall", {"thresholds": 0.9}, YES_OR_NO),
    ("AUC", {}, YES_OR_NO),
    ("AUC", {"num_thresholds": 7}, YES_OR_NO),
    ("AUC", {"curve": "PR"}, YES_OR_NO),
    ("AUC", {"from_logits": True}, YES_OR_NO),
]


def over_batches(metric: metrics.Metric, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray) -> float:
    batches = zip(map(jnp.asarray, labels), map(jnp.asarray, outputs), map(jnp.asarray, weights), strict=True)
    return metric.result(np.sum([np.asarray(metric.measure(*batch), np.float64) for batch in batches], axis=0))


@pytest.mark.parametrize(("name", "arguments", "labels"), CASES)
def test_figures_over_batches_are_those_of_keras(name: str, arguments: dict[str, Any], labels: np.ndarray) -> None:
    ours, theirs = getattr(metrics, name)(**arguments), getattr(keras.metrics, name)(**arguments)
    assert ours.name == getattr(keras.metrics, name)(**arguments).name.rstrip("_0123456789")
    padding = np.ones(SHAPE[:2], np.float32)
    padding[-1, -PADDED:] = 0
    for batch in range(3):
        rows = BATCH - PADDED if batch == 2 else BATCH
        theirs.update_state(labels[batch][:rows], SCORES[batch][:rows])
    # Keras sums in float32, we in float64 over batches: some of the last of its 24 bits.
    assert over_batches(ours, labels, SCORES, padding) == pytest.approx(float(theirs.result()), rel=2e-6)


@pytest.mark.parametrize(("name", "arguments", "labels"), [CASES[i] for i in (0, 3, 6, 9, 13)])
def test_figures_with_weights_are_those_of_keras(name: str, arguments: dict[str, Any], labels: np.ndarray) -> None:
    ours, theirs = getattr(metrics, name)(**arguments), getattr(keras.metrics, name)(**arguments)
    for batch in range(3):
        theirs.update_state(labels[batch], SCORES[batch], WEIGHTS[batch])
    assert over_batches(ours, labels, SCORES, WEIGHTS) == pytest.approx(float(theirs.result()), rel=2e-6)  # as above


def test_nan_in_padding_does_not_count() -> None:
    outputs = jnp.array([[1.0], [jnp.nan]])
    weights = jnp.array([1.0, 0.0])
    assert metrics.MeanSquaredError()([2.0, 0.0], outputs, weights) == 1
    assert metrics.BinaryAccuracy()([1.0, 0.0], outputs, weights) == 1


def test_nothing_to_count_is_zero() -> None:
    for name, _, labels in CASES:
        assert getattr(metrics, name)()(labels[0], SCORES[0], np.zeros(BATCH)) == 0, name
    assert metrics.Precision()([1, 1], [0.1, 0.2]) == 0


def test_a_last_axis_of_one_may_be_missing() -> None:
    assert metrics.BinaryAccuracy()([1, 0], [[0.9], [0.8]]) == 0.5
    assert metrics.Recall()([[1], [0]], [0.9, 0.8]) == 1
    assert metrics.SparseCategoricalAccuracy()([[1], [0]], [[0.1, 0.9], [0.2, 0.8]]) == 0.5


def test_class_numbers_and_one_hot_labels_give_the_same() -> None:
    for one in (metrics.CategoricalAccuracy(), metrics.SparseCategoricalAccuracy(), metrics.TopKCategoricalAccuracy(2)):
        assert one(CLASSES[0], SCORES[0]) == one(ONE_HOT[0], SCORES[0])


@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_is_resolved_from_the_loss_and_the_output(name: str) -> None:
    sparse, one_hot = losses.SparseCategoricalCrossentropy(), losses.CategoricalCrossentropy()
    assert metrics.get(name, sparse, (10,)) == metrics.SparseCategoricalAccuracy(name=name)
    assert metrics.get(name, one_hot, (10,)) == metrics.CategoricalAccuracy(name=name)
    assert metrics.get(name, losses.BinaryCrossentropy(), (1,)) == metrics.BinaryAccuracy(name=name)
    assert metrics.get(name, losses.MeanSquaredError(), (1,)) == metrics.BinaryAccuracy(name=name)
    of_function = metrics.get(name, losses.FunctionLoss(jnp.subtract), (5,))
    assert of_function(CLASSES[0], SCORES[0]) == of_function(ONE_HOT[0], SCORES[0])


def test_accuracy_on_logits_asks_whether_the_probability_is_above_a_half() -> None:
    metric = metrics.get("accuracy", losses.BinaryCrossentropy(from_logits=True), (1,))
    assert metric([1, 0], [[0.3], [-0.3]]) == 1


def test_a_name_keeps_its_writing() -> None:
    assert metrics.get("mse") == metrics.MeanSquaredError(name="mse")
    assert metrics.get("MeanSquaredError").name == "MeanSquaredError"
    assert metrics.get("AUC") == metrics.AUC(name="AUC")


def test_losses_are_metrics_too() -> None:
    by_name = metrics.get("binary_crossentropy")
    by_object = metrics.get(losses.BinaryCrossentropy())
    assert by_name.name == "binary_crossentropy"
    assert by_object.name == "BinaryCrossentropy"
    for metric in (by_name, by_object):
        expected = float(losses.BinaryCrossentropy()(YES_OR_NO[0], SCORES[0]))
        assert metric(YES_OR_NO[0], SCORES[0]) == pytest.approx(expected, rel=1e-6)


def test_get_takes_classes_objects_and_functions() -> None:
    assert metrics.get(metrics.AUC) == metrics.AUC()
    assert metrics.get(metrics.Recall(0.2, name="found")) == metrics.Recall(0.2, name="found")

    def within_one(labels, outputs):
        return abs(labels - outputs) < 1

    def largest(labels, outputs):
        return jnp.max(abs(labels - outputs))

    assert metrics.get(largest)([1.0, 2.0], [[1.5], [4.0]]) == 1.25
    metric = metrics.get(within_one)
    assert metric.name == "within_one"
    assert metric([1.0, 2.0], [[1.5], [4.0]]) == 0.5
    assert hash(metric) == hash(metrics.get(within_one))
    assert replace(metric, name="close")([1.0], [1.0]) == 1


def rows(labels, outputs):
    return jnp.ones(2)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: metrics.get("acuracy"), UnknownNameError, r"no metric called 'acuracy'.*'accuracy'"),
        (lambda: metrics.get(3), ArgumentError, "A metric is a name, a Metric or a function"),
        (lambda: metrics.get(rows)(CLASSES[0], SCORES[0]), ArgumentError, r"function rows .* returned shape \(2,\)"),
        (lambda: metrics.AUC(1), ArgumentError, "AUC 'auc': num_thresholds must be a whole number from 2 up, not 1"),
        (lambda: metrics.AUC(curve="roc"), ArgumentError, "curve must be 'ROC' or 'PR', not 'roc'"),
        (lambda: metrics.BinaryAccuracy("half"), ArgumentError, "threshold must be a finite number, not 'half'"),
        (lambda: metrics.Precision(None), ArgumentError, "thresholds must be a finite number, not None"),
        (lambda: metrics.TopKCategoricalAccuracy(0), ArgumentError, "k must be a whole number from 1 up, not 0"),
        (lambda: metrics.Precision()(CLASSES[0], SCORES[0]), LabelError, r"Precision: each label has shape \(\)"),
        (lambda: metrics.CategoricalAccuracy()(SCORES[0][:, :3], SCORES[0]), LabelError, "CategoricalAccuracy: "),
        (lambda: metrics.Metric()([1], [1]), NotImplementedError, "Metric has no measure"),
        (lambda: metrics.Metric().result(np.zeros(2)), NotImplementedError, "Metric has no result"),
    ],
)
def test_what_cannot_work(use: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        use()
