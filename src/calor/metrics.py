"""Metrics: what a person reads to judge a network. Each is summed over batches and turned into one number at the end.

``measure`` is pure and runs inside the training program; its sums add up over batches of any size, and rows that
only pad the last batch have weight 0. ``result`` runs on the host.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from calor import losses
from calor._arguments import integer, number, replace_arguments
from calor._label_checks import check_shape, check_shape_sparse, doubt_one_true, doubt_yes_or_no
from calor._names import find
from calor.errors import ArgumentError

if TYPE_CHECKING:
    from calor.typing import Shape

__all__ = [
    "AUC",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "FunctionMetric",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "get",
]


@dataclass(frozen=True)
class Metric:
    """The base of all metrics. One of your own needs ``measure`` and ``result``.

    Args:
        name: what it is called in ``History.history`` and in progress lines.

    >>> class TooHigh(Metric):
    ...     def measure(self, labels, outputs, weights):
    ...         return jnp.stack([jnp.sum(weights * (outputs[:, 0] > labels)), jnp.sum(weights)])
    ...     def result(self, sums):
    ...         return float(sums[0] / sums[1])
    >>> TooHigh(name="too_high")([1.0, 2.0], [[1.5], [2.0]])
    0.5
    """

    name: str = field(default="metric", kw_only=True)

    def measure(self, labels: jax.Array, outputs: jax.Array, weights: jax.Array) -> jax.Array:
        """The sums over one batch, a 1-D float32 vector.

        Args:
            labels: shape (batch, ...).
            outputs: what the network gives, shape (batch, ...).
            weights: shape (batch,), how much each example counts; 0 for padding.
        """
        raise NotImplementedError(f"{type(self).__name__} has no measure method")

    def result(self, sums: np.ndarray) -> float:
        """The figure, from the sums over all batches in float64."""
        raise NotImplementedError(f"{type(self).__name__} has no result method")

    def check(self, labels: np.ndarray, output_shape: "Shape") -> None:
        """Look through the labels before training, and warn where the figure would mean nothing.

        Args:
            labels: shape (examples, ...), on the host.
            output_shape: the shape of the network's output for one example.
        """

    def __call__(self, labels: Any, outputs: Any, weights: Any = None) -> float:
        """The figure for one set of labels and outputs."""
        outputs = jnp.asarray(outputs)
        weights = jnp.ones(outputs.shape[:1]) if weights is None else jnp.asarray(weights, jnp.float32)
        return self.result(np.asarray(self.measure(jnp.asarray(labels), outputs, weights), np.float64))


@dataclass(frozen=True)
class _Mean(Metric):
    """The weighted mean over the examples of a value each; the sums are [weight * value, weight]."""

    def _values(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        raise NotImplementedError

    def measure(self, labels: jax.Array, outputs: jax.Array, weights: jax.Array) -> jax.Array:
        """The sum of the weighted values and that of the weights."""
        values = self._values(labels, outputs).astype(jnp.float32)
        values = jnp.mean(values, axis=tuple(range(1, values.ndim)))
        # Padding must not reach the sum even where its value is NaN, so select, not multiply.
        return jnp.stack([jnp.sum(jnp.where(weights != 0, weights * values, 0.0)), jnp.sum(weights)])

    def result(self, sums: np.ndarray) -> float:
        """The mean; 0 where nothing counted."""
        return _ratio(sums[0], sums[1])


@dataclass(frozen=True)
class FunctionMetric(_Mean):
    """The mean of a function of the user's over the examples.

    Args:
        function: as for ``calor.losses.FunctionLoss``; where it returns one number for a batch, it is asked about
            each example alone.

    >>> FunctionMetric(lambda labels, outputs: abs(labels - outputs) < 1, name="close")([1.0, 2.0], [1.5, 4.0])
    0.5
    """

    function: Callable[[jax.Array, jax.Array], jax.Array]

    def _values(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        return losses.FunctionLoss(self.function).per_example(labels, outputs)


@dataclass(frozen=True)
class MeanSquaredError(_Mean):
    """The mean of (label - output)².

    >>> MeanSquaredError()([1.0, 2.0], [[1.0], [4.0]])
    2.0
    """

    name: str = field(default="mean_squared_error", kw_only=True)

    def _values(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        return losses.MeanSquaredError().per_example(labels, outputs)


@dataclass(frozen=True)
class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean of (label - output)², in the labels' own unit.

    >>> RootMeanSquaredError()([1.0, 2.0], [[1.0], [4.0]])
    1.414213...
    """

    name: str = field(default="root_mean_squared_error", kw_only=True)

    def result(self, sums: np.ndarray) -> float:
        """The root of the mean."""
        return float(np.sqrt(super().result(sums)))


