"""``tf.keras.callbacks``: Calor's callbacks, which here also know Keras' older names of moments and figures."""

from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from calor import callbacks as calor_callbacks
from calor.callbacks import BackupAndRestore, CSVLogger, EarlyStopping, LearningRateScheduler, ReduceLROnPlateau
from calor.compat._absent import outside
from calor.errors import ArgumentError, NotCoveredError

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
]

_MOMENTS = {
    "on_train_begin": "on_train_begin",
    "on_train_end": "on_train_end",
    "on_epoch_begin": "on_epoch_begin",
    "on_epoch_end": "on_epoch_end",
    "on_train_batch_begin": "on_train_batch_begin",
    "on_train_batch_end": "on_train_batch_end",
    "on_batch_begin": "on_train_batch_begin",
    "on_batch_end": "on_train_batch_end",
}
"""The methods that are called, and the moments that they are called at."""

_NEVER = tuple(
    f"on_{what}_{when}" for what in ("test", "test_batch", "predict", "predict_batch") for when in ("begin", "end")
)


def respelled(name: str) -> str:
    """The other spelling of a figure: ``acc`` for ``accuracy`` and the other way round.

    >>> respelled("val_acc"), respelled("val_accuracy"), respelled("loss")
    ('val_accuracy', 'val_acc', 'loss')
    """
    stem = name.removeprefix("val_")
    return name.removesuffix(stem) + {"acc": "accuracy", "accuracy": "acc"}.get(stem, stem)


class Figures(UserDict):
    """An epoch's figures under both spellings; what is written goes into the dictionary that it is made of."""

    def __init__(self, logs: dict[str, float]) -> None:
        super().__init__()
        self.data = logs

    def __missing__(self, name: str) -> float:
        return self.data[respelled(name)]

    def __contains__(self, name: object) -> bool:
        return name in self.data or (isinstance(name, str) and respelled(name) in self.data)

    def keys(self) -> Any:
        """The names as they were given."""
        return self.data.keys()

    def get(self, name: str, default: Any = None) -> Any:
        """The figure under either spelling, or ``default``."""
        return self.data.get(name, self.data.get(respelled(name), default))


class Record(dict):
    """``history.history``, which answers to both spellings.

    >>> Record(accuracy=[0.5])["acc"]
    [0.5]
    """

    def __missing__(self, name: str) -> list[float]:
        if (other := respelled(name)) in self:
            return self[other]
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The list under either spelling, or ``default``."""
        return super().get(name, super().get(respelled(name), default))


class Callback(calor_callbacks.Callback):
    """The base of callbacks of your own; ``on_batch_begin`` and ``on_batch_end`` are moments, too.

    Raises:
        NotCoveredError: a subclass has a method for ``evaluate`` or ``predict``, at which Calor calls nobody.
    """

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        for name in _NEVER:
            if name in vars(cls):
                raise NotCoveredError(
                    f"tf.keras.callbacks.Callback.{name} is outside what Calor covers; "
                    "the nearest thing that it has is on_epoch_end, whose logs have the figures of the validation."
                )

    def set_model(self, model: Any) -> None:
        """Keras' way of setting ``self.model``."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Keras' way of setting ``self.params``."""
        self.params = params


class LambdaCallback(calor_callbacks.LambdaCallback):
    """``calor.callbacks.LambdaCallback``, which here knows the older ``on_batch_end``, too."""

    def __init__(self, **functions: Callable[..., Any] | None) -> None:
        super().__init__(**{_MOMENTS.get(name, name): function for name, function in functions.items()})


class ModelCheckpoint(calor_callbacks.ModelCheckpoint):
    """``calor.callbacks.ModelCheckpoint``, which here can also save the weights alone.

    Args:
        filepath: as there.
        monitor: as there.
        verbose: as there.
        save_best_only: as there.
        save_weights_only: write ``model.save_weights`` files.
        mode: as there.
        save_freq: only ``"epoch"``, after every epoch.

    Raises:
        NotCoveredError: another ``save_freq``.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        period: int = 1,
    ) -> None:
        if save_freq != "epoch" or period != 1:
            raise NotCoveredError(
                f"ModelCheckpoint(save_freq={save_freq!r}, period={period}) is outside what Calor covers; "
                "the nearest thing that it has is save_freq='epoch'."
            )
        super().__init__(filepath, monitor, verbose, save_best_only, mode)
        self.save_weights_only = save_weights_only

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        model = self.model
        if self.save_weights_only:
            self.model = _SavesWeights(model)  # type: ignore[assignment]
        try:
            super().on_epoch_end(epoch, logs)
        finally:
            self.model = model


class _SavesWeights:
    """A model, to the one method that a checkpoint calls."""

    def __init__(self, model: Any) -> None:
        self.save = model.save_weights


class _Caller(calor_callbacks.Callback):
    """Calls a callback of the user's at its moments, with the figures under both spellings."""

    def __init__(self, callback: Any) -> None:
        self._callback = callback
        for name, moment in _MOMENTS.items():
            method = getattr(callback, name, None)
            inherited = getattr(calor_callbacks.Callback, name, None)
            if method is not None and getattr(method, "__func__", method) is not inherited:
                setattr(self, moment, partial(self._call, method))
        for name in ("get_state", "set_state"):
            if hasattr(callback, name):
                setattr(self, name, getattr(callback, name))

    @staticmethod
    def _call(method: Callable[..., Any], *arguments: Any) -> None:
        *places, logs = arguments
        method(*places, Figures(logs))

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in ("model", "params"):
            setattr(self._callback, name, value)


def callers(callbacks: Any) -> list[calor_callbacks.Callback]:
    """What Calor's ``fit`` takes for the callbacks of a user of Keras.

    Raises:
        ArgumentError: one of them has none of a callback's methods.
    """
    given = list(callbacks) if isinstance(callbacks, Sequence) else [] if callbacks is None else [callbacks]
    for callback in given:
        if isinstance(callback, type) or not any(hasattr(callback, name) for name in _MOMENTS):
            raise ArgumentError(f"callbacks must be tf.keras.callbacks.Callback objects, and {callback!r} is not one.")
    return [callback if isinstance(callback, BackupAndRestore) else _Caller(callback) for callback in given]


__getattr__ = outside(globals())
