"""What a run wrote down about itself: settings, versions, figures, and how often its sealed test part was opened."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calor.errors import DataError
from calor.training.history import History
from calor.workbench.report.evidence.share import Share

_OWN = ("settings", "format")
_AWAY = "Without it `calor report` still works: take it away."


@dataclass(frozen=True)
class Record:
    """A run's own account.

    Attributes:
        folder: the run folder.
        history: its figures; None where it has left none.
        settings: by name.
        environment: versions and machine, by name, as text.
        sealed: how many photos of the sealed test part were recognised, each time that ``calor evaluate`` opened it.
    """

    folder: Path
    history: History | None
    settings: dict[str, Any]
    environment: dict[str, str]
    sealed: tuple[Share, ...]

    @property
    def title(self) -> str:
        """What the photos are called."""
        return Path(str(self.settings["folder"])).name if "folder" in self.settings else self.folder.name

    @property
    def best_epoch(self) -> int | None:
        """The epoch, from 1, whose weights were kept: that of the lowest validation loss."""
        losses = self.history.history.get("val_loss", []) if self.history is not None else []
        finite = [loss for loss in losses if loss == loss]
        return losses.index(min(finite)) + 1 if finite else None


def read_record(folder: Path) -> Record:
    """Read what there is of ``run.json``, ``history.json`` and ``sealed.json``.

    Raises:
        DataError: one of these files is damaged.
    """
    run, past, sealed = (_read(folder / name) for name in ("run.json", "history.json", "sealed.json"))
    history = _history(past) if past else None
    settings = dict(run.get("settings") or {})
    if not settings and history is not None:
        settings = {name: value for name, value in history.params.items() if name not in ("verdict", "class_names")}
    return Record(
        folder,
        history,
        settings,
        {name: text for key, value in run.items() if key not in _OWN for name, text in _flat(key, value)},
        _openings(folder / "sealed.json", sealed),
    )


def command(*words: object) -> str:
    """A line for the shell.

    >>> command("calor", "report", Path("my run"))
    "calor report 'my run'"
    """
    return shlex.join(map(str, words))


def _read(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(f"{file} is damaged: {error}. {_AWAY}") from None
    if not isinstance(values, dict):
        raise DataError(f"{file} is damaged: it holds no record. {_AWAY}")
    return values


def _history(values: dict[str, Any]) -> History:
    history = History(values.get("params", {}))
    history.history = dict(values.get("history", {}))
    history.epoch = list(values.get("epoch", []))
    history.compile_seconds = float(values.get("compile_seconds", 0.0))
    history.epoch_seconds = list(values.get("epoch_seconds", []))
    history.waiting_seconds = list(values.get("waiting_seconds", []))
    return history


def _openings(file: Path, values: dict[str, Any]) -> tuple[Share, ...]:
    try:
        return tuple(Share(int(one["right"]), int(one["pictures"])) for one in values.get("openings", ()))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file} is damaged: an opening has no {error}. {_AWAY}") from None


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [(key, str(inner)) for key, inner in value.items()]
    return [(name, ", ".join(map(str, value)) if isinstance(value, list) else str(value))]
