"""Checking the arguments of layers, optimizers and the like: each check returns the value in its plain type."""

import math
import operator
from typing import Any

from calor.errors import ArgumentError


def integer(owner: object, name: str, value: Any, *, least: int = 1) -> int:
    """``value`` as an ``int``.

    Args:
        owner: the object whose argument it is, for the message.
        name: the argument's name, for the message.
        value: what the user gave; NumPy integers are fine, booleans and 3.0 are not.
        least: the smallest value that works.

    Raises:
        ArgumentError: not a whole number, or below ``least``.
    """
    try:
        whole = operator.index(value)
    except TypeError:
        whole = None
    if whole is None or isinstance(value, bool) or whole < least:
        raise ArgumentError(f"{described(owner)}: {name} must be a whole number from {least} up, not {value!r}.")
    return whole


def number(
    owner: object, name: str, value: Any, *, least: float = -math.inf, most: float = math.inf, below: float = math.inf
) -> float:
    """``value`` as a finite ``float`` with least <= value <= most and value < below.

    Args:
        owner: the object whose argument it is, for the message.
        name: the argument's name, for the message.
        value: what the user gave.
        least: the smallest value that works.
        most: the largest value that works.
        below: the value that it must stay under.

    Raises:
        ArgumentError: not a number, not finite, or outside these bounds.
    """
    try:
        real = math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError):
        real = math.nan
    if not (math.isfinite(real) and least <= real <= most and real < below):
        bounds = [f"at least {least:g}"] * (least > -math.inf)
        bounds += [f"at most {most:g}"] * (most < math.inf)
        bounds += [f"below {below:g}"] * (below < math.inf)
        wanted = f"a number {' and '.join(bounds)}" if bounds else "a finite number"
        raise ArgumentError(f"{described(owner)}: {name} must be {wanted}, not {value!r}.")
    return real


def replace_arguments(owner: object, **values: Any) -> None:
    """Put checked values in the place of what the user gave, in a frozen dataclass's ``__post_init__``.

    Args:
        owner: the object whose arguments they are.
        values: the values by the arguments' names.
    """
    for name, value in values.items():
        object.__setattr__(owner, name, value)


def described(owner: object) -> str:
    """The owner in a message: its class and, where it has one, its name.

    >>> import calor
    >>> described(calor.layers.Dense(3, name="classes"))
    "Dense 'classes'"
    """
    name = getattr(owner, "name", None)
    return f"{type(owner).__name__} {name!r}" if name else type(owner).__name__
