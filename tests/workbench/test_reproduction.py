"""``reproduce``: a run trained again gives the same, and what differs is found."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calor
from calor.errors import ArgumentError, DataError
from calor.training import checkpoint
from calor.training.history import History
from calor.workbench import draw_pictures, recipes, reproduce, train
from calor.workbench.reproduction import Reproduction, compare_figures, compare_weights

SMALL: dict[str, Any] = {"epochs": 2, "image_size": (16, 16), "batch_size": 4, "verbose": 0}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("pictures"), per_class=5)


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(pictures, output=tmp_path_factory.mktemp("runs") / "run", **SMALL).folder


def test_the_same_comes_out(run: Path) -> None:
    found = reproduce(run, verbose=0)
    assert found.same
    assert found.again == run.with_name("run-again-1")
    assert found.figures == 2 * 4
    assert found.weights == calor.load_model(run / "model.keras").count_params()
    assert str(found).startswith("The same: all 8 figures of the history and all ")
    assert reproduce(run, output=run.with_name("other"), verbose=0).again == run.with_name("other")


def test_what_differs_is_found_with_its_probable_cause(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["settings"]["learning_rate"] = 1e-4  # another run than the one whose figures and weights lie here
    record["threads"] = 77
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    found = reproduce(tmp_path / "run", verbose=0)
    assert not found.same
    assert found.first_figure is not None
    assert found.first_weights is not None
    assert found.first_figure[1] == 1
    assert found.first_weights[0].startswith("layer conv2d")
    said = str(found)
    assert "The histories part in epoch 1: " in said
    assert "The weights differ first in layer conv2d: " in said
    assert "Probable causes:\n    threads: 77 then, " in said


def test_a_difference_that_nothing_explains(tmp_path: Path) -> None:
    found = Reproduction(tmp_path, tmp_path, 1, ("loss", 1, 0.5, 0.25), 3, None, {})
    assert "the same: the cause is another one" in str(found)
    assert "weights" not in str(found)


def test_a_run_that_diverged_diverges_again(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from calor.schedules import PiecewiseConstantDecay

    recipe = replace(
        recipes.get("default"), small=None, schedule=lambda rate, steps: PiecewiseConstantDecay([4], [rate, 3e38])
    )
    monkeypatch.setitem(recipes.RECIPES, "default", recipe)
    with pytest.raises(calor.errors.NonFiniteError):
        train(pictures, output=tmp_path / "run", **SMALL)
    assert reproduce(tmp_path / "run", verbose=0).same


def test_one_that_learned_nothing_fails_as_it_did(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise calor.errors.NonFiniteError("The loss became NaN.", epoch=1, step=1)

    monkeypatch.setattr(calor.Sequential, "fit", broken)
    with pytest.raises(calor.errors.NonFiniteError):
        reproduce(run, output=tmp_path / "again", verbose=0)
    assert not (tmp_path / "again").exists()


def test_runs_that_cannot_be_trained_again(run: Path, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder: it is no run"):
        reproduce(tmp_path / "nowhere")
    cut_off = shutil.copytree(run, tmp_path / "cut-off")
    checkpoint.save(cut_off / "checkpoint", {}, {})
    with pytest.raises(ArgumentError, match=f"has not come to its end: `calor train --resume {cut_off}` goes on"):
        reproduce(cut_off)
    mine = shutil.copytree(pictures, tmp_path / "mine")
    other = train(mine, output=tmp_path / "other", **SMALL).folder
    shutil.copyfile(mine / "tree" / "001.jpg", mine / "star" / "001.jpg")
    with pytest.raises(DataError, match=r"(?s)is not as it was when it was split.*star/001\.jpg has changed"):
        reproduce(other, verbose=0)
    assert not (tmp_path / "other-again-1").exists()


def history(*losses: float) -> History:
    made = History({})
    for epoch, loss in enumerate(losses):
        made.record(epoch, {"loss": loss}, 1.0, 0.0)
    return made


def test_figures_are_compared_bit_by_bit() -> None:
    assert compare_figures(history(0.1, 0.2), history(0.1, 0.2)) == (2, None)
    assert compare_figures(history(0.1, np.nan), history(0.1, np.nan)) == (2, None)
    nearly = np.nextafter(0.2, 1)
    assert compare_figures(history(0.1, 0.2), history(0.1, nearly)) == (2, ("loss", 2, 0.2, nearly))
    _, longer = compare_figures(history(0.1), history(0.1, 0.2))
    assert longer is not None
    assert (longer[1], longer[3]) == (2, 0.2)
    assert np.isnan(longer[2])
    _, nothing = compare_figures(history(np.nan), history(np.nan, np.nan))
    assert nothing == ("epochs", 2, 1, 2)


def test_weights_are_compared_bit_by_bit() -> None:
    def model(units: int) -> calor.Sequential:
        return calor.Sequential([calor.layers.Dense(units, input_shape=[3], name="only")], seed=0)

    assert compare_weights(model(2), model(2)) == (8, None)
    zero = model(2)
    kernel, bias = zero.get_weights()
    zero.set_weights([kernel, -bias])  # -0.0 for 0.0
    assert compare_weights(model(2), zero) == (8, ("layer only", 2, 0.0))
    count, found = compare_weights(model(2), model(3))
    assert count == 0
    assert found is not None
    said = str(Reproduction(Path("a"), Path("b"), 1, None, 0, found, {}))
    assert "The weights differ first in shape, so it is another network: 8 of them." in said
