import warnings
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from calor import losses
from calor.errors import ArgumentError, LabelError, UnknownNameError

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 3, (8, 5)).astype(np.float32)
PROBABILITIES = np.asarray(jax.nn.softmax(LOGITS))
CLASSES = RANDOM.integers(0, 5, 8)
ONE_HOT = np.eye(5, dtype=np.float32)[CLASSES]
YES_OR_NO = RANDOM.integers(0, 2, (8, 5)).astype(np.float32)
QUANTITIES = RANDOM.normal(0, 3, (8, 5)).astype(np.float32)

CASES = [
    ("MeanSquaredError", {}, QUANTITIES, LOGITS),
    ("MeanAbsoluteError", {}, QUANTITIES, LOGITS),
    ("BinaryCrossentropy", {}, YES_OR_NO, PROBABILITIES),
    ("BinaryCrossentropy", {"from_logits": True}, YES_OR_NO, LOGITS),
    ("CategoricalCrossentropy", {}, ONE_HOT, PROBABILITIES),
    ("CategoricalCrossentropy", {"from_logits": True}, ONE_HOT, LOGITS),
    ("SparseCategoricalCrossentropy", {}, CLASSES, PROBABILITIES),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, CLASSES, LOGITS),
]


@pytest.mark.parametrize(("name", "arguments", "labels", "outputs"), CASES)
def test_values_and_gradients_are_those_of_keras(name, arguments, labels, outputs) -> None:
    ours, theirs = getattr(losses, name)(**arguments), getattr(keras.losses, name)(**arguments)
    each = getattr(keras.losses, name)(**arguments, reduction="none")
    # Sums of eight float32 numbers: a few of their last bits.
    np.testing.assert_allclose(ours(labels, outputs), theirs(labels, outputs), rtol=1e-6)
    values = ours.per_example(jnp.asarray(labels), jnp.asarray(outputs))
    np.testing.assert_allclose(values, each(labels, outputs), rtol=2e-6, atol=1e-7)
    slope, expected = (jax.grad(loss, argnums=1)(labels.astype(np.float32), outputs) for loss in (ours, theirs))
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-7)


def test_values_of_images_are_averaged_over_all_pixels() -> None:
    labels, outputs = RANDOM.random((2, 4, 3, 3, 2), np.float32)
    for name in ("MeanSquaredError", "MeanAbsoluteError", "BinaryCrossentropy", "CategoricalCrossentropy"):
        ours, theirs = getattr(losses, name)(), getattr(keras.losses, name)()
        np.testing.assert_allclose(ours(labels, outputs), theirs(labels, outputs), rtol=1e-6)
    classes = RANDOM.integers(0, 2, (4, 3, 3))
    theirs = keras.losses.SparseCategoricalCrossentropy()
    np.testing.assert_allclose(
        losses.SparseCategoricalCrossentropy()(classes, outputs), theirs(classes, outputs), rtol=1e-6
    )


def test_certain_and_wrong_outputs_are_cut_off_as_in_keras() -> None:
    certain = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    for name, labels in (
        ("CategoricalCrossentropy", certain[::-1]),
        ("SparseCategoricalCrossentropy", np.array([0, 1])),
    ):
        ours, theirs = getattr(losses, name)(), getattr(keras.losses, name)()
        np.testing.assert_allclose(ours(labels, certain), theirs(labels, certain), rtol=1e-6)
    binary = losses.BinaryCrossentropy()(certain[::-1], certain)
    np.testing.assert_allclose(binary, keras.losses.BinaryCrossentropy()(certain[::-1], certain), rtol=1e-6)


