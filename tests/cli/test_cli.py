"""The command line from end to end: real folders, real training, and the mistakes that people make."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache
from PIL import Image

import calor
from calor.cli import main
from calor.cli.train import two_interrupts
from calor.schedules import PiecewiseConstantDecay
from calor.workbench import recipes, run_folder, trainer

COLOURS = {"blue": (40, 60, 220), "green": (50, 200, 60), "red": (220, 50, 40)}
QUICK = ["--recipe", "quick", "--image-size", "16", "--epochs", "2", "--batch-size", "16"]

# The same Calor as in this process, installed or not.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(calor.__file__).parents[1])}

Run = Callable[..., tuple[int, str, str]]


def draw(folder: Path, count: int = 15, side: int = 32, seed: int = 0) -> Path:
    """Noise around a colour for each class: easy to learn."""
    random = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(random.normal(colour, 40, (side, side, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02}.png")
    return folder


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every command builds its model anew; the compiled programs are the same, and take most of the time."""
    settings = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for values in (settings, before):
        for name, value in values.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        if values is settings:
            yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("data") / "colours")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process: its exit code, what it printed and what it complained about."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of a model that has learned the colours."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    with pytest.raises(SystemExit) as ended:
        main(["train", str(photos), "--output", str(folder), *QUICK, "--epochs", "12", "--learning-rate", "0.01"])
    assert not ended.value.code
    return folder


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


ALL = ["curves.png", "history.json", "model.keras", "predictions.png", "run.json", "split.json"]
ENDED = sorted([*ALL, "report.html"])


# ---------------------------------------------------------------- train


def test_a_run_is_reproduced(photos: Path, run: Run, tmp_path: Path) -> None:
    assert run("train", photos, *QUICK, "--output", tmp_path / "run")[0] == 0
    code, out, err = run("reproduce", tmp_path / "run")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("The same: all 8 figures of the history and all ")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["settings"]["seed"] = 8
    (tmp_path / "run" / "run.json").write_text(json.dumps(record | {"photos": ""}))
    code, out, _ = run("reproduce", tmp_path / "run", "--output", tmp_path / "other")
    assert code == 1
    assert "Different: " in out
    code, _, err = run("reproduce", tmp_path)
    assert code == 2
    assert err.startswith(f"calor: {tmp_path} is a folder without run.json")


def test_a_mistake_in_reproducing_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("calor.workbench.reproduce", broken)
    with pytest.raises(KeyError, match="a bug"):
        main(["reproduce", str(tmp_path)])


def test_resuming_wants_no_settings(photos: Path, trained: Path, run: Run) -> None:
    code, _, err = run("train", "--resume", trained, "--learning-rate", "0.1")
    assert code == 2
    assert "a run that goes on keeps its settings: leave --learning-rate out, or begin a new run." in " ".join(
        re.sub("[│╭╮╰╯─]", " ", err).split()
    )
    code, _, err = run("train")
    assert code == 2
    assert "name the FOLDER of photos, or a run to go on with: --resume RUN" in " ".join(err.split())
    code, _, err = run("train", "--resume", trained)
    assert code == 1
    assert err.startswith(f"calor: The run in {trained} has ended: there is nothing to go on with.")


