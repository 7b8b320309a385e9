"""``compare``: runs on the same split side by side, and those that cannot be compared refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calor.cli import main
from calor.errors import ArgumentError, CalorWarning, DataError
from calor.training.history import History
from calor.training.paired import paired_difference
from calor.workbench import (
    Comparison,
    Difference,
    compare,
    draw_pictures,
    evaluate,
    load_classifier,
    plot_comparison,
    train,
)
from calor.workbench.split import Split

Calor = Callable[..., tuple[int, str, str]]
SMALL: dict[str, Any] = {"batch_size": 8, "recipe": "quick", "verbose": 0}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, and three runs on one split: ``low``, ``high`` and ``large``."""
    place = tmp_path_factory.mktemp("place")
    photos = draw_pictures(place / "photos", per_class=12)
    train(photos, output=place / "low", image_size=(16, 16), learning_rate=1e-4, epochs=1, **SMALL)
    train(photos, output=place / "high", split=place / "low", image_size=(16, 16), epochs=3, **SMALL)
    train(photos, output=place / "large", split=place / "low", image_size=(24, 24), epochs=1, seed=3, **SMALL)
    return place


@pytest.fixture
def copied(place: Path, tmp_path: Path) -> Path:
    """A copy of ``high`` that may be changed."""
    return Path(shutil.copytree(place / "high", tmp_path / "copied"))


@pytest.fixture(scope="module")
def found(place: Path) -> Comparison:
    return compare([place / "low", place / "high", place / "large"])


def test_each_run_is_described(found: Comparison, place: Path) -> None:
    low, _, large = found.runs
    assert [run.name for run in found.runs] == ["low", "high", "large"]
    assert low.settings == {"image_size": [16, 16], "epochs": 1, "seed": 0, "learning_rate": 1e-4}
    assert (large.settings["image_size"], large.settings["seed"]) == ([24, 24], 3)
    assert low.recipe == "quick"
    for run in found.runs:
        assert run.best_epoch == int(np.argmin(run.history.history["val_loss"])) + 1
        assert run.parameters == load_classifier(run.folder).model.count_params()
        low_end, high_end = run.interval
        assert low_end <= run.accuracy <= high_end


def test_the_figures_are_those_of_the_kept_epoch(found: Comparison) -> None:
    for run in found.runs:
        assert run.best_epoch is not None
        kept = {name: values[run.best_epoch - 1] for name, values in run.history.history.items()}
        assert run.loss == pytest.approx(kept["val_loss"], rel=1e-4)
        assert run.accuracy == pytest.approx(kept["val_accuracy"], abs=1e-6)


def test_each_picture_is_measured(place: Path, tmp_path: Path, found: Comparison) -> None:
    split = Split.load(place / "low")
    for name in split.class_names:
        (tmp_path / name).mkdir()
    for file, path in zip(split.validation.files, split.paths("validation"), strict=True):
        shutil.copy(path, tmp_path / file)
    evaluation = evaluate(load_classifier(place / "high"), tmp_path)
    assert evaluation.right.sum() == found.runs[1].recognised.sum()
    assert evaluation.loss == pytest.approx(found.runs[1].loss, rel=1e-4)


def test_the_best_is_beside_the_next(found: Comparison) -> None:
    best, following, _ = sorted(found.runs, key=lambda run: run.loss)
    assert found.best is best
    difference = found.difference
    assert (difference.better, difference.next) == (best.name, following.name)
    assert difference.loss == paired_difference(best.losses, following.losses)
    assert difference.loss.mean == pytest.approx(following.loss - best.loss)
    assert difference.only_better == int(np.sum(best.recognised & ~following.recognised))
    assert difference.only_next == int(np.sum(~best.recognised & following.recognised))


def test_a_copy_of_a_run_is_not_better(place: Path, copied: Path) -> None:
    difference = compare([place / "high", copied]).difference
    assert not difference.real
    assert difference.loss.mean == 0
    assert difference.p == 1
    assert str(difference) == "high and copied have the same loss on every one of 8 pictures: they are equally good."


def test_names_that_are_the_same_become_paths(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "low", tmp_path / "high")
    names = [run.name for run in compare([place / "high", tmp_path / "high"]).runs]
    assert names == [str(place / "high"), str(tmp_path / "high")]


