"""``tf.keras.utils``."""

from typing import Any

import numpy as np

from calor.compat import _seeds
from calor.compat._absent import Namespace, outside
from calor.compat._get_file import get_file
from calor.compat._image_files import array_to_img, image_dataset_from_directory, img_to_array, load_img
from calor.errors import DataError


def to_categorical(x: Any, num_classes: int | None = None, dtype: Any = "float32") -> np.ndarray:
    """One-hot rows for class numbers: shape (examples, classes) for (examples,) or (examples, 1).

    Args:
        x: whole numbers from 0 up.
        num_classes: by default one more than the largest.
        dtype: of the rows.

    Raises:
        DataError: a number is below 0, or not below ``num_classes``.

    >>> to_categorical([0, 2]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    classes = np.asarray(x).astype(np.int64)
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    count = int(classes.max(initial=-1)) + 1 if num_classes is None else int(num_classes)
    if classes.size and not 0 <= classes.min() <= classes.max() < count:
        raise DataError(
            f"to_categorical: classes run from {classes.min()} to {classes.max()}, and {count} are expected."
        )
    return np.eye(count, dtype=dtype)[classes]


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """Numbers divided by their norm along an axis; zeros stay zeros.

    >>> normalize([[3.0, 4.0]]).tolist()
    [[0.6, 0.8]]
    """
    array = np.asarray(x)
    norm = np.atleast_1d(np.linalg.norm(array, order, axis))
    norm[norm == 0] = 1
    return array / np.expand_dims(norm, axis)


def set_random_seed(seed: int) -> None:
    """Fix Python's, NumPy's and Calor's random numbers."""
    import random

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  it is what the caller asks for
    _seeds.set_seed(seed)


class Sequence:
    """The base of classes that give batches by number: ``__len__`` and ``__getitem__``."""

    def __init__(self, **settings: Any) -> None:
        """Keras' settings of workers are accepted and not used."""

    def on_epoch_end(self) -> None:
        """Here for those that call it."""


PyDataset = Sequence

np_utils = Namespace("tf.keras.utils.np_utils", to_categorical=to_categorical, normalize=normalize)

__all__ = [
    "PyDataset",
    "Sequence",
    "array_to_img",
    "get_file",
    "image_dataset_from_directory",
    "img_to_array",
    "load_img",
    "normalize",
    "np_utils",
    "set_random_seed",
    "to_categorical",
]

__getattr__ = outside(globals())
