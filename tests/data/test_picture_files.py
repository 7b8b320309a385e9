"""Pictures that are listed one by one: their pixels are kept, and are those of the right files and settings."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras.src.legacy.preprocessing.image import ImageDataGenerator as KerasGenerator
from PIL import Image

from calor.data import Dataset, ImageDataGenerator
from calor.errors import CalorWarning, ImageError

pytestmark = pytest.mark.usefixtures("cache")

SIZE = (8, 6)
NAMES = [f"{name}/{number}.png" for name in ("cats", "dogs") for number in range(4)]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four pictures each of two classes."""
    random = np.random.default_rng(0)
    for name in NAMES:
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (15, 20, 3), np.uint8)).save(file)
    return tmp_path / "photos"


def flow(photos: Path, **arguments: Any) -> Any:
    split = 0.5 if "subset" in arguments else 0.0
    arguments = {"target_size": SIZE, "class_mode": "sparse", "shuffle": False, "batch_size": 3} | arguments
    return ImageDataGenerator(validation_split=split).flow_from_directory(photos, **arguments)


def flow_table(photos: Path, names: list[str], directory: bool = True) -> Any:
    table = {"filename": names if directory else [str(photos / name) for name in names]}
    return ImageDataGenerator().flow_from_dataframe(
        table, photos if directory else None, target_size=SIZE, class_mode=None, shuffle=False
    )


def pixels(data: Any, memory_limit: int | None = None) -> np.ndarray:
    """All pictures of an iterator or a data set."""
    dataset = data.batch(3) if isinstance(data, Dataset) else data.dataset
    plan = dataset.plan(memory_limit)
    cursor = plan.start((0,))
    block = cursor.take(9)
    cursor.close()
    columns = block.columns[0] if isinstance(block.columns, tuple) else block.columns
    return np.asarray(columns)[block.indices[block.indices >= 0]]


@pytest.mark.parametrize("memory_limit", [None, 0])
def test_a_second_flow_decodes_nothing(photos: Path, decoded: list[str], memory_limit: int | None) -> None:
    first = pixels(flow(photos), memory_limit)
    assert len(decoded) == 8
    expected = [Image.open(photos / name).resize(SIZE[::-1], Image.Resampling.NEAREST) for name in NAMES]
    assert (first == np.stack([np.asarray(image) for image in expected])).all()
    decoded.clear()
    assert (pixels(flow(photos), memory_limit) == first).all()
    assert (next(flow(photos))[0] == first[:3]).all()
    assert decoded == []


def test_one_batch_decodes_its_own_pictures_and_keeps_nothing(photos: Path, cache: Path, decoded: list[str]) -> None:
    iterator = flow(photos)
    next(iterator)
    assert sorted(decoded) == ["0.png", "1.png", "2.png"]
    assert list(cache.iterdir()) == []
    Image.new("RGB", (5, 5), "red").save(photos / "dogs" / "0.png")
    assert (iterator[1][0][1] == (255, 0, 0)).all()
    assert len(pixels(iterator)) == 8


def test_every_selection_and_setting_has_its_own_pixels(photos: Path, cache: Path, decoded: list[str]) -> None:
    def starts() -> list[Any]:
        settings: list[dict[str, Any]] = [
            {},
            {"color_mode": "grayscale"},
            {"color_mode": "rgba"},
            {"target_size": (6, 8)},
            {"interpolation": "bilinear"},
            {"interpolation": "box"},
            {"interpolation": "hamming"},
            {"keep_aspect_ratio": True, "interpolation": "bilinear"},
            {"classes": ["dogs", "cats"]},
            {"classes": ["dogs"]},
            {"subset": "training"},
            {"subset": "validation"},
        ]
        return [
            *(flow(photos, **arguments) for arguments in settings),
            flow_table(photos, NAMES),
            flow_table(photos, NAMES[::-1]),
            flow_table(photos, NAMES, directory=False),
            flow_table(photos.parent, [f"photos/{name}" for name in NAMES]),
            *(Dataset.from_image_folder(photos, SIZE, interpolation=name) for name in ("nearest", "bilinear", "area")),
            Dataset.from_image_folder(photos, SIZE, resize="crop"),
            Dataset.from_image_folder(photos, SIZE, color_mode="rgba", interpolation="nearest"),
        ]

    found = [pixels(data) for data in starts()]
    assert len(decoded) == sum(map(len, found))
    assert len(list(cache.iterdir())) == len(found)
    decoded.clear()
    for data, before in zip(starts(), found, strict=True):
        assert (pixels(data) == before).all()
    assert decoded == []
    same = found[0]
    assert (found[2] == np.pad(same, [(0, 0)] * 3 + [(0, 1)], constant_values=255)).all()
    assert (found[8] == same[[4, 5, 6, 7, 0, 1, 2, 3]]).all()
    assert (found[9] == same[4:]).all()
    assert (found[10] == same[[2, 3, 6, 7]]).all()
    assert (found[11] == same[[0, 1, 4, 5]]).all()
    for other in (12, 14, 15, 16):
        assert (found[other] == same).all()
    assert (found[13] == same[::-1]).all()
    assert (found[20] == found[2]).all()


