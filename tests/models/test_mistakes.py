"""What the models say to the mistakes that people make."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

import calor
from calor import layers
from calor.errors import ArgumentError, CalorWarning, DataError, LabelError, ShapeError


def classifier(activation="softmax", loss="sparse_categorical_crossentropy"):
    model = calor.Sequential([layers.Dense(3, activation=activation, input_shape=(4,))], seed=0)
    model.compile(optimizer="sgd", loss=loss)
    return model


X, Y = np.ones((6, 4), np.float32), np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("activation", "loss", "advice"),
    [
        (None, "sparse_categorical_crossentropy", "activation='softmax', or the loss from_logits=True"),
        ("relu", "sparse_categorical_crossentropy", "ends in relu, but the loss takes probabilities"),
        ("softmax", calor.losses.SparseCategoricalCrossentropy(from_logits=True), "are no logits"),
    ],
)
def test_an_end_that_does_not_fit_the_loss(activation, loss, advice):
    with pytest.warns(CalorWarning, match=re.escape(advice)):
        classifier(activation, loss).evaluate(X, Y, verbose=0)


def test_nan_in_the_data_to_evaluate():
    x = X.copy()
    x[3, 1] = np.nan
    with pytest.warns(CalorWarning, match="inputs contain NaN or infinity: example 3"):
        classifier().evaluate(x, Y, verbose=0)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: calor.Sequential(layers.Dense(1)), ArgumentError, r"Sequential\(\[...\]\), not Dense"),
        (lambda: calor.Sequential([layers.Dense(1, input_shape=(None, 4))]), ArgumentError, "shape"),
        (lambda: classifier().fit(X, Y, class_weight="balanced", verbose=0), ArgumentError, "dictionary"),
        (lambda: classifier().fit(X, Y, class_weight={0: -1.0}, verbose=0), ArgumentError, "from 0 on"),
        (lambda: classifier().fit(X, list("abcabc"), verbose=0), DataError, r"np.unique\(labels, return_inverse"),
        (lambda: classifier().predict("a.png"), DataError, "load_image"),
        (lambda: classifier().predict(X[0]), ShapeError, r"x\[None\]"),
        (lambda: classifier().fit(X, Y, validation_data=(X, Y + 9), verbose=0), LabelError, "In the validation data: "),
    ],
)
def test_mistakes(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_an_integer_is_a_shape_of_one_axis_or_an_error():
    with pytest.raises(ArgumentError, match="shape"):
        calor.Sequential([layers.Dense(1, input_shape=4)])


def test_a_layer_that_forgets_its_state():
    class Forgetful(layers.Layer):
        def apply(self, parameters, state, inputs, *, training, key):
            return jnp.tanh(inputs)

    with pytest.raises(ArgumentError, match=r"'forgetful': apply must return two things"):
        calor.Sequential([Forgetful(input_shape=(3,))])


def test_a_model_shows_its_layers():
    assert repr(classifier()) == "<Sequential 'sequential': dense>"
