"""``keras`` and ``tf.keras``: Calor's models, layers and what belongs to them, under Keras' names."""

from calor.compat._absent import outside
from calor.compat._version import standing_for
from calor.compat.keras.layers import Input
from calor.compat.keras.models import Sequential
from calor.models.saving import KERAS_VERSION

__version__ = standing_for(KERAS_VERSION)

_ROOMS = (
    *("activations", "backend", "callbacks", "datasets", "initializers", "layers", "losses", "metrics", "models"),
    *("optimizers", "preprocessing", "utils"),
)

__all__ = ["Input", "Sequential"]

__getattr__ = outside(globals(), _ROOMS)
