"""The augmentation layers: exact where NumPy is, as Keras for the same parameters, and drawn as they say."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras.src.legacy.preprocessing.image import apply_affine_transform

import calor
from calor.data.maps import Stage
from calor.errors import ArgumentError, ShapeError, UnknownNameError
from calor.layers.augmentation import (
    Augmentation,
    GeometricAugmentation,
    RandomAffine,
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from calor.ops import native
from calor.ops.warp import warp

KEY = jax.random.key(7)
ALL = [
    RandomFlip(),
    RandomRotation(0.2),
    RandomTranslation(0.2, 0.3),
    RandomZoom(0.3, 0.2),
    RandomShear(0.3, 0.1),
    RandomAffine(40, 0.2, 0.2, 10, 0.2, horizontal_flip=True),
    RandomBrightness(0.3),
    RandomContrast(0.5),
]
GEOMETRIC = [layer for layer in ALL if isinstance(layer, GeometricAugmentation)]
COUNT = 24


def pictures(count: int = COUNT, height: int = 12, width: int = 10) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def augmented(layer: Augmentation, images: np.ndarray, key: jax.Array = KEY) -> np.ndarray:
    return np.asarray(jax.jit(layer.augment)(images, key))


def matrices(layer: GeometricAugmentation, count: int, height: int, width: int) -> np.ndarray:
    drawn = jax.jit(layer.matrices, static_argnums=(1, 2, 3))(KEY, count, height, width)
    assert drawn.shape == (count, 3, 3)
    assert drawn.dtype == jnp.float32
    return np.asarray(drawn, float)


def assert_uniform(values: np.ndarray, low: float, high: float) -> None:
    """All in the range, and spread over it: the largest gap to the uniform distribution is one in 10,000 draws."""
    assert low - 1e-4 <= values.min()
    assert values.max() <= high + 1e-4
    ranks = np.arange(1, len(values) + 1) / len(values)
    gap = np.abs((np.sort(values) - low) / (high - low) - ranks).max()
    assert gap < 2.23 / np.sqrt(len(values))


def assert_even(coins: np.ndarray) -> None:
    assert abs(coins.mean() - 0.5) < 2 / np.sqrt(len(coins))


@pytest.fixture(scope="module", params=ALL, ids=lambda layer: layer.default_name)
def run(request):
    """A layer and what it makes of some pictures, all in one compiled program."""
    layer = request.param

    @jax.jit
    def program(key, images):
        def mean(scale):
            return layer.apply({}, {}, images * scale, training=True, key=key)[0].mean()

        return {
            "bytes": layer.apply({}, {}, images, training=True, key=key)[0],
            "floats": layer.augment(images.astype(jnp.float32), key),
            "one": layer.augment(images[:1], key),
            "unbatched": layer.augment(images[0], key),
            "value and slope": jax.value_and_grad(mean)(0.4),
            "matrices": layer.matrices(key, *images.shape[:3]) if layer in GEOMETRIC else None,
        }

    return layer, program


def test_nothing_but_float32_outside_training(run):
    layer, _ = run
    images = pictures()
    assert layer.build(KEY, images.shape[1:]) == ({}, {})
    outputs, state = layer.apply({}, {}, jnp.asarray(images), training=False, key=None)
    assert outputs.dtype == jnp.float32
    assert state == {}
    np.testing.assert_array_equal(outputs, images)


def test_the_key_decides(run):
    _, program = run
    images = pictures()
    first, again, other = (program(key, images)["bytes"] for key in (KEY, KEY, jax.random.key(8)))
    assert first.dtype == jnp.float32
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_every_picture_is_changed_in_its_own_way(run):
    layer, program = run
    changed = program(KEY, np.repeat(pictures(1), COUNT, axis=0))["bytes"]
    ways = len(np.unique(np.asarray(changed).reshape(COUNT, -1), axis=0))
    assert ways == (4 if isinstance(layer, RandomFlip) else COUNT)


def test_the_form_of_the_pictures_does_not_matter(run):
    _, program = run
    results = program(KEY, pictures())
    np.testing.assert_allclose(results["bytes"], results["floats"], atol=1e-2)
    np.testing.assert_allclose(results["one"][0], results["unbatched"], atol=1e-2)


def test_gradients_flow_to_the_layers_before(run):
    layer, program = run
    value, slope = program(KEY, pictures())["value and slope"]
    assert slope > 0
    if layer in GEOMETRIC:
        np.testing.assert_allclose(slope, value / 0.4, rtol=1e-4)


def test_the_matrices_are_those_of_the_pictures(run):
    layer, program = run
    results = program(KEY, pictures())
    if layer in GEOMETRIC:
        warped = warp(pictures(), results["matrices"], fill_mode=getattr(layer, "fill_mode", "nearest"))
        np.testing.assert_allclose(results["bytes"], warped, atol=1e-2)


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
def test_flips_are_numpys(mode):
    images = pictures(60)
    results = augmented(RandomFlip(mode), images)
    ways = {"horizontal": [(1, 1), (1, -1)], "vertical": [(1, 1), (-1, 1)]}
    seen = set()
    for image, result in zip(images, results, strict=True):
        found = [
            (rows, columns)
            for rows, columns in ways.get(mode, [(1, 1), (1, -1), (-1, 1), (-1, -1)])
            if np.array_equal(result, image[::rows, ::columns])
        ]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) == (4 if mode == "horizontal_and_vertical" else 2)


def test_a_quarter_turn_and_whole_shifts_are_numpys():
    images = pictures(2, 10, 10)
    turned = augmented(RandomRotation((0.25, 0.25)), images)
    np.testing.assert_allclose(turned, np.rot90(images, axes=(1, 2)), atol=1e-3)
    shifted = augmented(RandomTranslation((0.2, 0.2), (-0.1, -0.1), fill_mode="wrap"), images)
    np.testing.assert_allclose(shifted, np.roll(images, (2, -1), axis=(1, 2)), atol=1e-3)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (RandomRotation((0.25, 0.25)), keras.layers.RandomRotation((0.25, 0.25))),
        (RandomRotation((-0.1, -0.1)), keras.layers.RandomRotation((-0.1, -0.1))),
        (
            RandomRotation((0.1, 0.1), fill_mode="constant", fill_value=9.0),
            keras.layers.RandomRotation((0.1, 0.1), fill_mode="constant", fill_value=9.0),
        ),
        (
            RandomTranslation((0.13, 0.13), (-0.27, -0.27), fill_mode="wrap"),
            keras.layers.RandomTranslation((0.13, 0.13), (-0.27, -0.27), fill_mode="wrap"),
        ),
        (
            RandomTranslation((0.1, 0.1), (0.1, 0.1), interpolation="nearest"),
            keras.layers.RandomTranslation((0.1, 0.1), (0.1, 0.1), interpolation="nearest"),
        ),
        (RandomZoom((-0.2, -0.2)), keras.layers.RandomZoom((-0.2, -0.2))),
        (
            RandomZoom((0.3, 0.3), (0.9, 0.9), fill_mode="nearest"),
            keras.layers.RandomZoom((0.3, 0.3), (0.9, 0.9), fill_mode="nearest"),
        ),
    ],
    ids=lambda layer: layer.__class__.__module__.split(".")[0],
)
def test_fixed_changes_are_keras(ours, theirs):
    images = pictures(3, 21, 34).astype(np.float32)
    np.testing.assert_allclose(augmented(ours, images), theirs(images, training=True), atol=0.02)


def test_a_shear_is_keras_to_either_side():
    images = pictures(20, 21, 34).astype(np.float32)
    results = augmented(RandomShear((0.2, 0.2), (0.1, 0.1)), images)
    layer = keras.layers.RandomShear((0.2, 0.2), (0.1, 0.1))
    sides = [
        layer.transform_images(images, {"shear_factor": np.full((20, 2), (side * 0.2, side * 0.1), np.float32)})
        for side in (-1, 1)
    ]
    fits = np.array([np.isclose(results, side, atol=0.02).all(axis=(1, 2, 3)) for side in sides])
    assert fits.any(axis=0).all()
    assert fits.any(axis=1).all()


def test_brightness_and_contrast_are_keras():
    images = pictures(3).astype(np.float32)
    ours = augmented(RandomBrightness((0.3, 0.3)), images)
    np.testing.assert_allclose(ours, keras.layers.RandomBrightness((0.3, 0.3))(images, training=True), atol=1e-3)
    layer = RandomContrast((0.4, 0.2), value_range=(10, 200))
    results = augmented(layer, images)
    theirs = keras.layers.RandomContrast(0.4, value_range=(10, 200))
    means = images.mean((1, 2))
    for picture, result, mean in zip(images, results, means, strict=True):
        inside = (result > 10) & (result < 200) & (np.abs(picture - mean) > 20)
        contrast = np.median(((result - mean) / (picture - mean))[inside])
        assert 0.6 <= contrast <= 1.2
        expected = theirs.transform_images(picture, {"contrast_factor": contrast})
        np.testing.assert_allclose(result, expected, atol=0.01)


@pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True)])
def test_affine_is_image_data_generators(flips):
    """Keras' own function for the parameters that the layer drew, read back from its matrices."""
    image = pictures(1, 40, 40)[0]
    layer = RandomAffine(40, 0.2, 0.2, 30, 0.3, fill_mode="reflect")
    plain = matrices(layer, 6, 40, 40)
    for matrix in plain:
        rotation = np.arctan2(matrix[1, 0], matrix[0, 0])
        tilt = np.arctan2(-matrix[0, 1], matrix[1, 1])
        cos, sin = np.cos(rotation), np.sin(rotation)
        shift = np.array([[cos, sin], [-sin, cos]]) @ matrix[:2, 2]
        theirs = apply_affine_transform(
            image.astype(np.float64),
            theta=np.rad2deg(rotation),
            # Keras turns x and y around, so that this x is the horizontal axis.
            tx=shift[0],
            ty=shift[1],
            shear=np.rad2deg(tilt - rotation),
            zx=np.hypot(matrix[0, 0], matrix[1, 0]),
            zy=np.hypot(matrix[0, 1], matrix[1, 1]),
            row_axis=0,
            col_axis=1,
            channel_axis=2,
            fill_mode="reflect",
        )
        horizontal, vertical = flips
        expected = theirs[:: -1 if vertical else 1, :: -1 if horizontal else 1]
        flipped = matrix @ np.diag([-1 if horizontal else 1, -1 if vertical else 1, 1])
        np.testing.assert_allclose(warp(image[None], flipped[None], fill_mode="reflect")[0], expected, atol=0.02)


