"""Callbacks: what may look at a run, and steer it, between its epochs and steps."""

import csv
import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from calor.errors import ArgumentError, UnknownNameError

Logs = Mapping[str, float]


class Trainable(Protocol):
    """What a callback may do with the model that is being trained."""

    stop_training: bool
    learning_rate: float

    def get_weights(self) -> list[np.ndarray]: ...
    def set_weights(self, weights: list[Any]) -> None: ...
    def save(self, path: "str | os.PathLike[str]") -> None: ...


class Callback:
    """The base of all callbacks: override the moments that matter to you.

    ``self.model`` is the model in training, with the weights of the moment; ``self.params`` holds ``epochs``,
    ``steps`` (None where not known), ``batch_size`` and the like. ``logs`` are the figures so far. A callback that
    overrides one of the batch methods makes the run return to Python at every step, which costs speed on small
    networks; one that does not costs nothing between epochs.

    >>> import calor
    >>> class Enough(calor.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         self.model.stop_training = logs["loss"] < 0.1
    """

    model: Trainable
    params: Mapping[str, Any]

    def on_train_begin(self, logs: dict[str, float]) -> None:
        """Before the first epoch; there are no figures yet."""

    def on_train_end(self, logs: dict[str, float]) -> None:
        """After the last epoch, with its figures; also when the run was interrupted."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float]) -> None:
        """Before an epoch; ``epoch`` counts from 0; there are no figures yet."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """After an epoch and its validation. What is put into ``logs`` goes into the history."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, float]) -> None:
        """Before a step; ``batch`` counts from 0 in its epoch; there are no figures yet."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """After a step, with the epoch's figures up to it."""

    def get_state(self) -> dict[str, Any]:
        """What it remembers from epoch to epoch, for ``BackupAndRestore``: arrays and JSON's types, by name."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Remember again what ``get_state`` gave; called after ``on_train_begin``."""


