"""What a run has against overfitting already, so that its verdict does not advise it."""

from collections.abc import Iterable

from calor.data import Plan
from calor.layers import Dropout
from calor.layers._augmentation import Augmentation
from calor.layers.base import Layer
from calor.training.callbacks import Callback, EarlyStopping


def remedies(layers: Iterable[Layer], plan: Plan, callbacks: Iterable[Callback]) -> list[str]:
    """Which of ``"augmentation"``, ``"dropout"`` and ``"early stopping"`` there are: what ``judge`` takes as ``tried``.

    What a generator of batches does to them is not known, nor what one's own layers do.
    """
    layers = list(layers)
    found = {
        "augmentation": plan.varied or any(isinstance(layer, Augmentation) for layer in layers),
        "dropout": any(isinstance(layer, Dropout) and layer.rate > 0 for layer in layers),
        "early stopping": any(isinstance(callback, EarlyStopping) for callback in callbacks),
    }
    return [name for name, there in found.items() if there]
