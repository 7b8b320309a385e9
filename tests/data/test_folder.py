import os
import re
import threading

import numpy as np
import pytest
from PIL import Image

import calor.data.images
from calor.data import Dataset, image_folder, load_image
from calor.errors import ArgumentError, CalorWarning, DataError, ImageError


@pytest.fixture
def photos(tmp_path):
    """Six red dogs and four blue cats, each a little different."""
    root = tmp_path / "photos"
    for name, colour, count in (("dogs", (250, 0, 0), 6), ("cats", (0, 0, 250), 4)):
        (root / name).mkdir(parents=True)
        for number in range(count):
            colours = (colour[0], 20 * number, colour[2])
            Image.new("RGB", (20 + number, 15), colours).save(root / name / f"{number}.png")
    return root


def test_elements_are_sorted_by_class_and_name(photos):
    dataset = Dataset.from_image_folder(photos, image_size=(6, 8))
    assert dataset.class_names == ("cats", "dogs")
    assert len(dataset) == 10
    elements = list(dataset)
    assert [int(label) for _, label in elements] == [0] * 4 + [1] * 6
    assert dataset.labels.tolist() == [0] * 4 + [1] * 6
    assert [file.name for file in dataset.files[:4]] == ["0.png", "1.png", "2.png", "3.png"]
    assert all(image.shape == (6, 8, 3) and image.dtype == np.uint8 for image, _ in elements)
    assert elements[5][0][0, 0].tolist() == [250, 20, 0]
    assert dataset.element_spec[0].shape == (6, 8, 3)
    grey = image_folder(photos, (6, 8), color_mode="grayscale")
    assert next(iter(grey))[0].shape == (6, 8, 1)
    with pytest.raises(ArgumentError, match=r"size is \(height, width\)"):
        Dataset.from_image_folder(photos, None)


def test_files_follow_the_order_of_the_elements(photos):
    dataset = Dataset.from_image_folder(photos, (6, 8)).shuffle(10).skip(2).batch(3)
    images = np.concatenate([x for x, _ in dataset])
    assert len(dataset.files) == 8
    for file, image, label in zip(dataset.files, images, dataset.labels, strict=True):
        assert (load_image(file, (6, 8)) == image).all()
        assert dataset.class_names[label] == file.parent.name


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
def test_pictures_of_other_proportions(photos, resize):
    dataset = Dataset.from_image_folder(photos, (12, 8), resize=resize, fill_value=9)
    for file, (image, _) in zip(dataset.files, dataset, strict=True):
        assert (load_image(file, (12, 8), resize=resize, fill_value=9) == image).all()
        assert (image[0, 0].tolist() == [9, 9, 9]) == (resize == "pad")


def test_class_names_choose_and_order_the_classes(photos):
    (photos / "birds").mkdir()
    dataset = Dataset.from_image_folder(photos, (6, 8), class_names=["dogs", "cats"])
    assert dataset.labels.tolist() == [0] * 6 + [1] * 4
    with pytest.raises(DataError, match=r"no subfolder 'fish'; it has birds, cats, dogs"):
        Dataset.from_image_folder(photos, class_names=["dogs", "fish"])
    with pytest.raises(DataError, match="a name of its own"):
        Dataset.from_image_folder(photos, class_names=["dogs", "dogs"])
    with pytest.raises(DataError, match="class_names is empty"):
        Dataset.from_image_folder(photos, class_names=[])


def spoiled(photos):
    (photos / "cats" / "0.png").write_bytes((photos / "cats" / "0.png").read_bytes()[:50])
    (photos / "cats" / "letter.jpg").write_text("I am a letter.")
    (photos / "dogs" / "zero.jpg").touch()
    (photos / "dogs" / "old.jpg").mkdir()
    (photos / "dogs" / ".hidden.png").touch()
    (photos / "dogs" / "notes.txt").touch()
    (photos / "README.md").touch()
    (photos / ".git").mkdir()


@pytest.mark.parametrize("memory_limit", [None, 0])
def test_unusable_files_are_skipped_with_one_warning(photos, memory_limit):
    spoiled(photos)
    dataset = Dataset.from_image_folder(photos, (6, 8)).batch(4)
    with pytest.warns(CalorWarning) as caught:
        plan = dataset.plan(memory_limit)
    assert len(dataset) == plan.steps == len(list(dataset)) == 3
    assert len(caught) == 1
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    assert "4 files that cannot be used were skipped. 2 files that are no pictures were ignored." in message
    for name in ("cats/0.png is", "letter.jpg is not a picture", "zero.jpg is empty", "old.jpg is a folder"):
        assert name in message
    cursor = plan.start((0,))
    block = cursor.take(3)
    cursor.close()
    assert block.source[block.source >= 0].tolist() == list(range(9))
    assert dataset.labels.tolist() == [0] * 3 + [1] * 6
    assert [file.name for file in dataset.files[:3]] == ["1.png", "2.png", "3.png"]
    assert (np.asarray(block.columns[0])[:3, 0, 0, 1] == [20, 40, 60]).all()