def test_train_writes_a_run_folder_and_says_what_is_next(
    photos: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("train", photos, *QUICK)
    assert (code, err) == (0, "")
    folder = Path("runs/colours-1")
    assert files(folder) == ENDED
    assert "3 classes" in out
    assert re.search(r"blue +12 +3\n", out)
    assert re.search(r"together +36 +9\n", out)
    for epoch in (1, 2):
        assert re.search(
            rf"Epoch {epoch}/2 - 3/3 - .*accuracy: [\d.]+ - loss: [\d.]+ - val_accuracy: [\d.]+ - val_loss: [\d.]+", out
        )
    history = json.loads((folder / "history.json").read_text())
    assert {name: len(values) for name, values in history["history"].items()} == dict.fromkeys(
        ["accuracy", "loss", "val_accuracy", "val_loss"], 2
    )
    for name in ("curves.png", "predictions.png"):
        with Image.open(folder / name) as image:
            assert min(image.size) > 300
    advice = out.splitlines()[-1].split()
    assert advice[:2] == ["calor", "predict"]
    assert run(*advice[1:])[0] == 0

    assert run("train", photos, *QUICK, "--epochs", "1")[0] == 0
    assert files(Path("runs")) == ["colours-1", "colours-2"]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(photos: Path, run: Run, tmp_path: Path) -> None:
    histories = []
    for number, seed in enumerate(("5", "5", "6")):
        assert run("train", photos, *QUICK, "--seed", seed, "--output", tmp_path / str(number))[0] == 0
        histories.append(json.loads((tmp_path / str(number) / "history.json").read_text())["history"])
    assert histories[0] == histories[1] != histories[2]


def test_train_with_parts_of_its_own(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    draw(folder / "train", 12)
    draw(folder / "val", 3, seed=1)
    draw(folder / "test", 1, seed=2)
    (folder / "drafts").mkdir()
    code, out, _ = run("train", folder, *QUICK, "--output", tmp_path / "run", "--no-augment")
    assert code == 0
    assert re.search(r"together +36 +9 +3\n", out)
    assert f"Validation: as given in {folder / 'val'}." in out
    assert "Test: as given, sealed until `calor evaluate RUN` opens it" in out
    assert "Not used: drafts." in out


def test_a_class_may_be_called_train(run: Run, tmp_path: Path) -> None:
    folder = draw(tmp_path / "photos")
    (folder / "red").rename(folder / "train")
    assert "blue" in run("train", folder, *QUICK, "--epochs", "1", "--output", tmp_path / "run")[1]


def test_training_stops_early_and_keeps_the_best_weights(photos: Path, run: Run, tmp_path: Path) -> None:
    options = ["--epochs", "60", "--patience", "1", "--learning-rate", "0.05"]
    code, out, _ = run("train", photos, *QUICK, *options, "--output", tmp_path / "run")
    assert code == 0
    losses = json.loads((tmp_path / "run" / "history.json").read_text())["history"]["val_loss"]
    assert len(losses) < 60
    assert losses[-2] == min(losses)
    assert f"The best epoch was {len(losses) - 1}:" in out


def test_a_run_among_the_photos_goes_beside_them(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = draw(tmp_path / "photos")
    monkeypatch.chdir(folder)
    assert run("train", ".", *QUICK, "--epochs", "1")[0] == 0
    assert files(folder) == sorted(COLOURS)
    assert files(tmp_path / "runs" / "photos-1") == ENDED


# ---------------------------------------------------------------- predict, evaluate, summary


def test_predict_tells_classes_and_confidences(trained: Path, photos: Path, run: Run) -> None:
    code, out, err = run("predict", trained, photos / "red" / "00.png", photos / "blue")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines() if ".png" in line]
    assert [Path(line[0]).name for line in lines] == ["00.png", *(f"{number:02}.png" for number in range(15))]
    assert [line[1] for line in lines] == ["red", *["blue"] * 15]
    assert all(re.fullmatch(r"\d+\.\d%", line[2]) for line in lines)


def test_predict_prints_json_for_programs(trained: Path, photos: Path, run: Run) -> None:
    code, out, err = run("predict", "--json", trained / "model.keras", photos / "green" / "01.png", "missing.png")
    assert (code, err) == (1, "")
    found, missing = json.loads(out)
    assert found["class"] == "green"
    assert found["confidence"] == max(found["probabilities"].values()) == pytest.approx(1, abs=0.5)
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert missing == {"file": "missing.png", "error": "missing.png does not exist."}


def test_predict_names_and_skips_what_it_cannot_read(trained: Path, photos: Path, run: Run, tmp_path: Path) -> None:
    whole = (photos / "red" / "00.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "with [b]brackets.png").write_bytes(whole)
    names = ["cut.png", "text.jpg", "empty.png", "gone.png", "nothing", "with [b]brackets.png"]
    code, out, err = run("predict", trained, *(tmp_path / name for name in names))
    assert code == 1
    assert "with [b]brackets.png" in out
    problems = err.splitlines()
    assert len(problems) == 5
    for name, problem in zip(names, problems, strict=False):
        assert problem.startswith(f"calor: {tmp_path / name} ")


def test_evaluate_counts_by_class(trained: Path, photos: Path, run: Run) -> None:
    code, out, err = run("evaluate", trained, photos)
    assert (code, err) == (0, "")
    assert re.search(r"together +45 +4\d +\d+\.\d%", out)
    assert re.search(r"Loss: \d\.\d{4}", out)
    code, out, _ = run("evaluate", trained, photos, "--json")
    result = json.loads(out)
    assert result["accuracy"] > 0.9
    assert set(result["classes"]) == set(COLOURS)
    assert result["accuracy"] == sum(one["right"] for one in result["classes"].values()) / 45


def test_evaluate_wants_the_classes_of_the_model(trained: Path, run: Run, tmp_path: Path) -> None:
    folder = draw(tmp_path / "photos", 1)
    (folder / "red").rename(folder / "purple")
    code, _, err = run("evaluate", trained, folder)
    assert code == 1
    assert "the folder has blue, green, purple, the model blue, green, red" in err
    code, _, err = run("evaluate", trained, _moved(folder, tmp_path / "parts" / "validation").parent)
    assert code == 1
    assert "one class only" in err


def test_evaluate_opens_the_sealed_part_and_counts(run: Run, tmp_path: Path) -> None:
    photos = draw(tmp_path / "photos")
    options = ["--test-share", "0.2", "--no-check", "--class-weight", "none"]
    assert run("train", photos, *QUICK, "--output", tmp_path / "first", *options)[0] == 0
    code, out, err = run("evaluate", tmp_path / "first")
    assert (code, err) == (0, "")
    assert re.search(r"together +9 +\d +\d+\.\d%", out)
    assert re.search(r"On 9 pictures that nothing was learned from .* is between \d+\.\d% and \d+\.\d%", out)
    assert "opened for the first time" in out
    code, out, _ = run("evaluate", tmp_path / "first")
    assert re.search(r"opened 2 times now \(before: \d+\.\d% on \d{4}-\d\d-\d\d by first\)", out)
    # Another run with the same sealed pictures: it counts, too.
    assert run("train", photos, *QUICK, "--output", tmp_path / "second", "--split", tmp_path / "first")[0] == 0
    result = json.loads(run("evaluate", tmp_path / "second", "--json")[1])
    assert result["opened"] == 3
    low, high = result["interval"]
    assert 0 <= low < result["accuracy"] <= high <= 1


def test_evaluate_wants_a_folder_where_nothing_is_sealed(trained: Path, run: Run) -> None:
    code, out, err = run("evaluate", trained)
    assert (code, out) == (1, "")
    assert "sealed no pictures" in err
    code, _, err = run("evaluate", trained / "model.keras")
    assert code == 1
    assert "is no run folder with a split.json" in err


def _moved(folder: Path, to: Path) -> Path:
    to.parent.mkdir()
    return folder.rename(to)


def test_summary_shows_layers_and_classes(trained: Path, run: Run) -> None:
    code, out, err = run("summary", trained)
    assert (code, err) == (0, "")
    assert "Conv2D" in out
    assert "Total weights" in out
    assert out.endswith("Classes: blue, green, red\n")


def test_models_made_in_python(photos: Path, run: Run, tmp_path: Path) -> None:
    """One sigmoid unit, logits, no class names, no Rescaling: what the notes' programs save."""
    two = tmp_path / "two"
    for name in ("blue", "red"):
        shutil.copytree(photos / name, two / name)
    for units, loss, outputs in (
        (1, calor.losses.BinaryCrossentropy(), "sigmoid"),
        (1, calor.losses.BinaryCrossentropy(from_logits=True), None),
        (2, calor.losses.SparseCategoricalCrossentropy(from_logits=True), None),
    ):
        model = calor.Sequential(
            [
                calor.layers.Rescaling(1 / 255, input_shape=(8, 8, 1)),
                calor.layers.Flatten(),
                calor.layers.Dense(units, activation=outputs),
            ],
            seed=0,
        )
        model.compile(loss=loss)
        model.save(tmp_path / "model.keras")
        code, out, _ = run("predict", "--json", tmp_path / "model.keras", two / "red" / "00.png")
        assert code == 0
        shares = json.loads(out)[0]["probabilities"]
        assert set(shares) == {"class 0", "class 1"}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-6)
        assert run("evaluate", tmp_path / "model.keras", two)[0] == 0


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "does not exist"),
        (lambda folder: [shutil.rmtree(path) for path in folder.iterdir()], "is empty"),
        (lambda folder: [shutil.rmtree(folder / name) for name in ("blue", "red")], "one class only, 'green'"),
        (lambda folder: [path.unlink() for path in (folder / "red").iterdir()], "no usable picture: 'red'"),
        (lambda folder: [path.write_bytes(b"") for path in (folder / "red").iterdir()], "no usable picture: 'red'"),
        (lambda folder: [path.unlink() for path in folder.rglob("*.png") if path.stem != "00"], "at least two"),
        (lambda folder: draw(folder / "train", 2) and (folder / "val" / "cat").mkdir(parents=True), "one class only"),
        (
            lambda folder: draw(folder / "train", 2) and _renamed(draw(folder / "valid", 2)),
            "must have the same classes",
        ),
    ],
    ids=[
        "missing",
        "empty",
        "one class",
        "no pictures",
        "empty files",
        "one each",
        "validation class",
        "other classes",
    ],
)
def test_a_folder_that_cannot_be_trained_on(
    prepare: Callable[[Path], object],
    message: str,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = draw(tmp_path / "photos", 3, side=8)
    prepare(folder)
    code, _, err = run("train", folder, *QUICK)
    assert code == 1
    assert err.startswith("calor: ")
    assert message in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("runs/*"))