def test_affine_draws_all_its_ranges():
    layer = RandomAffine(40, 0.2, (0.0, 0.1), 20, (0.7, 1.1), horizontal_flip=True, vertical_flip=True)
    drawn = matrices(layer, 4000, 50, 80)
    # Rotated by at most 40 and tilted by at most 60 degrees: the signs of the diagonal are the flips.
    horizontal, vertical = np.sign(drawn[:, 0, 0]), np.sign(drawn[:, 1, 1])
    rotation = np.arctan2(drawn[:, 1, 0] * horizontal, drawn[:, 0, 0] * horizontal)
    tilt = np.arctan2(-drawn[:, 0, 1] * vertical, drawn[:, 1, 1] * vertical)
    shift_x = -np.cos(rotation) * drawn[:, 0, 2] - np.sin(rotation) * drawn[:, 1, 2]
    shift_y = np.sin(rotation) * drawn[:, 0, 2] - np.cos(rotation) * drawn[:, 1, 2]
    zoom_x, zoom_y = np.hypot(drawn[:, 0, 0], drawn[:, 1, 0]), np.hypot(drawn[:, 0, 1], drawn[:, 1, 1])
    assert_even(horizontal == 1)
    assert_even(vertical == 1)
    assert_uniform(np.rad2deg(rotation), -40, 40)
    assert_uniform(shift_x, -16, 16)
    assert_uniform(shift_y, 0, 5)
    assert_uniform(np.rad2deg(tilt - rotation), -20, 20)
    assert_uniform(zoom_x, 0.7, 1.1)
    assert_uniform(zoom_y, 0.7, 1.1)
    together = np.corrcoef([horizontal, vertical, rotation, shift_x, shift_y, tilt - rotation, zoom_x, zoom_y])
    assert np.abs(together - np.eye(8)).max() < 0.08