def test_what_the_difference_says() -> None:
    random = np.random.default_rng(0)
    losses = random.exponential(size=200)
    real = str(Difference("a", "b", paired_difference(losses, losses + random.normal(0.2, 0.1, 200)), 20, 3, 0.0005))
    assert "on the same 200 pictures): the difference is real." in real
    assert "a alone recognises 20 of them, b alone 3: as accuracies, that is more than chance (p = 0.0005" in real
    loose = paired_difference(losses, losses + random.normal(0, 1, 200))
    chance = str(Difference("a", "b", loose, 3, 3, 1.0))
    assert f"it could be chance: with 200 pictures a difference below {loose.smallest:.4f} cannot be told" in chance
    assert "as accuracies, that could be chance (p = 1" in chance
    single = str(Difference("a", "b", paired_difference([0.1], [0.2]), 0, 0, 1.0))
    assert "with 1 picture no difference can be told" in single


def test_another_split_is_refused(place: Path, tmp_path: Path) -> None:
    other = train(place / "photos", output=tmp_path / "other", image_size=(16, 16), epochs=1, seed=9, **SMALL).folder
    with pytest.raises(DataError, match=r"not trained on the same split: of 8 and 8 .* --split"):
        compare([place / "low", other])


def _change_split(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads((run / "split.json").read_text())
    change(record)
    (run / "split.json").write_text(json.dumps(record))


def test_other_pictures_to_learn_from_are_told(place: Path, copied: Path) -> None:
    _change_split(copied, lambda record: record["training"]["boat"].popitem())
    with pytest.warns(CalorWarning, match="copied did not learn from the same pictures as .*low"):
        compare([place / "low", copied])


def test_other_classes_are_refused(place: Path, copied: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        record["class_names"].remove("tree")
        for part in ("training", "validation", "test"):
            del record[part]["tree"]

    _change_split(copied, change)
    with pytest.raises(DataError, match="same classes apart: the one knows boat, house, star, tree, the other boat"):
        compare([place / "low", copied])


def test_a_model_of_other_classes_is_refused(place: Path, copied: Path) -> None:
    classifier = load_classifier(copied)
    classifier.model.class_names = ("a", "b", "c", "d")
    classifier.model.save(copied / "model.keras")
    with pytest.raises(DataError, match=r"copied, a, b, c, d, are not those of its split\.json, boat"):
        compare([place / "low", copied])


def test_a_model_that_diverged_is_refused(place: Path, copied: Path) -> None:
    model = load_classifier(copied).model
    model.set_weights([np.full_like(array, np.nan) for array in model.get_weights()])
    model.save(copied / "model.keras")
    with pytest.raises(DataError, match="copied gives no numbers"):
        compare([place / "low", copied])


def test_a_validation_loss_that_was_never_a_number_has_no_best_epoch(place: Path, copied: Path) -> None:
    history = History.load(copied / "history.json")
    history.history["val_loss"] = [np.nan] * len(history.epoch)
    history.save(copied / "history.json")
    found = compare([place / "low", copied])
    assert found.runs[1].best_epoch is None
    assert len(plot_comparison({run.name: run.history for run in found.runs}).axes) == 2


def test_a_run_that_has_not_ended_is_refused(place: Path, copied: Path) -> None:
    History({}).save(copied / "history.json")
    with pytest.raises(DataError, match="finished no epoch"):
        compare([place / "low", copied])
    (copied / "history.json").unlink()
    with pytest.raises(DataError, match=r"not come to its end.*--resume"):
        compare([place / "low", copied])


@pytest.mark.parametrize(("file", "message"), [("run.json", "without run.json"), ("split.json", "There is no split")])
def test_a_file_that_is_missing_is_named(place: Path, copied: Path, file: str, message: str) -> None:
    (copied / file).unlink()
    with pytest.raises(DataError, match=message):
        compare([place / "low", copied])


def test_no_run_at_all(place: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        compare([place / "low", place / "nowhere"])


def test_two_runs_at_least(place: Path) -> None:
    for runs in ([place / "low"], [], str(place / "low")):
        with pytest.raises(ArgumentError, match="two run folders or more"):
            compare(runs)
    with pytest.raises(ArgumentError, match="low is given twice"):
        compare([place / "low", place / "high" / ".." / "low"])


def test_photos_elsewhere(place: Path, tmp_path: Path) -> None:
    runs = [Path(shutil.copytree(place / name, tmp_path / name)) for name in ("low", "high")]
    for run in runs:
        _change_split(run, lambda record: record.update(folder=str(tmp_path / "gone")))
    with pytest.raises(DataError, match=r"were in .*gone.*--photos FOLDER"):
        compare(runs)
    assert compare(runs, photos=place / "photos").best.name in ("low", "high")
    assert compare([runs[0], place / "high"]).best.name in ("low", "high")  # one of the runs knows where they are


def test_photos_that_have_changed(place: Path, tmp_path: Path) -> None:
    photos = Path(shutil.copytree(place / "photos", tmp_path / "photos"))
    file = Split.load(place / "low").validation.files[0]
    (photos / file).write_bytes(b"other")
    with pytest.raises(DataError, match=f"{file} has changed"):
        compare([place / "low", place / "high"], photos=photos)


def test_the_curves_lie_over_one_another(found: Comparison) -> None:
    figure = plot_comparison({run.name: run.history for run in found.runs})
    accuracy, loss = figure.axes
    assert (accuracy.get_title(), loss.get_title()) == ("Accuracy", "Loss")
    drawn = {str(line.get_label()): line for line in loss.get_lines()}
    for run in found.runs:
        np.testing.assert_array_equal(drawn[run.name].get_ydata(), run.history.history["val_loss"])
        np.testing.assert_array_equal(drawn[run.name].get_xdata(), np.arange(len(run.history.epoch)) + 1)
    legends = [*figure.legends, accuracy.get_legend()]
    told = [[text.get_text() for text in legend.get_texts()] for legend in legends]
    assert told == [["low", "high", "large"], ["Validation", "Training", "Best epoch"]]
    with pytest.raises(ArgumentError, match="no epochs"):
        plot_comparison({"a": History({})})


def test_curves_without_validation() -> None:
    history = History({})
    history.record(0, {"loss": 1.0}, 1.0, 0.0)
    (axes,) = plot_comparison({"a": history}).axes
    assert axes.get_title() == "Loss"


@pytest.fixture
def calor(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calor:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["compare", *map(str, arguments)])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def test_the_command_shows_a_table_and_draws(calor: Calor, place: Path, tmp_path: Path, found: Comparison) -> None:
    code, out, err = calor(place / "low", place / "large", place / "high")
    assert (code, err) == (0, "")
    (row,) = [line.split() for line in out.splitlines() if line.split()[:2] == ["large", "quick"]]
    assert "image_size 24×24" in out
    assert f"{found.runs[2].loss:.4f}" in row
    assert row[-1] == f"{found.runs[2].parameters:,}"
    assert f"The lowest validation loss is that of {found.best.name}." in out
    assert "McNemar's exact test" in out
    with Image.open(tmp_path / "compare.png") as image:
        assert image.width > 500
    assert list(tmp_path.iterdir()) == [tmp_path / "compare.png"]


def test_the_command_says_where_no_epoch_was_the_best(calor: Calor, place: Path, copied: Path) -> None:
    history = History.load(copied / "history.json")
    history.history["val_loss"] = [np.nan] * len(history.epoch)
    history.save(copied / "history.json")
    _, out, _ = calor(place / "low", copied)
    (row,) = [line.split() for line in out.splitlines() if line.split()[:2] == ["copied", "quick"]]
    assert "none" in row


def test_json(calor: Calor, place: Path, tmp_path: Path, found: Comparison) -> None:
    code, out, _ = calor(place / "low", place / "large", place / "high", "--json", "-o", tmp_path / "x.png")
    assert code == 0
    record = json.loads(out)
    assert record["best"] == str(found.best.folder)
    assert [run["name"] for run in record["runs"]] == ["low", "large", "high"]
    assert record["runs"][0]["loss"] == pytest.approx(found.runs[0].loss)
    assert record["difference"]["real"] == found.difference.real
    assert record["difference"]["interval"] == pytest.approx(list(found.difference.loss.interval))
    assert record["difference"]["pictures"] == 8
    assert record["curves"] == str(tmp_path / "x.png")
    assert (tmp_path / "x.png").exists()


def test_the_command_refuses(calor: Calor, place: Path) -> None:
    code, _, err = calor(place / "low", place / "high", "-o", "curves.html")
    assert code == 2
    assert ".png" in err
    code, _, err = calor(place / "low")
    assert code == 1
    assert "two run folders or more" in err
