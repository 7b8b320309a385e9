import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras.src.legacy.preprocessing.image import ImageDataGenerator as KerasGenerator

from calor.data import ImageDataGenerator
from calor.data.picture_changes import Filling, changed
from calor.errors import ArgumentError, CalorWarning, ShapeError, UnknownNameError

pytestmark = pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")

FULL = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.3,
    "shear_range": 20,
    "zoom_range": [0.6, 1.3],
    "channel_shift_range": 30,
    "brightness_range": (0.5, 1.5),
    "horizontal_flip": True,
    "vertical_flip": True,
}


def smooth_picture(height, width, channels=3, seed=0):
    """A picture whose neighbouring pixels are alike, as in photos, with whole values from 0 to 255."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = np.random.default_rng(seed).uniform(-8, 8, (channels, 2))
    return np.round(np.stack([127.5 + 127 * np.sin(a * x + b * y) for a, b in waves], axis=-1)).astype(np.float32)


def read_positions(parameters, height, width):
    """Row and column that each pixel of Keras' result is read from, before the flips: its own warp of coordinates."""
    warped = KerasGenerator(fill_mode="constant", cval=-1e4)
    only_warp = {name: parameters[name] for name in ("theta", "tx", "ty", "shear", "zx", "zy")}
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return warped.apply_transform(np.stack([rows, columns, rows], axis=-1), only_warp)[..., :2]


def inside(parameters, height, width):
    """Which pixels of Keras' result come from within the picture, a pixel from its edges."""
    positions = read_positions(parameters, height, width)
    result = ((positions >= 1) & (positions <= np.array([height, width]) - 2)).all(axis=-1)
    result = result[:, ::-1] if parameters["flip_horizontal"] else result
    return result[::-1] if parameters["flip_vertical"] else result


@pytest.mark.parametrize("fill_mode", ["nearest", "constant", "reflect", "wrap"])
@pytest.mark.parametrize(("height", "width"), [(40, 40), (30, 47)])
def test_pictures_are_those_of_keras_for_the_same_parameters(fill_mode, height, width):
    ours = ImageDataGenerator(fill_mode=fill_mode, cval=80.0)
    keras = KerasGenerator(fill_mode=fill_mode, cval=80.0)
    settings = {name: value for name, value in FULL.items() if name != "brightness_range"}
    compared = 0
    for seed in range(40):
        picture = smooth_picture(height, width, seed=seed)
        parameters = KerasGenerator(**settings).get_random_transform(picture.shape, seed=seed)
        expected, received = (generator.apply_transform(picture, parameters) for generator in (keras, ours))
        where = inside(parameters, height, width)
        if fill_mode in ("nearest", "reflect"):
            where[:] = True  # These two are the same beyond the edges.
        compared += where.sum()
        assert np.abs(expected - received)[where].max() < 1
    assert compared > 0.3 * 40 * height * width


def test_pictures_brightened_are_those_of_keras():
    ours, keras = ImageDataGenerator(), KerasGenerator()
    for seed in range(20):
        for picture in (smooth_picture(31, 31, seed=seed), 3 * smooth_picture(31, 31, seed=seed) - 200):
            parameters = KerasGenerator(**FULL).get_random_transform(picture.shape, seed=seed)
            difference = np.abs(keras.apply_transform(picture, parameters) - ours.apply_transform(picture, parameters))
            # What the last bit of float32 decides is a whole level, which is then brightened.
            level = max(1, np.ptp(picture) / 255)
            assert difference.max() <= 1.01 * level * np.ceil(parameters["brightness"])
            assert (difference > 1e-2).mean() < 0.005


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_brightness_alone_is_exact(channels):
    picture = smooth_picture(16, 16, channels)
    for brightness in (0.0, 0.3, 1.0, 1.7):
        parameters = {"brightness": brightness}
        expected = KerasGenerator().apply_transform(picture, parameters)
        assert np.array_equal(ImageDataGenerator().apply_transform(picture, parameters), expected)


