import numpy as np
import pytest
from keras.src.legacy.preprocessing.image import ImageDataGenerator as KerasGenerator
from PIL import Image

from calor.data import ImageDataGenerator
from calor.errors import ArgumentError, CalorWarning, DataError, ImageError, UnknownNameError

pytestmark = [
    pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Using .*tiff.* files with multiple bands:UserWarning"),
]

FILES = {
    "cats": ["10.png", "2.png", "b.JPG", "deep/er/1.bmp", "deep/9.png", "a/z.tiff", "notes.txt"],
    "dogs": ["1.png", "2.png", "3.jpeg", "4.png"],
    "birds": ["x/1.png"],
}


def draw_picture(path, seed):
    generator = np.random.default_rng(seed)
    width, height = generator.integers(20, 60, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".txt":
        path.write_text("no picture")
    else:
        small = generator.integers(0, 256, (4, 5, 3), np.uint8)
        Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def photos(tmp_path):
    """Three folders of pictures of many sizes and formats, some of them in folders inside."""
    seed = 0
    for name, files in FILES.items():
        for file in files:
            draw_picture(tmp_path / "photos" / name / file, seed)
            seed += 1
    return tmp_path / "photos"


def assert_same(received, expected, atol=0.0):
    if isinstance(expected, tuple | list):
        assert len(received) == len(expected)
        for ours, theirs in zip(received, expected, strict=True):
            assert_same(ours, theirs, atol)
    else:
        assert received.dtype == expected.dtype
        np.testing.assert_allclose(received, expected, rtol=0, atol=atol)


def both(photos, settings=None, **arguments):
    """Our iterator and that of Keras."""
    arguments = {"directory": str(photos), "target_size": (24, 20), "batch_size": 4} | arguments
    return [made(**settings or {}).flow_from_directory(**arguments) for made in (ImageDataGenerator, KerasGenerator)]


def told(capsys):
    """What our iterator and that of Keras printed."""
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("class_mode", ["categorical", "binary", "sparse", "input", None])
def test_a_folder_is_read_as_keras_does(photos, class_mode, capsys):
    received, expected = both(photos, {"rescale": 1 / 255}, class_mode=class_mode, shuffle=False)
    ours, theirs = told(capsys)
    assert ours == theirs == "Found 11 images belonging to 3 classes."
    assert received.filenames == expected.filenames
    assert received.filepaths == expected.filepaths
    assert received.class_indices == expected.class_indices == {"birds": 0, "cats": 1, "dogs": 2}
    assert_same(received.classes, expected.classes)
    assert_same(received.labels, expected.labels)
    for name in ("n", "samples", "batch_size", "num_classes", "image_shape", "target_size", "color_mode", "class_mode"):
        assert getattr(received, name) == getattr(expected, name)
    assert len(received) == len(expected) == 3
    for _ in range(4):
        assert_same(next(received), next(expected))
    element = next(iter(received.dataset))
    batch = received[0]
    if class_mode is None:
        np.testing.assert_allclose(element, batch, rtol=1e-6)
    else:
        np.testing.assert_allclose(element[0], batch[0], rtol=1e-6)
        np.testing.assert_allclose(element[1], batch[1], rtol=1e-6)
    if class_mode in ("categorical", "binary", "sparse"):
        assert received.dataset.class_names == ("birds", "cats", "dogs")
        assert received.dataset.labels.tolist() == received.classes.tolist()
    assert [str(file) for file in received.dataset.files] == received.filepaths


@pytest.mark.parametrize("color_mode", ["rgb", "rgba"])
def test_order_and_changes_are_those_of_keras_seed_for_seed(photos, color_mode):
    settings = {"rotation_range": 40, "zoom_range": 0.3, "horizontal_flip": True, "width_shift_range": 0.1}
    received, expected = both(photos, settings, seed=4, color_mode=color_mode)
    for _ in range(4):
        ours, theirs = next(received), next(expected)
        assert_same(ours[1], theirs[1])
        assert_same(ours[0], theirs[0], atol=0.5)


@pytest.mark.parametrize("split", [0.2, 0.34, 0.5, 0.9])
@pytest.mark.parametrize("subset", ["training", "validation"])
def test_subsets_hold_the_files_that_they_hold_in_keras(photos, split, subset, capsys):
    received, expected = both(photos, {"validation_split": split}, subset=subset)
    ours, theirs = told(capsys)
    assert ours == theirs
    assert received.filenames == expected.filenames
    assert received.subset == subset


@pytest.mark.parametrize(
    "arguments",
    [
        {"color_mode": "grayscale"},
        {"color_mode": "rgba"},
        {"color_mode": "rgba", "keep_aspect_ratio": True, "interpolation": "bicubic"},
        {"classes": ["dogs", "cats"]},
        {"keep_aspect_ratio": True},
        {"keep_aspect_ratio": True, "interpolation": "bilinear", "color_mode": "grayscale"},
        {"keep_aspect_ratio": True, "target_size": (10, 40), "interpolation": "lanczos"},
        {"interpolation": "hamming"},
    ],
)
def test_pictures_are_read_as_keras_reads_them(photos, arguments):
    received, expected = both(photos, shuffle=False, batch_size=11, **arguments)
    assert received.image_shape == expected.image_shape
    assert_same(next(received), next(expected))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "box"])
