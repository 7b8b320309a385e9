"""Batches of elements whose shapes differ: each array is filled up to the largest of the batch, or to a given shape."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import numpy as np

from calor.data.operations import PaddedBatch
from calor.errors import DataError

PartialShape: TypeAlias = tuple[int | None, ...]


def padded_spec(spec: Any, operation: PaddedBatch) -> Any:
    """Shapes and types of a padded batch of such elements; dimensions that vary are as in ``spec``."""
    leaves, structure = jax.tree.flatten(spec)
    made = []
    for leaf, shape in zip(leaves, _shapes(leaves, operation), strict=True):
        sizes = [size if wanted is None else wanted for size, wanted in zip(leaf.shape, shape, strict=True)]
        made.append(jax.ShapeDtypeStruct((operation.size, *sizes), leaf.dtype))
    return jax.tree.unflatten(structure, made)


def padded(elements: Sequence[Any], operation: PaddedBatch) -> Any:
    """The elements as one batch.

    Raises:
        DataError: they differ in more than the sizes of their dimensions, or are larger than the shape given.
    """
    structure: Any = jax.tree.structure(elements[0])
    columns = list(zip(*map(jax.tree.leaves, elements), strict=False))
    if any(jax.tree.structure(element) != structure for element in elements[1:]):
        raise DataError("padded_batch needs elements of the same structure: as many arrays in each.")
    shapes = _shapes([np.asarray(column[0]) for column in columns], operation)
    values = jax.tree.leaves(operation.values)
    values = values * len(columns) if len(values) == 1 else values
    if len(values) != len(columns):
        raise DataError(
            f"padded_batch(padding_values={operation.values}): the elements have {len(columns)} arrays; give one "
            "value for each, or one for all."
        )
    made = [_column(*parts) for parts in zip(columns, shapes, values, strict=True)]
    return jax.tree.unflatten(structure, made)


def _column(arrays: Sequence[np.ndarray], shape: PartialShape, value: Any) -> np.ndarray:
    if any(array.ndim != len(shape) for array in arrays):
        found = ", ".join(str(found) for found in sorted({array.shape for array in arrays}))
        raise DataError(f"padded_batch needs arrays with as many dimensions in all elements, not of shapes {found}.")
    sizes = [
        max(array.shape[axis] for array in arrays) if wanted is None else wanted for axis, wanted in enumerate(shape)
    ]
    column = np.full((len(arrays), *sizes), value, arrays[0].dtype)
    for row, array in enumerate(arrays):
        if any(size > room for size, room in zip(array.shape, sizes, strict=True)):
            raise DataError(f"padded_batch(padded_shapes=...): an array of shape {array.shape} is larger than {shape}.")
        place: tuple[Any, ...] = (row, *map(slice, array.shape))
        column[place] = array
    return column


def _shapes(leaves: Sequence[Any], operation: PaddedBatch) -> list[PartialShape]:
    """The shape to fill up to for each array of an element."""
    if operation.shapes is None:
        return [(None,) * len(leaf.shape) for leaf in leaves]
    shapes = jax.tree.leaves(operation.shapes, is_leaf=is_shape)
    if len(shapes) != len(leaves) or any(len(s) != len(leaf.shape) for s, leaf in zip(shapes, leaves, strict=True)):
        raise DataError(
            f"padded_batch(padded_shapes={operation.shapes}) does not fit elements with arrays of shape "
            f"{', '.join(str(leaf.shape) for leaf in leaves)}: give one shape for each, None for what may vary."
        )
    return [tuple(shape) for shape in shapes]


def is_shape(part: Any) -> bool:
    """Whether this is a shape itself, (None, 3) or [2], rather than a tuple of shapes."""
    return isinstance(part, list | tuple) and all(size is None or isinstance(size, int) for size in part)
