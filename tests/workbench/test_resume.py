"""``resume``: a run of the workbench that was stopped or killed ends as if it never had been."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calor
from calor.callbacks import ModelCheckpoint
from calor.errors import ArgumentError, CalorWarning, DataError, ModelFileError
from calor.training import checkpoint
from calor.workbench import draw_pictures, recipes, resume, run_record, train, trainer
from calor.workbench.report.write import REPORT
from calor.workbench.run_folder import CHECKPOINT, claimed
from calor.workbench.run_record import RunRecord

SMALL: dict[str, Any] = {"epochs": 4, "image_size": (16, 16), "batch_size": 4, "patience": 4, "verbose": 0}


class Killed(BaseException):
    """The program ends here."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("pictures"), per_class=5)


@pytest.fixture(scope="module")
def unbroken(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(pictures, output=tmp_path_factory.mktemp("runs") / "unbroken", **SMALL).folder


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_same(run: Path, other: Path) -> None:
    histories = [json.loads((folder / "history.json").read_text()) for folder in (run, other)]
    assert histories[0]["history"] == histories[1]["history"]
    assert histories[0]["epoch"] == histories[1]["epoch"]
    models = [calor.load_model(folder / "model.keras") for folder in (run, other)]
    for one, two in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, two)
    assert files(run) == files(other)


@contextmanager
def replaced(place: Any, name: str, value: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, value)
        yield


def cut_off(epoch: int, error: type[BaseException]) -> AbstractContextManager[None]:
    """Let runs end after an epoch, between their model and their checkpoint."""

    class Kill(ModelCheckpoint):
        def on_epoch_end(self, number: int, logs: dict[str, float]) -> None:
            super().on_epoch_end(number, logs)
            if number == epoch:
                raise error

    Kill.__name__ = "ModelCheckpoint"
    return replaced(trainer, "ModelCheckpoint", Kill)


@pytest.fixture
def broken(pictures: Path, tmp_path: Path) -> Path:
    with cut_off(2, Killed), pytest.raises(Killed):
        train(pictures, output=tmp_path / "run", **SMALL)
    return tmp_path / "run"