def test_other_interpolations_are_those_of_keras_but_for_jpegs_read_at_a_reduced_scale(photos, interpolation):
    received, expected = both(photos, shuffle=False, batch_size=11, interpolation=interpolation)
    images, theirs = next(received)[0], next(expected)[0]
    jpegs = [name.lower().endswith(("jpg", "jpeg")) for name in received.filenames]
    assert sum(jpegs) == 2
    assert np.array_equal(images[~np.array(jpegs)], theirs[~np.array(jpegs)])
    assert np.abs(images - theirs).mean() < 2


@pytest.mark.parametrize("color_mode", ["rgb", "rgba", "grayscale"])
def test_ppm_files_are_read_like_others(photos, color_mode):
    for picture in sorted(photos.rglob("*.png")):
        Image.open(picture).save(picture.with_suffix(".ppm"))
        picture.unlink()
    received, expected = both(photos, shuffle=False, batch_size=11, color_mode=color_mode)
    assert received.filenames == expected.filenames
    assert sum(name.endswith(".ppm") for name in received.filenames) == 7
    assert_same(next(received), next(expected))


def test_links_are_followed_when_asked_for(photos, tmp_path):
    draw_picture(tmp_path / "elsewhere" / "linked.png", 99)
    (photos / "dogs" / "more").symlink_to(tmp_path / "elsewhere")
    for follow_links in (False, True):
        received, expected = both(photos, follow_links=follow_links)
        assert received.filenames == expected.filenames
        assert received.n == 11 + follow_links


def test_hidden_files_and_folders_are_left_out(photos):
    draw_picture(photos / ".ipynb_checkpoints" / "1.png", 1)
    draw_picture(photos / "dogs" / ".trash" / "1.png", 1)
    (photos / "dogs" / "._1.png").write_bytes(b"no picture")
    iterator = ImageDataGenerator().flow_from_directory(photos)
    assert list(iterator.class_indices) == ["birds", "cats", "dogs"]
    assert iterator.n == 11


def test_a_folder_of_one_class_will_do(photos):
    iterator = ImageDataGenerator().flow_from_directory(photos, classes=["dogs"], class_mode=None, batch_size=3)
    assert next(iterator).shape == (3, 256, 256, 3)


def test_pictures_are_read_once(photos):
    iterator = ImageDataGenerator().flow_from_directory(photos, (8, 8), shuffle=False)
    before = next(iter(iterator.dataset))[0]
    for file in iterator.filepaths:
        Image.new("RGB", (8, 8)).save(file, format="png")
    assert np.array_equal(next(iter(iterator.dataset))[0], before)
    assert np.array_equal(next(iterator)[0], before)
    streaming = iterator.dataset.plan(memory_limit=0)
    assert streaming.kind == "streaming"


