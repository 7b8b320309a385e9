"""What users hand to ``fit``, ``evaluate`` and ``predict``, made into a ``Dataset``."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np

from calor.data import Dataset, Plan
from calor.errors import ArgumentError, DataError
from calor.training.program import unpack
from calor.typing import Shape

BATCH_SIZE = 32


def as_array(values: Any, what: str) -> np.ndarray:
    """An array of numbers out of an array or nested lists; float64 becomes float32, int64 int32 where it fits.

    Raises:
        DataError: the rows have different lengths, or these are no numbers.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"{what} cannot be made into one array: {error}") from None
    if array.dtype.kind not in "biuf":
        advice = (
            " Number the classes: names, labels = np.unique(labels, return_inverse=True)."
            if "labels" in what and array.size and isinstance(array.flat[0], str | bytes)
            else " Pictures are read by calor.data.load_image(path, size)."
            if array.dtype.kind in "US"
            else ""
        )
        raise DataError(f"{what} must be numbers, and are {array.dtype.name} ({str(values)[:60]}).{advice}")
    if array.ndim == 0:
        array = array[None]
    if array.dtype.itemsize < 8:
        return array
    narrower = {"i": np.int32, "u": np.uint32}.get(array.dtype.kind)
    if narrower is not None and array.size:
        limits = np.iinfo(narrower)
        narrower = narrower if limits.min <= array.min() and array.max() <= limits.max else None
    return array.astype(narrower or np.float32)


def as_dataset(
    x: Any, y: Any, sample_weight: Any, batch_size: int | None, *, shuffle: bool, batches: int | None = None
) -> Dataset:
    """A batched data set of what was given: arrays, a data set, what offers one, or an iterable of batches.

    ``batches`` is how many the run uses, if that is known: no more are drawn from an iterator, which its owner
    may go on with.

    Raises:
        ArgumentError: nothing was given, or ``y`` beside data that bring their labels.
        DataError: arrays of different lengths, or none that hold numbers.
    """
    if x is None:
        raise ArgumentError("There are no data: give x.")
    if batch_size is not None and batch_size < 1:
        raise ArgumentError(f"batch_size must be at least 1, not {batch_size}.")
    if y is None and isinstance(x, tuple) and len(x) in (2, 3) and all(hasattr(part, "__array__") for part in x):
        raise ArgumentError("x is a tuple of arrays: give the inputs and the labels as two arguments, fit(x, y).")
    if is_array(x):
        arrays = [as_array(x, "The inputs")]
        for values, what in ((y, "The labels"), (sample_weight, "The sample weights")):
            if values is not None:
                arrays.append(as_array(values, what))
        if len({len(array) for array in arrays}) > 1:
            lengths = ", ".join(str(len(array)) for array in arrays)
            raise DataError(f"Inputs, labels and weights must be as many: they are {lengths}.")
        if len(arrays[0]) == 0:
            raise DataError("There are no data: the inputs are an empty array.")
        dataset = Dataset.from_arrays(*arrays)
        return (dataset.shuffle(len(arrays[0])) if shuffle else dataset).batch(batch_size or BATCH_SIZE)
    if y is not None or sample_weight is not None:
        raise ArgumentError(f"{type(x).__name__} data bring their labels and weights themselves: leave y out.")
    x = _described(x)
    if isinstance(x, Dataset):
        return x if x.batched else x.batch(batch_size or BATCH_SIZE)
    if isinstance(x, Iterable) or hasattr(x, "__getitem__"):
        return Dataset.from_batches(itertools.islice(x, batches) if isinstance(x, Iterator) else x)
    raise ArgumentError(f"x must be an array, a list, a Dataset or an iterable of batches, not {type(x).__name__}.")


def _described(x: Any) -> Any:
    """The ``Dataset`` that an iterator offers in its place, as those of ``ImageDataGenerator`` do; otherwise ``x``."""
    dataset = getattr(x, "dataset", None)
    return dataset if isinstance(dataset, Dataset) else x


def is_array(x: Any) -> bool:
    """Whether these are numbers themselves, not something that yields batches of them."""
    return hasattr(x, "__array__") or isinstance(x, list | tuple | int | float | str)


def as_validation(data: Any, batch_size: int | None, steps: int | None) -> tuple[Dataset, int | None]:
    """The data set to validate on, and how many batches of it (None: all).

    It comes as (inputs, labels), (inputs, labels, weights) or as for ``fit``. An iterator can be read once only:
    its first ``steps`` batches are kept, for every epoch to be measured on the same.
    """
    data = _described(data)
    if isinstance(data, Iterator):
        return as_dataset(data, None, None, batch_size, shuffle=False, batches=steps).cache(), None
    if isinstance(data, tuple | list) and len(data) in (2, 3):
        x, y, weights = (*data, None)[:3]
        return as_dataset(x, y, weights, batch_size, shuffle=False), steps
    return as_dataset(data, None, None, batch_size, shuffle=False), steps


