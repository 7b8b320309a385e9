"""The page: evidence put into the template. Whatever comes from names and files is escaped there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from calor import __version__
from calor.data import load_image
from calor.errors import CalorError
from calor.training.history import History
from calor.training.verdict import Verdict
from calor.workbench.advice import advise
from calor.workbench.classify import Classifier
from calor.workbench.report import gallery
from calor.workbench.report.drawing import charts
from calor.workbench.report.drawing.pictures import heated, picture
from calor.workbench.report.evidence.cheating import changes
from calor.workbench.report.evidence.learning_curve import LearningCurve
from calor.workbench.report.evidence.share import Share
from calor.workbench.report.gather import Evidence
from calor.workbench.report.record import Record, command
from calor.workbench.settings import Settings

MOST_MISTAKES = 24
"""Of the mistakes shown; all are behind the cells of the matrix."""

MOST_CONFUSIONS = 8

NARROW_SPACE = "\u202f"


@dataclass(frozen=True)
class Shown:
    """A picture on the page, with what is said under it."""

    address: str
    words: str
    caption: str


@dataclass(frozen=True)
class Cell:
    """What a cell of the confusion matrix opens."""

    row: int
    column: int
    count: int
    pictures: Sequence[Shown]

    @property
    def name(self) -> str:
        """By which the button finds it."""
        return f"cell-{self.row}-{self.column}"

    @property
    def right(self) -> bool:
        """Whether these photos were recognised."""
        return self.row == self.column


def render(
    classifier: Classifier,
    record: Record,
    evidence: Evidence,
    learning: LearningCurve | None,
    how_to: Sequence[tuple[str, str]],
    *,
    changed: int = 0,
) -> str:
    """The page as HTML.

    Args:
        classifier: the network.
        record: the run's own account.
        evidence: what was found out.
        learning: what more photos would bring; None where it was not asked.
        how_to: commands that reproduce the run, each with what it does.
        changed: how many of the photos are not the same any more.
    """
    outputs, confusion = evidence.outputs, evidence.confusion
    mistakes = evidence.mistakes[:MOST_MISTAKES]
    places = gallery.choose(confusion.places, [mistake.place for mistake in mistakes])
    addresses = gallery.pictures(outputs, places)
    root = _common(outputs.photos.files)

    def name(place: int) -> str:
        file = outputs.photos.files[place]
        return str(file.relative_to(root)) if root is not None else file.name

    def shown(place: int) -> Shown:
        label, predicted = (outputs.class_names[number] for number in (outputs.labels[place], outputs.predicted[place]))
        words = f"{name(place)}: {label}, taken for {predicted}"
        return Shown(addresses[place], words, f"{percent(outputs.confidence[place], 0)} sure")

    cells = {
        cell: Cell(*cell, len(behind), [shown(place) for place in behind if place in addresses])
        for cell, behind in confusion.places.items()
    }
    verdict = None if record.history is None else _verdict(record, record.history)
    context = {
        "calor_version": __version__,
        "made": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        "record": record,
        "evidence": evidence,
        "classes": outputs.class_names,
        "trained": _trained(record),
        "verdict": verdict,
        "verdict_figures": _figures(verdict),
        "curves": _curves(record, verdict),
        "cells": cells,
        "share_of_row": confusion.counts / confusion.counts.sum(axis=1, keepdims=True).clip(1),
        "commonest": [cells[cell] for cell in confusion.commonest(MOST_CONFUSIONS)],
        "mistakes": [(mistake, shown(mistake.place)) for mistake in mistakes if mistake.place in addresses],
        "reliability": charts.reliability(evidence.calibration) if evidence.calibration else None,
        "risk_coverage": charts.risk_coverage(evidence.abstention) if evidence.abstention else None,
        "attention": _attention(evidence, name),
        "trials": _trials(classifier, evidence),
        "learning": learning,
        "learning_plot": charts.learning(learning.sizes, learning.ranges) if learning else None,
        "learning_command": command("calor", "report", record.folder, "--learning-curve"),
        "network": _network(classifier),
        "settings": [(key.replace("_", " "), _setting(value)) for key, value in record.settings.items()],
        "how_to": how_to,
        "changed": changed,
        "input": (*classifier.image_size, "grey" if classifier.color_mode == "grayscale" else "colour"),
    }
    return _environment().get_template("report.html.jinja").render(context)


def percent(value: float, digits: int = 1) -> str:
    """A share as people write it.

    >>> percent(0.8342), percent(1.0)
    ('83.4\u202f%', '100\u202f%')
    """
    text = f"{100 * value:.{digits}f}"
    if "." in text and float(text) in (0.0, 100.0) and value in (0.0, 1.0):
        text = text.split(".")[0]
    return f"{text}{NARROW_SPACE}%"


def between(share: Share) -> str:
    """The interval of a share.

    >>> between(Share(80, 100))
    '71.1 to 86.7\u202f%'
    """
    return f"{100 * share.low:.1f} to {percent(share.high)}"


def _environment() -> Environment:
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "between": between}
    environment.globals["style"] = Markup((here / "report.css").read_text(encoding="utf-8"))
    return environment


def _trained(record: Record) -> str:
    history = record.history
    if history is None or not history.epoch:
        return ""
    minutes = sum(history.epoch_seconds) / 60
    took = f"{minutes:.0f} minutes" if minutes >= 2 else f"{60 * minutes:.0f} seconds"
    return f"{len(history.epoch)} epochs in {took}"


def _verdict(record: Record, history: History) -> Verdict:
    verdict = history.verdict()
    try:
        settings = Settings.from_dict(record.settings)
    except CalorError:  # a run of one's own code
        return verdict
    return advise(verdict, settings, record.folder)


def _figures(verdict: Verdict | None) -> list[tuple[str, str]]:
    if verdict is None:
        return []
    return [
        (name, f"{value:.3g}" if isinstance(value, float) else str(value)) for name, value in verdict.evidence.items()
    ]


def _curves(record: Record, verdict: Verdict | None) -> list[tuple[str, Markup]]:
    if record.history is None or verdict is None:
        return []
    return charts.curves(record.history, since=verdict.epoch, best=record.best_epoch)


def _attention(evidence: Evidence, name: Any) -> list[tuple[Shown, Shown, bool]]:
    outputs, found = evidence.outputs, []
    for one in evidence.attention:
        label, predicted = (outputs.class_names[number] for number in (outputs.labels[one.place], one.predicted))
        right = label == predicted
        sure = percent(outputs.confidence[one.place], 0)
        caption = f"{predicted}, {sure} sure" if right else f"{predicted}, {sure} sure; it is {label}"
        words = f"{name(one.place)}: {label}, taken for {predicted}"
        found.append(
            (
                Shown(picture(one.image), words, caption),
                Shown(heated(one.image, one.importance), f"Where it matters for {predicted}", caption),
                right,
            )
        )
    return found


def _trials(classifier: Classifier, evidence: Evidence) -> list[tuple[Any, str]]:
    """Each trial with an example of what the network was shown."""
    if not evidence.trials:
        return []
    place = evidence.attention[0].place
    file = evidence.outputs.photos.files[place]
    image = load_image(file, size=classifier.image_size, color_mode=classifier.color_mode)
    how = changes(classifier.color_mode)
    return [(trial, picture(how[trial.name](image[None])[0])) for trial in evidence.trials]


def _network(classifier: Classifier) -> str:
    lines: list[str] = []
    classifier.model.summary(lines.append)
    return "\n".join(lines)


def _setting(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _common(files: Sequence[Path]) -> Path | None:
    """The folder that all files lie in, two levels up at the least, so that a name still says its class."""
    roots = {file.parent.parent for file in files}
    return roots.pop() if len(roots) == 1 else None
