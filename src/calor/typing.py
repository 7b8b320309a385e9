"""The names that Calor's signatures use for shapes and trees of arrays."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Shape: TypeAlias = tuple[int, ...]
"""The shape of one example, without the batch axis."""

Parameters: TypeAlias = Mapping[str, Any]
"""A tree of arrays that training changes."""

State: TypeAlias = Mapping[str, Any]
"""A tree of arrays that a layer hands from step to step, such as running means."""

Activation: TypeAlias = Callable[[Any], Any]
"""A function of an array, applied to a layer's outputs."""