@pytest.mark.parametrize("order", [0, 1])
def test_interpolation_order(order):
    picture, generators = smooth_picture(40, 40), (KerasGenerator, ImageDataGenerator)
    for seed in range(10):
        parameters = KerasGenerator(**FULL | {"brightness_range": None}).get_random_transform((40, 40, 3), seed)
        expected, received = (
            made(interpolation_order=order).apply_transform(picture, parameters) for made in generators
        )
        # The nearest of two pixels at the same distance depends on the last bit.
        assert (np.abs(expected - received) > 1).mean() < 0.002


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"flip_horizontal": True},
        {"flip_vertical": True},
        {"flip_horizontal": True, "flip_vertical": True, "channel_shift_intensity": 20.0},
        {"channel_shift_intensity": -33.3, "brightness": None},
        {"tx": 3},
        {"ty": -2, "flip_horizontal": 1},
        {"zx": 0.5},
    ],
)
def test_each_change_by_itself(parameters):
    picture = smooth_picture(12, 12)
    expected = KerasGenerator().apply_transform(picture, parameters)
    np.testing.assert_allclose(ImageDataGenerator().apply_transform(picture, parameters), expected, atol=1e-3)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("channel_shift", [None, 40.0])
def test_brightness_of_bytes_is_that_of_the_same_numbers(channels, channel_shift):
    picture = smooth_picture(12, 12, channels).astype(np.uint8)
    parameters = [{"theta": 20.0, "channel_shift_intensity": channel_shift, "brightness": 1.4}]
    for filling in (Filling(), Filling(fill_mode="constant", fill_value=300.0)):
        received, expected = (changed(x[np.newaxis], parameters, filling) for x in (picture, picture.astype("float32")))
        np.testing.assert_allclose(received, expected, atol=1e-3)
    assert received.max() > 255


def test_a_picture_keeps_its_type():
    picture = smooth_picture(12, 12).astype(np.uint8)
    parameters = {"theta": 20, "channel_shift_intensity": 9.0}
    expected = ImageDataGenerator().apply_transform(picture.astype(np.float32), parameters)
    received = ImageDataGenerator().apply_transform(picture, parameters)
    assert received.dtype == np.uint8
    assert np.array_equal(received, np.rint(expected))
    assert ImageDataGenerator(rotation_range=20).random_transform(picture, seed=0).dtype == np.uint8


@pytest.mark.parametrize(
    "settings",
    [
        FULL,
        {},
        {"width_shift_range": 10, "height_shift_range": [1, 4, 9]},
        {"width_shift_range": [0.1, 0.4], "height_shift_range": 1},
        {"width_shift_range": 7.5, "height_shift_range": np.int64(3)},
        {"zoom_range": 0.5, "brightness_range": [1.0, 1.0]},
    ],
)
def test_one_picture_draws_what_keras_draws(settings):
    ours, keras = ImageDataGenerator(**settings), KerasGenerator(**settings)
    for seed in range(30):
        expected = keras.get_random_transform((20, 50, 3), seed=seed)
        received = ours.get_random_transform((20, 50, 3), seed=seed)
        assert list(received) == list(expected)
        for name, value in expected.items():
            assert received[name] == (value if value is None else pytest.approx(value, rel=1e-12))


def test_without_a_seed_numpys_global_numbers_are_drawn():
    np.random.seed(5)  # noqa: NPY002
    received = [ImageDataGenerator(**FULL).get_random_transform((8, 8, 3)) for _ in range(2)]
    np.random.seed(5)  # noqa: NPY002
    assert received == [KerasGenerator(**FULL).get_random_transform((8, 8, 3)) for _ in range(2)]


@pytest.mark.parametrize(
    "settings", [FULL, {"width_shift_range": 6, "height_shift_range": [2, 5]}, {"height_shift_range": [0.1, 0.3]}]
)
def test_a_batch_draws_from_the_same_distribution(settings):
    import jax

    from calor.data.picture_changes import KeyedRandom

    count = 5000
    keras = KerasGenerator(**settings)
    np.random.seed(0)  # noqa: NPY002
    expected = [keras.get_random_transform((30, 40, 3)) for _ in range(count)]
    received = ImageDataGenerator(**settings).changes.draw(KeyedRandom(jax.random.key(3), count), 30, 40)
    for name, drawn in received.items():
        theirs = np.array([parameters[name] for parameters in expected])
        if not hasattr(drawn, "shape"):
            assert {drawn} == set(theirs)
            continue
        ours, theirs = np.asarray(drawn, np.float64), theirs.astype(np.float64)
        spread = theirs.std()
        assert abs(ours.mean() - theirs.mean()) < 6 * spread / np.sqrt(count)
        assert ours.std() == pytest.approx(spread, rel=0.05)
        assert [ours.min(), ours.max()] == pytest.approx([theirs.min(), theirs.max()], abs=0.01 * spread + 1e-6)
        assert len(np.unique(ours)) == len(np.unique(theirs)) or len(np.unique(ours)) > 1000
    independent = np.corrcoef([received["zx"], received["zy"]])[0, 1] if "zoom_range" in settings else 0
    assert abs(independent) < 0.06


