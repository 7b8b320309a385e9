"""The functions that a picture iterator's ``Dataset`` maps over its batches: change, preprocess, finish."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from calor._functions import described_function
from calor.data.picture_changes import Changes, Standardization
from calor.data.source import workers
from calor.errors import ArgumentError, DataError


@dataclass(frozen=True)
class Change:
    """The first of the dataset's maps: a change for each picture of a batch, whose values are then scaled."""

    changes: Changes
    seed: int
    scale: float

    def __call__(self, images: jax.Array, *columns: jax.Array, key: jax.Array) -> Any:
        """The pictures, float32, and the columns as they are."""
        return self.changes(images, jax.random.fold_in(key, self.seed % (1 << 32)), self.scale), *columns


@dataclass(frozen=True)
class Preprocessing:
    """The second: the user's function, of each picture as float32."""

    function: Callable[[Any], Any]

    def __repr__(self) -> str:
        return described_function(self.function)

    def __call__(self, images: Any, *columns: Any) -> Any:
        """The pictures that the function makes of a batch: traced, or on threads for NumPy's arrays.

        Raises:
            ArgumentError: it is being traced, and draws random numbers.
            DataError: as in ``each``.
        """
        if isinstance(images, jax.Array):
            return jax.vmap(self._traced)(images.astype(jnp.float32)), *columns
        return self.each(np.array(images, np.float32), workers().map), *columns

    def each(self, images: np.ndarray, mapper: Callable[..., Any] = map) -> np.ndarray:
        """The function of each of these pictures, on the host.

        Raises:
            DataError: it returns nothing, or pictures of different shapes.
        """
        results = [np.asarray(result) for result in mapper(self.once, images)]
        if len({result.shape for result in results}) > 1:
            raise DataError(f"The preprocessing_function {self!r} must return pictures of the same shape for all.")
        return np.stack(results)

    def once(self, image: Any) -> Any:
        """The function of one picture.

        Raises:
            DataError: it returns nothing.
        """
        result = self.function(image)
        if result is None:
            raise DataError(f"The preprocessing_function {self!r} returned nothing: let it return the picture.")
        return result

    def _traced(self, image: jax.Array) -> Any:
        numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002
        before = _comparable(numpys), pythons
        result = self.once(image)
        if (_comparable(np.random.get_state()), random.getstate()) != before:  # noqa: NPY002
            np.random.set_state(numpys)  # noqa: NPY002
            random.setstate(pythons)
            raise ArgumentError(
                f"The preprocessing_function {self!r} draws random numbers: traced, it would draw once."
            )
        return result


def _comparable(state: Any) -> tuple[Any, ...]:
    name, words, *rest = state
    return name, words.tobytes(), *rest


@dataclass(frozen=True)
class Layout:
    """How the columns that follow the pictures become an element.

    Attributes:
        inputs: how many of them are further inputs.
        targets: how many are labels; the rest are weights.
        classes: whether class numbers become one-hot labels, of so many classes.
        mirrored: whether the pictures are their own labels.
    """

    inputs: int = 0
    targets: int = 0
    classes: int = 0
    mirrored: bool = False

    def __call__(self, images: Any, columns: Sequence[Any]) -> Any:
        """The element, in JAX's arrays."""
        inputs = (images, *columns[: self.inputs]) if self.inputs else images
        targets = tuple(columns[self.inputs : self.inputs + self.targets])
        weights = columns[self.inputs + self.targets :]
        if self.mirrored:
            targets = (images,)
        elif self.classes:
            targets = (_one_hot(targets[0], self.classes),)
        if not targets:
            return inputs
        return inputs, targets[0] if len(targets) == 1 else targets, *weights


def _one_hot(classes: jax.Array, count: int) -> jax.Array:
    """Class numbers as rows of 0 and 1; rows with several classes are such rows already."""
    return jax.nn.one_hot(classes, count) if classes.ndim == 1 else classes.astype(jnp.float32)


@dataclass(frozen=True)
class Finish:
    """The last: standardised pictures, in the element that training takes."""

    standardization: Standardization
    layout: Layout

    def __call__(self, images: jax.Array, *columns: jax.Array) -> Any:
        """The element."""
        return self.layout(self.standardization(images.astype(jnp.float32), (1, 2, 3)), columns)