@pytest.mark.parametrize("start", [flow, lambda photos: flow_table(photos, NAMES)])
def test_a_changed_file_is_decoded_again_and_the_old_pixels_make_way(
    photos: Path, cache: Path, decoded: list[str], start: Any
) -> None:
    before = pixels(start(photos))
    decoded.clear()
    time.sleep(0.02)  # the clock of a file system ticks slowly
    file = photos / "dogs" / "1.png"
    state = file.stat()
    Image.new("RGB", (5, 5), "red").save(file)
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    after = pixels(start(photos))
    assert len(decoded) == 8
    assert (after[5] == (255, 0, 0)).all()
    assert (np.delete(after, 5, 0) == np.delete(before, 5, 0)).all()
    assert len(list(cache.iterdir())) == 1


def test_files_that_change_while_streaming_are_named(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALOR_CACHE", "off")
    source = flow(photos)._source
    source.prepare(0)
    for name in NAMES[1:3]:
        Image.new("RGB", (5, 5), "red").save(photos / name)
    with pytest.raises(ImageError, match=r"(?s)2 pictures cannot .*cats/1.png has changed since it .*cats/2.png has"):
        source.read(np.arange(8))


def test_unreadable_files_are_named_again_without_decoding_until_they_are_mended(
    photos: Path, decoded: list[str]
) -> None:
    whole = (photos / "cats" / "1.png").read_bytes()
    (photos / "cats" / "1.png").write_text("I am a letter.")
    iterator = flow(photos)
    for expected in (8, 0):
        with pytest.raises(ImageError, match=r"(?s)^1 picture cannot be read: take .*photos/cats/1.png is not a pict"):
            pixels(iterator)
        assert len(decoded) == expected
        decoded.clear()
    with pytest.raises(ImageError, match=r"1 picture cannot be read"):
        flow(photos)[0]
    assert flow(photos)[1][0].shape == (3, *SIZE, 3)
    (photos / "cats" / "1.png").write_bytes(whole)
    assert len(pixels(iterator)) == 8


def test_what_is_on_the_device_stays_there_and_pictures_are_named(photos: Path) -> None:
    source = flow(photos)._source
    images, labels = source.on_device()
    assert images.shape == (8, *SIZE, 3)
    assert labels.tolist() == [0] * 4 + [1] * 4
    assert source.on_device()[0] is images
    assert source.describe(5) == str(photos / "dogs" / "1.png")


def test_damage_of_the_cache_is_told_and_the_files_are_decoded(photos: Path, cache: Path) -> None:
    before = pixels(flow(photos))
    iterator = flow(photos)
    next(iterator)
    (file,) = cache.iterdir()
    damaged = bytearray(file.read_bytes())
    damaged[7 * 8 * 6 * 3] ^= 1
    file.write_bytes(damaged)
    with pytest.warns(CalorWarning, match="checksum is wrong"):
        assert (pixels(iterator) == before).all()
    assert not file.exists()


@pytest.mark.parametrize("color_mode", ["rgb", "grayscale"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"interpolation": "nearest"},
        {"interpolation": "box"},
        {"interpolation": "hamming"},
        {"interpolation": "bilinear", "keep_aspect_ratio": True},
        {"interpolation": "lanczos", "keep_aspect_ratio": True, "target_size": (20, 61)},
    ],
)
def test_large_jpegs_have_the_pixels_of_keras(tmp_path: Path, color_mode: str, arguments: dict[str, Any]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    (tmp_path / "a").mkdir()
    Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC).save(tmp_path / "a" / "1.jpg")
    arguments = {"target_size": (40, 30), "class_mode": None, "color_mode": color_mode} | arguments
    ours, theirs = (
        next(made().flow_from_directory(str(tmp_path), **arguments)) for made in (ImageDataGenerator, KerasGenerator)
    )
    assert np.array_equal(ours, theirs)
