"""Losses: how far a network's outputs are from the labels, as one number to make small.

Each is a pure function of labels and outputs in the shape of a frozen dataclass, and knows which labels fit it:
``check`` tells the user before training what a wrong shape or value would otherwise turn into silently.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp

from calor._functions import described_function, returned
from calor._label_checks import (
    ROUNDING,
    check_binary,
    check_finite,
    check_one_hot,
    check_shape,
    check_shape_one_hot,
    check_shape_sparse,
    check_sparse,
)
from calor._names import find
from calor.errors import ArgumentError

if TYPE_CHECKING:
    import numpy as np

    from calor.typing import Shape

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "FunctionLoss",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "get",
    "match_ranks",
]

# Keras keeps probabilities this far from 0 and 1 before it takes their logarithm.
_EPSILON = 1e-7


def match_ranks(labels: jax.Array, outputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Labels and outputs with the same number of axes, where only a last axis of 1 is missing or too many.

    >>> [array.shape for array in match_ranks(jnp.zeros(4), jnp.zeros((4, 1)))]
    [(4, 1), (4, 1)]
    """
    labels, outputs = jnp.asarray(labels), jnp.asarray(outputs)
    if labels.ndim + 1 == outputs.ndim and outputs.shape[-1] == 1:
        labels = labels[..., None]
    elif labels.ndim == outputs.ndim + 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    return labels, outputs