def test_a_long_list_of_unusable_files_is_cut(photos):
    for number in range(13):
        (photos / "dogs" / f"bad{number}.jpg").touch()
    with pytest.warns(CalorWarning, match=r"13 files(?s:.*)and 3 more"):
        assert len(Dataset.from_image_folder(photos)) == 10
    for number in range(12):
        (photos / "dogs" / f"bad{number}.jpg").unlink()
    with pytest.warns(CalorWarning, match=r"1 file that cannot be used was skipped\.\n"):
        assert len(Dataset.from_image_folder(photos)) == 10


def test_streaming_reads_the_same_as_memory(photos):
    spoiled(photos)
    columns = []
    for memory_limit in (None, 0):
        with pytest.warns(CalorWarning):
            plan = Dataset.from_image_folder(photos, (6, 8)).shuffle(9).batch(9).plan(memory_limit)
        cursor = plan.start((4,))
        block = cursor.take(1)
        cursor.close()
        columns.append([np.asarray(column)[block.indices[0]] for column in block.columns])
    assert (columns[0][0] == columns[1][0]).all()
    assert (columns[0][1] == columns[1][1]).all()


def test_a_file_that_vanishes_while_streaming_is_named(photos):
    plan = Dataset.from_image_folder(photos, (6, 8)).batch(2).plan(0)
    (photos / "dogs" / "3.png").unlink()
    before = threading.active_count()
    cursor = plan.start((0,))
    with pytest.raises(ImageError, match=r"3\.png does not exist"):
        list(iter(lambda: cursor.take(1), None))
    with pytest.raises(ImageError, match=r"3\.png"):
        cursor.take(1)
    cursor.close()
    assert threading.active_count() <= before + 1


