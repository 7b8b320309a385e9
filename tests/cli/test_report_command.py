"""``calor report``: the page of a run, and what stands in its way."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import calor.workbench.learning_curve as measured
from calor.cli import main
from calor.workbench import draw_pictures, photo_network, split_folder
from calor.workbench.report.evidence.learning_curve import LearningCurve
from calor.workbench.report.evidence.share import Share

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["report", *map(str, arguments)])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a run, as much of it as a report needs."""
    split = split_folder(draw_pictures(tmp_path / "photos", per_class=5))
    model = photo_network((16, 16), 4, seed=0)
    model.class_names = split.class_names
    (tmp_path / "run").mkdir()
    model.save(tmp_path / "run" / "model.keras")
    split.save(tmp_path / "run" / "split.json")
    return tmp_path / "run"


def test_the_page_is_written(folder: Path, run: Run) -> None:
    code, out, err = run(folder)
    assert (code, out, err) == (0, f"{folder / 'report.html'}: open it in a browser.\n", "")
    assert "<title>run: " in (folder / "report.html").read_text()


def test_photos_that_moved(folder: Path, run: Run) -> None:
    moved = (folder.parent / "photos").rename(folder.parent / "new place")
    code, out, err = run(folder)
    assert (code, out) == (1, "")
    assert err.startswith(f"calor: The folder of photos {folder.parent / 'photos'} is not there")
    assert run(folder, "--photos", moved)[0] == 0


def test_what_is_no_run(folder: Path, run: Run) -> None:
    code, _, err = run(folder.parent)
    assert code == 1
    assert "holds no model.keras" in err
    (folder / "split.json").unlink()
    assert "has no split.json" in run(folder)[2]


def test_would_more_photos_help(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def measure(place: Path) -> LearningCurve:
        asked.append(place)
        curve = LearningCurve((8, 16), (Share(5, 10), Share(5, 10)))
        curve.save(place)
        return curve

    monkeypatch.setattr(measured, "measure_learning_curve", measure)
    code, out, _ = run(folder, "--learning-curve")
    assert code == 0
    assert asked == [folder]
    sentence = "From 8 to 16 photos it gained +0.0 points. More photos of the same kind would bring little."
    assert out.splitlines()[0] == sentence
    assert sentence in (folder / "report.html").read_text()


def test_the_photos_are_measured_and_never_written(folder: Path, run: Run) -> None:
    before = {path: path.read_bytes() for path in (folder.parent / "photos").rglob("*.*g")}
    run(folder)
    after = {path: path.read_bytes() for path in (folder.parent / "photos").rglob("*.*g")}
    assert before == after
    assert np.all([path.name in ("model.keras", "split.json", "report.html") for path in folder.iterdir()])
