"""What can be told of a model before it trains: do its end, its loss, its labels and its inputs go together?

What cannot learn at all is an error. What trains, but hardly means what its author wants, is a warning. Labels that
cannot be right are the losses' own matter (``Loss.check``).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from calor.errors import ArgumentError, warn
from calor.layers import Conv2D
from calor.losses import BinaryCrossentropy, Loss, MeanAbsoluteError, MeanSquaredError
from calor.metrics import AUC, BinaryAccuracy, Metric, Precision
from calor.models.network import Placed, final_activation
from calor.typing import Shape

_BOUNDS = {"relu": (0.0, np.inf), "sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0)}
"""The least and the largest that some functions give."""

_SHARE = 0.05
"""Labels that the network cannot reach are no mistake where they are fewer than this part, or one: outliers, noise."""


def check_end(placed: Sequence[Placed], loss: Loss, metrics: Sequence[Metric]) -> None:
    """Does what the network ends in go with what the loss and the metrics take?

    Raises:
        ArgumentError: a softmax over one unit, whose output never changes.
    """
    ends_in, outputs = final_activation(placed), placed[-1].output_shape
    units = outputs[-1] if outputs else 1
    if ends_in == "softmax" and units == 1:
        raise ArgumentError(
            "The last layer is a softmax over 1 unit, whose output is always 1: nothing can be learned. For two "
            "classes give it activation='sigmoid', with the loss 'binary_crossentropy'; for more, one unit for each "
            "class; for a quantity, no activation."
        )
    inverse_of, from_logits = getattr(loss, "inverse_of", None), getattr(loss, "from_logits", False)
    if inverse_of is None:
        return
    if from_logits:
        if ends_in in ("softmax", "sigmoid"):
            warn(
                f"The last layer ends in {ends_in}, but the loss has from_logits=True: the outputs are no logits. "
                "Take the activation away or leave from_logits out."
            )
        elif ends_in == "relu":
            warn(
                "The last layer ends in relu, but the loss has from_logits=True: logits go below 0, which relu cuts "
                "off. Take the activation away."
            )
        else:
            _check_thresholds(loss, metrics)
    elif ends_in is not None and ends_in not in ("softmax", "sigmoid"):
        warn(
            f"The last layer ends in {ends_in}, but the loss takes probabilities: give the last layer "
            f"activation={inverse_of!r}, or the loss from_logits=True."
        )
    elif inverse_of == "softmax" and ends_in == "sigmoid":
        warn(
            f"The last layer ends in sigmoid, but {type(loss).__name__} is for one of {units} classes, whose "
            "probabilities sum to 1: give the last layer activation='softmax'. Where several classes can be true at "
            "once, keep the sigmoid, with one 0 or 1 for each in the labels, and use 'binary_crossentropy'."
        )
    # Over two units, the binary cross-entropy of a softmax is the categorical one.
    elif inverse_of == "sigmoid" and ends_in == "softmax" and units > 2:
        warn(
            f"The last layer is a softmax over {units} units, but BinaryCrossentropy takes each of them as a yes or no "
            "of its own: use 'categorical_crossentropy'. Where several classes can be true at once, give the last "
            "layer activation='sigmoid'."
        )


def _check_thresholds(loss: Loss, metrics: Sequence[Metric]) -> None:
    """Metrics that take the outputs for probabilities, where they are logits."""
    if not isinstance(loss, BinaryCrossentropy):
        return
    for metric in metrics:
        setting = None
        if isinstance(metric, BinaryAccuracy) and metric.threshold == 0.5:
            setting = "threshold=0"
        elif isinstance(metric, Precision) and metric.thresholds == 0.5:
            setting = "thresholds=0"
        elif isinstance(metric, AUC) and not metric.from_logits:
            setting = "from_logits=True"
        if setting is not None:
            warn(
                f"The metric {metric.name!r} takes the outputs for probabilities, but the loss has from_logits=True: "
                f"they are logits. Write {type(metric).__name__}({setting})."
            )


def check_reach(placed: Sequence[Placed], loss: Loss, labels: np.ndarray) -> None:
    """Can the network's outputs become what the labels are? Asked of losses that compare the two as quantities."""
    ends_in = final_activation(placed)
    if ends_in not in _BOUNDS or not isinstance(loss, MeanSquaredError | MeanAbsoluteError) or not labels.size:
        return
    low, high = _BOUNDS[ends_in]
    beyond = (labels < low) | (labels > high)
    if beyond.sum() < 2 or beyond.mean() < _SHARE:
        return
    gives = "nothing below 0" if ends_in == "relu" else f"{low:g} to {high:g}"
    warn(
        f"The last layer ends in {ends_in}, which gives {gives}, but the labels run from {labels.min():g} to "
        f"{labels.max():g}. Take the activation away, or bring the labels into that range."
    )


