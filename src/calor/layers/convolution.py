"""The layer that slides small filters over pictures."""

from dataclasses import dataclass
from typing import Any

import jax

from calor import activations, initializers
from calor._arguments import integer, replace_arguments
from calor.layers._pictures import check_room, padding_name, pair
from calor.layers.base import Layer
from calor.ops import convolution
from calor.typing import Parameters, Shape, State


@dataclass(frozen=True, eq=False)
class Conv2D(Layer):
    """activation(inputs * kernel + bias): each filter looks for its pattern everywhere in the picture.

    Inputs of shape (batch, height, width, channels) give outputs of shape (batch, new height, new width, filters);
    see ``calor.ops.convolution`` for the formula.

    Args:
        filters: how many filters: the channels of the outputs.
        kernel_size: the filters' height and width; one number stands for both, here and below.
        strides: the steps from one place of a filter to the next, down and to the right.
        padding: ``"valid"``: filters stay inside the picture. ``"same"``: zeros around it, so that with strides
            of 1 the outputs are as large as the inputs.
        dilation_rate: the steps between neighbours in a filter.
        activation: a name, a function of an array, or None for none.
        use_bias: whether a bias is added.
        kernel_initializer: what the kernel, shape (height, width, channels, filters), starts as.
        bias_initializer: what the bias, shape (filters,), starts as.

    Raises:
        ArgumentError: a size, step or count that is no whole number from 1 up, another padding, or an identifier
            is none.
        UnknownNameError: an activation or initializer of that name is not known.

    >>> parameters, _ = Conv2D(32, 3, activation="relu").build(jax.random.key(0), (28, 28, 1))
    >>> parameters["kernel"].shape, parameters["bias"].shape
    ((3, 3, 1, 32), (32,))
    """

    filters: int
    kernel_size: Any
    strides: Any = (1, 1)
    padding: str = "valid"
    dilation_rate: Any = (1, 1)
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"

    def __post_init__(self) -> None:
        replace_arguments(
            self,
            filters=integer(self, "filters", self.filters),
            kernel_size=pair(self, "kernel_size", self.kernel_size),
            strides=pair(self, "strides", self.strides),
            padding=padding_name(self, self.padding),
            dilation_rate=pair(self, "dilation_rate", self.dilation_rate),
            activation=activations.get(self.activation),
            kernel_initializer=initializers.get(self.kernel_initializer),
            bias_initializer=initializers.get(self.bias_initializer),
        )

    def build(self, key: jax.Array, input_shape: Shape) -> tuple[Parameters, State]:
        """A kernel and, unless ``use_bias`` is False, a bias; see ``Layer.build``."""
        check_room(
            self, "kernel", input_shape, self.kernel_size, self.strides, self.padding, dilation=self.dilation_rate
        )
        kernel_key, bias_key = jax.random.split(key)
        shape = (*self.kernel_size, input_shape[-1], self.filters)
        parameters = {"kernel": self.kernel_initializer(kernel_key, shape)}
        if self.use_bias:
            parameters["bias"] = self.bias_initializer(bias_key, (self.filters,))
        return parameters, {}

    def apply(
        self, parameters: Parameters, state: State, inputs: jax.Array, *, training: bool, key: jax.Array | None
    ) -> tuple[jax.Array, State]:
        """See ``Layer.apply``."""
        relu = activations.name_of(self.activation) == "relu"
        outputs = convolution(
            inputs,
            parameters["kernel"],
            parameters.get("bias"),
            strides=self.strides,
            padding=self.padding,
            dilation=self.dilation_rate,
            relu=relu,
        )
        return outputs if relu else self.activation(outputs), state
