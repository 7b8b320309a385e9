"""The kernels of one instruction set, for tests that run once for each that this machine has."""

import ctypes
import os
import platform
import shutil

import jax
import pytest

from calor.ops import _kernels, native


@pytest.fixture(scope="session")
def compiled():
    """Skips where there is no library."""
    if not native.LIBRARY.is_file():
        pytest.skip(f"the native kernels are not compiled: {native.LIBRARY.name} is missing")
    return native.LIBRARY


# What any machine of the kind may have; the widest of them are skipped where this one has them not.
_POSSIBLE = ("generic", "neon") if platform.machine() in ("aarch64", "arm64") else ("generic", "avx2", "avx512")


@pytest.fixture(scope="session", params=_POSSIBLE)
def loaded(request, compiled, tmp_path_factory):
    """The name of an instruction set, whose handlers XLA knows as ``calor_<name>_<instruction set>``.

    A process chooses its instruction set once, when it first calls the library; a copy of the library chooses anew.
    """
    wanted = request.param
    copy = shutil.copy(compiled, tmp_path_factory.mktemp(wanted))
    library = ctypes.CDLL(str(copy))
    library.calor_instruction_set.restype = ctypes.c_char_p
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "CALOR_KERNELS", wanted)
        if library.calor_instruction_set().decode() != wanted:
            pytest.skip(f"this processor, or this build of the kernels, has no {wanted}")
    for name in native._HANDLERS:
        capsule = jax.ffi.pycapsule(getattr(library, f"calor_{name}"))
        jax.ffi.register_ffi_target(f"calor_{name}_{wanted}", capsule, platform="cpu")
    return wanted


@pytest.fixture(scope="module")
def instructions(loaded):
    """Makes the functions of ``calor.ops._kernels`` call the kernels for one instruction set, and gives its name."""
    own = _kernels._call
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_kernels, "_call", lambda name, *results: own(f"{name}_{loaded}", *results))
        yield loaded