def check_channels(placed: Sequence[Placed]) -> None:
    """Do square pictures come with their channels first, as in PyTorch, into a network that takes them last?"""
    first: Any = placed[0]
    if not isinstance(first.layer, Conv2D) or len(first.input_shape) != 3:
        return
    channels, height, width = first.input_shape
    if channels in (1, 3) and height == width and width >= 8:
        warn(
            f"The inputs have the shape {first.input_shape}, which Calor takes for {channels} by {height} pixels in "
            f"{width} channels. If they are {channels} channels of {height} by {width} pixels, move the channels to "
            "the end: np.moveaxis(x, 1, -1)."
        )


def check_order(loss: Loss | None, labels: np.ndarray, batch_size: int) -> None:
    """Are there classes to be told apart, and do the batches mix them?

    Args:
        loss: what the model is trained with.
        labels: of all examples, in the order in which a pass has them; only class numbers, (examples,) or
            (examples, 1), are looked at.
        batch_size: examples in a batch.
    """
    if getattr(loss, "inverse_of", None) is None or labels.shape[1:] not in ((), (1,)) or len(labels) <= batch_size:
        return
    steps = np.diff(labels.reshape(-1).astype(np.float32))
    if not steps.any():
        warn(f"All {len(labels)} labels are {labels.flat[0]:g}: there is nothing to tell apart.")
    elif len(labels) >= 4 * batch_size and (np.all(steps >= 0) or np.all(steps <= 0)):
        warn(
            "The examples come sorted by class, so that most batches hold one class alone, and the network forgets the "
            "others. Shuffle them: dataset.shuffle(len(dataset)) before batch, or shuffle=True for arrays."
        )


def check_held_out(loss: Loss | None, labels: np.ndarray | None, held_out: np.ndarray | None) -> None:
    """Has what is held out by ``validation_split`` classes that are not learned? It is the end of the arrays.

    Args:
        loss: what the model is trained with.
        labels: of the examples that it is trained on, (examples,) or (examples, 1) for class numbers.
        held_out: of the others.
    """
    if getattr(loss, "inverse_of", None) is None or labels is None or held_out is None:
        return
    if any(part.ndim > 1 and part.shape[1:] != (1,) for part in (labels, held_out)):
        return
    unseen = np.setdiff1d(held_out, labels)
    if len(unseen):
        names = ", ".join(f"{one:g}" for one in unseen[:5]) + (", ..." if len(unseen) > 5 else "")
        warn(
            f"validation_split holds the end of the arrays out, and its labels {names} do not occur before it: are the "
            "arrays sorted by class? Shuffle both in the same way first: order = np.random.permutation(len(x)); "
            "x, y = x[order], y[order]."
        )


def channels_first(shape: Shape, input_shape: Shape) -> bool:
    """Whether pictures of this shape fit once their channels are moved to the end.

    >>> channels_first((3, 28, 20), (28, 20, 3))
    True
    """
    return len(shape) == 3 and (*shape[1:], shape[0]) == input_shape
