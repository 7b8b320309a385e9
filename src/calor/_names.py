"""Looking things up by name: one way for activations, initializers, losses, metrics and optimizers."""

from collections.abc import Mapping
from typing import TypeVar

from calor.errors import UnknownNameError

T = TypeVar("T")


def find(kind: str, name: str, known: Mapping[str, T]) -> T:
    """The entry of ``known`` that ``name`` means, whether written ``glorot_uniform`` or ``GlorotUniform``.

    Args:
        kind: what is looked for, for the message: ``"loss"``.
        name: the name that the user gave.
        known: the entries by name.

    Raises:
        UnknownNameError: no entry has that name; the message gives the nearest.

    >>> find("loss", "MeanSquaredError", {"mean_squared_error": 1, "mse": 2})
    1
    """
    entries = {_folded(key): value for key, value in known.items()}
    if _folded(name) not in entries:
        raise UnknownNameError(kind, name, known)
    return entries[_folded(name)]


def _folded(name: str) -> str:
    return name.replace("_", "").lower()
