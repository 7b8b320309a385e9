"""The library of kernels for CPUs, written in C++ and called by XLA.

The library is there where a C++ compiler was when Calor was installed. Elsewhere the operations run on XLA alone.
``CALOR_KERNELS`` may be ``off``, for XLA alone, too, or ask for one instruction set: ``avx512``, ``avx2``, ``neon`` or
``generic``. ``CALOR_KERNELS_LIBRARY`` names another file than the one that was installed.
"""

import ctypes
import functools
import os
from pathlib import Path
from typing import NamedTuple

import jax

from calor.errors import UnknownNameError, warn

LIBRARY = Path(os.environ.get("CALOR_KERNELS_LIBRARY") or Path(__file__).parent / "libcalor.so")
INSTRUCTION_SETS = ("avx512", "avx2", "neon", "generic")

_INTERFACE = 2
"""What ``calor_interface`` in handlers.cc must return."""

_HANDLERS = (
    "convolution",
    "inputs_gradient",
    "kernel_gradient",
    "pooled_convolution",
    "pooled_inputs_gradient",
    "pooled_kernel_gradient",
    "max_pooling",
    "max_pooling_gradient",
    "warp",
)


class Status(NamedTuple):
    """Whether the kernels can be used: ``handle``, the loaded library, is None where not, and ``reason`` says why."""

    handle: ctypes.CDLL | None
    reason: str


@functools.cache
def status() -> Status:
    """Load the library and make its handlers known to XLA, at the first call.

    Where CALOR_KERNELS is no name of an instruction set, a warning says so and gives the nearest.
    """
    wanted = os.environ.get("CALOR_KERNELS", "")
    if wanted and wanted not in ("off", *INSTRUCTION_SETS):
        # An error would turn up wherever an operation is first traced, and look like that one's.
        unknown = UnknownNameError("instruction set for CALOR_KERNELS", wanted, ("off", *INSTRUCTION_SETS))
        warn(f"{unknown} Calor runs on XLA alone.")
        return Status(None, f"CALOR_KERNELS={wanted}, which is no instruction set")
    if wanted == "off":
        return Status(None, "CALOR_KERNELS=off")
    if not LIBRARY.is_file():
        return Status(None, "not compiled when Calor was installed, which needs a C++17 compiler")
    try:
        library = ctypes.CDLL(str(LIBRARY))
        library.calor_instruction_set.restype = ctypes.c_char_p
        library.calor_peak.argtypes, library.calor_peak.restype = [ctypes.c_int64], ctypes.c_double
        if (found := library.calor_interface()) != _INTERFACE:
            return Status(None, f"compiled for another version ({found} instead of {_INTERFACE}): install Calor again")
        handlers = {f"calor_{name}": getattr(library, f"calor_{name}") for name in _HANDLERS}
    except (OSError, AttributeError) as error:  # AttributeError: some other library
        return Status(None, f"not loaded: {error}")
    if wanted and library.calor_instruction_set().decode() != wanted:
        return Status(None, f"CALOR_KERNELS={wanted}, which this processor or this build does not have")
    try:
        for name, handler in handlers.items():
            jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(handler), platform="cpu")
    except Exception as error:  # XLA refuses what was compiled with newer headers, by an exception of its own
        return Status(None, f"not loaded: {error}")
    return Status(library, "")


def available() -> bool:
    """Whether operations on a CPU run on these kernels."""
    return status().handle is not None


def instruction_set() -> str | None:
    """The instruction set that the kernels in use were compiled for; None where none are."""
    library = status().handle
    return None if library is None else library.calor_instruction_set().decode()