def _renamed(folder: Path) -> Path:
    return (folder / "red").rename(folder / "purple")


def test_damaged_files_are_skipped_and_named(run: Run, tmp_path: Path) -> None:
    folder = draw(tmp_path / "photos")
    whole = (folder / "red" / "00.png").read_bytes()
    (folder / "red" / "cut.png").write_bytes(whole[:200])
    (folder / "blue" / "text.jpg").write_text("not a picture")
    code, out, err = run("train", folder, *QUICK, "--epochs", "1", "--output", tmp_path / "run")
    assert code == 0
    assert err.count("calor: ") == 1
    assert str(folder / "red" / "cut.png") in err
    assert str(folder / "blue" / "text.jpg") in err
    assert re.search(r"together +36 +9\n", out)


def test_a_run_folder_is_never_overwritten(photos: Path, trained: Path, run: Run) -> None:
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    code, _, err = run("train", photos, *QUICK, "--output", trained)
    assert code == 1
    assert "never overwrites" in err
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["train", "photos", "--epochs", "0"],
        ["train", "photos", "--image-size", "big"],
        ["train", "photos", "--image-size", "3x200"],
        ["train", "photos", "--batch-size", "many"],
        ["train", "photos", "--minutes", "-1"],
        ["train", "photos", "--learning-rate", "0"],
        ["predict", "model.keras"],
        ["tarin", "photos"],
        ["demo", "--sed", "1"],
    ],
    ids=" ".join,
)
def test_commands_that_make_no_sense(arguments: list[str], run: Run) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: calor")
    assert "Error" in err


