"""RandomErasing: what is erased, how often and how much, beside Keras' own draws."""

import jax
import keras
import numpy as np
import pytest

from calor.errors import ArgumentError
from calor.layers import RandomErasing


def erased(layer, count=2000, size=(40, 50)):
    """Which pixels of so many pictures a layer erases."""
    images = np.full((count, *size, 1), 9, np.uint8)
    results = np.asarray(jax.jit(layer.augment)(images, jax.random.key(0)))
    assert set(np.unique(results)) <= {3.0, 9.0}
    return results[..., 0] == 3.0


def test_one_rectangle_inside_the_picture():
    for mask in erased(RandomErasing((1.0, 1.0), fill_value=3.0), 200):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert mask.sum() == len(rows) * len(columns)


def test_shares_and_probability_are_those_of_keras():
    layer = RandomErasing(0.8, (0.1, 0.4), fill_value=3.0)
    ours = erased(layer)
    theirs = keras.layers.RandomErasing(0.8, (0.1, 0.4), fill_value=3.0, seed=1)(
        np.full((2000, 40, 50, 1), 9.0, np.float32), training=True
    )
    theirs = np.asarray(theirs)[..., 0] == 3.0
    for shares in (ours.mean((1, 2)), theirs.mean((1, 2))):
        assert abs((shares > 0).mean() - 0.4) < 0.04  # the probability itself is uniform up to 0.8
        assert shares[shares > 0].min() > 0.08
        assert shares.max() < 0.43
    means = [mask[mask.any((1, 2))].mean() for mask in (ours, theirs)]
    assert abs(means[0] - means[1]) < 0.02
    # Every place is reached as often on one side as on the other.
    np.testing.assert_allclose(ours.mean(0), ours.mean(0)[::-1, ::-1], atol=0.05)


def test_noise_and_fill_values_stay_in_the_range():
    images = np.full((20, 16, 16, 3), 0.5, np.float32)
    noise = np.asarray(RandomErasing((1.0, 1.0), value_range=(0, 1)).augment(images, jax.random.key(0)))
    assert noise.min() == 0
    assert noise.max() == 1
    assert len(np.unique(noise)) > 100
    colours = RandomErasing((1.0, 1.0), fill_value=(1, 2, 300)).augment(images, jax.random.key(0))
    assert set(np.unique(np.asarray(colours)[..., 2])) == {0.5, 255.0}


def test_nothing_is_erased_at_probability_zero():
    assert not erased(RandomErasing(0.0, fill_value=3.0)).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factor": 2}, "factor must be a number"),
        ({"scale": (0.5, 0.1)}, "scale must be a number"),
        ({"fill_value": "black"}, "fill_value must be a finite number"),
        ({"fill_value": (1, float("nan"))}, "fill_value must be a finite number"),
        ({"value_range": (1, 0)}, "value_range must be"),
    ],
)
def test_arguments_that_cannot_work(arguments, message):
    with pytest.raises(ArgumentError, match=f"RandomErasing: {message}"):
        RandomErasing(**arguments)