def split(x: Any, y: Any, sample_weight: Any, fraction: float) -> tuple[tuple[Any, Any, Any], tuple[Any, ...]]:
    """The arrays without their last ``fraction`` of examples, and these.

    Raises:
        ArgumentError: no arrays, or a fraction that leaves one side empty.
    """
    if not is_array(x):
        raise ArgumentError(
            "validation_split works on arrays. Split a Dataset with take and skip, or an image folder with split."
        )
    x = as_array(x, "The inputs")
    kept = int(len(x) * (1 - fraction))
    if not 0 < kept < len(x):
        raise ArgumentError(f"validation_split={fraction} of {len(x)} examples leaves one side empty.")
    parts = [None if part is None else as_array(part, "The labels") for part in (y, sample_weight)]
    before = [None if part is None else part[:kept] for part in parts]
    after = [part[kept:] for part in parts if part is not None]
    return (x[:kept], before[0], before[1]), (x[kept:], *after)


def known_labels(plan: Plan) -> np.ndarray | None:
    """The labels, where they lie in memory as they will be trained on; None where a ``map`` or a stream makes them."""
    if plan.kind != "resident" or plan.transform_key != ():
        return None
    block = plan.start((0,)).take(plan.steps or 1)
    labels = None if block is None else unpack(block.columns)[1]
    if block is None or labels is None:
        return None
    labels = np.asarray(labels)
    # A data set that was cut must not be blamed for labels that it leaves out.
    used = np.unique(block.indices[block.indices >= 0])
    return labels if plan.endless or len(used) == len(labels) else labels[used]


def in_order(plan: Plan, labels: np.ndarray) -> np.ndarray:
    """The labels that ``known_labels`` gives, in the order in which the first pass has them; of data that end."""
    block = plan.start((0,)).take(plan.steps or 1)
    assert block is not None
    positions = block.indices[block.indices >= 0]
    used = np.unique(positions)
    return labels[np.searchsorted(used, positions)] if len(used) == len(labels) else labels[positions]


def guessing(labels: np.ndarray | None, output_shape: Shape) -> dict[str, Any]:
    """How many classes a network's output has, and how often one is right who always names the commonest.

    Args:
        labels: of the data that it is measured on: class numbers, (examples,) or (examples, 1), or one-hot; None where
            they are not known.
        output_shape: of the network, without the batch axis.

    Returns:
        ``classes``, and ``chance`` where the labels are known; nothing for outputs that are no classes.
    """
    if len(output_shape) != 1:
        return {}
    classes = max(output_shape[0], 2)
    if labels is not None and labels.ndim == 2 and labels.shape[1] == classes:
        labels = labels.argmax(axis=1)
    numbers = None if labels is None else labels.reshape(-1)
    if numbers is None or not np.all((numbers >= 0) & (numbers < classes) & (numbers == np.floor(numbers))):
        return {"classes": classes}
    return {"classes": classes, "chance": float(np.bincount(numbers.astype(np.int64)).max() / len(numbers))}


def padded_array(x: Any, input_shape: Shape | None) -> tuple[np.ndarray, int]:
    """Inputs for ``predict``, filled up to one of few lengths, so that few programs are compiled; and their number.

    Raises:
        DataError: no examples, or a single one without its batch axis; the message names the fix.
    """
    array = as_array(x, "The inputs")
    if input_shape is not None and array.shape == input_shape and len(input_shape) > 1:
        raise DataError(f"predict takes a batch, and received one example of shape {input_shape}: give it as x[None].")
    size = len(array)
    if size == 0:
        raise DataError("There is nothing to predict: the inputs are an empty array.")
    length = 1 << (size - 1).bit_length() if size <= 512 else -(-size // 512) * 512
    if length == size:
        return array, size
    return np.concatenate([array, np.zeros((length - size, *array.shape[1:]), array.dtype)]), size


def class_weights(weights: Mapping[int, float] | None, output_shape: Shape) -> np.ndarray:
    """A vector of factors by class, 1 where none is given; empty for none at all.

    Raises:
        ArgumentError: a class that the network does not have, or a weight that is no number.
    """
    if weights is None:
        return np.zeros(0, np.float32)
    if not isinstance(weights, Mapping):
        raise ArgumentError(f"class_weight must be a dictionary such as {{0: 1.0, 1: 5.0}}, not {weights!r}.")
    if not weights:
        return np.zeros(0, np.float32)
    classes = max(output_shape[-1] if output_shape else 1, 2)
    vector = np.ones(classes, np.float32)
    for number, factor in weights.items():
        if not (isinstance(number, int | np.integer) and 0 <= number < classes):
            raise ArgumentError(
                f"class_weight has a weight for class {number!r}, but the classes are 0 to {classes - 1}."
            )
        if not (isinstance(factor, Real) and math.isfinite(factor) and factor >= 0):
            raise ArgumentError(f"class_weight of class {number} must be a number from 0 on, not {factor!r}.")
        vector[number] = factor
    return vector
