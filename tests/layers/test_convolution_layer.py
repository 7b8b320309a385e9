"""Conv2D against Keras on JAX: shapes, outputs, gradients, and what it says to arguments that cannot work."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from calor.errors import ArgumentError, ShapeError, UnknownNameError
from calor.layers import Conv2D

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 3},
        {"kernel_size": 3, "padding": "same", "activation": "relu"},
        {"kernel_size": (2, 4), "strides": 2, "padding": "same"},
        {"kernel_size": [5, 1], "strides": (1, 3)},
        {"kernel_size": 2, "dilation_rate": (2, 3), "padding": "SAME", "activation": "tanh"},
        {"kernel_size": 1, "strides": 2, "use_bias": False},
        {"kernel_size": 11, "padding": "same"},
    ],
)
def test_keras_agrees(arguments):
    random = np.random.default_rng(0)
    inputs = random.normal(size=(3, 9, 8, 2)).astype(np.float32)
    layer, other = Conv2D(4, **arguments), keras.layers.Conv2D(4, **arguments)
    parameters, state = layer.build(KEY, (9, 8, 2))
    other.build((None, 9, 8, 2))
    weights = [random.normal(size=array.shape).astype(np.float32) for array in parameters.values()]
    assert [array.shape for array in weights] == [array.shape for array in other.get_weights()]
    variables = [jnp.asarray(array) for array in weights]

    def ours(variables, inputs):
        outputs, _ = layer.apply(dict(zip(parameters, variables, strict=True)), state, inputs, training=True, key=KEY)
        return jnp.sum(outputs**2), outputs

    def theirs(variables, inputs):
        outputs, _ = other.stateless_call(variables, [], inputs)
        return jnp.sum(outputs**2), outputs

    found, expected = (
        jax.jit(jax.value_and_grad(function, argnums=(0, 1), has_aux=True))(variables, inputs)
        for function in (ours, theirs)
    )
    for array, expected_array in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert array.shape == expected_array.shape
        # Sums of some thousand products in another order: float32 errs by about 1e-5 of the largest.
        assert_allclose(array, expected_array, rtol=1e-4, atol=1e-5 * np.abs(expected_array).max())


def test_the_initial_parameters():
    parameters, state = Conv2D(8, 3, kernel_initializer="he_normal", bias_initializer="ones").build(KEY, (9, 8, 2))
    assert list(parameters) == ["kernel", "bias"]
    assert 0.2 < np.std(parameters["kernel"]) < 0.5  # √(2 / 18) = 1/3
    assert_allclose(parameters["bias"], np.ones(8))
    assert state == {}
    assert list(Conv2D(8, 3, use_bias=False).build(KEY, (9, 8, 2))[0]) == ["kernel"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0, "kernel_size": 3}, "Conv2D: filters must be a whole number from 1 up, not 0"),
        ({"filters": 8, "kernel_size": (3, 0)}, "kernel_size must be a whole number from 1 up, not 0"),
        ({"filters": 8, "kernel_size": (3, 3, 3)}, r"kernel_size must be one or two whole numbers, not \(3, 3, 3\)"),
        ({"filters": 8, "kernel_size": 3, "strides": 1.5}, "strides must be a whole number from 1 up, not 1.5"),
        ({"filters": 8, "kernel_size": 3, "padding": "full"}, "padding must be 'valid' or 'same', not 'full'"),
        ({"filters": 8, "kernel_size": 3, "padding": None}, "padding must be 'valid' or 'same', not None"),
        ({"filters": 8, "kernel_size": 3, "dilation_rate": -1}, "dilation_rate must be a whole number"),
    ],
)
def test_arguments_that_cannot_work(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Conv2D(**arguments)


def test_an_unknown_activation():
    with pytest.raises(UnknownNameError, match="relu"):
        Conv2D(8, 3, activation="rellu")


def test_pictures_smaller_than_the_kernel():
    with pytest.raises(
        ShapeError, match=r"Conv2D 'edges': A kernel that covers 5 × 3 pixels finds no place in .* 4 × 9"
    ):
        Conv2D(8, 3, dilation_rate=(2, 1), name="edges").build(KEY, (4, 9, 1))


def test_inputs_that_are_no_pictures():
    with pytest.raises(ShapeError, match=r"Conv2D takes pictures of shape .* has the shape \(28, 28\)"):
        Conv2D(8, 3).build(KEY, (28, 28))
