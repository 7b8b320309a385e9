"""Do the labels fit the loss and the network? Each way in which they may not has its message with what to do.

The ``check_shape`` functions look at shapes alone, so the losses ask them wherever they run; the others look at
every label once, on the host, before training. Those called ``doubt`` only warn.
"""

from typing import NoReturn

import numpy as np

from calor.errors import LabelError, warn
from calor.typing import Shape

ROUNDING = 1e-5
"""How far a label may lie outside of 0 to 1: mixed labels are sums of float32 numbers."""


def check_shape(loss: object, label_shape: Shape, output_shape: Shape) -> None:
    """Labels that are compared with the outputs number by number: both shapes agree but for a last axis of 1.

    Args:
        loss: the loss or metric, for the message.
        label_shape: the shape of one example's label.
        output_shape: the shape of the network's output for one example.

    Raises:
        LabelError: they do not.
    """
    if label_shape == output_shape or (*label_shape, 1) == output_shape or label_shape == (*output_shape, 1):
        return
    advice = "The two must agree."
    if len(output_shape) == 1 and len(label_shape) <= 1:
        advice = f"Give the last Dense {_count(label_shape[0] if label_shape else 1, 'unit')}."
    elif len(output_shape) > len(label_shape):
        advice = "Is a Flatten missing before the last Dense?"
    _fail(loss, f"each label has shape {label_shape} but the network's output has shape {output_shape}. {advice}")


def check_shape_one_hot(loss: object, label_shape: Shape, output_shape: Shape) -> None:
    """One-hot labels: the shape of the output, which has at least two classes.

    Args:
        loss: the loss or metric, for the message.
        label_shape: the shape of one example's label.
        output_shape: the shape of the network's output for one example.

    Raises:
        LabelError: another shape, or one output.
    """
    *leading, classes = output_shape or (1,)
    labelled = label_shape[-1] if len(label_shape) == len(output_shape) else 1
    if classes == 1:
        units = "one unit for each class" if labelled == 1 else f"{labelled} units"
        _fail(
            loss,
            f"it chooses between classes but the network has 1 output. Give the last Dense {units}, "
            "or, for two classes, keep 1 unit with activation='sigmoid', "
            "label them 0 and 1, and use 'binary_crossentropy'.",
        )
    if label_shape in (tuple(leading), (*leading, 1)):
        _fail(
            loss,
            f"it needs one-hot labels of shape {output_shape}, but each label is one class number. "
            "Use 'sparse_categorical_crossentropy'.",
        )
    if label_shape[:-1] == tuple(leading) and label_shape != output_shape:
        _fail(
            loss,
            f"the labels have {labelled} classes but the network has {classes} outputs. "
            f"Give the last Dense {labelled} units.",
        )
    check_shape(loss, label_shape, output_shape)


def check_shape_sparse(loss: object, label_shape: Shape, output_shape: Shape) -> None:
    """Class numbers: the shape of the output without its last axis, which has at least two classes.

    Args:
        loss: the loss or metric, for the message.
        label_shape: the shape of one example's label.
        output_shape: the shape of the network's output for one example.

    Raises:
        LabelError: another shape, or one output.
    """
    *leading, classes = output_shape or (1,)
    if classes == 1:
        _fail(
            loss,
            "it chooses between classes but the network has 1 output. Give the last Dense one unit for each class, "
            "or, for two classes, keep 1 unit with activation='sigmoid' and use 'binary_crossentropy'.",
        )
    if label_shape in (tuple(leading), (*leading, 1)):
        return
    if label_shape[:-1] == tuple(leading):
        _fail(
            loss,
            f"it needs one class number for each example, but the labels are one-hot, shape {label_shape}. "
            "Use 'categorical_crossentropy', or labels.argmax(axis=-1).",
        )
    advice = "Is a Flatten missing before the last Dense?" if len(output_shape) > 1 else "Give one number for each."
    _fail(loss, f"each label has shape {label_shape} but the network's output has shape {output_shape}. {advice}")


def check_finite(loss: object, labels: np.ndarray) -> None:
    """Labels that are quantities: numbers, none NaN or infinite.

    Args:
        loss: the loss or metric, for the message.
        labels: shape (examples, ...).

    Raises:
        LabelError: text, or not finite; the message names the first example.
    """
    _check_numbers(loss, labels)
    if labels.dtype.kind == "f" and not (finite := np.isfinite(labels)).all():
        place = np.unravel_index(np.argmin(finite), labels.shape)
        _fail(loss, f"the label of example {place[0]} is {labels[place]}. Leave such examples out, or fill them in.")


def check_sparse(loss: object, labels: np.ndarray, output_shape: Shape) -> None:
    """Class numbers: whole, from 0 up to the number of outputs less 1.

    Args:
        loss: the loss or metric, for the message.
        labels: shape (examples,) or (examples, 1).
        output_shape: the shape of the network's output for one example.

    Raises:
        LabelError: not numbers, not whole, out of range, one-hot, or a network with one output.
    """
    check_finite(loss, labels)
    classes = output_shape[-1] if output_shape else 1
    if labels.size == 0 or labels.shape[1:] not in (output_shape[:-1], (*output_shape[:-1], 1)):
        check_shape_sparse(loss, labels.shape[1:], output_shape)
        return
    low, high = labels.min(), labels.max()
    if labels.dtype.kind == "f" and (labels % 1).any():
        _fail(loss, f"the labels are not all whole numbers (the least is {low:g}). Number the classes 0, 1, 2, …")
    low, high = int(low), int(high)
    found = f"the labels run from {low} to {high}"
    if low < 0:
        _fail(loss, f"{found}. Number the classes from 0.")
    if classes > 1 and low == 1 and high == classes:
        _fail(loss, f"{found} but the network's {classes} outputs are numbered from 0. Use labels - 1.")
    if classes == 1 or high >= classes:
        if classes > 1 and len(np.unique(labels)) <= classes and high > 2 * classes:
            _fail(
                loss,
                f"{found} but the network's {classes} outputs are numbered from 0. Number the classes without gaps: "
                "np.unique(labels, return_inverse=True)[1].",
            )
        binary = " or keep 1 unit with activation='sigmoid' and use 'binary_crossentropy'"
        _fail(
            loss,
            f"{found} but the network has {_count(classes, 'output')}. Give the last Dense {max(2, high + 1)} units"
            f"{binary if classes == 1 and high <= 1 else ''}.",
        )


