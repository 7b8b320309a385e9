"""The place where a network's inputs come in."""

from collections.abc import Sequence
from dataclasses import dataclass

from calor._arguments import integer, replace_arguments
from calor.errors import ArgumentError


@dataclass(frozen=True)
class Input:
    """The shape of a model's inputs, put before its first layer. It is not a layer and computes nothing.

    Args:
        shape: of one input, without the batch axis: ``(28, 28, 1)`` for grey pictures, ``(1,)`` for one number.
        name: for the reader; not used.

    Raises:
        ArgumentError: ``shape`` is no tuple of whole numbers from 1 up.

    >>> Input((28, 28, 1)).shape
    (28, 28, 1)
    """

    shape: Sequence[int]
    name: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.shape, Sequence) or isinstance(self.shape, str):
            raise ArgumentError(f"Input: shape must be a tuple such as (28, 28, 1), not {self.shape!r}.")
        if None in self.shape:
            raise ArgumentError(
                f"Input: shape must be whole numbers such as (28, 28, 1), not {self.shape!r}. The batch is left out, "
                "and pictures of different sizes are first brought to one."
            )
        replace_arguments(self, shape=tuple(integer(self, "shape", size) for size in self.shape))
