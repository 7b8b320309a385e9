"""The pooling layers against Keras on JAX: shapes, outputs, gradients, and what they say when they cannot work."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from calor import layers
from calor.errors import ArgumentError, ShapeError

KEY = jax.random.key(0)


def outputs_and_gradient(call, inputs):
    outputs, gradient = jax.vjp(call, jnp.asarray(inputs))
    arriving = jnp.arange(1, outputs.size + 1, dtype=jnp.float32).reshape(outputs.shape)
    return outputs, gradient(arriving)[0]


def apply(layer):
    return lambda inputs: layer.apply({}, {}, inputs, training=True, key=KEY)[0]


@pytest.mark.parametrize("name", ["MaxPooling2D", "AveragePooling2D"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"pool_size": 2},
        {"pool_size": 2, "padding": "same"},
        {"pool_size": (3, 2), "strides": 2},
        {"pool_size": 3, "strides": (2, 1), "padding": "same"},
        {"pool_size": 2, "strides": 3, "padding": "SAME"},
        {"pool_size": 5, "padding": "same"},
    ],
)
def test_keras_agrees_on_windows(name, arguments):
    inputs = np.random.default_rng(0).integers(-3, 4, (2, 9, 7, 3)).astype(np.float32)  # with ties
    layer, other = (getattr(module, name)(**arguments) for module in (layers, keras.layers))
    assert layer.build(KEY, (9, 7, 3)) == ({}, {})
    for array, expected in zip(
        outputs_and_gradient(apply(layer), inputs), outputs_and_gradient(other, inputs), strict=True
    ):
        assert_allclose(array, expected, rtol=1e-6, atol=1e-6)  # means of at most 25 numbers, in another order


@pytest.mark.parametrize("name", ["GlobalAveragePooling2D", "GlobalMaxPooling2D"])
def test_keras_agrees_on_whole_pictures(name):
    inputs = np.random.default_rng(0).normal(size=(2, 9, 7, 3)).astype(np.float32)
    layer, other = (getattr(module, name)() for module in (layers, keras.layers))
    assert layer.build(KEY, (9, 7, 3)) == ({}, {})
    for array, expected in zip(
        outputs_and_gradient(apply(layer), inputs), outputs_and_gradient(other, inputs), strict=True
    ):
        assert_allclose(array, expected, rtol=1e-5, atol=1e-6)  # means of 63 numbers, in another order


def test_sizes_by_position():
    layer = layers.MaxPooling2D(2, 2)
    assert (layer.pool_size, layer.strides, layer.padding) == ((2, 2), (2, 2), "valid")
    assert layers.AveragePooling2D((3, 2)).strides == (3, 2)
    assert_array_equal(apply(layer)(jnp.arange(4.0).reshape(1, 2, 2, 1)).ravel(), [3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pool_size": 0}, "MaxPooling2D: pool_size must be a whole number from 1 up, not 0"),
        ({"pool_size": "2"}, "pool_size must be a whole number from 1 up, not '2'"),
        ({"strides": (1, 2, 3)}, r"strides must be one or two whole numbers, not \(1, 2, 3\)"),
        ({"padding": "causal"}, "padding must be 'valid' or 'same', not 'causal'"),
    ],
)
def test_arguments_that_cannot_work(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        layers.MaxPooling2D(**arguments)


def test_pictures_smaller_than_the_window():
    with pytest.raises(
        ShapeError, match=r"AveragePooling2D: A pool that covers 2 × 2 pixels finds no place in .* 1 × 1"
    ):
        layers.AveragePooling2D().build(KEY, (1, 1, 64))


@pytest.mark.parametrize("name", ["MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"])
def test_inputs_that_are_no_pictures(name):
    with pytest.raises(ShapeError, match=rf"{name} takes pictures of shape .* has the shape \(10,\)"):
        getattr(layers, name)().build(KEY, (10,))
