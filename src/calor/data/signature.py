"""The shapes and types that a generator's elements are declared to have."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from calor.data.padding import is_shape
from calor.data.source import as_array
from calor.errors import ArgumentError, DataError


@dataclass(frozen=True)
class Signature:
    """What an array of an element must be.

    Attributes:
        dtype: its type.
        shape: its shape, None in it for any size; None where any shape will do.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...] | None


def signature_of(output_signature: Any, output_types: Any, output_shapes: Any) -> Any:
    """A tree of ``Signature``, or None where nothing is declared.

    Args:
        output_signature: a tree of what has a ``shape`` and a ``dtype``: ``jax.ShapeDtypeStruct``, ``tf.TensorSpec``.
        output_types: a tree of types.
        output_shapes: a tree of shapes, of the same structure; None for any.

    Raises:
        ArgumentError: both are given, or something in them is no type or shape.
    """
    if output_signature is not None:
        if output_types is not None or output_shapes is not None:
            raise ArgumentError("from_generator takes output_signature, or output_types and output_shapes; not both.")
        return jax.tree.map(_of_spec, output_signature)
    if output_types is None:
        if output_shapes is not None:
            raise ArgumentError("from_generator(output_shapes=...) needs output_types too.")
        return None
    types, structure = jax.tree.flatten(output_types)
    shapes = (
        [None] * len(types)
        if output_shapes is None
        else jax.tree.leaves(output_shapes, is_leaf=lambda part: part is None or is_shape(part))
    )
    if len(shapes) != len(types):
        raise ArgumentError(f"from_generator: {len(types)} output_types and {len(shapes)} output_shapes.")
    made = [Signature(_dtype(type_), _shape(shape)) for type_, shape in zip(types, shapes, strict=True)]
    return jax.tree.unflatten(structure, made)


def conforming(value: Any, signature: Any) -> Any:
    """A generator's element as arrays of the types that it was declared to have.

    Raises:
        DataError: its structure, or a shape, is not as declared.
    """
    structure: Any = jax.tree.structure(signature)
    try:
        parts = structure.flatten_up_to(value)
    except ValueError as error:
        raise DataError(f"The generator gives {value!r:.80}, which is not as output_signature says: {error}.") from None
    return jax.tree.unflatten(structure, list(map(_conforming, parts, jax.tree.leaves(signature))))


def _conforming(value: Any, signature: Signature) -> np.ndarray:
    try:
        array = np.asarray(value).astype(signature.dtype)
    except (TypeError, ValueError) as error:
        raise DataError(f"The generator gives {value!r:.80} instead of {signature.dtype}: {error}.") from None
    wanted = signature.shape
    if wanted is not None and (
        len(wanted) != array.ndim or any(w not in (None, size) for w, size in zip(wanted, array.shape, strict=True))
    ):
        raise DataError(f"The generator gives an array of shape {array.shape} instead of the {wanted} declared.")
    return as_array(array, "What the generator gives")


def _of_spec(spec: Any) -> Signature:
    if not hasattr(spec, "dtype") or not hasattr(spec, "shape"):
        raise ArgumentError(
            f"from_generator(output_signature=...) needs shapes and types, such as jax.ShapeDtypeStruct((28, 28), "
            f"'uint8') for each array, not {spec!r}."
        )
    return Signature(_dtype(spec.dtype), _shape(spec.shape))


def _dtype(given: Any) -> np.dtype:
    try:
        return np.dtype(getattr(given, "as_numpy_dtype", given))
    except TypeError:
        raise ArgumentError(f"from_generator: {given!r} is no type of numbers, such as 'float32'.") from None


def _shape(given: Any) -> tuple[int | None, ...] | None:
    if given is None or getattr(given, "rank", 0) is None:
        return None
    return tuple(given)