def test_the_single_layers_draw_all_their_ranges():
    rotated = matrices(RandomRotation((-0.1, 0.2)), 4000, 50, 80)
    assert_uniform(np.arctan2(rotated[:, 1, 0], rotated[:, 0, 0]) / (2 * np.pi), -0.1, 0.2)
    shifted = matrices(RandomTranslation(0.2, (0.1, 0.3)), 4000, 50, 80)
    assert_uniform(shifted[:, 0, 2], -24, -8)
    assert_uniform(shifted[:, 1, 2], -10, 10)
    zoomed = matrices(RandomZoom(0.3), 4000, 50, 80)
    assert_uniform(zoomed[:, 0, 0], 0.7, 1.3)
    np.testing.assert_array_equal(zoomed[:, 0, 0], zoomed[:, 1, 1])
    sheared = matrices(RandomShear(0.3, (0.1, 0.2)), 4000, 50, 80)
    assert_uniform(sheared[:, 0, 1], -0.3, 0.3)
    assert_uniform(np.abs(sheared[:, 1, 0]), 0.1, 0.2)
    assert_even(sheared[:, 1, 0] > 0)
    flipped = matrices(RandomFlip(), 4000, 50, 80)
    assert_even(flipped[:, 0, 0] > 0)
    assert_even(flipped[:, 0, 0] == flipped[:, 1, 1])