def test_losses_on_extreme_logits_stay_exact() -> None:
    wrong = jnp.array([[-500.0], [500.0]])
    assert losses.BinaryCrossentropy(from_logits=True)([1, 0], wrong) == 500
    sparse = losses.SparseCategoricalCrossentropy(from_logits=True)
    assert sparse([0], jnp.array([[-500.0, 500.0]])) == 1000
    assert jnp.isfinite(jax.grad(lambda x: sparse(jnp.array([0]), x))(jnp.array([[-500.0, 500.0]]))).all()


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64", "bool"])
def test_labels_of_any_dtype(dtype: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # JAX keeps 64-bit labels in 32 bits and says so
        labels = jnp.asarray(np.array([0, 1], dtype))
    for name in ("MeanSquaredError", "BinaryCrossentropy"):
        loss = getattr(losses, name)()
        assert loss(labels, jnp.array([[0.1], [0.9]])) == loss(jnp.array([0.0, 1.0]), jnp.array([[0.1], [0.9]]))
    sparse = losses.SparseCategoricalCrossentropy()
    assert sparse(labels, PROBABILITIES[:2]) == sparse(jnp.array([[0], [1]]), PROBABILITIES[:2])


def test_a_last_axis_of_one_may_be_missing_or_too_many() -> None:
    column, row = jnp.array([[1.0], [4.0]]), jnp.array([1.0, 2.0])
    for loss in (losses.MeanSquaredError(), losses.get(lambda labels, outputs: (labels - outputs) ** 2)):
        assert loss(row, column) == loss(row[:, None], column) == loss(row[:, None], column[:, 0]) == 2


def test_which_activation_each_undoes() -> None:
    assert losses.SparseCategoricalCrossentropy.inverse_of == losses.CategoricalCrossentropy.inverse_of == "softmax"
    assert losses.BinaryCrossentropy.inverse_of == "sigmoid"
    assert losses.MeanSquaredError.inverse_of is None
    logits = replace(losses.SparseCategoricalCrossentropy(), from_logits=True)
    np.testing.assert_allclose(
        logits(CLASSES, LOGITS), losses.SparseCategoricalCrossentropy()(CLASSES, PROBABILITIES), rtol=1e-5
    )


def test_a_users_function_may_return_one_number_or_one_for_each() -> None:
    def of_batch(labels, outputs):
        return jnp.mean(jnp.abs(labels - outputs))

    def of_each(labels, outputs):
        return jnp.abs(labels - outputs)

    for function in (of_batch, of_each):
        loss = losses.get(function)
        assert loss == losses.FunctionLoss(function)
        np.testing.assert_allclose(
            loss.per_example(QUANTITIES, LOGITS),
            losses.MeanAbsoluteError().per_example(QUANTITIES, LOGITS),
            rtol=1e-6,
        )
    loss.check(QUANTITIES, (5,))


def test_a_users_function_with_another_shape() -> None:
    with pytest.raises(ArgumentError, match=r"function columns \(.*\) returned shape \(5,\) for a batch of 8"):
        losses.get(columns)(QUANTITIES, LOGITS)


def columns(labels: jax.Array, outputs: jax.Array) -> jax.Array:
    return jnp.sum(labels - outputs, axis=0)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda labels, outputs: np.mean(np.asarray(labels) - outputs), "Use jax.numpy in the place of numpy"),
        (lambda labels, outputs: outputs if jnp.mean(labels) > 0 else labels, "jax.numpy.where in the place of if"),
        (lambda outputs: outputs, r"outputs of shape \(8, 5\): TypeError: .* takes 1 positional argument"),
        (lambda labels, outputs: outputs.width, "AttributeError: .*width"),
        (lambda labels, outputs: None, "returned nothing: it must return one number"),
        (lambda labels, outputs: (labels, outputs), "returned a tuple: it must return one number"),
    ],
    ids=["numpy", "if", "one argument", "mistake", "nothing", "tuple"],
)
def test_a_users_function_that_does_not_work(function: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=rf"The function <lambda> \(.*test_losses.py, line \d+\) .*{message}"):
        losses.get(function)(QUANTITIES, LOGITS)


