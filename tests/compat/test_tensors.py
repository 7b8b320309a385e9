"""Tensors and the functions of them: eager as TensorFlow's, and traced by JAX inside ``map``."""

import jax
import numpy as np
import pytest

from calor.compat import keras
from calor.compat import tensorflow as tf
from calor.errors import ArgumentError, DataError, ImageError, ShapeError, UnknownNameError


def test_a_tensor() -> None:
    x = tf.constant([[1, 2], [3, 4]])
    assert (x.dtype, x.shape.as_list(), x.get_shape().rank) == (tf.int32, [2, 2], 2)
    assert type(x.numpy()) is np.ndarray
    y = x
    y += 1
    y -= 1
    y *= 2
    assert (x.numpy() == [[1, 2], [3, 4]]).all()
    y /= 4
    assert (y.dtype, y.numpy().tolist()) == (tf.float32, [[0.5, 1], [1.5, 2]])
    assert str(x[0, 1]) == "tf.Tensor(2, shape=(), dtype=int32)"
    assert repr(x[0]) == "<tf.Tensor: shape=(2,), dtype=int32, numpy=[1, 2]>"
    assert f"{x[1, 1]:03d} {x[0]}" == "004 tf.Tensor([1, 2], shape=(2,), dtype=int32)"
    assert ["a", "b", "c"][x[0, 1]] == "c"
    assert tf.is_tensor(x)
    assert not tf.is_tensor(np.ones(2))
    assert tf.constant(5, shape=(2, 2)).numpy().tolist() == [[5, 5], [5, 5]]
    assert tf.constant([1, 2], tf.float32, (2, 1)).shape == (2, 1)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: tf.cast(x, tf.int64) + 1, [[2, 3, 4]]),
        (lambda x: tf.reduce_mean(x, axis=[0, 1]), 2),
        (lambda x: tf.reduce_sum(x, axis=1, keepdims=True), [[6]]),
        (lambda x: tf.reduce_max(x), 3),
        (lambda x: tf.squeeze(x), [1, 2, 3]),
        (lambda x: tf.squeeze(x, [0]), [1, 2, 3]),
        (lambda x: tf.transpose(x), [[1], [2], [3]]),
        (lambda x: tf.stack([x[0], x[0]]), [[1, 2, 3], [1, 2, 3]]),
        (lambda x: tf.concat([x, x], 0), [[1, 2, 3], [1, 2, 3]]),
        (lambda x: tf.clip_by_value(x, 2, 3), [[2, 2, 3]]),
        (lambda x: tf.reshape(x, (3, 1)), [[1], [2], [3]]),
        (lambda x: tf.expand_dims(x, 0), [[[1, 2, 3]]]),
        (lambda x: tf.one_hot(tf.cast(x[0], tf.int32), 4), [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        (lambda x: tf.math.sigmoid(x * 0), [[0.5, 0.5, 0.5]]),
        (lambda x: tf.shape(x), [1, 3]),
        (lambda x: tf.size(x) + tf.rank(x), 5),
        (lambda x: tf.where(x > 1, x, -x), [[-1, 2, 3]]),
        (lambda x: tf.argmax(x, axis=1, name="best"), [2]),
        (lambda x: tf.nn.relu(x - 2), [[0, 0, 1]]),
        (lambda x: tf.keras.losses.mse(x, x + 2), [4]),
        (lambda x: tf.keras.losses.MeanSquaredError()(x, x + 2), 4),
        (lambda x: tf.image.flip_left_right(x[..., None])[..., 0], [[3, 2, 1]]),
        (lambda x: tf.image.flip_up_down(tf.transpose(x)[..., None])[..., 0], [[3], [2], [1]]),
        (lambda x: tf.image.grayscale_to_rgb(x[..., None])[0, 0], [1, 1, 1]),
        (
            lambda x: tf.image.rgb_to_grayscale(tf.image.grayscale_to_rgb(x[..., None]) * 10)[0, :, 0],
            [9.999, 19.998, 29.997],
        ),
        (lambda x: tf.image.resize(x[..., None], (1, 6), "nearest")[0, :, 0], [1, 1, 2, 2, 3, 3]),
        (lambda x: tf.image.convert_image_dtype(tf.cast(x, tf.uint8), tf.float32) * 255, [[1, 2, 3]]),
        (lambda x: tf.image.convert_image_dtype(x / 3, tf.uint8), [[85, 170, 255]]),
        (lambda x: tf.image.convert_image_dtype(x, tf.float32), [[1, 2, 3]]),
    ],
)
def test_functions_eager_and_traced(function, expected) -> None:
    x = np.array([[1, 2, 3]], np.float32)
    eager = function(tf.convert_to_tensor(x))
    assert tf.is_tensor(eager)
    np.testing.assert_allclose(eager.numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(function)(x), expected, rtol=1e-5)