def test_a_killed_run_goes_on(broken: Path, unbroken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert files(broken) == ["checkpoint", "model.keras", "run.json", "split.json"]
    trained = resume(broken, verbose=2)
    assert_same(broken, unbroken)
    assert trained.history.epoch == [0, 1, 2, 3]
    said = capsys.readouterr().out
    assert "Going on after 2 finished epochs." in said
    assert "Epoch 3/4" in said
    assert "Epoch 2/4" not in said


def test_one_that_was_killed_within_an_epoch_goes_on_there(
    pictures: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Kill(ModelCheckpoint):
        def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
            if batch == 2:
                raise Killed

    monkeypatch.setattr(trainer, "BACKUP_SECONDS", 0.0)
    with replaced(trainer, "ModelCheckpoint", Kill), pytest.raises(Killed):
        train(pictures, output=tmp_path / "run", **SMALL)
    found = checkpoint.latest(tmp_path / "run" / CHECKPOINT)
    assert found is not None
    assert found[0]["sums"]["steps"] == 2
    (tmp_path / "run" / ".calor-0123456789abcdef").touch()  # what a kill while saving a model leaves
    with pytest.warns(CalorWarning, match="its callbacks were EarlyStopping, Kill, BackupAndRestore"):
        resume(tmp_path / "run", verbose=0)
    assert_same(tmp_path / "run", unbroken)


def test_one_that_was_killed_at_its_end_writes_its_files(pictures: Path, unbroken: Path, tmp_path: Path) -> None:
    def killed(*_: object) -> None:
        raise Killed

    with replaced(trainer, "write_results", killed), pytest.raises(Killed):
        train(pictures, output=tmp_path / "run", **SMALL)
    resume(tmp_path / "run", verbose=0)
    assert_same(tmp_path / "run", unbroken)


def test_one_without_a_checkpoint_begins_anew(pictures: Path, unbroken: Path, tmp_path: Path) -> None:
    with cut_off(0, Killed), pytest.raises(Killed):
        train(pictures, output=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run" / CHECKPOINT).exists()
    resume(tmp_path / "run", verbose=0)
    assert_same(tmp_path / "run", unbroken)


def test_one_that_was_stopped_goes_on(
    pictures: Path,
    unbroken: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    with cut_off(1, KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        train(pictures, output=run, **SMALL | {"verbose": 2})
    assert f"To go on from its last checkpoint: calor train --resume {run}" in capsys.readouterr().out
    assert files(run) == sorted({*files(unbroken), CHECKPOINT} - {REPORT})

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with replaced(trainer, "measure", interrupted), pytest.raises(KeyboardInterrupt):
        resume(run, verbose=2)
    said = capsys.readouterr().out
    assert "Nothing new was learned." in said
    assert f"calor train --resume {run}" in said
    resume(run, verbose=0)
    assert_same(run, unbroken)


def test_a_full_disk_leaves_the_last_good_state(
    pictures: Path,
    unbroken: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real, run = os.fsync, tmp_path / "run"

    def full(descriptor: int) -> None:
        if (run / CHECKPOINT / "00000002.checkpoint").exists():
            raise OSError(28, "No space left on device")
        real(descriptor)

    with replaced(os, "fsync", full), pytest.raises(ModelFileError, match="no room left on the disk"):
        train(pictures, output=run, **SMALL | {"verbose": 2})
    assert f"calor train --resume {run}" in capsys.readouterr().out
    resume(run, verbose=0)
    assert_same(run, unbroken)


def test_a_run_folder_that_vanished(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"

    class Remove(ModelCheckpoint):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            if epoch == 1:
                shutil.rmtree(run)
            logs["val_loss"] = -float(epoch)  # so that each epoch is the best
            super().on_epoch_end(epoch, logs)

    monkeypatch.setattr(trainer, "ModelCheckpoint", Remove)
    with pytest.raises(ModelFileError, match=r"run/model.keras': that folder does not exist"):
        train(pictures, output=run, **SMALL)
    assert not run.exists()


def test_a_run_that_has_ended_and_none_at_all(unbroken: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ArgumentError, match=r"has ended: there is nothing to go on with\. `calor train .* begins another"
    ):
        resume(unbroken)
    with pytest.raises(DataError, match="is no folder: it is no run"):
        resume(tmp_path / "nowhere")


def test_a_run_that_goes_on_elsewhere_already(broken: Path) -> None:
    with claimed(broken), pytest.raises(ArgumentError, match="is being trained in by another process"):
        resume(broken)


def test_photos_that_changed_or_moved_or_vanished(pictures: Path, unbroken: Path, tmp_path: Path) -> None:
    mine, run = tmp_path / "mine", tmp_path / "run"
    shutil.copytree(pictures, mine)
    with cut_off(2, Killed), pytest.raises(Killed):
        train(mine, output=run, **SMALL)
    shutil.move(mine, tmp_path / "elsewhere")
    with pytest.raises(DataError, match=f"mine.* say where they are now: calor train NEW_PLACE --resume {run}"):
        resume(run, verbose=0)
    image = tmp_path / "elsewhere" / "star" / "001.jpg"
    before = image.read_bytes()
    shutil.copyfile(tmp_path / "elsewhere" / "tree" / "001.jpg", image)
    with pytest.raises(DataError, match=r"(?s)is not as it was when it was split.*star/001\.jpg has changed"):
        resume(run, folder=tmp_path / "elsewhere", verbose=0)
    image.write_bytes(before)
    resume(run, folder=tmp_path / "elsewhere", verbose=0)
    assert_same(run, unbroken)
    assert RunRecord.load(run).settings.folder == tmp_path / "elsewhere"


def test_another_version_is_told(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_record, "__version__", "99.0")
    with pytest.warns(CalorWarning, match=f"was begun elsewhere: calor {calor.__version__} then and 99.0 now"):
        resume(broken, verbose=0)


def test_a_run_that_diverged_has_ended(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from calor.schedules import PiecewiseConstantDecay

    recipe = replace(
        recipes.get("default"), small=None, schedule=lambda rate, steps: PiecewiseConstantDecay([4], [rate, 3e38])
    )
    monkeypatch.setitem(recipes.RECIPES, "default", recipe)
    with pytest.raises(calor.errors.NonFiniteError):
        train(pictures, output=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run" / CHECKPOINT).exists()
    with pytest.raises(ArgumentError, match="has ended"):
        resume(tmp_path / "run", verbose=0)


def command(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "calor", "train", *map(str, arguments)], stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_killed_at_twenty_random_moments(pictures: Path, tmp_path: Path) -> None:
    """The command itself, killed at moments that no two runs of this test have in common."""
    settings = ["--epochs", 12, "--image-size", 32, "--batch-size", 2, "--patience", 12]
    whole = tmp_path / "whole"
    started = time.monotonic()
    assert command(pictures, "--output", whole, *settings).wait() == 0
    longest = time.monotonic() - started
    random = np.random.default_rng()
    cut_off = number = 0
    while cut_off < 20:
        number += 1
        run = tmp_path / f"run-{number}"
        process = command(pictures, "--output", run, *settings)
        while True:
            try:
                code = process.wait(random.uniform(0.1, 0.8) * longest if cut_off < 20 else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                assert process.wait() == -signal.SIGKILL
                if (run / "history.json").exists() and not checkpoint.exists(run / CHECKPOINT):
                    break  # all of its work was done, and only its exit was cut short
                cut_off += 1
                began = (run / "run.json").exists()
                process = command("--resume", run) if began else command(pictures, "--output", run, *settings)
            else:
                assert code == 0
                break
        assert_same(run, whole)


def test_checkpoints_are_removed_at_the_end(unbroken: Path) -> None:
    kept = ["curves.png", "history.json", "model.keras", "predictions.png", "report.html", "run.json", "split.json"]
    assert files(unbroken) == kept
    assert checkpoint.latest(unbroken / CHECKPOINT) is None