def test_get_takes_names_classes_and_objects() -> None:
    assert losses.get("mse") == losses.get("MeanSquaredError") == losses.get("mean_squared_error")
    assert losses.get("mae") == losses.MeanAbsoluteError()
    assert losses.get("bce") == losses.get("binary_crossentropy") == losses.BinaryCrossentropy()
    assert losses.get("CategoricalCrossentropy") == losses.CategoricalCrossentropy()
    assert losses.get(losses.BinaryCrossentropy(from_logits=True)).from_logits
    assert losses.get(losses.MeanSquaredError) == losses.MeanSquaredError()


def test_an_unknown_name_brings_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no loss called 'categorical_crossentrpy'.*'categorical_crossentropy'"):
        losses.get("categorical_crossentrpy")


def test_something_else() -> None:
    with pytest.raises(ArgumentError, match="A loss is a name, a Loss or a function"):
        losses.get(0.5)


SPARSE, ONE, BINARY, SQUARED = "SparseCategoricalCrossentropy", "CategoricalCrossentropy", "BinaryCrossentropy", "mse"
RUN = np.arange(10)


@pytest.mark.parametrize(
    ("name", "labels", "output_shape", "message"),
    [
        (SPARSE, RUN, (2,), "run from 0 to 9 but the network has 2 outputs. Give the last Dense 10 units"),
        (SPARSE, RUN, (1,), r"run from 0 to 9 but the network has 1 output. Give the last Dense 10 units\."),
        (
            SPARSE,
            RUN % 2 * 50,
            (2,),
            r"outputs are numbered from 0. .* without gaps: np.unique\(labels, return_inverse",
        ),
        (SPARSE, RUN % 2, (1,), "last Dense 2 units or keep 1 unit with activation='sigmoid' and use 'binary_cross"),
        (SPARSE, RUN + 1, (10,), "run from 1 to 10 but .* 10 outputs are numbered from 0. Use labels - 1"),
        (SPARSE, RUN - 1, (10,), "run from -1 to 8. Number the classes from 0"),
        (SPARSE, RUN / 2, (10,), "not all whole numbers"),
        (SPARSE, np.array([0.0, np.nan]), (10,), "label of example 1 is nan"),
        (SPARSE, np.array(["cat", "dog"]), (2,), "no numbers but <U3 .*'cat'.*Number the classes"),
        (SPARSE, np.eye(10), (10,), r"one-hot, shape \(10,\). Use 'categorical_crossentropy'"),
        (SPARSE, np.eye(10), (1,), "network has 1 output. Give the last Dense one unit for each class"),
        (SPARSE, RUN, (24, 24, 10), "Is a Flatten missing before the last Dense"),
        (SPARSE, np.zeros((4, 3, 2)), (10,), r"each label has shape \(3, 2\)"),
        (ONE, RUN, (10,), "one-hot labels .* one class number. Use 'sparse_categorical_crossentropy'"),
        (ONE, RUN[:, None], (10,), "Use 'sparse_categorical_crossentropy'"),
        (ONE, np.eye(10), (2,), "labels have 10 classes but the network has 2 outputs. Give the last Dense 10 units"),
        (ONE, np.eye(10), (1,), "network has 1 output. Give the last Dense 10 units"),
        (ONE, RUN % 2, (1,), "use 'binary_crossentropy'"),
        (ONE, 255 * np.eye(10), (10,), "run from 0 to 255. One-hot labels are 1"),
        (ONE, np.eye(10), (24, 24, 10), "Is a Flatten missing"),
        (ONE, np.full((2, 10), np.inf), (10,), "label of example 0 is inf"),
        (BINARY, RUN, (1,), "run from 0 to 9, .* two classes: give the last Dense 10 units and use 'sparse_cat"),
        (BINARY, RUN, (10,), "network has 10 outputs. Give the last Dense 10 units and use 'sparse_categorical"),
        (BINARY, RUN % 2, (2,), "use 'sparse_categorical_crossentropy', or give it 1 unit with activation='sigmoid'"),
        (BINARY, RUN % 2 * 2 - 1, (1,), "run from -1 to 1, and must be 0 or 1. Use labels == 1"),
        (BINARY, RUN % 2 + 1, (1,), "Use labels == 2"),
        (BINARY, RUN % 2 * 255, (1,), "Use labels == 255"),
        (BINARY, RUN / 4, (1,), "run from 0 to 2.25, .* For quantities use 'mean_squared_error'"),
        (BINARY, np.eye(2), (1,), r"2 numbers for each example .* labels.argmax\(axis=-1\)"),
        (BINARY, np.eye(3), (5,), r"each label has shape \(3,\) .* \(5,\). Give the last Dense 3 units"),
        (SQUARED, RUN, (3,), r"each label has shape \(\) but .* shape \(3,\). Give the last Dense 1 unit\."),
        (SQUARED, np.eye(3), (1,), r"each label has shape \(3,\) .* Give the last Dense 3 units"),
        (SQUARED, np.eye(3), (8, 8, 3), "Is a Flatten missing"),
        (SQUARED, np.zeros((2, 4, 4)), (16,), r"shape \(4, 4\) .* The two must agree"),
        (SQUARED, np.array([1.0, np.nan, np.inf]), (1,), "label of example 1 is nan. Leave such examples out"),
        (SQUARED, np.array(["1", "2"]), (1,), "no numbers"),
        ("mae", np.array([1.0, np.inf]), (1,), "label of example 1 is inf"),
    ],
)
def test_labels_that_do_not_fit(name: str, labels: np.ndarray, output_shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        losses.get(name).check(labels, output_shape)


@pytest.mark.parametrize(
    ("name", "labels", "output_shape"),
    [
        (SPARSE, RUN, (10,)),
        (SPARSE, RUN[:, None].astype(np.uint8), (12,)),
        (SPARSE, RUN.astype(np.float32), (10,)),
        (SPARSE, RUN % 2 == 1, (2,)),
        (SPARSE, np.zeros((2, 3, 3), np.uint8), (3, 3, 4)),
        (SPARSE, np.zeros(0, np.int64), (3,)),
        (ONE, np.eye(10), (10,)),
        (ONE, np.full((4, 2), 0.5), (2,)),
        (BINARY, RUN % 2, (1,)),
        (BINARY, RUN % 2, ()),
        (BINARY, RUN[:, None] % 2 == 0, (1,)),
        (BINARY, RUN / 9, (1,)),
        (BINARY, np.eye(5), (5,)),
        (SQUARED, RUN, (1,)),
        (SQUARED, RUN[:, None], ()),
        (SQUARED, np.zeros((2, 4, 4)), (4, 4, 1)),
    ],
)
def test_labels_that_fit(name: str, labels: np.ndarray, output_shape: tuple[int, ...]) -> None:
    losses.get(name).check(labels, output_shape)


@pytest.mark.parametrize(
    ("name", "labels"),
    [(SPARSE, ONE_HOT), (ONE, CLASSES), (SQUARED, CLASSES), ("mae", ONE_HOT[:, :3]), (BINARY, ONE_HOT[:, :3])],
)
def test_wrong_shapes_never_broadcast(name: str, labels: np.ndarray) -> None:
    with pytest.raises(LabelError):
        losses.get(name)(labels, LOGITS)


def test_a_loss_of_ones_own() -> None:
    class Largest(losses.Loss):
        def per_example(self, labels, outputs):
            return jnp.max(jnp.abs(labels - outputs), axis=-1)

    loss = losses.get(Largest)
    assert loss(QUANTITIES, QUANTITIES + 2) == pytest.approx(2, rel=1e-6)
    loss.check(QUANTITIES, (5,))
    with pytest.raises(NotImplementedError, match="Loss has no per_example"):
        losses.Loss()(QUANTITIES, QUANTITIES)