def test_pictures_that_do_not_fit_in_memory_are_read_when_they_are_needed(photos):
    iterator = ImageDataGenerator().flow_from_directory(photos, (8, 8), shuffle=False, batch_size=11)
    plan = iterator.dataset.plan(memory_limit=0)
    assert plan.kind == "streaming"
    cursor = plan.start((0,))
    block = cursor.take(1)
    cursor.close()
    assert np.array_equal(block.columns[0][block.indices[0]], next(iterator)[0])


def test_files_that_cannot_be_read_are_named_all_at_once(photos):
    for name in ("1.png", "3.jpeg"):
        (photos / "dogs" / name).write_bytes(b"no picture")
    iterator = ImageDataGenerator().flow_from_directory(photos)
    with pytest.raises(
        ImageError, match=r"(?s)2 pictures cannot be read: take such files away.*dogs/1.png.*dogs/3.jpeg"
    ):
        list(iterator.dataset)
    for number in range(12):
        (photos / "cats" / f"bad{number}.png").touch()
    iterator = ImageDataGenerator().flow_from_directory(photos)
    with pytest.raises(ImageError, match=r"(?s)14 pictures .*bad0.png is empty.*\.\.\."):
        list(iterator.dataset)
    (photos / "birds" / "x" / "1.png").write_bytes(b"")
    iterator = ImageDataGenerator().flow_from_directory(photos, shuffle=False, batch_size=1)
    with pytest.raises(ImageError, match=r"1 picture cannot be read"):
        next(iterator)


def test_a_function_that_fails_names_the_picture(photos):
    def fails(image):
        raise RuntimeError("no luck")

    iterator = ImageDataGenerator(preprocessing_function=fails).flow_from_directory(photos, shuffle=False)
    with pytest.raises(DataError, match=r"fails \(.*first example.*no luck"):
        list(iterator.dataset)


@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        (DataError, {"directory": "nowhere"}, "nowhere does not exist"),
        (DataError, {"directory": __file__}, "is a file, not a folder"),
        (DataError, {"classes": ["cats", "fish"]}, r"has no subfolder 'fish'; it has \['birds', 'cats', 'dogs'\]"),
        (ArgumentError, {"classes": ["cats", "cats"]}, "a name of its own"),
        (ArgumentError, {"classes": "cats"}, r"classes must be a list of names, such as \['cats'\]"),
        (UnknownNameError, {"class_mode": "raw"}, "no class_mode called 'raw'"),
        (UnknownNameError, {"color_mode": "cmyk"}, "called 'cmyk'"),
        (UnknownNameError, {"interpolation": "linear"}, "no interpolation called 'linear'. Did you mean 'bilinear'"),
        (ArgumentError, {"target_size": 150}, r"size is \(height, width\) in pixels"),
        (ArgumentError, {"target_size": (0, 5)}, r"size is \(height, width\) in pixels"),
        (UnknownNameError, {"subset": "test"}, "no subset called 'test'"),
        (ArgumentError, {"subset": "validation"}, "subset='validation' needs a split"),
    ],
)
def test_arguments_of_flow_from_directory_that_cannot_work(photos, error, arguments, message):
    with pytest.raises(error, match=message):
        ImageDataGenerator().flow_from_directory(**{"directory": photos} | arguments)


def test_folders_without_pictures(photos, tmp_path):
    generator = ImageDataGenerator(validation_split=0.01)
    with pytest.raises(DataError, match=r"has no subfolders: .*such as photos/cats"):
        generator.flow_from_directory(photos / "dogs")
    (tmp_path / "empty" / "cats").mkdir(parents=True)
    with pytest.raises(DataError, match=r"There are no pictures in the class folders of .*empty: cats"):
        generator.flow_from_directory(tmp_path / "empty")
    with pytest.raises(DataError, match=r"There are no pictures in the validation subset of the class folders"):
        generator.flow_from_directory(photos, subset="validation")


class Frame:
    """As much of a DataFrame as is asked for: columns by name."""

    def __init__(self, **columns):
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name):
        return np.array(self._columns[name], object)