@dataclass(frozen=True)
class MeanAbsoluteError(_Mean):
    """The mean of abs(label - output), in the labels' own unit.

    >>> MeanAbsoluteError()([1.0, 2.0], [[1.0], [4.0]])
    1.0
    """

    name: str = field(default="mean_absolute_error", kw_only=True)

    def _values(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        return losses.MeanAbsoluteError().per_example(labels, outputs)


@dataclass(frozen=True)
class BinaryAccuracy(_Mean):
    """How often an output is on the same side of the threshold as its label, 0 or 1.

    Args:
        threshold: outputs above it count as 1. Default 0.5; for logits 0.

    >>> BinaryAccuracy()([1, 1, 0, 0], [[0.98], [1.0], [0.0], [0.6]])
    0.75
    """

    threshold: float = 0.5
    name: str = field(default="binary_accuracy", kw_only=True)

    def __post_init__(self) -> None:
        replace_arguments(self, threshold=number(self, "threshold", self.threshold))

    def _values(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        return _like_outputs(self, labels, outputs) == (outputs > self.threshold)

    def check(self, labels: np.ndarray, output_shape: "Shape") -> None:
        """Warn of labels that are no yes or no; see ``Metric.check``."""
        doubt_yes_or_no(self.name, labels)


@dataclass(frozen=True)
class CategoricalAccuracy(_Mean):
    """How often the largest output is the one of the true class. Labels may be one-hot or class numbers.

    >>> CategoricalAccuracy()([[0, 1], [1, 0]], [[0.2, 0.8], [0.4, 0.6]])
    0.5
    """

    name: str = field(default="categorical_accuracy", kw_only=True)

    def _values(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        return _classes(self, labels, outputs) == jnp.argmax(outputs, axis=-1)

    def check(self, labels: np.ndarray, output_shape: "Shape") -> None:
        """Warn of labels with several true classes; see ``Metric.check``."""
        doubt_one_true(self.name, labels, output_shape)


@dataclass(frozen=True)
class SparseCategoricalAccuracy(CategoricalAccuracy):
    """How often the largest output is the one of the true class. Labels may be class numbers or one-hot.

    >>> SparseCategoricalAccuracy()([1, 0], [[0.2, 0.8], [0.4, 0.6]])
    0.5
    """

    name: str = field(default="sparse_categorical_accuracy", kw_only=True)


@dataclass(frozen=True)
class TopKCategoricalAccuracy(_Mean):
    """How often the true class is among the ``k`` largest outputs. Labels may be one-hot or class numbers.

    Args:
        k: how many outputs count. Default 5.

    >>> TopKCategoricalAccuracy(k=2)([[1, 0, 0], [0, 0, 1]], [[0.3, 0.5, 0.2], [0.6, 0.3, 0.1]])
    0.5
    """

    k: int = 5
    name: str = field(default="top_k_categorical_accuracy", kw_only=True)

    def __post_init__(self) -> None:
        replace_arguments(self, k=integer(self, "k", self.k))

    def _values(self, labels: jax.Array, outputs: jax.Array) -> jax.Array:
        classes = _classes(self, labels, outputs)
        of_true = jnp.take_along_axis(outputs, classes[..., None], axis=-1)
        return jnp.sum(outputs > of_true, axis=-1) < self.k


@dataclass(frozen=True)
class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """How often the true class is among the ``k`` largest outputs. Labels may be class numbers or one-hot.

    Args:
        k: how many outputs count. Default 5.

    >>> SparseTopKCategoricalAccuracy(k=2)([0, 2], [[0.3, 0.5, 0.2], [0.6, 0.3, 0.1]])
    0.5
    """

    name: str = field(default="sparse_top_k_categorical_accuracy", kw_only=True)


@dataclass(frozen=True)
class Precision(Metric):
    """Of the outputs that say yes, how many are right: true positives / (true and false positives).

    Args:
        thresholds: outputs above it say yes. Default 0.5.

    >>> Precision()([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0])
    0.666666...
    """

    thresholds: float = 0.5
    name: str = field(default="precision", kw_only=True)

    def __post_init__(self) -> None:
        replace_arguments(self, thresholds=number(self, "thresholds", self.thresholds))

    def measure(self, labels: jax.Array, outputs: jax.Array, weights: jax.Array) -> jax.Array:
        """The sums [true positives, all that the outputs say yes to]."""
        true, weights = _like_outputs(self, labels, outputs) != 0, _spread(weights, outputs)
        said = outputs > self.thresholds
        return jnp.stack([jnp.sum(weights * (said & true)), jnp.sum(weights * said)])

    def result(self, sums: np.ndarray) -> float:
        """Their ratio; 0 where there is nothing to divide by."""
        return _ratio(sums[0], sums[1])


@dataclass(frozen=True)
class Recall(Precision):
    """Of the labels that are yes, how many are found: true positives / (true positives and false negatives).

    Args:
        thresholds: outputs above it say yes. Default 0.5.

    >>> Recall()([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0])
    0.666666...
    """

    name: str = field(default="recall", kw_only=True)

    def measure(self, labels: jax.Array, outputs: jax.Array, weights: jax.Array) -> jax.Array:
        """The sums [true positives, all that are yes]."""
        true, weights = _like_outputs(self, labels, outputs) != 0, _spread(weights, outputs)
        said = outputs > self.thresholds
        return jnp.stack([jnp.sum(weights * (said & true)), jnp.sum(weights * true)])


@dataclass(frozen=True)
class AUC(Metric):
    """The area under a curve that every threshold gives a point of: 1 for perfect outputs; 0.5 (ROC) for chance.

    ROC is recall against the rate of false positives, by the trapezoidal rule; PR is precision against recall,
    interpolated after Davis and Goadrich (2006), section 4.

    Args:
        num_thresholds: how many thresholds, evenly from 0 to 1. Default 200.
        curve: ``"ROC"`` (default) or ``"PR"``.
        from_logits: the outputs are no probabilities but what a sigmoid makes them of. Default False.

    >>> round(AUC()([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]), 4)
    0.75
    """

    num_thresholds: int = 200
    curve: Literal["ROC", "PR"] = "ROC"
    from_logits: bool = False
    name: str = field(default="auc", kw_only=True)

    def __post_init__(self) -> None:
        replace_arguments(self, num_thresholds=integer(self, "num_thresholds", self.num_thresholds, least=2))
        if self.curve not in ("ROC", "PR"):
            raise ArgumentError(f"AUC: curve must be 'ROC' or 'PR', not {self.curve!r}.")

    def measure(self, labels: jax.Array, outputs: jax.Array, weights: jax.Array) -> jax.Array:
        """The weights of the positives, then of the negatives, between each threshold and the next."""
        true = (_like_outputs(self, labels, outputs) != 0).ravel()
        weights = _spread(weights, outputs).ravel()
        probabilities = jnp.clip(jax.nn.sigmoid(outputs) if self.from_logits else outputs, 0.0, 1.0).ravel()
        # A probability passes the thresholds strictly below it, and always the first, which stands below 0.
        last = jnp.maximum(jnp.ceil(probabilities * (self.num_thresholds - 1)) - 1, 0).astype(jnp.int32)
        place = jnp.where(true, last, last + self.num_thresholds)
        return jax.ops.segment_sum(weights, place, 2 * self.num_thresholds)

    def result(self, sums: np.ndarray) -> float:
        """The area; 0 where a class is missing."""
        positives, negatives = sums.reshape(2, -1)
        found, wrong = positives[::-1].cumsum()[::-1], negatives[::-1].cumsum()[::-1]
        if self.curve == "PR":
            return _area_under_precision(found, wrong)
        recall, rate = _divided(found, found[0]), _divided(wrong, wrong[0])
        return float(np.sum((rate[:-1] - rate[1:]) * (recall[:-1] + recall[1:]) / 2))


def _area_under_precision(found: np.ndarray, wrong: np.ndarray) -> float:
    """Between two thresholds true positives grow linearly with all positives P: slope * P + intercept."""
    said = found + wrong
    grown, added = found[:-1] - found[1:], said[:-1] - said[1:]
    slope = _divided(grown, added)
    intercept = found[1:] - slope * said[1:]
    both = (said[:-1] > 0) & (said[1:] > 0)
    ratio = np.where(both, _divided(said[:-1], said[1:]), 1.0)
    return float(np.sum(_divided(slope * (grown + intercept * np.log(ratio)), found[0])))


def _divided(above: np.ndarray, below: Any) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=np.not_equal(below, 0))


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else 0.0


def _like_outputs(metric: Metric, labels: jax.Array, outputs: jax.Array) -> jax.Array:
    check_shape(metric, labels.shape[1:], outputs.shape[1:])
    return labels.reshape(outputs.shape)


def _classes(metric: Metric, labels: jax.Array, outputs: jax.Array) -> jax.Array:
    """The numbers of the true classes, shape outputs.shape[:-1], from such numbers or from one-hot rows."""
    if labels.shape == outputs.shape and outputs.shape[-1] > 1:
        return jnp.argmax(labels, axis=-1)
    check_shape_sparse(metric, labels.shape[1:], outputs.shape[1:])
    return labels.reshape(outputs.shape[:-1]).astype(jnp.int32)


def _spread(weights: jax.Array, outputs: jax.Array) -> jax.Array:
    """The weight of each example for each of its outputs."""
    return jnp.broadcast_to(weights.reshape(-1, *[1] * (outputs.ndim - 1)), outputs.shape)


_LOSSES = {name: partial(FunctionMetric, loss().per_example) for name, loss in losses.KNOWN.items()}

_KNOWN: dict[str, Callable[[], Metric]] = _LOSSES | {
    "auc": AUC,
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "mae": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "precision": Precision,
    "recall": Recall,
    "root_mean_squared_error": RootMeanSquaredError,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
}


def get(identifier: Any, loss: "losses.Loss | None" = None, output_shape: "Shape" = ()) -> Metric:
    """The metric that ``identifier`` means.

    Args:
        identifier: a name; "accuracy" or "acc", which the loss and the output decide; the name of a loss; a class
            or object of this module; or a function of labels and outputs (see ``FunctionMetric``).
        loss: the loss that the network is trained with.
        output_shape: the shape of the network's output for one example.

    Returns:
        The metric, called as the identifier was written.

    Raises:
        UnknownNameError: a name that is not known; the message gives the nearest.
        ArgumentError: none of these.

    >>> get("accuracy", losses.SparseCategoricalCrossentropy(), (10,))
    SparseCategoricalAccuracy(name='accuracy')
    """
    if isinstance(identifier, str):
        accuracy = partial(_accuracy, loss, output_shape)
        metric = find("metric", identifier, _KNOWN | {"acc": accuracy, "accuracy": accuracy})()
        return replace(metric, name=identifier)
    if isinstance(identifier, type):
        identifier = identifier()
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, losses.Loss):
        return FunctionMetric(identifier.per_example, name=type(identifier).__name__)
    if not callable(identifier):
        raise ArgumentError(f"A metric is a name, a Metric or a function of labels and outputs, not {identifier!r}.")
    return FunctionMetric(identifier, name=getattr(identifier, "__name__", type(identifier).__name__))


def _accuracy(loss: "losses.Loss | None", output_shape: "Shape") -> Metric:
    if output_shape[-1:] in ((), (1,)):
        # The threshold of the probability 0.5; Keras compares logits, too, with 0.5.
        logits = isinstance(loss, losses.BinaryCrossentropy) and loss.from_logits
        return BinaryAccuracy(threshold=0.0 if logits else 0.5)
    if isinstance(loss, losses.SparseCategoricalCrossentropy):
        return SparseCategoricalAccuracy()
    return CategoricalAccuracy()
