import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from keras.src.legacy.preprocessing.image import ImageDataGenerator as KerasGenerator
from PIL import Image

from calor.data import Dataset, ImageDataGenerator
from calor.data.picture_maps import Preprocessing
from calor.errors import ArgumentError, CalorWarning, DataError, ShapeError, UnknownNameError

pytestmark = pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")

AUGMENTED = {
    "rotation_range": 30,
    "width_shift_range": 0.2,
    "height_shift_range": 3,
    "zoom_range": 0.2,
    "channel_shift_range": 20.0,
    "horizontal_flip": True,
    "rescale": 1 / 255,
}


@pytest.fixture
def pictures():
    """Ten pictures whose neighbouring pixels are alike, uint8."""
    y, x = np.mgrid[:12, :12] / 12
    waves = np.random.default_rng(0).uniform(-6, 6, (10, 3, 2))
    values = [np.stack([127.5 + 127 * np.sin(a * x + b * y) for a, b in wave], axis=-1) for wave in waves]
    return np.round(values).astype(np.uint8)


LABELS = np.arange(10) % 3


def assert_same(received, expected, atol=0.0):
    """Batches, however they are nested, with the same types and values."""
    if isinstance(expected, tuple | list):
        assert len(received) == len(expected)
        for ours, theirs in zip(received, expected, strict=True):
            assert_same(ours, theirs, atol)
    else:
        assert received.dtype == expected.dtype
        np.testing.assert_allclose(received, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rescale": 1 / 255},
        {"samplewise_center": True, "samplewise_std_normalization": True},
        {"featurewise_center": True, "featurewise_std_normalization": True, "rescale": 1 / 255},
        {"featurewise_center": True, "zca_whitening": True},
        {"preprocessing_function": lambda x: np.clip(x, 20, 200) - 100, "rescale": 0.01},
        {"preprocessing_function": lambda x: x[..., ::-1], "dtype": "float64"},
    ],
)
def test_batches_without_augmentation_are_exactly_those_of_keras(pictures, settings):
    ours, keras = ImageDataGenerator(**settings), KerasGenerator(**settings)
    for generator in (ours, keras):
        generator.fit(pictures)
    arguments = {"batch_size": 4, "shuffle": False}
    received, expected = ours.flow(pictures, LABELS, **arguments), keras.flow(pictures, LABELS, **arguments)
    assert len(received) == len(expected) == 3
    for _ in range(5):
        assert_same(next(received), next(expected))
    assert_same(received[2], expected[2])
    assert_same(received[-1], expected[2])


@pytest.mark.parametrize(
    "arrays",
    [
        lambda x: {"x": x},
        lambda x: {"x": x, "y": LABELS},
        lambda x: {"x": x, "y": np.eye(3)[LABELS], "sample_weight": np.linspace(0, 1, 10)},
        lambda x: {"x": (x, LABELS * 2.0), "y": LABELS},
        lambda x: {"x": [x, [LABELS, LABELS + 1.0]]},
        lambda x: {"x": x.astype(np.float64), "y": LABELS.astype(str).tolist()},
        lambda x: {"x": x, "y": LABELS, "subset": "training"},
        lambda x: {"x": x, "y": LABELS, "sample_weight": LABELS, "subset": "validation"},
        lambda x: {"x": (x, LABELS), "y": np.arange(10), "subset": "training", "ignore_class_split": True},
    ],
)
def test_seed_for_seed_the_batches_are_those_of_keras(pictures, arrays):
    """The order, what goes along, and the random changes."""
    made = (made(**AUGMENTED, validation_split=0.5) for made in (ImageDataGenerator, KerasGenerator))
    received, expected = (generator.flow(batch_size=3, seed=7, **arrays(pictures)) for generator in made)
    assert (received.n, len(received)) == (expected.n, len(expected))
    for _ in range(6):
        ours, theirs = next(received), next(expected)
        assert np.array_equal(received.index_array, expected.index_array)
        if isinstance(theirs, tuple) and theirs[1].dtype.kind == "U":
            assert ours[1].tolist() == theirs[1].tolist()
            ours, theirs = ours[0], theirs[0]
        assert_same(ours, theirs, atol=0.5 / 255)
    for iterator in (received, expected):
        iterator.reset()
        iterator.on_epoch_end()
    assert np.array_equal(received.index_array, expected.index_array)
    if received.y is None or received.y.dtype.kind != "U":
        assert_same(received[1], expected[1], atol=0.5 / 255)
        assert_same(next(received), next(expected), atol=0.5 / 255)
    assert received.total_batches_seen == expected.total_batches_seen


