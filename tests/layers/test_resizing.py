"""Resizing against Keras'."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from calor.errors import ArgumentError, ShapeError, UnknownNameError
from calor.layers import Resizing

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 24, 36, 3), dtype=np.uint8)


def resized(images, *arguments, **settings):
    return Resizing(*arguments, **settings).apply({}, {}, jnp.asarray(images), training=False, key=None)[0]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [(10, 13), (50, 40), (24, 36)])
def test_interpolations_are_keras(size, interpolation, antialias):
    settings = {"interpolation": interpolation, "antialias": antialias}
    found = resized(IMAGES, *size, **settings)
    assert found.dtype == jnp.float32
    expected = keras.layers.Resizing(*size, **settings)(IMAGES.astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("how", ["crop_to_aspect_ratio", "pad_to_aspect_ratio"])
@pytest.mark.parametrize("size", [(12, 12), (30, 10), (10, 30)])
def test_proportions_are_kept_as_in_keras(size, how):
    settings = {how: True, "fill_value": 7.0}
    expected = keras.layers.Resizing(*size, **settings)(IMAGES.astype(np.float32))
    np.testing.assert_allclose(resized(IMAGES, *size, **settings), expected, atol=1e-3)


def test_an_odd_number_of_missing_rows_is_shared_out():
    """Keras leaves one of them out, and stretches the picture by that."""
    found = np.asarray(resized(np.ones((1, 3, 6, 1)), 6, 6, pad_to_aspect_ratio=True))[0, :, :, 0]
    np.testing.assert_array_equal(found.all(1), [False, True, True, True, False, False])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"height": 0, "width": 5}, ArgumentError, "height must be a whole number"),
        ({"height": 5, "width": 2.5}, ArgumentError, "width must be a whole number"),
        ({"height": 5, "width": 5, "fill_value": "x"}, ArgumentError, "fill_value must be"),
        ({"height": 5, "width": 5, "fill_mode": "reflect"}, ArgumentError, "fill_mode must be 'constant'"),
        (
            {"height": 5, "width": 5, "crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True},
            ArgumentError,
            "not both",
        ),
        ({"height": 5, "width": 5, "interpolation": "bilinaer"}, UnknownNameError, "Did you mean 'bilinear'"),
    ],
)
def test_arguments_that_cannot_work(arguments, error, message):
    with pytest.raises(error, match=message):
        Resizing(**arguments)


def test_inputs_must_be_pictures():
    with pytest.raises(ShapeError, match="Resizing takes pictures"):
        Resizing(4, 4).build(None, (28, 28))
