"""The sealed test part: measured rightly, counted at each opening, also by other runs, and read by nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calor
from calor.data import Dataset
from calor.errors import DataError
from calor.training.interval import wilson_interval
from calor.workbench import draw_pictures, load_classifier, open_sealed, sealed, split_folder, train

SIZE = (16, 16)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("pictures") / "photos", per_class=10)


@pytest.fixture
def run(photos: Path, tmp_path: Path) -> Path:
    """A run folder of a model that has learned nothing, with a sealed part of 8 pictures."""
    return untrained(photos, tmp_path / "runs" / "first")


def untrained(photos: Path, folder: Path, **settings: Any) -> Path:
    folder.mkdir(parents=True)
    split = split_folder(photos, **{"test_share": 0.2, **settings})
    split.save(folder / "split.json")
    layers = [calor.layers.Flatten(input_shape=(*SIZE, 3)), calor.layers.Dense(4, activation="softmax")]
    model = calor.Sequential(layers, seed=0)
    model.compile(loss="sparse_categorical_crossentropy")
    model.class_names = split.class_names
    model.save(folder / "model.keras")
    return folder


def test_the_figures_are_those_of_the_sealed_pictures(run: Path) -> None:
    opened = open_sealed(run)
    split = calor.workbench.Split.load(run)
    pictures = np.stack([calor.data.load_image(path, size=SIZE) for path in split.paths("test")])
    right = load_classifier(run).probabilities(pictures).argmax(axis=1) == split.test.labels
    assert opened.evaluation.pictures.tolist() == [2] * 4
    np.testing.assert_array_equal(opened.evaluation.right, np.bincount(split.test.labels, weights=right, minlength=4))
    assert opened.evaluation.accuracy == right.mean()
    assert opened.evaluation.interval == wilson_interval(int(right.sum()), 8)


def test_each_opening_is_written_down(run: Path) -> None:
    first = open_sealed(run)
    assert len(first.openings) == 1
    second = open_sealed(run)
    assert len(second.openings) == 2
    assert second.openings[0] == first.openings[0]
    record = json.loads((run / "sealed.json").read_text())
    assert record["opened"] == len(record["openings"]) == 2
    assert [one["accuracy"] for one in record["openings"]] == [first.evaluation.accuracy] * 2
    assert [one["run"] for one in record["openings"]] == ["first"] * 2


def test_openings_of_the_same_pictures_by_other_runs_count(photos: Path, run: Path) -> None:
    open_sealed(run)
    same = untrained(photos, run.parent / "second")
    other = untrained(photos, run.parent / "third", seed=5)
    (run.parent / "damaged").mkdir()
    (run.parent / "damaged" / "sealed.json").write_text("{")
    assert [opening.run for opening in open_sealed(same).openings] == ["first", "second"]
    assert [opening.run for opening in open_sealed(other).openings] == ["third"]
    assert [opening.run for opening in open_sealed(run).openings] == ["first", "second", "first"]


def test_nothing_is_told_where_it_cannot_be_counted(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealed, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        open_sealed(run)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "{",
        lambda text: "[]",
        lambda text: text.replace("calor sealed", "else"),
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace('"right"', '"left"'),
    ],
)
def test_a_count_that_cannot_be_read_is_told(change: Callable[[str], str], run: Path) -> None:
    open_sealed(run)
    path = run / "sealed.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=r"sealed\.json, which counts how often .* knowing that the count begins anew"):
        open_sealed(run)


def test_what_was_sealed_must_be_as_it_was(photos: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(photos, tmp_path / "photos"))
    run = untrained(copy, tmp_path / "runs" / "first")
    split = calor.workbench.Split.load(run)
    split.paths("test")[0].write_bytes(split.paths("training")[0].read_bytes())
    with pytest.raises(DataError, match=f"{split.test.files[0]} has changed"):
        open_sealed(run)
    assert not (run / "sealed.json").exists()


def test_runs_without_a_sealed_part(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"The run .* sealed no pictures"):
        open_sealed(untrained(photos, tmp_path / "run", test_share=0.0))
    with pytest.raises(DataError, match=r"is no run folder with a split\.json, so it sealed no pictures"):
        open_sealed(tmp_path)


def test_a_model_of_other_classes(run: Path) -> None:
    model = calor.load_model(run / "model.keras")
    model.class_names = ("a", "b", "c", "d")
    model.save(run / "model.keras")
    with pytest.raises(DataError, match=r"The classes of the model in .*, a, b, c, d, are not those of its split"):
        open_sealed(run)


def test_training_never_decodes_the_sealed_part_of_a_folder_that_gives_one(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the check, which looks for copies, the pictures in test/ are not read."""
    root = tmp_path / "photos"
    for part, numbers in (("train", range(6)), ("validation", range(6, 8)), ("test", range(8, 10))):
        for file in photos.rglob("*.*g"):
            if int(file.stem) in numbers:
                (root / part / file.parent.name).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, root / part / file.parent.name)
    opened: list[Path] = []
    plain = Dataset.from_image_folder

    def noted(directory: Path, *arguments: Any, **settings: Any) -> Dataset:
        opened.append(Path(directory))
        return plain(directory, *arguments, **settings)

    monkeypatch.setattr(Dataset, "from_image_folder", noted)
    train(root, output=tmp_path / "run", epochs=1, image_size=SIZE, verbose=0)
    assert opened == [root / "train", root / "validation"]
    assert not (tmp_path / "run" / "sealed.json").exists()
    open_sealed(tmp_path / "run")
    assert opened[2:] == [root / "test"]