def test_what_makes_tensors() -> None:
    assert tf.range(3).numpy().tolist() == [0, 1, 2]
    assert tf.range(0.0, 1.0, 0.5).dtype == tf.float32
    assert tf.linspace(0.0, 1.0, 3).numpy().tolist() == [0, 0.5, 1]
    assert tf.ones([2]).numpy().tolist() == [1, 1]
    assert tf.fill([2], 7).numpy().tolist() == [7, 7]
    tf.random.set_seed(1)
    first = tf.random.normal([4])
    tf.random.set_seed(1)
    assert (first == tf.random.normal([4])).numpy().all()
    assert 0 <= tf.random.uniform([]).numpy() < 1
    assert sorted(tf.random.shuffle([3, 1, 2]).numpy()) == [1, 2, 3]
    assert tf.test.is_built_with_cuda() is tf.test.is_gpu_available()
    with pytest.raises(UnknownNameError, match="bilinear"):
        tf.image.resize(np.ones((2, 2, 1)), (1, 1), "bilinaer")


def test_picture_files(tmp_path) -> None:
    from PIL import Image

    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    load, to_array, to_image = keras.utils.load_img, keras.utils.img_to_array, keras.utils.array_to_img
    assert (to_array(load(tmp_path / "a.png")) == pixels).all()
    assert to_array(load(str(tmp_path / "a.png"), grayscale=True, target_size=(4, 4))).shape == (4, 4, 1)
    cut = load(tmp_path / "a.png", target_size=(6, 6), keep_aspect_ratio=True)
    assert (to_array(cut) == pixels[:, 1:7]).all()
    with (tmp_path / "a.png").open("rb") as file:
        assert load(file, color_mode="rgba").mode == "RGBA"
    assert (np.asarray(to_image(pixels, scale=False)) == pixels).all()
    assert np.asarray(to_image(pixels[..., :1] / 100.0)).max() == 255
    assert np.asarray(to_image(np.zeros((2, 2)))).max() == 0
    with pytest.raises(ImageError, match="cannot be read"):
        load(tmp_path / "none.png")
    with pytest.raises(UnknownNameError, match="color_mode"):
        load(tmp_path / "a.png", color_mode="grey")
    with pytest.raises(ShapeError, match="1, 3 or 4 channels"):
        to_image(np.zeros((2, 2, 2)))
    with pytest.raises(ShapeError, match="A picture has the shape"):
        to_array(np.zeros(3))
    with pytest.raises(ArgumentError, match="channels_last"):
        to_array(pixels, data_format="channels_first")


@pytest.fixture
def folder(tmp_path):
    from PIL import Image

    for label, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.new("RGB", (8, 8), (100 * label, 0, number)).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_image_dataset_from_directory(folder, capsys) -> None:
    read = keras.utils.image_dataset_from_directory
    train, held_out = read(folder, validation_split=0.3, subset="both", seed=1, image_size=(4, 4), batch_size=None)
    assert capsys.readouterr().out.splitlines() == [
        "Found 20 files belonging to 2 classes.",
        "Using 14 files for training.",
        "Using 6 files for validation.",
    ]
    keys = [{(int(x[0, 0, 0]), int(x[0, 0, 2])) for x, _ in part} for part in (train, held_out)]
    assert [len(part) for part in keys] == [14, 6]
    assert not keys[0] & keys[1]
    (_, binary), *_ = read(folder, label_mode="binary", shuffle=False, image_size=(4, 4))
    assert binary.numpy().tolist() == [[0.0]] * 10 + [[1.0]] * 10
    (_, one_hot), *_ = read(folder, label_mode="categorical", shuffle=False, image_size=(4, 4))
    assert one_hot.numpy()[9:11].tolist() == [[1, 0], [0, 1]]
    (pictures,) = read(folder, labels=None, image_size=(4, 4))
    assert pictures.shape == (20, 4, 4, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"validation_split": 0.2}, "belong together"),
        ({"validation_split": 0.2, "subset": "trainig", "seed": 1}, "training"),
        ({"validation_split": 0.2, "subset": "training"}, "give a seed"),
        ({"labels": [1, 2]}, "inferred"),
        ({"label_mode": "sparse"}, "label_mode"),
        ({"crop_to_aspect_ratio": True}, "crop_to_aspect_ratio=True"),
    ],
)
def test_mistakes_with_folders(folder, settings, message) -> None:
    with pytest.raises(ArgumentError, match=message):
        keras.utils.image_dataset_from_directory(folder, **settings)


def test_labels_that_do_not_fit() -> None:
    with pytest.raises(DataError, match="classes run from 0 to 3, and 2 are expected"):
        keras.utils.to_categorical([0, 3], 2)
    assert keras.utils.to_categorical([[1], [0]]).tolist() == [[0, 1], [1, 0]]
