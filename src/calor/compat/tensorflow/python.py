"""``tensorflow.python``: inside of TensorFlow, from where some programs import Keras."""

from calor.compat._absent import outside

__all__: list[str] = []

__getattr__ = outside(globals(), {"keras": "calor.compat.keras"})
