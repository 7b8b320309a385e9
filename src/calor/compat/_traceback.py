"""Tracebacks for the author of a program: the lines of the program, without those of Calor and JAX."""

import importlib.util
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType

from calor.errors import CalorError

_HIDDEN = ("calor", "importlib", "jax", "jaxlib", "optax", "runpy")


def _folders() -> tuple[str, ...]:
    places = []
    for name in _HIDDEN:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            path = Path(spec.origin)
            places.append(str(path.parent if path.name == "__init__.py" else path))
    return (*places, "<frozen runpy>", "<frozen importlib", sysconfig.get_path("scripts"))


def shortened(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of Calor, JAX and what started the program; all of it where nothing is left."""
    folders = _folders()
    frames = []
    step = trace
    while step is not None:
        if not step.tb_frame.f_code.co_filename.startswith(folders):
            frames.append(step)
        step = step.tb_next
    short: TracebackType | None = None
    for frame in reversed(frames):
        short = TracebackType(short, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return short or trace


def report(error: BaseException) -> str:
    """What to print of an error in a program: its own lines, and the message.

    What Calor says of a mistake stands alone; other errors bring those that they came from.
    """
    chain = not isinstance(error, CalorError)
    return "".join(traceback.format_exception(type(error), error, shortened(error.__traceback__), chain=chain))