def test_a_file_that_vanishes_or_is_replaced_between_listing_and_reading(photos):
    dataset = Dataset.from_image_folder(photos, (6, 8))
    (photos / "dogs" / "3.png").unlink()
    (photos / "dogs" / "4.png").write_text("I am a letter.")
    Image.new("RGB", (5, 5), "green").save(photos / "dogs" / "5.png")
    with pytest.warns(CalorWarning, match=r"3\.png does not exist(?s:.*)4\.png is not a picture"):
        assert len(dataset) == 8
    assert list(dataset)[-1][0][0, 0].tolist() == [0, 128, 0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_folder_of_what_is_no_file_does_not_hang(photos):
    os.mkfifo(photos / "dogs" / "pipe.jpg")
    with pytest.warns(CalorWarning, match=r"pipe\.jpg is a pipe"):
        assert len(Dataset.from_image_folder(photos)) == 10


def test_a_function_that_fails_on_a_picture_names_its_file(photos):
    def picky(image, label):
        if image[0, 0, 1] == 40:
            raise RuntimeError("too green")
        return np.asarray(image), label

    dataset = Dataset.from_image_folder(photos, (6, 8))
    with pytest.raises(DataError, match=r"picky .* fails on .*cats/2\.png: RuntimeError: too green"):
        dataset.map(picky).cache().batch(2).plan()
    kept = dataset.map(lambda x, y: (np.asarray(x), y)).cache()
    list(kept)
    with pytest.raises(DataError, match=r"fails on .*cats/2\.png"):
        list(kept.map(picky))
    train, validation = kept.split(0.5)
    assert train.labels.tolist() == [0, 0, 1, 1, 1]
    assert [int(y) for _, y in validation] == [0, 0, 1, 1, 1]


def test_what_streamed_can_become_resident_and_pixels_are_decoded_once(photos, monkeypatch):
    dataset = Dataset.from_image_folder(photos, (6, 8)).batch(4)
    assert dataset.plan(0).kind == "streaming"
    plan = dataset.plan()
    assert plan.kind == "resident"
    monkeypatch.setattr(calor.data.images, "decode", None)
    assert plan.start((0,)).take(9).columns[0].shape == (10, 6, 8, 3)
    assert len(list(dataset)) == 3


def test_progress_is_told(photos):
    told = []
    dataset = Dataset.from_image_folder(photos, (6, 8), progress=lambda done, total: told.append((done, total)))
    assert told == []
    assert len(dataset) == 10
    assert told == [(done, 10) for done in range(1, 11)]


def test_split_is_stratified_and_shares_the_pixels(photos):
    train, validation = Dataset.from_image_folder(photos, (6, 8)).split(0.5, seed=1)
    assert (len(train), len(validation)) == (5, 5)
    assert train.labels.tolist() == [0, 0, 1, 1, 1]
    assert validation.labels.tolist() == [0, 0, 1, 1, 1]
    assert set(train.files).isdisjoint(validation.files)
    assert validation.class_names == ("cats", "dogs")
    other = Dataset.from_image_folder(photos, (6, 8)).split(0.5, seed=2)[1]
    assert other.files != validation.files
    a, b = (part.batch(5).plan().start((0,)).take(1) for part in (train, validation))
    assert a.columns is b.columns
    assert sorted([*a.source[0], *b.source[0]]) == list(range(10))


def test_split_holds_out_at_least_one_of_each_class(photos):
    train, validation = Dataset.from_image_folder(photos, (6, 8)).split(0.01)
    assert validation.labels.tolist() == [0, 1]
    assert len(train) == 8


def test_split_of_arrays():
    numbers = Dataset.from_arrays(np.arange(8), np.arange(8)).split(0.5)[0]
    assert len(numbers) == 4
    train, validation = Dataset.from_arrays(np.arange(8), np.linspace(0, 1, 8)).split(0.25)
    assert (len(train), len(validation)) == (6, 2)
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        train.split(1.0)
    with pytest.raises(ArgumentError, match="comes first"):
        train.batch(2).split(0.5)
    with pytest.raises(ArgumentError, match="not on generators"):
        Dataset.from_generator([1]).split(0.5)
    with pytest.raises(DataError, match="too few examples"):
        Dataset.from_arrays([1]).split(0.5)


def test_select(photos):
    pictures = Dataset.from_image_folder(photos, (6, 8))
    chosen = pictures.select(np.array([7, 0, 3]))
    assert chosen.files == [pictures.files[place] for place in (7, 0, 3)]
    assert chosen.labels.tolist() == pictures.labels[[7, 0, 3]].tolist()
    assert chosen.select([1]).files == pictures.files[:1]
    assert len(pictures.select([])) == 0
    for wrong in ([10], [-1], [[0]], [0.5]):
        with pytest.raises(ArgumentError, match="whole numbers from 0 to 9 are needed, in one list"):
            pictures.select(wrong)
    with pytest.raises(ArgumentError, match=r"select\(\) comes first"):
        pictures.shuffle(3).select([0])


def test_folders_without_the_layout(tmp_path, photos):
    layout = "must hold a subfolder of pictures for each class"
    with pytest.raises(DataError, match=f"nowhere does not exist. It {layout}"):
        Dataset.from_image_folder(tmp_path / "nowhere")
    file = photos / "cats" / "0.png"
    with pytest.raises(DataError, match=re.escape(f"{file} is a file, not a folder")):
        Dataset.from_image_folder(file)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=f"is empty. It {layout}"):
        Dataset.from_image_folder(tmp_path / "empty")
    with pytest.raises(DataError, match=r"holds 0.png, 1.png, 2.png, 3.png, 4.png and 1 more but no subfolders"):
        Dataset.from_image_folder(photos / "dogs")
    (tmp_path / "empty").rename(tmp_path / "spare")
    with pytest.raises(DataError, match=r"class folders have no usable picture: 'photos', 'spare'.*folders, such as"):
        Dataset.from_image_folder(tmp_path)


def test_classes_that_cannot_be_learned(photos):
    with pytest.raises(DataError, match="one class only, 'cats'"):
        Dataset.from_image_folder(photos, class_names=["cats"])
    (photos / "fish").mkdir()
    (photos / "fish" / "a.heic").touch()
    with pytest.raises(
        DataError,
        match=r"'fish'. Put pictures into it, or take it away. .* end in .bmp.*1 file that is no picture was ignored",
    ):
        Dataset.from_image_folder(photos)
    (photos / "fish" / "a.heic").rename(photos / "fish" / "a.jpg")
    dataset = Dataset.from_image_folder(photos)
    with pytest.raises(DataError, match=r"no usable picture: 'fish'. .*a.jpg is empty"):
        len(dataset)


def test_a_folder_that_may_not_be_listed(photos, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.iterdir", refused)
    with pytest.raises(DataError, match="photos cannot be read: Permission denied"):
        Dataset.from_image_folder(photos)


def test_a_file_without_permission_is_skipped(photos, monkeypatch):
    opened = type(photos).open

    def guarded(path, *arguments, **settings):
        if path.name == "2.png":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **settings)

    monkeypatch.setattr(type(photos), "open", guarded)
    with pytest.warns(CalorWarning, match=r"2\.png cannot be read: there is no permission"):
        assert len(Dataset.from_image_folder(photos)) == 8