def test_brightness_and_contrast_draw_all_their_ranges():
    grey = np.tile(np.array([0.4, 0.6], np.float32).reshape(1, 1, 2, 1), (4000, 1, 1, 1))
    brighter = augmented(RandomBrightness(0.1, value_range=(0, 1)), grey)
    assert_uniform(brighter[:, 0, 0, 0], 0.3, 0.5)
    contrasted = augmented(RandomContrast((0.5, 0.2), value_range=(0, 1)), grey)
    assert_uniform(contrasted[:, 0, 1, 0], 0.55, 0.62)


def test_values_stay_in_their_range():
    for layer in (RandomBrightness(1.0), RandomContrast(1.0)):
        changed = augmented(layer, pictures(50))
        assert changed.min() == 0
        assert changed.max() == 255


@pytest.mark.parametrize("shape", [(784,), (28, 28), (2, 28, 28, 1), (0, 28, 1)])
def test_inputs_must_be_pictures(shape):
    with pytest.raises(ShapeError, match=r"RandomZoom 'closer' .*\(height, width, channels\), not \("):
        RandomZoom(0.1, name="closer").build(KEY, shape)


def test_augment_takes_pictures_only():
    with pytest.raises(ShapeError, match=r"RandomFlip: augment takes pictures .* not \(28, 28\)"):
        RandomFlip().augment(np.zeros((28, 28)), KEY)