@pytest.mark.parametrize(
    ("command", "arguments"),
    [("train", ["FOLDER"]), ("predict", ["MODEL", "IMAGE"]), ("evaluate", ["MODEL", "FOLDER"]), ("summary", ["MODEL"])],
)
def test_help_names_each_argument_once(command: str, arguments: list[str], run: Run) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    usage = re.sub(r"[^A-Z ]", "", out.splitlines()[0].partition("[OPTIONS]")[2])
    assert usage.split() == arguments
    assert "..." not in out.partition("Arguments:")[2].partition("Options:")[0]


def test_models_that_cannot_be_used(trained: Path, photos: Path, run: Run, tmp_path: Path) -> None:
    cut = tmp_path / "cut.keras"
    cut.write_bytes((trained / "model.keras").read_bytes()[:5000])
    numbers = tmp_path / "numbers.keras"
    calor.Sequential([calor.layers.Dense(1, input_shape=[1])]).save(numbers)
    for model, message in (
        (cut, "damaged or cut short"),
        (tmp_path / "missing.keras", "no such file"),
        (photos, "holds no model.keras"),
        (photos / "red" / "00.png", "not a model file"),
        (numbers, "takes inputs of shape (1,)"),
    ):
        code, out, err = run("predict", model, photos / "red" / "00.png")
        assert (code, out) == (1, "")
        assert err.startswith("calor: ")
        assert message in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(("number", "message"), [(errno.ENOSPC, "no room left"), (errno.EROFS, "read-only")])
