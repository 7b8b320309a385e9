"""``tf.keras.optimizers``: Calor's optimizers, also with the argument names of older versions."""

from typing import Any

from calor import optimizers
from calor.compat._absent import Namespace, outside
from calor.compat._from_keras import adopt


def _older_names(settings: dict[str, Any]) -> None:
    """``lr``, and the ``decay`` per step that went into the rate."""
    if "lr" in settings:
        settings["learning_rate"] = settings.pop("lr")
    if decay := settings.pop("decay", None):
        rate = settings.get("learning_rate", 0.001)
        settings["learning_rate"] = optimizers.schedules.InverseTimeDecay(rate, 1, decay)


_made = adopt(globals(), optimizers, leave=("OptaxOptimizer", "Optimizer"), change=_older_names)

legacy = Namespace("tf.keras.optimizers.legacy", **{name: globals()[name] for name in _made})

get = optimizers.get

__all__ = ["get", "legacy", *_made]

__getattr__ = outside(globals(), ["schedules"])