@pytest.fixture
def table(photos):
    """Eight rows: six pictures, one missing and one that is none."""
    dogs = [f"dogs/{number}" for number in ("1.png", "2.png", "3.jpeg", "4.png")]
    return {
        "filename": ["cats/10.png", *dogs, "cats/2.png", "cats/missing.png", "cats/notes.txt"],
        "class": ["cat", "dog", "dog", "dog", "dog", "cat", "cat", "cat"],
        "tags": [["cat", "old"], ["dog"], ("dog", "old"), "dog", ["dog"], ["cat", "new"], [], "cat"],
        "age": [3.0, 1.5, 2.0, 7.0, 8.0, 4.0, 0.0, 0.0],
        "weight": [1, 2, 3, 4, 5, 6, 7, 8],
        "box": [[n, n + 1] for n in range(8)],
    }


def flow(table, photos, settings=None, **arguments):
    arguments = {"directory": photos, "target_size": (8, 8), "shuffle": False} | arguments
    with pytest.warns(CalorWarning, match="2 of the file names in the column x_col='filename' are no picture files"):
        return ImageDataGenerator(**settings or {}).flow_from_dataframe(table, **arguments)


@pytest.mark.parametrize("make", [dict, lambda columns: Frame(**columns)])
def test_a_table_of_files_and_classes(table, photos, make, capsys):
    iterator = flow(make(table), photos, weight_col="weight")
    assert told(capsys) == ["Found 6 validated image filenames belonging to 2 classes."]
    assert iterator.class_indices == {"cat": 0, "dog": 1}
    assert iterator.classes == iterator.labels == [0, 1, 1, 1, 1, 0]
    assert iterator.filenames == table["filename"][:6]
    assert iterator.filepaths == [str(photos / name) for name in table["filename"][:6]]
    images, labels, weights = next(iterator)
    assert images.shape == (6, 8, 8, 3)
    assert labels.tolist() == np.eye(2)[iterator.classes].tolist()
    assert labels.dtype == np.float32
    assert weights.tolist() == [1, 2, 3, 4, 5, 6]
    (element,) = iterator.dataset
    for received, expected in zip(element, (images, labels, weights), strict=True):
        assert np.array_equal(received, expected)
    with Image.open(photos / "dogs" / "2.png") as picture:
        assert np.array_equal(images[2], np.asarray(picture.resize((8, 8), Image.Resampling.NEAREST)))


