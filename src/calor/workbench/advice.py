"""A verdict with commands: what to type after ``calor train``, in place of the advice for one's own Python code."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from calor.errors import CalorError
from calor.training.verdict import Verdict
from calor.workbench import recipes
from calor.workbench.settings import Settings
from calor.workbench.split import NAMES, VALIDATION, Split

Step: TypeAlias = tuple[list[object], str]
"""A command, word by word, and what it is for."""

TENTH, TEN_TIMES = 0.1, 10.0


def advise(verdict: Verdict, settings: Settings, run: Path) -> Verdict:
    """The verdict, its next steps two commands that keep to the run's split; for two possible causes, one for each.

    Args:
        verdict: what the curves of the run say.
        settings: the run's.
        run: its folder; with ``split.json``, where there is one.
    """
    steps = _Steps(settings, run)
    commands = list(steps.of(verdict.name if verdict.finished else "not finished"))[:2]
    if verdict.alternatives:
        others = [step for step in steps.of(verdict.alternatives[0]) if step[0] != commands[0][0]]
        commands[1:] = others[:1]
    width = max(len(_line(words)) for words, _ in commands)
    return replace(verdict, next_steps=tuple(f"{_line(words):<{width}}  # {why}" for words, why in commands))


def _line(words: list[object]) -> str:
    return shlex.join(map(str, words))


class _Steps:
    """What can be done about each finding, the most promising first.

    Args:
        settings: the run's.
        run: its folder.
    """

    def __init__(self, settings: Settings, run: Path) -> None:
        self.settings = settings
        self.run = run
        self.recipe = recipes.get(settings.recipe)
        try:
            self.split: Split | None = Split.load(run)
        except CalorError:
            self.split = None

    def of(self, name: str) -> Iterator[Step]:
        """For the name of a verdict, or ``"not finished"``: at least two steps."""
        return getattr(self, "_" + name.replace(" ", "_"))()

    def _again(self, **changes: Any) -> list[object]:
        """The same once more, on the same split, but for these settings; None for what the recipe says."""
        settings = self.settings
        given: dict[str, Any] = {}
        if settings.recipe != Settings.recipe:
            given["recipe"] = settings.recipe
        if settings.minutes is not None:
            given["minutes"] = settings.minutes
        elif settings.image_size != (self.recipe.image_size,) * 2:
            given["image_size"] = settings.image_size
        if settings.learning_rate != self.recipe.of_size(*settings.image_size).learning_rate:
            given["learning_rate"] = settings.learning_rate
        if settings.class_weight != Settings.class_weight:
            given["class_weight"] = settings.class_weight or "none"
        for name in ("seed", "augment", "find_lr"):
            if getattr(settings, name) != getattr(Settings, name):
                given[name] = getattr(settings, name)
        if self.split is not None:
            given["split"] = self.run
        words: list[object] = ["calor", "train", settings.folder]
        for name, value in (given | changes).items():
            option = name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{option}" if value else f"--no-{option}")
            elif value is not None:
                words += [f"--{option}", "x".join(map(str, value)) if isinstance(value, tuple) else value]
        return words

    def _rate(self, factor: float) -> list[object]:
        rate = float(f"{factor * self.settings.learning_rate:.2g}")
        return self._again(learning_rate=rate, find_lr=None)

    def _range_test(self) -> Iterator[Step]:
        if not self.settings.find_lr:
            yield self._again(find_lr=True, learning_rate=None), "looks for the learning rate first"

    def _longer(self) -> Step:
        epochs = max(10, 2 * self.settings.epochs)
        return self._again(epochs=epochs, minutes=None), f"up to {epochs} epochs"

    def _check(self) -> Step:
        return ["calor", "check", self.settings.folder], "looks for copies, damaged files and what gives a class away"

    def _more_pictures(self) -> Step:
        return ["calor", "report", self.run, "--learning-curve"], "would more photos help?"

    def _other_recipe(self, name: str, why: str) -> Iterator[Step]:
        if self.settings.recipe != name:
            unspoken = None if name == Settings.recipe else name
            yield self._again(recipe=unspoken, learning_rate=None, image_size=None, augment=None), why

    def _vary(self) -> Iterator[Step]:
        if self.recipe.variation is not None and not self.settings.augment:
            yield self._again(augment=None), "photos that are changed at random are harder to learn by heart"

    def _diverged(self) -> Iterator[Step]:
        yield self._rate(TENTH), "a tenth of the learning rate"
        yield from self._range_test()
        yield self._check()

    _learning_rate_too_high = _diverged

    def _learning_rate_too_low(self) -> Iterator[Step]:
        yield self._rate(TEN_TIMES), "ten times the learning rate"
        yield from self._range_test()
        yield self._longer()

    def _nothing_learned(self) -> Iterator[Step]:
        yield self._check()
        yield from self._range_test()
        yield self._longer()

    def _overfitting(self) -> Iterator[Step]:
        yield from self._vary()
        yield from self._other_recipe("default", "the recipe that does most against learning by heart")
        yield self._more_pictures()
        yield from self._other_recipe("quick", "a smaller network")

    def _too_little_data(self) -> Iterator[Step]:
        yield self._more_pictures()
        yield from self._vary()
        yield from self._other_recipe("quick", "a smaller network")
        yield from self._other_recipe("default", "the recipe that does most against learning by heart")

    def _noisy_labels(self) -> Iterator[Step]:
        words = ["calor", "train", self.settings.folder, "--leave-out", "LIST"]
        yield ["calor", "report", self.run], "its surest mistakes are probable label errors: note their names in LIST"
        yield words, "without the photos in LIST"

    def _underfitting(self) -> Iterator[Step]:
        yield from self._other_recipe("default", "a larger network")
        yield from self._range_test()
        yield self._longer()
        yield self._check()

    def _split_problem(self) -> Iterator[Step]:
        yield self._check()
        if self.split is not None and NAMES[VALIDATION] in self.split.given:
            training = self.split.paths("training")[0].parent.parent
            yield ["calor", "train", training], "holds out some of these photos instead"
        else:
            yield self._again(split=None, seed=self.settings.seed + 1), "another split"

    def _healthy(self) -> Iterator[Step]:
        if self.split is not None and len(self.split.test):
            yield ["calor", "evaluate", self.run], "once, when all is decided: the sealed photos"
        yield self._more_pictures()
        others = [name for name in recipes.RECIPES if name != self.settings.recipe]
        yield self._again(recipe=others[0]), f"then: calor compare {shlex.quote(str(self.run))} and its run"

    def _not_finished(self) -> Iterator[Step]:
        yield self._longer()
        yield from self._healthy()

    def _too_short_to_tell(self) -> Iterator[Step]:
        yield self._longer()
        yield self._again(minutes=10, epochs=None), "the best of ten minutes"
