"""Training on parts of the photos: which parts, and what is measured."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calor.errors import ArgumentError, DataError
from calor.workbench import Split, draw_pictures, learning_curve, load_classifier, photo_network, split_folder
from calor.workbench.learning_curve import measure_learning_curve, take
from calor.workbench.report.evidence.learning_curve import read_learning_curve
from calor.workbench.report.evidence.outputs import observe
from calor.workbench.report.evidence.photos import Photos
from calor.workbench.run_record import Environment, RunRecord
from calor.workbench.settings import Settings


@pytest.fixture
def split(tmp_path: Path) -> Split:
    return split_folder(draw_pictures(tmp_path / "photos", per_class=20))


def network(folder: Path, split: Split, seed: int) -> None:
    model = photo_network((16, 16), 4, seed=seed)
    model.class_names = split.class_names
    folder.mkdir()
    model.save(folder / "model.keras")


def test_a_share_of_every_class(split: Split) -> None:
    part = take(split, 0.25)
    assert part.training.counts(4).tolist() == [4] * 4  # of 16
    assert (part.validation, part.test) == (split.validation, split.test)
    assert set(part.training.files) | set(part.left_out) == set(split.training.files)
    assert not set(part.training.files) & set(part.left_out)
    known = dict(zip(split.training.files, zip(split.training.labels, split.training.hashes, strict=True), strict=True))
    for file, label, found in zip(part.training.files, part.training.labels, part.training.hashes, strict=True):
        assert known[file] == (label, found)
    assert take(split, 0.001).training.counts(4).tolist() == [1] * 4
    assert take(split, 0.25, seed=1).training.files != part.training.files
    assert set(part.training.files) < set(take(split, 0.5).training.files)  # the larger part has the smaller


def test_each_network_is_measured_on_the_same_photos(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a training that only says what it was asked for."""
    network(tmp_path / "run", split, seed=9)
    split.save(tmp_path / "run" / "split.json")
    RunRecord(Settings(split.folder, image_size=(16, 16), epochs=3), Environment.now()).save(tmp_path / "run")
    asked: list[dict[str, Any]] = []

    def train(folder: str, *, output: Path, split: Path, **settings: Any) -> None:
        part = Split.load(split)
        asked.append({"folder": folder, "files": part.training.files, **settings})
        network(output, part, seed=len(asked))
        part.save(output / "split.json")

    monkeypatch.setattr(learning_curve, "train", train)
    found = measure_learning_curve(tmp_path / "run", verbose=0)
    assert found.sizes == (16, 32, 64)
    assert [len(one["files"]) for one in asked] == [16, 32]
    assert {(one["folder"], tuple(one["image_size"]), one["epochs"], one["verbose"]) for one in asked} == {
        (str(split.folder), (16, 16), 3, 0)
    }
    validation = Photos(tuple(split.paths("validation")), split.validation.labels)
    for seed, share in zip((1, 2, 9), found.shares, strict=True):
        network(tmp_path / f"again {seed}", split, seed)
        outputs = observe(load_classifier(tmp_path / f"again {seed}"), validation)
        assert (share.right, share.total) == (np.count_nonzero(outputs.right), 16)
    assert read_learning_curve(tmp_path / "run") == found


def test_photos_that_changed_meanwhile(split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network(tmp_path / "run", split, seed=9)
    split.save(tmp_path / "run" / "split.json")
    RunRecord(Settings(split.folder, image_size=(16, 16)), Environment.now()).save(tmp_path / "run")

    def train(*, output: Path, **_: Any) -> None:
        network(output, split, seed=0)
        split.save(output / "split.json")

    monkeypatch.setattr(learning_curve, "train", train)
    with pytest.raises(DataError, match="have changed meanwhile"):
        measure_learning_curve(tmp_path / "run")


@pytest.mark.parametrize("shares", [(), (0.5, 0.25), (0.5, 0.5), (0.0,), (0.5, 1.0)])
def test_shares_that_cannot_be(shares: tuple[float, ...], tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="give rising shares of more than 0 and less than 1"):
        measure_learning_curve(tmp_path, shares=shares)


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run\.json"):
        measure_learning_curve(tmp_path)