@pytest.mark.filterwarnings("ignore:2 of the file names in the column:calor.errors.CalorWarning")
@pytest.mark.filterwarnings("ignore:Found 2 invalid image filename:UserWarning")
@pytest.mark.parametrize("directory", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [
        {"class_mode": "categorical"},
        {"class_mode": "categorical", "y_col": "tags"},
        {"class_mode": "categorical", "y_col": "tags", "classes": ["old", "dog"]},
        {"class_mode": "binary", "weight_col": "weight"},
        {"class_mode": "sparse", "classes": ["dog", "cat"]},
        {"class_mode": "raw", "y_col": "age", "weight_col": "weight"},
        {"class_mode": "raw", "y_col": ["age", "weight"]},
        {"class_mode": "multi_output", "y_col": ["age", "weight"]},
        {"class_mode": "input"},
        {"class_mode": None},
        {"class_mode": "sparse", "shuffle": True, "seed": 3, "subset": "training"},
        {"class_mode": "sparse", "shuffle": True, "seed": 3, "subset": "validation", "color_mode": "grayscale"},
    ],
)
def test_a_pandas_table_flows_as_with_keras(table, photos, arguments, directory):
    pandas = pytest.importorskip("pandas")
    names = table["filename"] if directory else [str(photos / name) for name in table["filename"]]
    frame = pandas.DataFrame(table | {"filename": names}, index=range(100, 108))[::-1]
    arguments = {"directory": str(photos) if directory else None, "batch_size": 4, "shuffle": False} | arguments
    settings = {"validation_split": 0.5 if "subset" in arguments else 0.0, "horizontal_flip": True}
    before = frame.copy(deep=True)
    ours, theirs = (
        made(**settings).flow_from_dataframe(frame, target_size=(8, 9), **arguments)
        for made in (ImageDataGenerator, KerasGenerator)
    )
    pandas.testing.assert_frame_equal(frame, before)
    assert ours.filenames == list(theirs.filenames)
    assert list(ours.filepaths) == list(theirs.filepaths)
    assert (ours.n, len(ours)) == (theirs.n, len(theirs))
    if theirs.class_mode in ("categorical", "binary", "sparse"):
        assert ours.class_indices == theirs.class_indices
        assert list(ours.classes) == list(theirs.classes)
    for _ in range(3):
        np.random.seed(5)  # noqa: NPY002 without a seed of their own, both draw from NumPy's global numbers
        received = next(ours)
        np.random.seed(5)  # noqa: NPY002
        assert_same(received, next(theirs), atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "labels"),
    [
        ({"class_mode": "binary"}, [0, 1, 1, 1, 1, 0]),
        ({"class_mode": "sparse"}, [0, 1, 1, 1, 1, 0]),
        ({"class_mode": "sparse", "classes": ["dog", "cat", "dog"]}, [1, 0, 0, 0, 0, 1]),
        ({"class_mode": "raw", "y_col": "age"}, [3, 1.5, 2, 7, 8, 4]),
        ({"class_mode": "raw", "y_col": ["age", "weight"]}, [[3, 1], [1.5, 2], [2, 3], [7, 4], [8, 5], [4, 6]]),
        ({"class_mode": "raw", "y_col": "box"}, [[n, n + 1] for n in range(6)]),
    ],
)
def test_labels_of_a_table(table, photos, arguments, labels):
    iterator = flow(table, photos, **arguments)
    assert next(iterator)[1].tolist() == labels
    (element,) = iterator.dataset
    assert element[1].tolist() == labels
    if arguments["class_mode"] == "raw":
        assert iterator.labels.tolist() == labels


def test_pictures_of_several_classes(table, photos):
    iterator = flow(table, photos, y_col="tags")
    assert iterator.class_indices == {"cat": 0, "dog": 1, "new": 2, "old": 3}
    assert iterator.classes == [[0, 3], [1], [1, 3], 1, [1], [0, 2]]
    expected = [[1, 0, 0, 1], [0, 1, 0, 0], [0, 1, 0, 1], [0, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0]]
    assert next(iterator)[1].tolist() == expected
    (element,) = iterator.dataset
    assert element[1].tolist() == expected
    assert element[1].dtype == np.float32
    few = flow(table, photos, y_col="tags", classes=["old", "new"])
    assert few.filenames == ["cats/10.png", "dogs/2.png", "cats/2.png"]
    assert few.classes == [[0], [0], [1]]


def test_other_modes_of_a_table(table, photos, capsys):
    several = flow(table, photos, class_mode="multi_output", y_col=["age", "box"])
    assert told(capsys) == ["Found 6 validated image filenames."]
    images, (ages, boxes) = next(several)
    assert ages.tolist() == table["age"][:6]
    assert boxes.tolist() == table["box"][:6]
    assert [label.tolist() for label in several.labels] == [ages.tolist(), boxes.tolist()]
    ((element, labels),) = several.dataset
    assert np.array_equal(element, images)
    assert [label.tolist() for label in labels] == [ages.tolist(), boxes.tolist()]
    mirrored = flow(table, photos, class_mode="input")
    assert np.array_equal(*next(mirrored))
    assert np.array_equal(*next(iter(mirrored.dataset)))
    assert next(flow(table, photos, class_mode=None, weight_col="weight")).shape == (6, 8, 8, 3)
    assert next(iter(flow(table, photos, class_mode=None, weight_col="weight").dataset)).shape == (6, 8, 8, 3)
    with pytest.warns(CalorWarning, match="class_mode='other' is of an older Keras"):
        assert flow(table, photos, class_mode="other", y_col="age").class_mode == "raw"
    with pytest.warns(CalorWarning, match=r"classes=\['cat'\] is not used: with class_mode=None"):
        flow(table, photos, class_mode=None, classes=["cat"])
    with pytest.warns(CalorWarning, match="has_ext is of an older Keras, and does nothing"):
        flow(table, photos, has_ext=True)


