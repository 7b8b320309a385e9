"""``tf.keras.optimizers.schedules``: learning rates that follow the steps."""

from calor.compat._absent import outside
from calor.compat._from_keras import adopt
from calor.optimizers import schedules

_made = adopt(globals(), schedules)

__all__ = list(_made)

__getattr__ = outside(globals())