class LambdaCallback(Callback):
    """A callback made of functions, which take what the method of that name takes in ``Callback``.

    >>> import calor
    >>> callback = calor.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, sorted(logs)))
    >>> callback.on_epoch_end(0, {"loss": 1.0})
    0 ['loss']
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
    ) -> None:
        for name, function in list(locals().items()):
            if name != "self" and function is not None:
                setattr(self, name, function)


@dataclass
class _Best:
    """Watches one figure and tells whether a value of it is the best so far."""

    monitor: str
    mode: str = "auto"
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "min", "max"):
            raise ArgumentError(f"mode must be 'auto', 'min' or 'max', not {self.mode!r}.")
        grows = ("accuracy", "acc", "precision", "recall", "auc")
        self.up = self.mode == "max" or (self.mode == "auto" and self.monitor.removeprefix("val_").endswith(grows))
        self.forget()

    def forget(self) -> None:
        self.value = -math.inf if self.up else math.inf

    def read(self, logs: Logs) -> float:
        if self.monitor not in logs:
            hint = " Give fit validation_data." if self.monitor.startswith("val_") else ""
            raise ArgumentError(f"{UnknownNameError('figure', self.monitor, logs)}{hint}")
        return logs[self.monitor]

    def improved(self, value: float) -> bool:
        if not self.better(value, self.value):
            return False
        self.value = value
        return True

    def better(self, value: float, than: float) -> bool:
        return (value - than if self.up else than - value) > abs(self.min_delta)


class EarlyStopping(Callback):
    """Stop when a figure no longer improves: the notes' first means against overfitting.

    Args:
        monitor: the figure to watch.
        min_delta: the least change that counts as an improvement.
        patience: how many epochs without one to wait before stopping.
        verbose: 1 to print when it stops the run.
        mode: ``"min"``, ``"max"``, or ``"auto"``: up for accuracies, down for the rest.
        baseline: a value that the figure must beat besides, or the waiting goes on.
        restore_best_weights: go back to the weights of the best epoch at the end.
        start_from_epoch: epochs to let pass before watching.

    Attributes:
        stopped_epoch: the epoch (from 0) at which the run was stopped; None if it was not.
        best_epoch: the epoch of the best value.

    Raises:
        ArgumentError: another ``mode``; or while it trains: the figure is not measured.

    >>> import calor
    >>> stop = calor.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self._best = _Best(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch

    def on_train_begin(self, logs: dict[str, float]) -> None:
        self._best.forget()
        self._waited = 0
        self._weights: list[np.ndarray] | None = None
        self.stopped_epoch: int | None = None
        self.best_epoch: int | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        value = self._best.read(logs)
        if epoch < self.start_from_epoch:
            return
        self._waited += 1
        if self._best.improved(value):
            self.best_epoch = epoch
            if self.restore_best_weights:
                self._weights = self.model.get_weights()
            if self.baseline is None or self._best.better(value, self.baseline):
                self._waited = 0
        elif self._waited >= max(self.patience, 1):
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.verbose:
                print(f"Epoch {epoch + 1}: early stopping", flush=True)

    def on_train_end(self, logs: dict[str, float]) -> None:
        if self._weights is not None:
            self.model.set_weights(self._weights)

    def get_state(self) -> dict[str, Any]:
        return {
            "best": self._best.value,
            "waited": self._waited,
            "weights": self._weights,
            "stopped_epoch": self.stopped_epoch,
            "best_epoch": self.best_epoch,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self._best.value = state["best"]
        self._waited = state["waited"]
        self._weights = state["weights"]
        self.stopped_epoch = state["stopped_epoch"]
        self.best_epoch = state["best_epoch"]


class ModelCheckpoint(Callback):
    """Save the model after every epoch, or after every epoch that is the best so far.

    Args:
        filepath: where to; may contain ``{epoch}`` (from 1) and figures, as in
            ``"model-{epoch:02d}-{val_loss:.3f}.keras"``. Folders on the way are made.
        monitor: the figure that decides which epoch is the best.
        verbose: 1 to print what is saved.
        save_best_only: keep silent unless the figure improved.
        mode: ``"min"``, ``"max"``, or ``"auto"``: up for accuracies, down for the rest.

    A file is written under a temporary name and renamed, so that a run killed while saving leaves the one before.

    Raises:
        ArgumentError: while it trains: the figure is not measured, or ``filepath`` names one that is not.

    >>> import calor
    >>> best = calor.callbacks.ModelCheckpoint("best.keras", monitor="val_loss", save_best_only=True)
    """

    def __init__(
        self,
        filepath: "str | os.PathLike[str]",
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
    ) -> None:
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self._folders: set[Path] = set()
        self._best = _Best(monitor, mode)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        if self.save_best_only and not self._best.improved(self._best.read(logs)):
            return
        try:
            path = Path(self.filepath.format(epoch=epoch + 1, **logs))
        except (KeyError, IndexError, ValueError) as error:
            raise ArgumentError(
                f"ModelCheckpoint's filepath {self.filepath!r} cannot be filled in ({error}): "
                f"an epoch has only: epoch, {', '.join(sorted(logs))}."
            ) from None
        if path.parent not in self._folders:  # once: a folder that was removed since has a reason
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        self.model.save(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved the model to {path}", flush=True)

    def get_state(self) -> dict[str, Any]:
        return {"best": self._best.value}

    def set_state(self, state: dict[str, Any]) -> None:
        self._best.value = state["best"]


class ReduceLROnPlateau(Callback):
    """Make the learning rate smaller when a figure no longer improves.

    Args:
        monitor: the figure to watch.
        factor: what the rate is multiplied with, below 1.
        patience: how many epochs without improvement to wait.
        verbose: 1 to print each new rate.
        mode: ``"min"``, ``"max"``, or ``"auto"``: up for accuracies, down for the rest.
        min_delta: the least change that counts as an improvement.
        cooldown: epochs to rest after a reduction.
        min_lr: the rate below which it does not go.

    Raises:
        ArgumentError: ``factor`` is not between 0 and 1; or while it trains: the figure is not measured, or the
            optimizer's rate is a schedule already.

    >>> import calor
    >>> slower = calor.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        if not 0 < factor < 1:
            raise ArgumentError(f"ReduceLROnPlateau's factor must lie between 0 and 1, not {factor!r}.")
        self._best = _Best(monitor, mode, min_delta)
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr

    def on_train_begin(self, logs: dict[str, float]) -> None:
        self.model.learning_rate = self.model.learning_rate  # a schedule forbids it: said now, not epochs later
        self._best.forget()
        self._waited = 0
        self._resting = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        logs["learning_rate"] = self.model.learning_rate
        improved = self._best.improved(self._best.read(logs))
        if self._resting:
            self._resting -= 1
            self._waited = 0
        if improved:
            self._waited = 0
        elif not self._resting:
            self._waited += 1
            if self._waited >= self.patience and self.model.learning_rate > self.min_lr:
                self.model.learning_rate = max(self.model.learning_rate * self.factor, self.min_lr)
                self._resting = self.cooldown
                self._waited = 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: learning rate reduced to {self.model.learning_rate:g}", flush=True)

    def get_state(self) -> dict[str, Any]:
        return {"best": self._best.value, "waited": self._waited, "resting": self._resting}

    def set_state(self, state: dict[str, Any]) -> None:
        self._best.value = state["best"]
        self._waited = state["waited"]
        self._resting = state["resting"]


class LearningRateScheduler(Callback):
    """Set the learning rate at the start of every epoch.

    Args:
        schedule: ``schedule(epoch, learning_rate) -> learning_rate``, or of the epoch alone; ``epoch`` counts from 0.
        verbose: 1 to print each epoch's rate.

    Raises:
        ArgumentError: while it trains: ``schedule`` gives no number.

    >>> import calor
    >>> halving = calor.callbacks.LearningRateScheduler(lambda epoch: 0.01 * 0.5 ** (epoch // 10))
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: dict[str, float]) -> None:
        given: tuple[Any, ...] = (epoch, self.model.learning_rate)
        try:
            inspect.signature(self.schedule).bind(*given)
        except TypeError:
            given = given[:1]
        rate = self.schedule(*given)
        if not isinstance(rate, int | float | np.floating):
            raise ArgumentError(f"LearningRateScheduler's schedule must give a number, not {rate!r}.")
        self.model.learning_rate = float(rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {rate:g}", flush=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        logs["learning_rate"] = self.model.learning_rate


class CSVLogger(Callback):
    """Write each epoch's figures as a line of a CSV file, as they come.

    Args:
        filename: the file; its first line names the columns. Folders on the way are made.
        separator: between the columns.
        append: go on with a file that is there (a resumed run) instead of starting anew.

    >>> import calor
    >>> record = calor.callbacks.CSVLogger("epochs.csv", append=True)
    """

    def __init__(self, filename: "str | os.PathLike[str]", separator: str = ",", append: bool = False) -> None:
        self.filename = Path(filename)
        self.separator = separator
        self.append = append
        self._file: IO[str] | None = None
        self._length: int | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        if self._file is None:
            if self._length is not None and self.filename.exists():
                os.truncate(self.filename, self._length)  # lines of epochs that are run again
                self._length = None
            goes_on = self.append and self.filename.exists() and self.filename.stat().st_size > 0
            self.filename.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.filename.open("a" if self.append else "w", newline="")
            self._writer = csv.writer(self._file, delimiter=self.separator)
            self._names = sorted(logs)
            if not goes_on:
                self._writer.writerow(["epoch", *self._names])
        self._writer.writerow([epoch, *(logs.get(name, "") for name in self._names)])
        self._file.flush()

    def on_train_end(self, logs: dict[str, float]) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self.append = True

    def get_state(self) -> dict[str, Any]:
        return {"bytes": self._file.tell() if self._file is not None else self._length}

    def set_state(self, state: dict[str, Any]) -> None:
        self._length = state["bytes"]
        self.append |= self._length is not None


class CallbackList:
    """Several callbacks called as one, and what they need to be called for."""

    def __init__(self, callbacks: Iterable[Callback] | Callback, model: Trainable, params: Mapping[str, Any]) -> None:
        self.callbacks = [callbacks] if isinstance(callbacks, Callback) else list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise ArgumentError(
                    f"callbacks must be calor.callbacks.Callback objects, and {callback!r} is not one; "
                    "wrap a function in LambdaCallback."
                )
            callback.model = model
            callback.params = params

    def overrides(self, *moments: str) -> bool:
        """Whether any callback does something at one of these moments."""
        return any(
            getattr(getattr(callback, moment), "__func__", callback) is not getattr(Callback, moment)
            for callback in self.callbacks
            for moment in moments
        )

    def call(self, moment: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, moment)(*arguments)
