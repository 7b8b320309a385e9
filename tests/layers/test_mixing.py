"""MixUp and CutMix: pictures and labels in the same proportion, drawn as Keras draws them."""

import jax
import keras
import numpy as np
import pytest

import calor
from calor.errors import ArgumentError, DataError, ShapeError
from calor.layers import CutMix, MixUp
from calor.layers.mixing import Mixing

COUNT = 600
KEY = jax.random.key(0)


def numbered(count=COUNT, size=(12, 10)):
    """Every picture filled with its number, and one-hot labels of two classes."""
    images = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None, None], (count, *size, 1))
    return images, np.eye(count, dtype=np.float32)


def test_mixup_blends_pictures_and_labels_alike():
    images, labels = numbered()
    mixed, soft = map(np.asarray, jax.jit(MixUp(0.4))(images, labels, key=KEY))
    np.testing.assert_allclose(soft.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(mixed[:, 0, 0, 0], soft @ np.arange(COUNT), rtol=1e-4, atol=1e-2)
    assert np.ptp(mixed, axis=(1, 2, 3)).max() == 0
    assert (np.count_nonzero(soft, axis=1) <= 2).all()


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
def test_weights_are_distributed_as_keras():
    images, labels = numbered(4000, (1, 1))
    _, soft = MixUp(0.3)(images, labels, key=KEY)
    ours = np.sort(np.diagonal(soft))
    theirs = np.sort(keras.layers.MixUp(0.3, seed=2).get_random_transformation({"images": images})["mix_weight"])
    assert np.abs(ours.mean() - theirs.mean()) < 0.03
    gap = np.abs(np.searchsorted(ours, theirs) / 4000 - np.arange(4000) / 4000).max()
    assert gap < 2.23 * np.sqrt(2 / 4000)


def test_cutmix_labels_are_the_shares_of_pixels():
    images, labels = numbered()
    mixed, soft = map(np.asarray, jax.jit(CutMix((1.0, 1.0)))(images, labels, key=KEY))
    for number, (picture, label) in enumerate(zip(mixed, soft, strict=True)):
        found, counts = np.unique(picture, return_counts=True)
        assert len(found) <= 2
        shares = np.zeros(COUNT)
        shares[found.astype(int)] = counts / picture.size
        np.testing.assert_allclose(label, shares, atol=1e-5, err_msg=str(number))
    # With both parameters 1 the share is uniform; pixels are counted in 120ths.
    own = np.sort(np.diagonal(soft))
    assert np.abs(own - np.linspace(0, 1, COUNT)).max() < 0.1


def test_cutmix_is_drawn_as_keras():
    images, labels = numbered(2000)
    ours = np.diagonal(CutMix((0.5, 0.5))(images, labels, key=KEY)[1])
    drawn = keras.layers.CutMix((0.5, 0.5), seed=3).get_random_transformation({"images": images})
    theirs = np.asarray(drawn["mix_weight"]).ravel()
    assert abs(ours.mean() - theirs.mean()) < 0.04
    assert abs(ours.std() - theirs.std()) < 0.03


@pytest.mark.parametrize("mixing", [MixUp(), CutMix()])
def test_on_a_data_set_after_batch(mixing):
    images, labels = np.arange(20, dtype=np.uint8).repeat(48).reshape(20, 4, 4, 3), np.eye(20, dtype=np.float32)
    data = calor.data.Dataset.from_arrays(images, labels).batch(8).map(mixing)
    batches = list(data)
    assert [len(labels) for _, labels in batches] == [8, 8, 4]
    for mixed, soft in batches:
        np.testing.assert_allclose(np.asarray(soft).sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(np.asarray(mixed).mean((1, 2, 3)), np.asarray(soft) @ np.arange(20), atol=1e-3)


def test_a_model_learns_from_mixed_labels():
    random = np.random.default_rng(0)
    classes = random.integers(0, 2, 64)
    images = (classes[:, None, None, None] * 200 + random.integers(0, 50, (64, 6, 6, 1))).astype(np.uint8)
    data = calor.data.Dataset.from_arrays(images, np.eye(2, dtype=np.float32)[classes]).batch(16).map(MixUp(0.2))
    layers = [calor.layers.Rescaling(1 / 255, input_shape=(6, 6, 1)), calor.layers.Flatten(), calor.layers.Dense(2)]
    model = calor.Sequential([*layers, calor.layers.Softmax()], seed=0)
    model.compile(calor.optimizers.Adam(0.03), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(data, epochs=8, verbose=0)
    assert (model.predict(images, verbose=0).argmax(1) == classes).mean() > 0.95


@pytest.mark.parametrize("mixing", [MixUp(), CutMix()])
def test_numbers_of_classes_cannot_be_mixed(mixing):
    with pytest.raises(ArgumentError, match=r"cannot mix numbers of classes .*int32.*one_hot"):
        mixing(np.zeros((4, 2, 2, 3)), np.zeros(4, np.int32), key=KEY)
    data = calor.data.Dataset.from_arrays(np.zeros((4, 2, 2, 3), np.uint8), np.zeros(4, np.int32)).batch(2)
    with pytest.raises(DataError, match="cannot mix numbers of classes"):
        list(data.map(mixing))


@pytest.mark.parametrize(("images", "labels"), [((2, 2, 3), (2,)), ((4, 2, 2, 3), (3, 2)), ((4, 2, 2, 3), ())])
def test_a_batch_is_needed(images, labels):
    with pytest.raises(ShapeError, match=r"MixUp mixes the pictures of a batch.*Put it after batch\(\)"):
        MixUp()(np.zeros(images), np.zeros(labels), key=KEY)


def test_it_is_no_layer_of_a_model():
    with pytest.raises(ArgumentError, match=r"CutMix changes labels, too.* dataset.batch\(100\).map\(CutMix"):
        calor.Sequential([calor.Input((4, 4, 3)), CutMix()])


def test_a_mixing_of_ones_own_needs_mix():
    with pytest.raises(NotImplementedError, match="Mixing has no mix method"):
        Mixing()(np.zeros((1, 2, 2, 3)), np.zeros((1, 2)), key=KEY)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MixUp(0), "alpha must be above 0"),
        (lambda: MixUp(2), "alpha must be a number"),
        (lambda: CutMix((0.5, 0.1)), "factor must be a number"),
    ],
)
def test_arguments_that_cannot_work(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()