@dataclass(frozen=True)
class Loss:
    """The base of all losses. One of your own needs only ``per_example``.

    >>> class Quartic(Loss):
    ...     def per_example(self, labels, outputs):
    ...         return jnp.mean((labels - outputs) ** 4, axis=-1)
    >>> float(Quartic()([[1.0], [2.0]], [[1.0], [4.0]]))
    8.0
    """

    inverse_of: ClassVar[str | None] = None
    """The activation that this loss undoes when ``from_logits`` is False: "softmax", "sigmoid" or None."""

    def per_example(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        """The loss of each example, shape (batch,), averaged over all other axes.

        Args:
            labels: shape (batch, ...), any number dtype.
            outputs: what the network gives, shape (batch, ...), float32.
        """
        raise NotImplementedError(f"{type(self).__name__} has no per_example method")

    def __call__(self, labels: Any, outputs: Any) -> jax.Array:
        """The mean loss of a batch, a scalar."""
        return jnp.mean(self.per_example(jnp.asarray(labels), jnp.asarray(outputs)))

    def check(self, labels: "np.ndarray", output_shape: "Shape") -> None:
        """Look through the labels before training.

        Args:
            labels: all of them, shape (examples, ...), on the host.
            output_shape: the shape of the network's output for one example.

        Raises:
            LabelError: they do not fit this loss or the network; the message says what to do.
        """


@dataclass(frozen=True)
class _ElementwiseLoss(Loss):
    """A loss of numbers against numbers, averaged over each example's."""

    def _per_element(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        raise NotImplementedError

    def per_example(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        """The loss of each example, shape (batch,); see ``Loss.per_example``."""
        check_shape(self, labels.shape[1:], outputs.shape[1:])
        errors = self._per_element(labels.reshape(outputs.shape).astype(outputs.dtype), outputs)
        return _mean_of_each(errors)

    def check(self, labels: "np.ndarray", output_shape: "Shape") -> None:
        """Look through the labels before training; see ``Loss.check``."""
        check_shape(self, labels.shape[1:], output_shape)
        check_finite(self, labels)


@dataclass(frozen=True)
class MeanSquaredError(_ElementwiseLoss):
    """The mean of (label - output)², for outputs that are quantities: degrees, prices.

    Labels have the shape of the outputs; a last axis of 1 may be missing or too many.

    >>> float(MeanSquaredError()([1.0, 2.0], [[1.0], [4.0]]))
    2.0
    """

    def _per_element(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        return jnp.square(labels - outputs)


@dataclass(frozen=True)
class MeanAbsoluteError(_ElementwiseLoss):
    """The mean of abs(label - output); less moved by single large errors than the squared error.

    Labels have the shape of the outputs; a last axis of 1 may be missing or too many.

    >>> float(MeanAbsoluteError()([1.0, 2.0], [[1.0], [4.0]]))
    1.0
    """

    def _per_element(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        return jnp.abs(labels - outputs)


@dataclass(frozen=True)
class BinaryCrossentropy(_ElementwiseLoss):
    """-y log(p) - (1 - y) log(1 - p): for yes-or-no outputs, one probability p for each label y.

    Labels are 0 or 1, or probabilities between, in the shape of the outputs; a last axis of 1 may be missing. The
    loss of another label is NaN.

    Args:
        from_logits: the outputs are not probabilities but what a sigmoid would turn into them. Without it,
            probabilities are kept within 1e-7 of 0 and 1, as in Keras; a model that ends in a sigmoid
            computes the loss on the logits in either case.

    >>> float(BinaryCrossentropy()([1, 0], [[0.5], [0.5]]))
    0.693147...
    """

    from_logits: bool = False

    inverse_of: ClassVar[str | None] = "sigmoid"

    def _per_element(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        if self.from_logits:
            # log(1 - sigmoid(x)) = log(sigmoid(-x)), without the overflow.
            losses = -labels * jax.nn.log_sigmoid(outputs) - (1 - labels) * jax.nn.log_sigmoid(-outputs)
        else:
            probabilities = jnp.clip(outputs, _EPSILON, 1 - _EPSILON)
            losses = -labels * jnp.log(probabilities) - (1 - labels) * jnp.log(1 - probabilities)
        return jnp.where(_are_probabilities(labels), losses, jnp.nan)

    def check(self, labels: "np.ndarray", output_shape: "Shape") -> None:
        """Look through the labels before training; see ``Loss.check``."""
        check_binary(self, labels, output_shape)


@dataclass(frozen=True)
class CategoricalCrossentropy(Loss):
    """-sum(y log(p)) over the classes: for one of several classes, with one-hot labels y.

    Labels have the shape of the outputs, (batch, classes): 1 at the true class, or probabilities. The loss of labels
    that are neither is NaN.

    Args:
        from_logits: the outputs are not probabilities but what a softmax would turn into them. Without it,
            each row is divided by its sum and kept within 1e-7 of 0 and 1, as in Keras; a model that ends in
            a softmax computes the loss on the logits in either case.

    >>> float(CategoricalCrossentropy()([[0, 1]], [[0.5, 0.5]]))
    0.693147...
    """

    from_logits: bool = False

    inverse_of: ClassVar[str | None] = "softmax"

    def per_example(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        """The loss of each example, shape (batch,); see ``Loss.per_example``."""
        check_shape_one_hot(self, labels.shape[1:], outputs.shape[1:])
        logs = _log_probabilities(outputs, self.from_logits)
        labels = labels.astype(logs.dtype)
        losses = -jnp.sum(labels * logs, axis=-1)
        return _mean_of_each(jnp.where(jnp.all(_are_probabilities(labels), axis=-1), losses, jnp.nan))

    def check(self, labels: "np.ndarray", output_shape: "Shape") -> None:
        """Look through the labels before training; see ``Loss.check``."""
        check_one_hot(self, labels, output_shape)


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(Loss):
    """-log(p of the true class): for one of several classes, with labels that number the classes from 0.

    Labels have the shape (batch,) or (batch, 1) and any number dtype; outputs (batch, classes). The loss of a label
    that is no class is NaN.

    Args:
        from_logits: as for ``CategoricalCrossentropy``.

    >>> float(SparseCategoricalCrossentropy(from_logits=True)([3], jnp.zeros((1, 4))))
    1.38629...
    """

    from_logits: bool = False

    inverse_of: ClassVar[str | None] = "softmax"

    def per_example(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        """The loss of each example, shape (batch,); see ``Loss.per_example``."""
        check_shape_sparse(self, labels.shape[1:], outputs.shape[1:])
        logs = _log_probabilities(outputs, self.from_logits)
        classes = labels.reshape(outputs.shape[:-1]).astype(jnp.int32)
        # A product with one-hot rows and not a gather: XLA fuses it, and its gradient needs no scatter.
        losses = -jnp.sum(jax.nn.one_hot(classes, outputs.shape[-1]) * logs, axis=-1)
        # Labels that only turn up in the program, out of a map or a stream, must not count as a loss of 0.
        known = (classes >= 0) & (classes < outputs.shape[-1]) & (classes == labels.reshape(classes.shape))
        return _mean_of_each(jnp.where(known, losses, jnp.nan))

    def check(self, labels: "np.ndarray", output_shape: "Shape") -> None:
        """Look through the labels before training; see ``Loss.check``."""
        check_sparse(self, labels, output_shape)


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """A function of the user's as a loss.

    Args:
        function: takes labels and outputs, JAX arrays with the batch first, and returns either one number for
            the batch or an array with the batch first. It sees labels and outputs with as many axes as each
            other where only a last axis of 1 differs.

    Raises:
        ArgumentError: when the loss is computed, the function fails or returns something else.

    >>> float(FunctionLoss(lambda labels, outputs: jnp.abs(labels - outputs).max())([1.0, 2.0], [1.0, 4.0]))
    1.0
    """

    function: Callable[[jax.Array, jax.Array], jax.Array]

    def per_example(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        """The loss of each example, shape (batch,); see ``Loss.per_example``."""
        labels, outputs = match_ranks(labels, outputs)
        what = f"labels of shape {labels.shape} and outputs of shape {outputs.shape}"
        wanted = "one number, or an array with the batch first"
        shape = returned(self.function, what, labels, outputs, wanted=wanted).shape
        if not shape:
            # One number for a batch cannot leave out the rows that pad it, so each row becomes a batch.
            return jax.vmap(lambda label, output: self.function(label[None], output[None]))(labels, outputs)
        if shape[0] != outputs.shape[0]:
            raise ArgumentError(
                f"The function {described_function(self.function)} returned shape {shape} for a batch of "
                f"{outputs.shape[0]}: it must return {wanted}."
            )
        return _mean_of_each(self.function(labels, outputs))


def _log_probabilities(outputs: jax.Array, from_logits: bool) -> jax.Array:
    if from_logits:
        return jax.nn.log_softmax(outputs)
    probabilities = outputs / jnp.sum(outputs, axis=-1, keepdims=True)
    return jnp.log(jnp.clip(probabilities, _EPSILON, 1 - _EPSILON))


def _are_probabilities(labels: jax.Array) -> jax.Array:
    """Which labels lie between 0 and 1: those that do not may only turn up in the program, out of a map or a stream."""
    return (labels >= -ROUNDING) & (labels <= 1 + ROUNDING)


def _mean_of_each(values: jax.Array) -> jax.Array:
    return jnp.mean(values, axis=tuple(range(1, values.ndim)))


KNOWN: dict[str, Callable[[], Loss]] = {
    "bce": BinaryCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "mae": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
}


def get(identifier: Any) -> Loss:
    """The loss that ``identifier`` means.

    Args:
        identifier: a name ("mse" and "mae" are short for two), a class or object of this module, or a function
            of labels and outputs (see ``FunctionLoss``).

    Raises:
        UnknownNameError: a name that is not known; the message gives the nearest.
        ArgumentError: none of these.

    >>> get("mse")
    MeanSquaredError()
    """
    if isinstance(identifier, str):
        return find("loss", identifier, KNOWN)()
    if isinstance(identifier, type):
        identifier = identifier()
    if isinstance(identifier, Loss):
        return identifier
    if not callable(identifier):
        raise ArgumentError(f"A loss is a name, a Loss or a function of labels and outputs, not {identifier!r}.")
    return FunctionLoss(identifier)