def test_training_needs_a_key():
    with pytest.raises(ArgumentError, match="RandomFlip: apply needs a random key"):
        RandomFlip().apply({}, {}, jnp.zeros((1, 2, 2, 1)), training=True, key=None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomRotation(40), "RandomRotation: factor must be a number from 0 to 1, or a pair"),
        (lambda: RandomRotation(-0.1), "factor must be .* not -0.1"),
        (lambda: RandomRotation((0.2, 0.1)), r"factor must be .* not \(0.2, 0.1\)"),
        (lambda: RandomRotation((0.1, 0.2, 0.3)), "factor must be"),
        (lambda: RandomRotation("0.1"), "factor must be .* not '0.1'"),
        (lambda: RandomRotation(float("nan")), "factor must be .* not nan"),
        (lambda: RandomTranslation(1.5, 0), "RandomTranslation: height_factor must be"),
        (lambda: RandomTranslation(0, (0, 2)), "RandomTranslation: width_factor must be"),
        (lambda: RandomZoom(1.0), "RandomZoom: height_factor must be a number from 0 to 0.99"),
        (lambda: RandomZoom(0.1, (-1, 0)), "RandomZoom: width_factor must be"),
        (lambda: RandomShear(2), "RandomShear: x_factor must be"),
        (lambda: RandomShear(0, [0, 2]), "RandomShear: y_factor must be"),
        (lambda: RandomAffine(rotation=400), "RandomAffine: rotation must be a number from 0 to 360"),
        (lambda: RandomAffine(width_shift=20), "RandomAffine: width_shift must be"),
        (lambda: RandomAffine(height_shift=-1), "RandomAffine: height_shift must be"),
        (lambda: RandomAffine(shear=90), "RandomAffine: shear must be a number from 0 to 89"),
        (lambda: RandomAffine(zoom=1), "RandomAffine: zoom must be a number from 0 to 0.99, or a pair"),
        (lambda: RandomAffine(fill_value=float("inf")), "RandomAffine: fill_value must be a finite number"),
        (lambda: RandomBrightness(2), "RandomBrightness: factor must be"),
        (lambda: RandomBrightness(0.1, value_range=(1, 0)), r"value_range must be .* not \(1, 0\)"),
        (lambda: RandomBrightness(0.1, value_range=255), "value_range must be .* not 255"),
        (lambda: RandomContrast(1.5), "RandomContrast: factor must be a number at least 0 and at most 1"),
        (lambda: RandomContrast((0.1, -0.5)), "factor must be .* not -0.5"),
        (lambda: RandomContrast((0.1, 0.2, 0.3)), "factor must be"),
        (lambda: RandomContrast(0.1, value_range=(0, float("nan"))), "RandomContrast: value_range must be"),
    ],
)
def test_ranges_that_cannot_work(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomFlip("horizontally"), r"no flip mode called 'horizontally'. Did you mean 'horizontal'"),
        (lambda: RandomRotation(0.1, fill_mode="mirror"), "no fill mode called 'mirror'"),
        (lambda: RandomAffine(interpolation="bicubic"), "no interpolation called 'bicubic'"),
    ],
)
def test_unknown_names(make, message):
    with pytest.raises(UnknownNameError, match=message):
        make()


@pytest.mark.parametrize("base", [Augmentation(), GeometricAugmentation()])
def test_the_bases_say_what_is_missing(base):
    with pytest.raises(NotImplementedError, match="has no change method"):
        base.augment(pictures(), KEY)
    if isinstance(base, GeometricAugmentation):
        with pytest.raises(NotImplementedError, match="has no matrices method"):
            base.matrices(KEY, 1, 2, 3)


def test_as_a_function_of_elements_and_of_batches():
    """In ``Dataset.map`` a layer takes each picture, or each batch, with a key of its own, and leaves labels alone."""
    layer = RandomAffine(40, 0.2, 0.2, 10, 0.2)
    images, labels = pictures(8), np.arange(8)
    data = calor.data.Dataset.from_arrays(images, labels)
    for varied in (data.map(layer).batch(4), data.batch(4).map(layer)):
        batches = list(varied)
        assert [np.asarray(labels).tolist() for _, labels in batches] == [[0, 1, 2, 3], [4, 5, 6, 7]]
        for changed, _ in batches:
            assert changed.shape == (4, 12, 10, 3)
            assert changed.dtype == np.float32
    [alone] = list(calor.data.Dataset.from_arrays(images).batch(8).map(layer))
    assert alone.shape == images.shape


@pytest.mark.skipif(not native.available(), reason="there are no kernels here")
def test_elements_of_a_batch_are_one_call_of_the_kernel():
    stage = Stage(RandomAffine(40), 0, batched=False, keyed=True, frozen=False)
    program = jax.jit(stage.over).lower(pictures(16), np.arange(16), KEY).as_text()
    [call] = [line for line in program.splitlines() if "@calor_warp" in line]
    assert "tensor<16x12x10x3xui8>" in call
