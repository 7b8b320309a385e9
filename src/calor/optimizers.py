"""Optimizers: how gradients change parameters, built from Optax's transformations with Keras' formulas and defaults.

Each is a frozen dataclass of settings; its memory (momenta and the like) is a tree that goes in and comes out.
In the formulas p is a parameter, g its gradient, r the learning rate and t the step, from 1.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import optax

from calor import schedules
from calor._arguments import number, replace_arguments
from calor._functions import described_function, returned
from calor._names import find
from calor.errors import ArgumentError

__all__ = ["SGD", "Adam", "AdamW", "OptaxOptimizer", "Optimizer", "RMSprop", "get", "schedules"]

Rate = float | Callable[[Any], Any]
"""A learning rate: a number, or a function of the steps taken so far."""


@dataclass(frozen=True)
class Optimizer:
    """The base of all optimizers. One of your own needs only ``transformation``.

    Args:
        learning_rate: a number, or a schedule: one of ``calor.optimizers.schedules``, or a function of JAX's that
            takes the steps taken so far and returns the rate.

    Raises:
        ArgumentError: the rate is neither, or the function fails or returns something else.

    >>> class Signs(Optimizer):
    ...     def transformation(self, learning_rate):
    ...         return optax.sign_sgd(learning_rate)
    >>> Signs(0.5).update({"w": jnp.full(1, 3.0)}, Signs(0.5).init({"w": jnp.ones(1)}), None, 0.5)[0]["w"].tolist()
    [-0.5]
    """

    learning_rate: Rate

    def __post_init__(self) -> None:
        if not callable(self.learning_rate):
            self._check("learning_rate", least=0)
            return
        step = jax.ShapeDtypeStruct((), jnp.int32)
        wanted = "one number"
        rate = returned(self.learning_rate, "a number of steps", step, wanted=wanted)
        if rate.shape:
            name = described_function(self.learning_rate)
            raise ArgumentError(f"The function {name} returned shape {rate.shape}: it must return {wanted}.")

    def transformation(self, learning_rate: Any) -> optax.GradientTransformation:
        """What is done to the gradients to get the change of the parameters.

        Args:
            learning_rate: the rate of this step, a number or a traced scalar.
        """
        raise NotImplementedError(f"{type(self).__name__} has no transformation method")

    def init(self, parameters: Any) -> Any:
        """The memory before the first step, for a tree of parameters."""
        return self.transformation(0.0).init(parameters)

    def update(self, gradients: Any, state: Any, parameters: Any, learning_rate: Any) -> tuple[Any, Any]:
        """One step: a pure function, traced inside the training program.

        Args:
            gradients: a tree like the parameters.
            state: the memory, from ``init`` or the last ``update``.
            parameters: their values of now.
            learning_rate: the rate of this step.

        Returns:
            What is to be added to the parameters, and the new memory.
        """
        return self.transformation(learning_rate).update(gradients, state, parameters)

    def rate(self, step: Any) -> Any:
        """The learning rate after ``step`` steps, a number, or traced where the step is."""
        return self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate

    def _check(self, *names: str, **bounds: float) -> None:
        for name in names:
            replace_arguments(self, **{name: number(self, name, getattr(self, name), **bounds)})


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    Without momentum p ← p - r g. With momentum m: v ← m v - r g, then p ← p + v, or, with Nesterov's look ahead
    (Sutskever and others 2013), p ← p + m v - r g.

    Args:
        learning_rate: default 0.01.
        momentum: how much of the last change goes on, from 0.0, the default, up to 1.
        nesterov: whether to look ahead. Default False.

    >>> SGD(0.1).update({"w": jnp.ones(1)}, SGD(0.1).init({"w": jnp.ones(1)}), None, 0.1)[0]["w"].tolist()
    [-0.1...]
    """

    learning_rate: Rate = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("momentum", least=0, most=1)

    def transformation(self, learning_rate: Any) -> optax.GradientTransformation:
        """See ``Optimizer.transformation``."""
        step = optax.scale(-learning_rate)
        return optax.chain(step, optax.trace(self.momentum, self.nesterov)) if self.momentum else step


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Divide each gradient by the root of a running mean of its square (Hinton 2012).

    v ← rho v + (1 - rho) g², d = r g / sqrt(v + epsilon), and p ← p - d, or with momentum m: u ← m u + d, p ← p - u.
    Centered, the square of a running mean of g is taken off v under the root.

    Args:
        learning_rate: default 0.001.
        rho: how long the running means remember. Default 0.9.
        momentum: how much of the last change goes on. Default 0.0.
        epsilon: keeps the root from 0. Default 1e-7.
        centered: whether to divide by the deviation rather than the square mean. Default False.

    >>> RMSprop(momentum=0.5).rate(0)
    0.001
    """

    learning_rate: Rate = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("rho", "momentum", least=0, most=1)
        self._check("epsilon", least=0)

    def transformation(self, learning_rate: Any) -> optax.GradientTransformation:
        """See ``Optimizer.transformation``."""
        scale = optax.scale_by_stddev if self.centered else optax.scale_by_rms
        step = optax.chain(scale(self.rho, self.epsilon, eps_in_sqrt=True), optax.scale(-learning_rate))
        return optax.chain(step, optax.trace(self.momentum)) if self.momentum else step


@dataclass(frozen=True)
class Adam(Optimizer):
    """Running means of the gradient and of its square, corrected for their start at 0 (Kingma and Ba 2014).

    m ← beta_1 m + (1 - beta_1) g, v ← beta_2 v + (1 - beta_2) g², and
    p ← p - r sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon), the form before section 2.1 of the paper.

    Args:
        learning_rate: default 0.001.
        beta_1: how long the mean of the gradient remembers. Default 0.9.
        beta_2: how long the mean of its square remembers. Default 0.999.
        epsilon: keeps the divisor from 0. Default 1e-7.

    >>> Adam(0.1).update({"w": jnp.ones(1)}, Adam(0.1).init({"w": jnp.ones(1)}), None, 0.1)[0]["w"].tolist()
    [-0.0999...]
    """

    learning_rate: Rate = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta_1", "beta_2", least=0, below=1)
        self._check("epsilon", least=0)

    def transformation(self, learning_rate: Any) -> optax.GradientTransformation:
        """See ``Optimizer.transformation``."""
        return optax.chain(_scale_by_adam(self.beta_1, self.beta_2, self.epsilon), optax.scale(-learning_rate))


@dataclass(frozen=True)
class AdamW(Adam):
    """``Adam``, and in each step p ← p - r weight_decay p as well (Loshchilov and Hutter 2017).

    Args:
        learning_rate: default 0.001.
        beta_1: how long the mean of the gradient remembers. Default 0.9.
        beta_2: how long the mean of its square remembers. Default 0.999.
        epsilon: keeps the divisor from 0. Default 1e-7.
        weight_decay: the share of each parameter, biases too, that a step with rate 1 takes off. Default 0.004.

    >>> AdamW().weight_decay
    0.004
    """

    weight_decay: float = 0.004

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("weight_decay", least=0)

    def transformation(self, learning_rate: Any) -> optax.GradientTransformation:
        """See ``Optimizer.transformation``."""
        return optax.chain(
            _scale_by_adam(self.beta_1, self.beta_2, self.epsilon),
            optax.add_decayed_weights(self.weight_decay),
            optax.scale(-learning_rate),
        )


@dataclass(frozen=True)
class OptaxOptimizer(Optimizer):
    """An Optax transformation as an optimizer: ``compile(optimizer=optax.lion(1e-4))`` makes one.

    Args:
        optax_transformation: gives changes that are already scaled, as Optax's own optimizers do.
        learning_rate: a factor on those changes. Default 1.0.

    >>> get(optax.sgd(0.5)).learning_rate
    1.0
    """

    optax_transformation: optax.GradientTransformation
    learning_rate: Rate = field(default=1.0, kw_only=True)

    def transformation(self, learning_rate: Any) -> optax.GradientTransformation:
        """See ``Optimizer.transformation``."""
        return optax.chain(self.optax_transformation, optax.scale(learning_rate))


def _scale_by_adam(beta_1: float, beta_2: float, epsilon: float) -> optax.GradientTransformation:
    """As ``optax.scale_by_adam``, but epsilon is added before the correction, as in Keras, and divides less often."""

    def update(gradients: Any, state: Any, parameters: Any = None) -> tuple[Any, optax.ScaleByAdamState]:
        means = optax.tree.update_moment(gradients, state.mu, beta_1, 1)
        squares = optax.tree.update_moment(gradients, state.nu, beta_2, 2)
        step = optax.safe_increment(state.count)
        correction = jnp.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        updates = jax.tree.map(lambda m, v: correction * m / (jnp.sqrt(v) + epsilon), means, squares)
        return updates, optax.ScaleByAdamState(step, means, squares)

    return optax.GradientTransformation(optax.scale_by_adam(beta_1, beta_2, epsilon).init, update)


_KNOWN: dict[str, Callable[[], Optimizer]] = {"adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "sgd": SGD}


def get(identifier: Any) -> Optimizer:
    """The optimizer that ``identifier`` means.

    Args:
        identifier: a name, a class or object of this module, or an Optax transformation.

    Raises:
        UnknownNameError: a name that is not known; the message gives the nearest.
        ArgumentError: none of these.

    >>> get("adam")
    Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07)
    """
    if isinstance(identifier, str):
        return find("optimizer", identifier, _KNOWN)()
    if isinstance(identifier, type):
        identifier = identifier()
    if isinstance(identifier, optax.GradientTransformation):
        return OptaxOptimizer(identifier)
    if not isinstance(identifier, Optimizer):
        raise ArgumentError(f"An optimizer is a name, an Optimizer or an Optax transformation, not {identifier!r}.")
    return identifier
