"""RandomSaturation against Keras' for the same factors, and its draws."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from calor.errors import ArgumentError, ShapeError
from calor.layers import RandomSaturation

IMAGES = np.random.default_rng(0).uniform(size=(6, 9, 8, 3)).astype(np.float32)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.7, 30.0])
def test_a_fixed_factor_is_keras(factor):
    factors = np.full(6, factor, np.float32)
    theirs = keras.layers.RandomSaturation(0.5, value_range=(0, 1)).transform_images(IMAGES, {"factor": factors})
    ours = RandomSaturation(0.5, value_range=(0, 1))
    np.testing.assert_allclose(ours.saturated(jnp.asarray(IMAGES), jnp.asarray(factors)), theirs, atol=1e-5)
    wide = RandomSaturation(0.5, value_range=(-1, 1)).saturated(jnp.asarray(IMAGES * 2 - 1), jnp.asarray(factors))
    np.testing.assert_allclose(wide, np.asarray(theirs) * 2 - 1, atol=2e-5)


def test_it_stays_in_the_range_and_keeps_grey():
    bytes_ = (IMAGES * 255).astype(np.uint8)
    strong = np.asarray(RandomSaturation((1.0, 1.0)).augment(bytes_, jax.random.key(0)))
    assert strong.min() >= -1e-3
    assert strong.max() <= 255
    np.testing.assert_allclose(strong.max(-1), bytes_.max(-1), atol=1e-3)
    grey = np.repeat(bytes_[..., :1], 3, axis=-1)
    np.testing.assert_allclose(RandomSaturation((1.0, 1.0)).augment(grey, jax.random.key(0)), grey, atol=1e-3)
    np.testing.assert_array_equal(RandomSaturation(0.9).augment(np.zeros_like(grey), jax.random.key(0)), 0)


def test_factors_are_drawn_from_all_of_the_range():
    pixel = np.tile(np.array([0.8, 0.8, 0.4], np.float32), (4000, 1, 1, 1))
    drawn = RandomSaturation((0.2, 0.4), value_range=(0, 1)).augment(pixel, jax.random.key(1))
    factors = (0.8 - np.asarray(drawn)[:, 0, 0, 2]) / 0.4
    shares = np.sort(factors / (1 + factors))
    assert np.abs((shares - 0.2) / 0.2 - np.linspace(0, 1, 4000)).max() < 2.23 / np.sqrt(4000)


def test_three_colours_are_needed():
    with pytest.raises(ShapeError, match=r"RandomSaturation takes pictures of three channels.* not of 1"):
        RandomSaturation(0.5).build(None, (8, 8, 1))
    with pytest.raises(ShapeError, match=r"RandomSaturation takes pictures of three channels.* not of 4"):
        RandomSaturation(0.5).augment(np.zeros((8, 8, 4)), jax.random.key(0))
    assert RandomSaturation(0.5).build(None, (8, 8, 3)) == ({}, {})


@pytest.mark.parametrize("factor", [1.5, (0.5, 0.2), (-0.1, 0.2), "0.5"])
def test_factors_that_cannot_work(factor):
    with pytest.raises(ArgumentError, match="RandomSaturation: factor must be a number"):
        RandomSaturation(factor)
