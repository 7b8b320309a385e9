"""The job from Python: what ``train`` gives, writes and leaves behind when it ends early."""

import json
from pathlib import Path

import numpy as np
import pytest

import calor
from calor.errors import ArgumentError, DataError
from calor.workbench import draw_pictures, load_classifier, photo_network, predict, rate_finder, train, trainer

SMALL = {"epochs": 1, "image_size": (16, 16), "verbose": 0}
ALL = ["curves.png", "history.json", "model.keras", "predictions.png", "run.json", "split.json"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("pictures"), per_class=5)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_train_gives_model_history_and_folder(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train(pictures, output=tmp_path / "run", **SMALL)
    assert capsys.readouterr().out == ""
    assert trained.class_names == ("boat", "house", "star", "tree")
    assert trained.folder == tmp_path / "run"
    assert files(trained.folder) == sorted([*ALL, "report.html"])
    assert len(trained.history.history["val_accuracy"]) == 1
    record = json.loads((trained.folder / "history.json").read_text())
    assert record["history"] == trained.history.history
    assert record["params"]["class_names"] == ["boat", "house", "star", "tree"]
    assert record["params"]["image_size"] == [16, 16]

    file = pictures / "star" / "001.jpg"
    saved = next(predict(load_classifier(trained.folder), [file]))
    image = calor.data.load_image(file, size=(16, 16))
    shares = dict(zip(trained.class_names, trained.model.predict(image[None])[0], strict=True))
    assert saved.probabilities == pytest.approx(shares, abs=1e-6)
    assert list(saved.probabilities.values()) == sorted(shares.values(), reverse=True)


def test_a_range_test_sets_the_learning_rate(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        rate_finder, "find_learning_rate", lambda *_: rate_finder.RateTest(*np.ones((3, 30)), 0.07, "It fell.")
    )
    trained = train(pictures, output=tmp_path / "run", find_lr=True, **SMALL | {"verbose": 2, "recipe": "notes"})
    assert trained.model.learning_rate == pytest.approx(0.07)
    assert "It fell. See" in capsys.readouterr().out
    assert sorted([*ALL, "learning_rate.png", "report.html"]) == files(trained.folder)


def test_the_run_ends_with_a_verdict(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = train(pictures, output=tmp_path / "run", **SMALL | {"epochs": 4, "verbose": 2})
    verdict = trained.history.verdict()
    printed = capsys.readouterr().out
    assert str(verdict).splitlines()[0] in printed
    record = json.loads((trained.folder / "history.json").read_text())
    steps = record["params"]["verdict"].pop("next_steps")
    assert record["params"]["verdict"] | {"next_steps": list(verdict.next_steps)} == verdict.as_dict()
    assert all(step in printed and step.startswith("calor ") for step in steps)
    assert all(step.split("  # ")[0].strip() in (trained.folder / "report.html").read_text() for step in steps)
    # Four epochs are too few to vary pictures, and for dropout.
    assert record["params"]["tried"] == ["early stopping"]
    assert (record["params"]["classes"], record["params"]["validation_examples"]) == (4, 4)


def test_real_keras_opens_the_model(pictures: Path, tmp_path: Path) -> None:
    import keras

    trained = train(pictures, output=tmp_path / "run", **SMALL)
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    same = keras.models.load_model(tmp_path / "run" / "model.keras")
    np.testing.assert_allclose(same.predict(images, verbose=0), trained.model.predict(images), atol=1e-5)


@pytest.mark.parametrize(
    ("epoch", "kept"),
    [
        (0, ["history.json", "model.keras", "predictions.png", "run.json", "split.json"]),
        (2, sorted([*ALL, "checkpoint"])),
    ],
)
def test_an_interrupted_run_keeps_what_was_learned(
    epoch: int, kept: list[str], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupt(calor.callbacks.EarlyStopping):
        def on_train_batch_end(self, batch: int, logs: object) -> None:
            if self.epoch == epoch:
                raise KeyboardInterrupt

        def on_epoch_begin(self, epoch: int, logs: dict[str, float]) -> None:
            self.epoch = epoch

    monkeypatch.setattr(trainer, "EarlyStopping", Interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(pictures, output=tmp_path / "run", **SMALL | {"epochs": 5})
    assert files(tmp_path / "run") == kept
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert len(history["epoch"]) == epoch
    assert calor.load_model(tmp_path / "run" / "model.keras").class_names == ["boat", "house", "star", "tree"]


def test_nothing_is_left_of_a_run_that_learned_nothing(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for place, name in ((calor.Sequential, "fit"), (trainer, "prepare")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, interrupted)
            with pytest.raises(KeyboardInterrupt):
                train(pictures, output=tmp_path / "run", **SMALL)
        assert not (tmp_path / "run").exists()


def test_a_run_that_is_killed_leaves_its_best_epoch(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(trainer, "write_results", killed)
    with pytest.raises(Killed):
        train(pictures, output=tmp_path / "run", **SMALL)
    assert files(tmp_path / "run") == ["checkpoint", "model.keras", "run.json", "split.json"]
    assert calor.load_model(tmp_path / "run" / "model.keras").step == 2


def test_a_class_with_one_picture_cannot_be_split(tmp_path: Path) -> None:
    pictures = draw_pictures(tmp_path / "pictures", per_class=2)
    (pictures / "tree" / "001.jpg").unlink()
    with pytest.raises(DataError, match=r"one usable picture only: 'tree'\. A class needs at least two"):
        train(pictures, output=tmp_path / "run", **SMALL)


def test_an_output_in_use_is_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="is in use"):
        train(pictures, output=pictures, **SMALL)
    (tmp_path / "file").touch()
    with pytest.raises(ArgumentError, match="is in use"):
        train(pictures, output=tmp_path / "file", **SMALL)
    with pytest.raises(ArgumentError, match="would be taken for a class"):
        train(pictures, output=pictures / "runs" / "first", **SMALL)
    assert files(pictures) == ["boat", "house", "star", "tree"]


@pytest.mark.parametrize("size", [(8, 8), (9, 31), (64, 48)])
def test_the_network_takes_pictures_of_any_size(size: tuple[int, int]) -> None:
    model = photo_network(size, 3, seed=0)
    shares = model.predict(np.zeros((2, *size, 3), np.uint8))
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