STANDARDIZATIONS = [
    {"rescale": 1 / 255},
    {"samplewise_center": True},
    {"samplewise_center": True, "samplewise_std_normalization": True, "rescale": 0.5},
    {"featurewise_center": True},
    {"featurewise_center": True, "featurewise_std_normalization": True, "rescale": 1 / 255},
    {"zca_whitening": True, "featurewise_center": True, "zca_epsilon": 1e-2},
    {"preprocessing_function": lambda x: x[..., ::-1] - 100, "samplewise_center": True},
]


@pytest.mark.parametrize("settings", STANDARDIZATIONS)
@pytest.mark.parametrize("fitting", [{}, {"augment": True, "rounds": 2, "seed": 3}])
def test_standardisation_is_that_of_keras(settings, fitting):
    pictures = np.stack([smooth_picture(6, 6, seed=seed) for seed in range(40)])
    augmented = {"rotation_range": 30, "horizontal_flip": True} if fitting else {}
    ours, keras = ImageDataGenerator(**settings, **augmented), KerasGenerator(**settings, **augmented)
    ours.fit(pictures, **fitting)
    keras.fit(pictures, **fitting)
    for name in ("mean", "std", "zca_whitening_matrix"):
        expected, received = getattr(keras, name), getattr(ours, name)
        assert (expected is None) == (received is None)
        if received is not None:
            assert received.shape == expected.shape
            np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    if not fitting:
        for picture in pictures[:3]:
            expected = keras.standardize(picture.copy()).astype(np.float32)
            assert np.array_equal(ours.standardize(picture.copy()), expected)


def test_standardize_changes_floats_in_place_and_leaves_integers():
    generator = ImageDataGenerator(rescale=0.5)
    floats = np.full((2, 2, 3), 8.0, np.float32)
    assert generator.standardize(floats) is floats
    assert (floats == 4).all()
    integers = np.full((2, 2, 3), 8, np.uint8)
    result = generator.standardize(integers)
    assert (integers == 8).all()
    assert (result == 4).all()
    assert result.dtype == np.float32
    floats.flags.writeable = False
    assert (generator.standardize(floats) == 2).all()
    assert (floats == 4).all()
    nothing = ImageDataGenerator()
    assert nothing.standardize(floats) is floats


def test_means_may_be_set_by_hand():
    generator = ImageDataGenerator(featurewise_center=True)
    generator.mean = np.array([1.0, 2.0, 3.0])
    assert generator.standardize(np.full((1, 1, 3), 5.0)).ravel().tolist() == [4.0, 3.0, 2.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"featurewise_center": True}, "featurewise_center is not done: call the generator's fit"),
        ({"featurewise_center": True, "featurewise_std_normalization": True}, "featurewise_std_normalization is not"),
        ({"featurewise_center": True, "zca_whitening": True}, "zca_whitening is not done"),
    ],
)
def test_what_needs_fit_warns_without_it(settings, message):
    picture = np.ones((2, 2, 3), np.float32)
    with pytest.warns(CalorWarning) as warnings:
        assert (ImageDataGenerator(**settings).standardize(picture) == 1).all()
    assert any(message in str(warning.message) for warning in warnings)


