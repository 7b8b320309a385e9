"""``try_recipes`` and ``calor train --try``: one split for all, a comparison at the end, and what a failure leaves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calor.cli import main
from calor.errors import ArgumentError, NonFiniteError, UnknownNameError
from calor.workbench import Split, draw_pictures, trials, try_recipes

SMALL: dict[str, Any] = {"epochs": 1, "image_size": (16, 16), "batch_size": 8}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("pictures"), per_class=10)


def test_all_learn_from_one_split(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tried = try_recipes(photos, ["quick", "notes-plain"], output=tmp_path / "all", verbose=0, **SMALL)
    assert capsys.readouterr().out == ""
    assert list(tried.runs) == ["quick", "notes-plain"]
    first, second = (Split.load(tmp_path / "all" / name) for name in tried.runs)
    for part in ("training", "validation", "test"):
        assert first.part(part).hashes == second.part(part).hashes
    assert tried.comparison is not None
    assert {run.name for run in tried.comparison.runs} == {"quick", "notes-plain"}
    assert tried.comparison.best.loss == min(run.loss for run in tried.comparison.runs)
    assert all("check" not in run.settings for run in tried.comparison.runs)


def test_from_the_command_line(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--try", "quick, notes-plain", "--epochs", "1", "--image-size", "16", "--batch-size", "8"]
    with pytest.raises(SystemExit) as ended:
        main(["train", str(photos), *options, "--output", str(tmp_path / "all")])
    printed = capsys.readouterr().out
    assert ended.value.code == 0, printed
    assert "=== 1 of 2: quick" in printed
    assert "=== 2 of 2: notes-plain" in printed
    assert "The lowest validation loss is that of" in printed
    assert (tmp_path / "all" / "compare.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((tmp_path / "all" / "notes-plain" / "run.json").read_text())
    assert record["settings"]["split"] == str(tmp_path / "all" / "quick")


def diverging(name: str, how: BaseException) -> Callable[..., Any]:
    real = trials.train

    def train(*arguments: Any, recipe: str, **settings: Any) -> Any:
        if recipe == name:
            raise how
        return real(*arguments, recipe=recipe, **settings)

    return train


def test_one_that_diverges_is_left_out(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trials, "train", diverging("notes", NonFiniteError("The loss became NaN.", epoch=1, step=2)))
    tried = try_recipes(photos, ["quick", "notes"], output=tmp_path / "all", verbose=0, **SMALL)
    assert (list(tried.runs), tried.comparison) == (["quick"], None)
    assert "notes is left out: The loss became NaN." in capsys.readouterr().out


def test_an_interrupt_says_what_is_left(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trials, "train", diverging("notes", KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        try_recipes(photos, ["quick", "notes", "default"], output=tmp_path / "all", verbose=2, **SMALL)
    printed = capsys.readouterr().out
    assert f"calor train {photos} --recipe default --split {tmp_path / 'all' / 'quick'}" in printed
    assert f"calor compare {tmp_path / 'all' / 'quick'} ..." in printed


@pytest.mark.parametrize(
    ("names", "settings", "error", "words"),
    [
        (["quick"], {}, ArgumentError, "two recipes or more"),
        ("quick", {}, ArgumentError, "two recipes or more"),
        (["quick", "quick"], {}, ArgumentError, "twice"),
        (["quick", "quik"], {}, UnknownNameError, "quick"),
        (["quick", "notes"], {"recipe": "notes"}, ArgumentError, "takes no recipe"),
        (["quick", "notes"], {"epochs": 0}, ArgumentError, "epochs"),
    ],
)
def test_what_cannot_be_tried(
    photos: Path, tmp_path: Path, names: Any, settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        try_recipes(photos, names, output=tmp_path / "all", verbose=0, **SMALL | settings)
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--try", "quick"], "two recipes or more"),
        (["--try", "quick,notes", "--recipe", "notes"], "leave --recipe out"),
        (["--try", "quick,notes", "--learning-curve"], "leave --learning-curve out"),
    ],
)
def test_options_that_do_not_go_together(
    photos: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", str(photos), *options])
    assert ended.value.code == 2
    assert words in " ".join(capsys.readouterr().err.replace("│", " ").split())