def test_output_that_cannot_be_written(
    number: int, message: str, photos: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(number, "the system's words")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    code, _, err = run("train", photos, *QUICK, "--epochs", "1", "--output", tmp_path / "run")
    assert code == 1
    assert err.startswith(f"calor: {tmp_path / 'run' / 'curves.png'}: ")
    assert message in err
    assert files(tmp_path / "run") == ["checkpoint", "history.json", "model.keras", "run.json", "split.json"]
    monkeypatch.undo()
    assert run("train", "--resume", tmp_path / "run")[0] == 0
    assert files(tmp_path / "run") == ENDED


def test_an_output_folder_that_cannot_be_made(photos: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, err = run("train", photos, *QUICK, "--output", tmp_path / "file" / "run")
    assert code == 1
    assert err.startswith(f"calor: {tmp_path / 'file' / 'run'}: ")
    assert run("train", photos, *QUICK, "--output", tmp_path / "file")[0] == 1


def test_nan_stops_the_run_and_keeps_the_best_epoch(
    photos: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two epochs of three steps, and then a step beyond all numbers.
    recipe = replace(recipes.get("quick"), schedule=lambda rate, steps: PiecewiseConstantDecay([6], [rate, 3e38]))
    monkeypatch.setitem(recipes.RECIPES, "quick", recipe)
    code, out, err = run("train", photos, *QUICK, "--epochs", "5", "--output", tmp_path / "run")
    assert code == 1
    assert re.fullmatch(r"calor: The loss became NaN or infinite in epoch 3, step \d\. .*\n", err)
    assert "The best epoch was" in out
    assert files(tmp_path / "run") == ALL
    assert len(json.loads((tmp_path / "run" / "history.json").read_text())["epoch"]) == 2
    weights = calor.load_model(tmp_path / "run" / "model.keras").get_weights()
    assert all(np.isfinite(array).all() for array in weights)


def test_an_unknown_recipe_is_told(photos: Path, run: Run, tmp_path: Path) -> None:
    code, _, err = run("train", photos, "--recipe", "qick", "--output", tmp_path / "run")
    assert code == 1
    assert err.startswith("calor: There is no recipe called 'qick'. Did you mean 'quick'?")
    assert not (tmp_path / "run").exists()


def test_nan_at_once_leaves_nothing(photos: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = recipes.Training.model

    def broken(training: recipes.Training, **options: Any) -> calor.Sequential:
        model = network(training, **options)
        model.set_weights([np.full_like(array, np.nan) for array in model.get_weights()])
        return model

    monkeypatch.setattr(recipes.Training, "model", broken)
    code, out, err = run("train", photos, *QUICK, "--output", tmp_path / "run")
    assert code == 1
    assert "in epoch 1, step 1." in err
    assert "Nothing was learned yet" in out
    assert not (tmp_path / "run").exists()


def test_a_mistake_in_the_program_is_not_hidden(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(trainer, "find_layout", broken)
    with pytest.raises(KeyError, match="a bug"):
        main(["train", str(photos)])


def test_only_calors_warnings_are_shown(photos: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(*_: object) -> None:
        warnings.warn("somebody else's", RuntimeWarning, stacklevel=1)
        warnings.warn("look here", calor.errors.CalorWarning, stacklevel=1)
        raise calor.errors.DataError("stop here")

    monkeypatch.setattr(trainer, "find_layout", warn)
    assert run("train", photos)[2] == "calor: look here\ncalor: stop here\n"


# ---------------------------------------------------------------- the whole program, as a process


def process(*arguments: str | Path, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "calor", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_help_and_version_answer_without_jax(tmp_path: Path) -> None:
    loaded = "import sys; import calor.cli; print(sorted({'jax', 'matplotlib', 'numpy', 'rich'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", loaded], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    out, err = process("--version", cwd=tmp_path).communicate(timeout=60)
    assert (out, err) == (f"calor {calor.__version__}\n", "")
    out, err = process("--help", cwd=tmp_path).communicate(timeout=60)
    assert err == ""
    for command in ("train", "predict", "evaluate", "summary", "demo", "doctor"):
        assert f"\n  {command} " in out


def test_ctrl_c_keeps_what_was_learned(photos: Path, tmp_path: Path) -> None:
    options = ["--image-size", "16", "--epochs", "100000", "--patience", "100000", "--output", "run"]
    with process("train", photos, *options, cwd=tmp_path) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("Epoch 2/"):
                break
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert err == ""
    assert "Stopped. What was learned is kept" in out
    assert files(tmp_path / "run") == sorted([*ALL, "checkpoint"])
    assert calor.load_model(tmp_path / "run" / "model.keras").class_names == list(COLOURS)


def test_a_second_ctrl_c_ends_the_program_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with two_interrupts():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before


# ---------------------------------------------------------------- demo


def test_demo_draws_trains_and_says_what_is_next(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("calor.cli.train.PER_CLASS", 5)
    trained_with: list[dict[str, object]] = []
    train = trainer.train

    def quick(folder: Path, **options: object) -> trainer.Trained:
        trained_with.append(options)
        return train(folder, **options, epochs=1, image_size=(16, 16))

    monkeypatch.setattr(trainer, "train", quick)
    code, out, err = run("demo")
    assert (code, err) == (0, "")
    assert trained_with == [{"output": Path("runs/demo-1/run"), "seed": 0, "recipe": "quick"}]
    assert files(Path("runs/demo-1")) == ["pictures", "run"]
    assert files(Path("runs/demo-1/run")) == ENDED
    assert len(list(Path("runs/demo-1/pictures").rglob("*.*"))) == 20
    advice = out.splitlines()[-1].split()
    assert run(*advice[1:])[0] == 0


def test_run_folders_count_up(tmp_path: Path) -> None:
    assert [run_folder.first_free(tmp_path / "runs" / "a").name for _ in range(3)] == ["a-1", "a-2", "a-3"]
