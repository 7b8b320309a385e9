import jax.numpy as jnp
import keras
import numpy as np
import pytest

from calor import activations, layers
from calor.errors import ArgumentError, UnknownNameError

INPUTS = np.linspace(-8, 8, 30, dtype=np.float32).reshape(2, 3, 5)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Activation", {"activation": "tanh"}),
        ("ReLU", {}),
        ("ReLU", {"max_value": 6.0}),
        ("LeakyReLU", {}),
        ("LeakyReLU", {"negative_slope": 0.1}),
        ("ELU", {}),
        ("ELU", {"alpha": 0.5}),
        ("Softmax", {}),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_outputs_are_those_of_keras(name: str, arguments: dict, training: bool) -> None:
    layer, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    assert layer.build(None, INPUTS.shape[1:]) == ({}, {})
    outputs, _ = layer.apply({}, {}, jnp.asarray(INPUTS), training=training, key=None)
    # The same float32 functions, one or two roundings apart.
    np.testing.assert_allclose(outputs, theirs(INPUTS), rtol=1e-6, atol=1e-7)


def test_an_activation_is_kept_as_a_function() -> None:
    assert layers.Activation("relu").activation is activations.relu
    assert layers.Activation(jnp.sin).activation is jnp.sin


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Activation("sofmax"), UnknownNameError, r"'sofmax'\. Did you mean .*'softmax'"),
        (lambda: layers.ReLU(max_value=-1), ArgumentError, "ReLU: max_value must be a number at least 0, not -1"),
        (lambda: layers.LeakyReLU(-0.1), ArgumentError, "LeakyReLU: negative_slope must be a number at least 0"),
        (lambda: layers.ELU("1"), ArgumentError, "ELU: alpha must be a finite number, not '1'"),
    ],
)
def test_arguments_that_cannot_work(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
