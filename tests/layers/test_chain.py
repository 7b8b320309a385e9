"""Geometric layers as one warp: what is taken together, and that it is what the layers do one after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calor.layers import (
    RandomAffine,
    RandomBrightness,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
    Rescaling,
)
from calor.layers.chain import chain_from

KEYS = [jax.random.fold_in(jax.random.key(3), number) for number in range(6)]


class OwnRotation(RandomRotation):
    """A user's layer, which may do anything."""


def picture(count=8, height=41, width=53):
    """Slow waves: pictures that one interpolation more hardly changes."""
    y, x = np.meshgrid(np.linspace(0, 5, height), np.linspace(0, 6, width), indexing="ij")
    waves = np.stack([np.sin(x + y), np.cos(x - y), np.sin(y)], -1)
    return np.repeat((127.5 + 120 * waves)[None], count, axis=0).astype(np.uint8)


def apart(layers, images):
    """The layers one after the other."""
    for layer, key in zip(layers, KEYS, strict=False):
        images, _ = layer.apply({}, {}, images, training=True, key=key)
    return np.asarray(images)


@pytest.mark.parametrize(
    "layers",
    [
        [RandomAffine(40, 0.2, 0.2, 10, 0.2, horizontal_flip=True)],
        [Rescaling(1 / 255), RandomAffine(40, 0.2, fill_mode="constant", fill_value=0.25)],
        [RandomAffine(40, 0.2, fill_mode="wrap"), Rescaling(1 / 127.5, -1.0)],
        [Rescaling(0.5, 3.0), RandomRotation(0.1, fill_mode="constant", fill_value=9.0), Rescaling(-2.0, 1.0)],
        [RandomRotation(0.2, interpolation="nearest"), Rescaling(2.0)],
    ],
)
def test_one_warp_with_rescalings_is_the_same(layers):
    images = picture()
    chain = chain_from(layers)
    assert chain.layers == tuple(layers)
    assert chain.rescales == any(isinstance(layer, Rescaling) for layer in layers)
    expected = apart(layers, jnp.asarray(images, jnp.float32))
    # Positions carry float32's 1e-5, times differences between neighbours of up to 50.
    for inputs in (images, images.astype(np.float32)):
        np.testing.assert_allclose(chain(jnp.asarray(inputs), KEYS[: len(layers)]), expected, atol=1e-2)


def test_several_warps_draw_the_same_and_differ_by_the_interpolation_alone():
    layers = [
        RandomFlip(),
        RandomRotation(0.05, fill_mode="nearest"),
        Rescaling(1 / 255),
        RandomTranslation(0.05, 0.05, fill_mode="nearest"),
        RandomZoom((-0.3, -0.1), fill_mode="nearest"),
        RandomShear(0.05, fill_mode="nearest"),
    ]
    images = picture()
    chain = chain_from(layers)
    assert chain.layers == tuple(layers)
    found, expected = np.asarray(chain(jnp.asarray(images), KEYS)), apart(layers, images)
    middle = np.s_[:, 10:-10, 12:-12]  # where no layer saw beyond an edge
    assert np.abs(found[middle] - expected[middle]).max() < 0.02
    assert np.abs(found[middle] - expected[middle]).mean() < 0.002
    other = np.asarray(chain(jnp.asarray(images), KEYS[::-1]))
    assert np.abs(other[middle] - expected[middle]).mean() > 0.05  # the comparison would see other draws


def test_outside_training_only_the_rescaling_is_left():
    images = picture(2)
    chain = chain_from([Rescaling(1 / 255), RandomFlip(), RandomRotation(0.2), Rescaling(2.0, -1.0)])
    plain = chain(jnp.asarray(images), None)
    assert plain.dtype == jnp.float32
    np.testing.assert_allclose(plain, images / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "taken"),
    [
        ([RandomFlip()], 0),
        ([RandomFlip(), Rescaling(2.0)], 0),
        ([Rescaling(2.0), Rescaling(3.0)], 0),
        ([OwnRotation(0.1), RandomRotation(0.1)], 0),
        ([RandomRotation(0.1), OwnRotation(0.1)], 1),
        ([RandomRotation(0.1), RandomBrightness(0.1), RandomRotation(0.1)], 1),
        ([RandomRotation(0.1), RandomZoom(0.1, fill_mode="wrap")], 1),
        ([RandomRotation(0.1), RandomZoom(0.1, interpolation="nearest")], 1),
        ([RandomRotation(0.1, fill_value=1.0), RandomZoom(0.1, fill_value=2.0)], 2),
        (
            [
                RandomRotation(0.1, fill_mode="constant", fill_value=1.0),
                RandomZoom(0.1, fill_mode="constant", fill_value=2.0),
            ],
            1,
        ),
        (
            [
                RandomRotation(0.1, fill_mode="constant", fill_value=1.0),
                Rescaling(2.0),
                RandomZoom(0.1, fill_mode="constant", fill_value=2.0),
            ],
            3,
        ),
        ([Rescaling(0.0), RandomRotation(0.1)], 0),
        ([RandomRotation(0.1), Rescaling(0.0)], 1),
        ([RandomFlip(), Rescaling(2.0), RandomRotation(0.1), RandomFlip(), Rescaling(2.0), RandomBrightness(0.1)], 5),
        ([], 0),
    ],
)
def test_what_is_taken_together(layers, taken):
    chain = chain_from(layers)
    assert (len(chain.layers) if chain else 0) == taken