def test_without_a_seed_numpys_global_numbers_decide(pictures):
    batches = []
    for made in (ImageDataGenerator, KerasGenerator):
        np.random.seed(11)  # noqa: NPY002
        batches.append(next(made(**AUGMENTED).flow(pictures, LABELS, batch_size=4)))
    assert_same(*batches, atol=0.5 / 255)


def test_the_facts_of_an_iterator(pictures):
    iterator = ImageDataGenerator().flow(pictures, LABELS, batch_size=4, seed=3)
    assert (iterator.n, iterator.samples, iterator.batch_size, iterator.seed) == (10, 10, 4, 3)
    assert iterator.shuffle
    assert iterator.image_shape == (12, 12, 3)
    assert iterator.dtype == np.float32
    assert iter(iterator) is iterator
    with pytest.raises(ArgumentError, match="There is no batch 3: the iterator has 3"):
        iterator[3]


def test_the_dataset_has_the_iterators_pictures(pictures):
    iterator = ImageDataGenerator(rescale=1 / 255).flow(pictures, LABELS, batch_size=4, shuffle=False)
    for received, expected in zip(iterator.dataset, [iterator[i] for i in range(3)], strict=True):
        np.testing.assert_allclose(received[0], expected[0], rtol=1e-6)
        assert np.array_equal(received[1], expected[1])
    assert len(iterator.dataset) == 3
    plan = iterator.dataset.plan()
    assert plan.kind == "resident"
    assert plan.start((0,)).take(1).columns[0].dtype == np.uint8  # the bytes, not the floats
    assert plan.transform_key == iterator.dataset.plan().transform_key  # one compiled program for all


@pytest.mark.parametrize("fitted", [{"featurewise_std_normalization": True}, {"zca_whitening": True}])
def test_the_dataset_standardises_as_the_iterator_does(pictures, fitted):
    generator = ImageDataGenerator(featurewise_center=True, samplewise_center=True, zca_epsilon=1.0, **fitted)
    iterator = generator.flow(pictures, shuffle=False)
    with pytest.warns(CalorWarning, match="is not done"):
        before = iterator.dataset.plan().transform_key
    generator.fit(pictures)
    np.testing.assert_allclose(next(iter(iterator.dataset)), next(iterator), atol=2e-4)
    assert iterator.dataset.plan().transform_key != before  # What fit found is in the program.


@pytest.mark.parametrize(
    ("arrays", "structure"),
    [
        (lambda x: {"x": x}, lambda x, misc, y, w: x),
        (lambda x: {"x": x, "sample_weight": LABELS}, lambda x, misc, y, w: x),
        (lambda x: {"x": x, "y": LABELS, "sample_weight": LABELS + 5}, lambda x, misc, y, w: (x, y, w)),
        (lambda x: {"x": (x, LABELS + 9), "y": LABELS}, lambda x, misc, y, w: ((x, misc), y)),
    ],
)
def test_the_elements_of_the_dataset(pictures, arrays, structure):
    iterator = ImageDataGenerator().flow(batch_size=10, shuffle=False, **arrays(pictures))
    (element,) = iterator.dataset
    assert_same(element, structure(pictures.astype(np.float32), *((LABELS + n).astype(np.int32) for n in (9, 0, 5))))


