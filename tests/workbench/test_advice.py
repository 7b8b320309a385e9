"""The commands after a verdict: each is one that the command line takes, and none advises what the run had already."""

import shlex
from pathlib import Path

import pytest
import typer

from calor.cli import app
from calor.training.verdict import Verdict
from calor.workbench import advice, recipes
from calor.workbench.advice import advise
from calor.workbench.settings import Settings

NAMES = (
    "diverged",
    "healthy",
    "learning rate too high",
    "learning rate too low",
    "noisy labels",
    "nothing learned",
    "overfitting",
    "split problem",
    "too little data",
    "too short to tell",
    "underfitting",
)


def commands(verdict: Verdict, run: Path = Path("runs/photos-1"), **settings: object) -> list[str]:
    recipe = recipes.get(str(settings.get("recipe", "default")))
    settings = {"learning_rate": recipe.learning_rate, "image_size": (recipe.image_size,) * 2} | settings
    return [step.split("  # ")[0].strip() for step in advise(verdict, Settings("/photos", **settings), run).next_steps]


@pytest.mark.parametrize("recipe", recipes.RECIPES)
@pytest.mark.parametrize("find_lr", [True, False])
@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_command_of_calor(name: str, finished: bool, find_lr: bool, recipe: str) -> None:
    group = typer.main.get_command(app)
    verdict = Verdict(name, "It is so.", finished=finished)
    found = commands(verdict, recipe=recipe, find_lr=find_lr, seed=3, class_weight=None, augment=False)
    assert len(found) == len(set(found)) == 2
    for line in found:
        program, word, *arguments = shlex.split(line)
        assert program == "calor"
        command = group.commands[word]  # type: ignore[attr-defined]
        command.make_context(word, arguments)


def test_of_two_causes_each_has_a_command() -> None:
    found = commands(Verdict("nothing learned", "It guesses.", alternatives=("learning rate too high",)))
    assert found == ["calor check /photos", "calor train /photos --learning-rate 0.0002"]
    same = commands(Verdict("nothing learned", "It guesses.", alternatives=("split problem",)), seed=4)
    assert same == ["calor check /photos", "calor train /photos --seed 5"]


def test_what_the_run_had_is_not_advised() -> None:
    overfitting = Verdict("overfitting", "By heart.")
    assert commands(overfitting, recipe="notes", augment=False)[0] == "calor train /photos --recipe notes"
    assert commands(overfitting)[0] == "calor report runs/photos-1 --learning-curve"
    assert commands(overfitting, recipe="notes-plain")[0] == "calor train /photos"
    assert "--find-lr" not in " ".join(commands(Verdict("diverged", "No number."), find_lr=True))


def test_other_settings_are_kept(tmp_path: Path) -> None:
    verdict = Verdict("healthy", "More.", finished=False)
    again = commands(verdict, recipe="quick", image_size=(64, 80), seed=2, epochs=30)[0]
    assert again == "calor train /photos --recipe quick --image-size 64x80 --seed 2 --epochs 60"
    small = commands(verdict, image_size=(28, 28), learning_rate=5e-3)[0]
    assert small == "calor train /photos --image-size 28x28 --epochs 60"
    timed = commands(Verdict("learning rate too low", "It creeps."), minutes=3.0, image_size=(48, 48))[0]
    assert timed == "calor train /photos --minutes 3.0 --learning-rate 0.02"


def test_every_verdict_is_known() -> None:
    from calor.training import verdict

    assert set(verdict._STEPS) == {*NAMES, "not finished"}
    for name in verdict._STEPS:
        assert len(list(advice._Steps(Settings("/photos"), Path("run")).of(name))) >= 2
