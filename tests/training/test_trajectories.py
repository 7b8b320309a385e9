"""Training beside real Keras 3: the same weights and batches give the same figures and weights, step by step."""

import keras
import numpy as np
import pytest

import calor
from calor import layers

# Both compute in float32 but add in different orders; twenty steps of Adam on gradients near zero widen that.
TOLERANCE = {"rtol": 2e-4, "atol": 2e-5}

STEPS = 20
BATCH = 16


def dense(library):
    return [library.Dense(8, activation="relu"), library.Dense(3, activation="softmax")]


def convolutional(library):
    return [
        library.Conv2D(4, (3, 3), padding="same", activation="relu"),
        library.MaxPooling2D((2, 2)),
        library.Conv2D(5, 2, strides=2, activation="tanh"),
        library.BatchNormalization(),
        library.Flatten(),
        library.Dense(3, activation="softmax"),
    ]


def both(stack, shape, loss, optimizer, metrics=("accuracy",)):
    """The same compiled network in Calor and in Keras, with the same weights."""
    ours = calor.Sequential([calor.Input(shape), *stack(layers)], seed=1)
    theirs = keras.Sequential([keras.Input(shape), *stack(keras.layers)])
    theirs.set_weights(ours.get_weights())
    ours.compile(optimizer=optimizer(calor.optimizers), loss=loss, metrics=list(metrics))
    theirs.compile(optimizer=optimizer(keras.optimizers), loss=loss, metrics=list(metrics))
    return ours, theirs


def compare(ours, theirs, x, y, **settings):
    mine = ours.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, **settings).history
    reference = theirs.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, **settings).history
    assert list(mine) == list(reference)
    for name, values in reference.items():
        np.testing.assert_allclose(mine[name], values, err_msg=name, **TOLERANCE)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, **TOLERANCE)


@pytest.mark.parametrize("stack", [dense, convolutional])
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda library: library.Adam(0.01),
        lambda library: library.SGD(0.05, momentum=0.9, nesterov=True),
        lambda library: library.RMSprop(0.003),
        lambda library: library.AdamW(0.01, weight_decay=0.02),
    ],
    ids=["adam", "sgd", "rmsprop", "adamw"],
)
def test_twenty_steps(stack, optimizer):
    generator = np.random.default_rng(0)
    shape = (6, 7, 2) if stack is convolutional else (5,)
    # 310 examples: the last of the twenty batches is smaller, and must count as such, also in batch statistics.
    x = generator.normal(size=(STEPS * BATCH - 10, *shape)).astype(np.float32)
    y = generator.integers(0, 3, len(x))
    compare(*both(stack, shape, "sparse_categorical_crossentropy", optimizer), x, y)


def test_validation_and_class_weights():
    generator = np.random.default_rng(1)
    x = generator.normal(size=(100, 5)).astype(np.float32)
    y = generator.integers(0, 3, 100)
    ours, theirs = both(dense, (5,), "sparse_categorical_crossentropy", lambda library: library.Adam(0.01))
    compare(ours, theirs, x, y, epochs=3, validation_split=0.3, class_weight={0: 1.0, 1: 5.0, 2: 0.5})


@pytest.mark.parametrize("labels", ["one-hot", "sigmoid", "column"])
def test_class_weights_of_other_labels(labels):
    """One class is rare, and counts more."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=(75, 5)).astype(np.float32)
    y = (generator.random(75) < 0.1).astype(np.int32)
    if labels == "sigmoid":
        stack, loss = (lambda library: [library.Dense(1, activation="sigmoid")]), "binary_crossentropy"
    else:
        loss = "categorical_crossentropy" if labels == "one-hot" else "sparse_categorical_crossentropy"
        stack = lambda library: [library.Dense(2, activation="softmax")]  # noqa: E731
    y = np.eye(2, dtype=np.float32)[y] if labels == "one-hot" else y[:, None] if labels == "column" else y
    ours, theirs = both(stack, (5,), loss, lambda library: library.Adam(0.05))
    compare(ours, theirs, x, y, epochs=2, class_weight={0: 0.55, 1: 5.0})


def test_sample_weights():
    generator = np.random.default_rng(2)
    x = generator.normal(size=(50, 4)).astype(np.float32)
    y = generator.normal(size=(50, 2)).astype(np.float32)
    weights = generator.random(50).astype(np.float32)
    ours, theirs = both(
        lambda library: [library.Dense(2)], (4,), "mean_squared_error", lambda library: library.SGD(0.1), metrics=()
    )
    compare(ours, theirs, x, y, epochs=2, sample_weight=weights)
    compare(ours, theirs, x, y, sample_weight=weights[:, None])


def test_binary_classification_with_sigmoid():
    generator = np.random.default_rng(3)
    x = generator.normal(size=(90, 4)).astype(np.float32)
    y = (x.sum(axis=1) > 0).astype(np.int32)
    ours, theirs = both(
        lambda library: [library.Dense(1, activation="sigmoid")],
        (4,),
        "binary_crossentropy",
        lambda library: library.Adam(0.05),
    )
    compare(ours, theirs, x, y, epochs=3)


def test_evaluate_and_predict_agree():
    generator = np.random.default_rng(4)
    x = generator.normal(size=(70, 6, 7, 2)).astype(np.float32)
    y = generator.integers(0, 3, 70)
    ours, theirs = both(convolutional, (6, 7, 2), "sparse_categorical_crossentropy", lambda library: library.Adam())
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), **TOLERANCE)
    np.testing.assert_allclose(ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), **TOLERANCE)