def test_augmented_datasets_change_from_pass_to_pass_and_by_seed(pictures):
    def passes(seed):
        iterator = ImageDataGenerator(**AUGMENTED).flow(pictures, LABELS, batch_size=4, seed=seed)
        dataset = iterator.dataset
        return [list(dataset) for _ in range(2)]

    first, again, other = passes(1), passes(1), passes(2)
    assert_same(first, again)
    labels = [[np.concatenate([y for _, y in pass_]).tolist() for pass_ in run] for run in (first, other)]
    assert labels[0][0] != labels[0][1]
    assert labels[0] != labels[1]
    assert all(sorted(order) == sorted(LABELS) for run in labels for order in run)
    plain = ImageDataGenerator(rescale=1 / 255).flow(pictures, LABELS, batch_size=4, seed=1)
    for (changed, order), (picture, expected) in zip(first[0], plain.dataset, strict=True):
        assert np.array_equal(order, expected)
        assert all(np.abs(changed - picture).max(axis=(1, 2, 3)) > 0.02)
        assert changed.min() >= -1e-6
        assert changed.max() <= 1 + 1e-6


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({"zoom_range": (0.7, 0.7)}, {"zx": 0.7, "zy": 0.7}),
        ({"zoom_range": (0.7, 0.7), "brightness_range": (1.2, 1.2)}, {"zx": 0.7, "zy": 0.7, "brightness": 1.2}),
        ({"brightness_range": (0.4, 0.4)}, {"brightness": 0.4}),
    ],
)
@pytest.mark.parametrize("rescale", [None, 1 / 255])
def test_fixed_ranges_change_the_dataset_as_given_parameters_do(pictures, settings, parameters, rescale):
    """Where nothing is left to chance, the program's pictures are those of apply_transform."""
    generator = ImageDataGenerator(**settings, rescale=rescale)
    (received,) = generator.flow(pictures, batch_size=10, shuffle=False).dataset
    expected = [generator.apply_transform(picture.astype(np.float32), parameters) for picture in pictures]
    difference = np.abs(received / (rescale or 1) - expected)
    assert difference.max() < 1.01
    assert (difference < 1e-3).mean() > 0.99


def test_functions_that_jax_can_trace_are_compiled(pictures):
    seen = []

    def invert(image):
        seen.append(type(image))
        return 255.0 - jnp.flip(image, 1)

    iterator = ImageDataGenerator(preprocessing_function=invert).flow(pictures, shuffle=False, batch_size=4)
    assert iterator.dataset.plan().kind == "resident"
    assert np.ndarray not in seen
    received = np.concatenate(list(iterator.dataset))
    assert np.array_equal(received, 255.0 - pictures[:, :, ::-1])
    assert np.array_equal(next(iterator), received[:4])


def test_other_functions_run_on_the_host(pictures):
    def clip_in_place(image):
        assert isinstance(image, np.ndarray)
        assert image.dtype == np.float32
        image[image > 100] = 100.0
        return image

    iterator = ImageDataGenerator(preprocessing_function=clip_in_place).flow(pictures, shuffle=False, batch_size=4)
    assert iterator.dataset.plan().kind == "streaming"
    received = np.concatenate(list(iterator.dataset))
    assert np.array_equal(received, np.minimum(pictures, 100))
    assert pictures.max() > 100
    assert np.array_equal(next(iterator), received[:4])


@pytest.mark.parametrize("draw", [lambda: np.random.normal(0, 50), lambda: random.uniform(-50, 50)])  # noqa: NPY002
def test_functions_that_draw_random_numbers_draw_for_each_picture(pictures, draw):
    generator = ImageDataGenerator(preprocessing_function=lambda x: x + draw())
    dataset = generator.flow(pictures, shuffle=False).dataset
    assert dataset.plan().kind == "streaming"
    added = next(iter(dataset)) - pictures
    assert len(np.unique(added.mean(axis=(1, 2, 3)).round(2))) == 10


def test_looking_whether_a_function_draws_leaves_the_random_numbers_alone(pictures):
    probe = Preprocessing(lambda x: x + np.random.normal() + random.random())  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    with pytest.raises(ArgumentError, match=r"preprocessing_function <lambda> \(.*\) draws random numbers"):
        jax.eval_shape(probe, pictures)
    received = np.random.normal(), random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    assert received == (np.random.normal(), random.random())  # noqa: NPY002


def nothing(image):
    image[...] = 0


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (nothing, r"The preprocessing_function nothing \(.*\) returned nothing: let it return the picture"),
        (lambda x: jax.device_get(x)[: 3 + int(x.sum()) % 2], "must return pictures of the same shape for all"),
    ],
)
def test_functions_that_do_not_work_say_so(pictures, function, message):
    iterator = ImageDataGenerator(preprocessing_function=function).flow(pictures)
    with pytest.raises(DataError, match=message):
        next(iterator)
    with pytest.raises(DataError, match=message):
        list(iterator.dataset)


