"""``tf.nn``: the activation functions."""

from calor.compat._absent import outside
from calor.compat.keras import activations

_functions = ("elu", "gelu", "leaky_relu", "relu", "selu", "sigmoid", "silu", "softmax", "softplus", "swish", "tanh")
for _name in _functions:
    globals()[_name] = getattr(activations, _name)

__all__ = [*_functions]

__getattr__ = outside(globals())
