"""The exceptions and warnings that Calor raises; every message says what was wrong, where, and what to do.

CalorError
├── ArgumentError        an argument has a value that cannot work       (also a ValueError)
│   ├── UnknownNameError a name that is not known, with the nearest ones that are
│   └── ShapeError       shapes that do not fit together
├── DataError            the data cannot be used                        (also a ValueError)
│   ├── ImageError       a picture file cannot be read
│   └── LabelError       labels that do not fit the loss or the network's output
├── DownloadError        a data set could not be fetched                (also an OSError)
├── ModelStateError      the model is not ready for what was asked      (also a RuntimeError)
├── ModelFileError       a model file cannot be read or written         (also an OSError)
├── NotCoveredError      a name of TensorFlow's that Calor does not have
└── NonFiniteError       the loss became NaN or infinite in training    (also an ArithmeticError)

CalorWarning             something was skipped or looks wrong; the work goes on   (a UserWarning)
"""

import difflib
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class CalorError(Exception):
    """The base of every exception that Calor raises on purpose."""


class ArgumentError(CalorError, ValueError):
    """An argument has a value that cannot work."""


class UnknownNameError(ArgumentError):
    """A name that is not known; the message gives the nearest ones that are."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(str(name).lower(), [known.lower() for known in names], n=3, cutoff=0.5)
        nearest = [known for known in names if known.lower() in near]
        hint = f"Did you mean {' or '.join(map(repr, nearest))}?" if nearest else f"Known: {', '.join(names)}."
        super().__init__(f"There is no {kind} called {name!r}. {hint}")
        self.name = name
        self.nearest = nearest


class ShapeError(ArgumentError):
    """Shapes that do not fit together; the message names the layer and both shapes."""


class DataError(CalorError, ValueError):
    """The data cannot be used as they are."""


class ImageError(DataError):
    """A picture file cannot be read; the message names the file."""


class LabelError(DataError):
    """Labels that do not fit the loss or the network's output."""


class DownloadError(CalorError, OSError):
    """A data set could not be fetched, or what came was not what was expected."""


class ModelStateError(CalorError, RuntimeError):
    """The model is not ready for what was asked: not built, not compiled, not in this state."""


class ModelFileError(CalorError, OSError):
    """A model file cannot be read or written."""


class NotCoveredError(CalorError):
    """A name of TensorFlow's that is outside what Calor covers; the message gives the nearest thing it has."""


class NonFiniteError(CalorError, ArithmeticError):
    """The loss became NaN or infinite; ``epoch`` and ``step`` (both from 1) say where."""

    def __init__(self, message: str, *, epoch: int, step: int) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.step = step


class CalorWarning(UserWarning):
    """Something was skipped or looks wrong; the work goes on."""


def warn(message: str) -> None:
    """Give a ``CalorWarning`` that points at the user's line: the nearest one outside of Calor.

    Args:
        message: what was skipped or looks wrong, where, and what to do.
    """
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "calor":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, CalorWarning, stacklevel=level)


@contextmanager
def about(what: str) -> Iterator[None]:
    """Say in errors about data and arguments what they are about.

    >>> with about("the validation data"):
    ...     raise DataError("There are none.")
    Traceback (most recent call last):
    calor.errors.DataError: In the validation data: There are none.
    """
    try:
        yield
    except (ArgumentError, DataError) as error:
        raise type(error)(f"In {what}: {error}") from None