def test_pictures_are_saved(pictures, tmp_path):
    folder = tmp_path / "new" / "seen"
    generator = ImageDataGenerator(rescale=1 / 255)
    iterator = generator.flow(pictures, LABELS, 4, shuffle=False, save_to_dir=folder, save_prefix="cat", seed=0)
    next(iterator)
    files = sorted(folder.iterdir())
    assert [file.name.split("_")[:2] for file in files] == [["cat", str(number)] for number in range(4)]
    with Image.open(files[2]) as image:
        saved, expected = np.asarray(image).astype(int), pictures[2].astype(float)
    stretched = (expected - expected.min()) * 255 / np.ptp(expected)
    assert np.abs(saved - stretched).max() <= 1
    # A run over the dataset writes its pictures too, and so makes its batches on the host.
    assert len(list(iterator.dataset)) == 3
    assert len(list(folder.iterdir())) == 14
    grey = generator.flow(pictures[..., :1], save_to_dir=folder, save_prefix="grey", save_format="jpeg")
    next(grey)
    with Image.open(next(folder.glob("grey*.jpeg"))) as saved:
        assert (saved.mode, saved.format) == ("L", "JPEG")


def test_pictures_that_cannot_be_saved(pictures, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"save_to_dir: .* cannot be written"):
        next(ImageDataGenerator().flow(pictures, save_to_dir=tmp_path / "file"))
    with pytest.raises(DataError, match=r"save_to_dir: .*\.gift cannot be written"):
        next(ImageDataGenerator().flow(pictures, save_to_dir=tmp_path, save_format="gift"))


@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        (
            ShapeError,
            {"x": np.zeros((4, 5, 3))},
            r"flow takes an array of pictures, .* not float64 of shape \(4, 5, 3\)",
        ),
        (ShapeError, {"x": np.array([[[["a"]]]])}, "flow takes an array of pictures"),
        (ShapeError, {"x": np.zeros((0, 5, 5, 3))}, "flow takes an array of pictures"),
        (ArgumentError, {"x": [np.zeros((2, 2, 3))] * 3}, r"\(pictures, further inputs\), not 3 parts"),
        (DataError, {"y": [1, 2]}, r"y must have one row for each of the 10 pictures, and its shape is \(2,\)"),
        (DataError, {"sample_weight": 1.0}, r"sample_weight must have one row for each of the 10 pictures"),
        (DataError, {"x": (np.zeros((10, 2, 2, 3)), [np.zeros(9)])}, r"x\[1\]\[0\] must have one row"),
        (ArgumentError, {"batch_size": 0}, "batch_size must be a whole number from 1 up, not 0"),
        (ArgumentError, {"seed": -1}, "seed must be a whole number from 0 up, not -1"),
        (UnknownNameError, {"subset": "test"}, "no subset called 'test'"),
        (ArgumentError, {"subset": "training"}, r"needs a split: .*validation_split=0.2"),
    ],
)
def test_arguments_of_flow_that_cannot_work(pictures, error, arguments, message):
    with pytest.raises(error, match=message):
        ImageDataGenerator().flow(**{"x": pictures} | arguments)


def test_subsets_that_cannot_work(pictures):
    with pytest.raises(DataError, match="different classes: are the arrays sorted by class"):
        ImageDataGenerator(validation_split=0.5).flow(pictures, [0] * 5 + [1] * 5, subset="training")
    with pytest.raises(DataError, match="The validation subset is empty: 10 pictures are too few"):
        ImageDataGenerator(validation_split=0.05).flow(pictures, subset="validation")


def test_unusual_pictures_warn(pictures):
    with pytest.warns(CalorWarning, match=r"Pictures have 1, 3 or 4 channels.*\(10, 12, 12, 2\)"):
        ImageDataGenerator().flow(pictures[..., :2])
    with pytest.warns(CalorWarning, match="brightness_range is for values from 0 to 255"):
        ImageDataGenerator(brightness_range=(0.5, 1.5)).flow(pictures / 255)


def test_labels_that_are_names_cannot_be_trained_on(pictures):
    with pytest.raises(DataError, match="y must hold numbers"):
        ImageDataGenerator().flow(pictures, LABELS.astype(str)).dataset  # noqa: B018


def test_the_dataset_is_one():
    assert isinstance(ImageDataGenerator().flow(np.zeros((2, 2, 2, 1))).dataset, Dataset)