@pytest.mark.parametrize(
    ("settings", "message", "on", "off"),
    [
        ({"zca_whitening": True}, "zca_whitening includes featurewise_center", ["featurewise_center"], []),
        (
            {"zca_whitening": True, "featurewise_center": True, "featurewise_std_normalization": True},
            "zca_whitening replaces featurewise_std_normalization",
            ["zca_whitening"],
            ["featurewise_std_normalization"],
        ),
        ({"featurewise_std_normalization": True}, "includes featurewise_center", ["featurewise_center"], []),
        ({"samplewise_std_normalization": True}, "includes samplewise_center", ["samplewise_center"], []),
    ],
)
def test_settings_that_bring_others_say_so(settings, message, on, off):
    with pytest.warns(CalorWarning, match=message):
        generator = ImageDataGenerator(**settings)
    assert all(getattr(generator, name) for name in on)
    assert not any(getattr(generator, name) for name in off)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rotation_range": "40"}, "rotation_range must be a finite number, not '40'"),
        ({"width_shift_range": "far"}, "width_shift_range must be a fraction of the side, a number of pixels"),
        ({"height_shift_range": [[1, 2]]}, "height_shift_range must be"),
        ({"height_shift_range": []}, "height_shift_range must be"),
        ({"width_shift_range": float("nan")}, "width_shift_range must be"),
        ({"zoom_range": (1, 2, 3)}, r"zoom_range must be a pair of numbers \(low, high\), not \(1, 2, 3\)"),
        ({"zoom_range": ("a", "b")}, "zoom_range must be a pair"),
        ({"zoom_range": None}, "zoom_range must be a finite number, not None"),
        ({"brightness_range": 0.5}, "brightness_range must be a pair of numbers"),
        ({"brightness_range": (0.5, float("inf"))}, "brightness_range must be a pair of numbers"),
        ({"fill_mode": "mirror"}, "no fill_mode called 'mirror'"),
        ({"interpolation_order": 3}, r"interpolation_order must be 0 \(nearest\) or 1 \(bilinear\), not 3"),
        ({"data_format": "channels_first"}, "'channels_first' is not supported. .*moveaxis"),
        ({"data_format": "channels"}, "no data_format called 'channels'"),
        ({"validation_split": 1.0}, "validation_split must be a number at least 0 and below 1, not 1.0"),
        ({"validation_split": -0.1}, "validation_split must be"),
        ({"dtype": "uint8"}, "dtype must be a float type, such as 'float32', not 'uint8'"),
        ({"dtype": "flout32"}, "dtype must be a float type"),
        ({"preprocessing_function": "caffe"}, "preprocessing_function must be a function of a picture, not 'caffe'"),
        ({"rescale": "1/255"}, "rescale must be a finite number"),
        ({"cval": None}, "cval must be a finite number"),
    ],
)
def test_arguments_that_cannot_work(settings, message):
    with pytest.raises(ArgumentError, match=message):
        ImageDataGenerator(**settings)


def test_pictures_of_wrong_shapes_and_parameters_that_do_not_exist():
    generator = ImageDataGenerator(featurewise_center=True)
    with pytest.raises(ShapeError, match=r"A picture has the shape \(height, width, channels\), not \(2, 3\)"):
        generator.apply_transform(np.zeros((2, 3)), {})
    with pytest.raises(UnknownNameError, match=r"called 'thetta'. Did you mean .*'theta'\?"):
        generator.apply_transform(np.zeros((2, 3, 1)), {"thetta": 3})
    with pytest.raises(ShapeError, match=r"fit takes pictures of shape .*, not \(2, 3\)"):
        generator.fit(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"fit takes pictures of shape .*, not \(0, 3, 3, 1\)"):
        generator.fit(np.zeros((0, 3, 3, 1)))
    with pytest.warns(CalorWarning, match="1, 3 or 4 channels"):
        generator.fit(np.zeros((2, 3, 3, 7)))
    with pytest.raises(ArgumentError, match="rounds must be a whole number"):
        generator.fit(np.zeros((2, 3, 3, 1)), augment=True, rounds=0)


@given(st.floats(-360, 360), st.floats(-60, 60), st.floats(0.3, 3), st.floats(0.3, 3), st.floats(-9, 9))
def test_any_warp_is_that_of_keras(theta, shear, zx, zy, tx):
    parameters = {"theta": theta, "shear": shear, "zx": zx, "zy": zy, "tx": tx, "ty": -tx / 2}
    picture = smooth_picture(16, 23)
    expected = KerasGenerator().apply_transform(picture, parameters)
    assert np.abs(ImageDataGenerator().apply_transform(picture, parameters) - expected).max() < 1