def check_one_hot(loss: object, labels: np.ndarray, output_shape: Shape) -> None:
    """One-hot labels or probabilities: the shape of the output and between 0 and 1.

    Args:
        loss: the loss or metric, for the message.
        labels: shape (examples, classes).
        output_shape: the shape of the network's output for one example.

    Raises:
        LabelError: not numbers, out of range, class numbers, or another number of classes.
    """
    check_finite(loss, labels)
    check_shape_one_hot(loss, labels.shape[1:], output_shape)
    if labels.size and (labels.min() < -ROUNDING or labels.max() > 1 + ROUNDING):
        _fail(
            loss,
            f"the labels run from {labels.min():g} to {labels.max():g}. "
            "One-hot labels are 1 for the true class and 0 for the others (or probabilities).",
        )


def check_binary(loss: object, labels: np.ndarray, output_shape: Shape) -> None:
    """Yes-or-no labels: the shape of the output and 0, 1 or a probability between.

    Args:
        loss: the loss or metric, for the message.
        labels: shape (examples,) or (examples, outputs).
        output_shape: the shape of the network's output for one example.

    Raises:
        LabelError: not numbers, out of range, more than two classes, one-hot, or another shape.
    """
    check_finite(loss, labels)
    label_shape = labels.shape[1:]
    low, high = (labels.min(), labels.max()) if labels.size else (0, 0)
    several = f"Give the last Dense {max(2, int(high) + 1)} units and use 'sparse_categorical_crossentropy'"
    if label_shape in ((), (1,)) and len(output_shape) == 1 and output_shape[0] > 1:
        one = ", or give it 1 unit with activation='sigmoid'" if low >= 0 and high <= 1 else ""
        _fail(loss, f"each label is one number but the network has {output_shape[0]} outputs. {several}{one}.")
    if len(label_shape) == 1 and label_shape[0] > 1 and output_shape == (1,):
        _fail(
            loss,
            f"the labels have {label_shape[0]} numbers for each example but the network has 1 output. Give the last "
            f"Dense {label_shape[0]} units, or, where they are one-hot for two classes, use labels.argmax(axis=-1).",
        )
    check_shape(loss, label_shape, output_shape)
    if low >= -ROUNDING and high <= 1 + ROUNDING:
        return
    found = f"the labels run from {low:g} to {high:g}, and must be 0 or 1."
    values = np.unique(labels)
    if len(values) == 2:
        _fail(loss, f"{found} Use labels == {values[1]:g}.")
    if low >= 0 and not (values % 1).any():
        _fail(loss, f"{found} For more than two classes: {several[0].lower()}{several[1:]}.")
    _fail(loss, f"{found} For quantities use 'mean_squared_error'.")


def doubt_yes_or_no(metric: str, labels: np.ndarray) -> None:
    """Warn where a metric that tells 0 from 1 is given other labels: training goes on, but its figure means nothing.

    Args:
        metric: its name.
        labels: shape (examples, ...).
    """
    if labels.dtype.kind not in "biuf" or not labels.size:
        return
    low, high = labels.min(), labels.max()
    if low >= -ROUNDING and high <= 1 + ROUNDING:
        return
    classes = ""
    if low >= 0 and high < 1000 and not (labels % 1).any():
        classes = (
            f" If they are classes, give the last Dense {int(high) + 1} units with activation='softmax' and use "
            "'sparse_categorical_crossentropy'."
        )
    warn(
        f"The metric {metric!r} tells yes from no, but the labels run from "
        f"{low:g} to {high:g}.{classes} For quantities measure 'mean_absolute_error'."
    )


def doubt_one_true(metric: str, labels: np.ndarray, output_shape: Shape) -> None:
    """Warn where a metric that looks for the one true class is given labels in which several are true.

    Args:
        metric: its name.
        labels: shape (examples, ...).
        output_shape: the shape of the network's output for one example.
    """
    if labels.shape[1:] == output_shape and output_shape[-1] > 1 and labels.size and (labels == 1).sum(-1).max() > 1:
        warn(
            f"The metric {metric!r} compares the largest output with the largest label alone, and some labels have "
            "several 1. Measure 'binary_accuracy', which looks at each."
        )


def _check_numbers(loss: object, labels: np.ndarray) -> None:
    if labels.dtype.kind not in "biuf":
        _fail(
            loss,
            f"the labels are no numbers but {labels.dtype} (the first: {labels.flat[0] if labels.size else None!r}). "
            "Number the classes: names, labels = numpy.unique(labels, return_inverse=True).",
        )


def _fail(loss: object, message: str) -> NoReturn:
    raise LabelError(f"{type(loss).__name__}: {message}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
