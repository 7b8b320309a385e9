"""What a run of training leaves behind: its figures, epoch by epoch."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calor.errors import DataError

if TYPE_CHECKING:
    from calor.training.verdict import Verdict


class History:
    """The record of a ``fit``.

    Attributes:
        history: for each figure (``loss``, ``accuracy``, ``val_loss``, ...) its value in every epoch.
        epoch: the numbers of these epochs, from 0.
        params: the run's settings: ``epochs``, ``steps`` an epoch, ``batch_size``, ``seed`` and ``data``
            (``"resident"`` or ``"streaming"``); and what ``verdict`` asks: ``examples``, ``validation_examples``,
            ``classes``, ``chance``, ``tried`` and ``diverged``, where they are known.
        compile_seconds: how long compiling the programs took, which no epoch's time contains.
        epoch_seconds: how long each epoch took, validation included.
        waiting_seconds: for how much of that the program waited for data to train on, in each epoch.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.params = dict(params)
        self.compile_seconds = 0.0
        self.epoch_seconds: list[float] = []
        self.waiting_seconds: list[float] = []

    def record(self, epoch: int, logs: Mapping[str, float], seconds: float, waited: float) -> None:
        """Add one epoch's figures."""
        self.epoch.append(epoch)
        self.epoch_seconds.append(seconds)
        self.waiting_seconds.append(waited)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def verdict(self, **known: Any) -> "Verdict":
        """What the curves say, in words: overfitting, underfitting, a wrong learning rate, healthy, ...

        Args:
            **known: what the run does not know itself, by the names of ``calor.training.verdict.judge``; above all
                ``test_accuracy`` and ``test_examples``, from data that were held out from all decisions.

        Returns:
            A verdict: print it, or take its ``name``, ``sentence``, ``evidence``, ``epoch``, ``next_steps`` and
            ``alternatives``.

        >>> history = History({})
        >>> for epoch in range(8):
        ...     history.record(epoch, {"loss": 0.7 * 0.7**epoch, "val_loss": 0.6 + 0.01 * (epoch - 3) ** 2}, 1.0, 0.0)
        >>> history.verdict().name
        'overfitting'
        """
        from calor.training import verdict

        asked = ("classes", "chance", "examples", "validation_examples", "tried", "diverged")
        return verdict.judge(self.history, **{name: self.params[name] for name in asked if name in self.params} | known)

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the record as JSON, whole or not at all."""
        text = json.dumps(
            {
                "history": self.history,
                "epoch": self.epoch,
                "params": self.params,
                "compile_seconds": round(self.compile_seconds, 3),
                "epoch_seconds": [round(seconds, 3) for seconds in self.epoch_seconds],
                "waiting_seconds": [round(seconds, 3) for seconds in self.waiting_seconds],
            },
            indent=2,
        )
        path = Path(path)
        temporary = path.with_name(path.name + ".part")
        temporary.write_text(text + "\n")
        temporary.replace(path)

    @classmethod
    def load(cls, path: "str | os.PathLike[str]") -> "History":
        """The record that ``save`` wrote; its figures have every bit.

        Raises:
            DataError: it cannot be read, or it is no such record.

        >>> import tempfile
        >>> history = History({"epochs": 1})
        >>> history.record(0, {"loss": 0.1}, 2.0, 0.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     history.save(f"{folder}/history.json")
        ...     History.load(f"{folder}/history.json").history
        {'loss': [0.1]}
        """
        try:
            values = json.loads(Path(path).read_text())
            history = cls(values["params"])
            history.history = {name: [float(one) for one in figures] for name, figures in values["history"].items()}
            history.epoch = [int(epoch) for epoch in values["epoch"]]
            history.compile_seconds = float(values["compile_seconds"])
            history.epoch_seconds = [float(one) for one in values["epoch_seconds"]]
            history.waiting_seconds = [float(one) for one in values["waiting_seconds"]]
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is no record of a run, or is damaged: {error!r}.") from None
        return history

    def __repr__(self) -> str:
        figures = ", ".join(f"{name}={values[-1]:.4f}" for name, values in self.history.items())
        return f"History({len(self.epoch)} epochs{': ' + figures if figures else ''})"
