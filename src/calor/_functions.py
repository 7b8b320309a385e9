"""Trying functions that the user wrote before they go into the compiled program, to say what is wrong with them."""

from collections.abc import Callable
from typing import Any

import jax

from calor.errors import ArgumentError


def described_function(function: Any) -> str:
    """A function in a message: its name and where it was written."""
    name = getattr(function, "__name__", None) or repr(function)
    code = getattr(function, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}, line {code.co_firstlineno})"


def returned(function: Callable[..., Any], what: str, *arguments: Any, wanted: str) -> jax.ShapeDtypeStruct:
    """Shape and type of the array that a function returns, found by tracing it: nothing is computed.

    Args:
        function: the user's.
        what: the arguments in words, for the message.
        arguments: arrays, or their shapes and types.
        wanted: what the function must return, for the message.

    Raises:
        ArgumentError: the function fails, or returns no array.

    >>> returned(lambda x: x.sum(), "an array", jax.numpy.ones(3), wanted="one number").shape
    ()
    """
    try:
        result = jax.eval_shape(function, *arguments)
    except Exception as error:  # It is the user's code: it may raise anything.
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, jax.errors.JAXTypeError):
            reason = (
                "it is compiled, so it meets arrays that have no values yet. Use jax.numpy in the place of numpy and "
                "float(), and jax.numpy.where in the place of if."
            )
        raise ArgumentError(f"The function {described_function(function)} fails on {what}: {reason}") from error
    if not isinstance(result, jax.ShapeDtypeStruct):
        kind = "nothing" if result is None else f"a {type(result).__name__}"
        raise ArgumentError(f"The function {described_function(function)} returned {kind}: it must return {wanted}.")
    return result
