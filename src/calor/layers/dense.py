"""The layer in which every output sees every input."""

from dataclasses import dataclass
from typing import Any

import jax

from calor import activations, initializers
from calor._arguments import described, integer, replace_arguments
from calor.errors import ShapeError, warn
from calor.layers.base import Layer
from calor.ops import matmul
from calor.typing import Parameters, Shape, State


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """activation(inputs · kernel + bias), over the last axis.

    Inputs of shape (batch, ..., features) give outputs of shape (batch, ..., units).

    Args:
        units: how many outputs.
        activation: a name, a function of an array, or None for none.
        use_bias: whether a bias is added.
        kernel_initializer: what the kernel, shape (features, units), starts as.
        bias_initializer: what the bias, shape (units,), starts as.

    Raises:
        ArgumentError: ``units`` is no whole number from 1 up, or an identifier is none.
        UnknownNameError: an activation or initializer of that name is not known.

    Warns:
        CalorWarning: a softmax over one unit, which is always 1.

    >>> parameters, _ = Dense(4, activation="relu").build(jax.random.key(0), (3,))
    >>> parameters["kernel"].shape, parameters["bias"].shape
    ((3, 4), (4,))
    """

    units: int
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"

    def __post_init__(self) -> None:
        replace_arguments(
            self,
            units=integer(self, "units", self.units),
            activation=activations.get(self.activation),
            kernel_initializer=initializers.get(self.kernel_initializer),
            bias_initializer=initializers.get(self.bias_initializer),
        )
        if self.units == 1 and activations.name_of(self.activation) == "softmax":
            warn(
                f"{described(self)}: a softmax over 1 unit is always 1. Use activation='sigmoid', or a unit for each "
                "class."
            )

    def build(self, key: jax.Array, input_shape: Shape) -> tuple[Parameters, State]:
        """A kernel and, unless ``use_bias`` is False, a bias; see ``Layer.build``."""
        if not input_shape:
            raise ShapeError("Dense needs a last axis of features, but each input is a single number: add an axis.")
        kernel_key, bias_key = jax.random.split(key)
        parameters = {"kernel": self.kernel_initializer(kernel_key, (input_shape[-1], self.units))}
        if self.use_bias:
            parameters["bias"] = self.bias_initializer(bias_key, (self.units,))
        return parameters, {}

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``."""
        outputs = matmul(inputs, parameters["kernel"])
        if self.use_bias:
            outputs = outputs + parameters["bias"]
        return self.activation(outputs), state
