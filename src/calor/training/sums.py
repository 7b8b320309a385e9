"""An epoch's figures, added up; and where a run stands."""

from dataclasses import dataclass

import numpy as np

from calor.training.program import Task

Rows = tuple[np.ndarray, ...]
"""A row of figures for each batch: [sum of losses, examples], then the sums of each metric."""


@dataclass
class Sums:
    """An epoch's rows of figures, added up in float64."""

    task: Task
    totals: Rows = ()
    steps: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    """Of these seconds, those in which the program waited for data."""

    def add(self, rows: Rows, step_seconds: float = 0.0) -> None:
        """Add the rows of some steps.

        One is added after the other, which no reduction of NumPy's promises: so no bit depends on how many rows a call
        of the program gave, which its speed decides.

        Args:
            rows: float64, at least one.
            step_seconds: what each of the steps took.
        """
        steps = len(rows[0])
        self.totals = tuple(map(_added, self.totals or (None,) * len(rows), rows))
        self.steps += steps
        self.seconds += steps * step_seconds

    @property
    def examples(self) -> int:
        """How many were added up."""
        return round(float(self.totals[0][1]))

    def logs(self, prefix: str = "") -> dict[str, float]:
        """The figures by name, metrics in their order and the loss last, as Keras has them."""
        (loss, examples), *measured = self.totals
        logs = {
            prefix + metric.name: float(metric.result(sums))
            for metric, sums in zip(self.task.metrics, measured, strict=True)
        }
        return logs | {prefix + "loss": float(loss / max(examples, 1.0))}


@dataclass
class Place:
    """Where a run stands, between two steps or two epochs."""

    began: int
    """The model's steps before the run: they number its order of the data."""

    epoch: int
    """The epoch that goes on, or that comes next."""

    sums: Sums | None = None
    """What was added up in that epoch; None at its beginning."""


def _added(total: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    if total is None:
        total, rows = rows[0], rows[1:]
    if len(rows) > 1:
        return np.add.accumulate([total, *rows])[-1]
    return total + rows[0] if len(rows) else total