def test_subsets_of_a_table(table, photos):
    arguments = {"settings": {"validation_split": 0.34}, "class_mode": "sparse"}
    validation = flow(table, photos, subset="validation", **arguments)
    training = flow(table, photos, subset="training", **arguments)
    assert validation.filenames == table["filename"][:2]
    assert training.filenames == table["filename"][2:6]
    assert training.class_indices == validation.class_indices


def test_names_that_are_not_validated(table, photos, capsys):
    iterator = ImageDataGenerator().flow_from_dataframe(
        table, photos, target_size=(8, 8), shuffle=False, validate_filenames=False, batch_size=2
    )
    assert told(capsys) == ["Found 8 non-validated image filenames belonging to 2 classes."]
    with pytest.raises(ImageError, match=r"missing\.png does not exist"):
        iterator[3]


def test_a_table_whose_files_are_all_there(photos, capsys):
    names = {"filename": [f"dogs/{number}.png" for number in (4, 2, 1)]}
    iterator = ImageDataGenerator().flow_from_dataframe(names, photos, class_mode=None, shuffle=False)
    assert told(capsys) == ["Found 3 validated image filenames."]
    assert iterator.filenames == names["filename"]
    assert iterator.classes is None


def test_names_without_a_directory(table, photos):
    table["filename"] = [str(photos / name) for name in table["filename"]]
    iterator = flow(table, None)
    assert iterator.filepaths == table["filename"][:6]


@pytest.mark.parametrize(
    ("error", "change", "arguments", "message"),
    [
        (ArgumentError, {}, {"x_col": "file"}, "The table has no column 'file'; it has 'filename', 'class', 'tags'"),
        (ArgumentError, {}, {"y_col": "klass"}, "The table has no column 'klass'"),
        (DataError, {}, {"x_col": "age"}, "The column x_col='age' must hold file names, and has 3.0"),
        (DataError, {}, {"y_col": "age"}, "must hold names of classes, or lists of them, as text, and has 3.0"),
        (
            DataError,
            {},
            {"class_mode": "sparse", "y_col": "tags"},
            r"must hold names of classes, as text, and has \['cat'",
        ),
        (DataError, {"class": ["a", "b", "c", *"ddddd"]}, {"class_mode": "binary"}, "for 2 classes, and here are 4"),
        (DataError, {}, {"weight_col": "class"}, "weight_col='class' must hold numbers, not <U3"),
        (ArgumentError, {}, {"class_mode": "multi_output"}, "needs a list of columns, not y_col='class'"),
        (UnknownNameError, {}, {"class_mode": "row"}, "no class_mode called 'row'. Did you mean 'raw'"),
        (DataError, {}, {"classes": ["fish"]}, "There are no pictures to read: none of the 8 rows is left"),
        (DataError, {"box": [[1], [1, 2]] * 4}, {"class_mode": "raw", "y_col": "box"}, "The rows of .*'box' differ in"),
        (ArgumentError, {}, {"shuffel": True}, "flow_from_dataframe has no argument 'shuffel'"),
        (ArgumentError, {}, {"subset": "training"}, "needs a split"),
    ],
)
@pytest.mark.filterwarnings("ignore:2 of the file names:calor.errors.CalorWarning")
def test_tables_that_cannot_be_used(table, photos, error, change, arguments, message):
    with pytest.raises(error, match=message):
        ImageDataGenerator().flow_from_dataframe(table | change, photos, **arguments)


@pytest.mark.parametrize("dataframe", [["a.png"], "table.csv", None, np.zeros(3)])
def test_what_is_no_table(dataframe):
    with pytest.raises(ArgumentError, match=r"dataframe must be a pandas DataFrame, or another table"):
        ImageDataGenerator().flow_from_dataframe(dataframe)
