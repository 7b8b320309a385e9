"""Finding the library: what ``status`` says where it is not to be used, missing, or broken."""

import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from calor.errors import CalorWarning
from calor.ops import _kernels, native


@pytest.fixture
def status():
    """``status`` as it is at the first call."""
    return native.status.__wrapped__


def test_switched_off(monkeypatch, status):
    monkeypatch.setenv("CALOR_KERNELS", "off")
    assert status() == native.Status(None, "CALOR_KERNELS=off")


def test_an_unknown_name(monkeypatch, status):
    monkeypatch.setenv("CALOR_KERNELS", "AVX2")
    with pytest.warns(CalorWarning, match=r"for CALOR_KERNELS called 'AVX2'\. Did you mean .*'avx2'.*XLA alone"):
        found = status()
    assert found == native.Status(None, "CALOR_KERNELS=AVX2, which is no instruction set")


def test_an_instruction_set_that_is_not_here(monkeypatch, status, compiled):
    elsewhere = "avx2" if platform.machine() in ("aarch64", "arm64") else "neon"
    monkeypatch.setenv("CALOR_KERNELS", elsewhere)
    monkeypatch.setattr(native, "LIBRARY", compiled)
    library, reason = status()
    assert library is None or library.calor_instruction_set() == elsewhere.encode()
    assert library or reason == f"CALOR_KERNELS={elsewhere}, which this processor or this build does not have"


def test_not_compiled(monkeypatch, status, tmp_path):
    monkeypatch.delenv("CALOR_KERNELS", raising=False)
    monkeypatch.setattr(native, "LIBRARY", tmp_path / "libcalor.so")
    library, reason = status()
    assert library is None
    assert reason.startswith("not compiled ")


def test_not_a_library(monkeypatch, status, tmp_path):
    monkeypatch.delenv("CALOR_KERNELS", raising=False)
    broken = tmp_path / "libcalor.so"
    broken.write_bytes(b"no library")
    monkeypatch.setattr(native, "LIBRARY", broken)
    library, reason = status()
    assert library is None
    assert reason.startswith("not loaded: ")


def test_another_library(monkeypatch, status):
    """Or that of another version, in which not all functions are."""
    monkeypatch.delenv("CALOR_KERNELS", raising=False)
    monkeypatch.setattr(native, "LIBRARY", Path(np._core._multiarray_umath.__file__))
    library, reason = status()
    assert library is None
    assert reason.startswith("not loaded: ")


def test_loading_twice_does_no_harm(compiled, monkeypatch, status):
    """As several threads may at the first call."""
    monkeypatch.delenv("CALOR_KERNELS", raising=False)
    with ThreadPoolExecutor(4) as pool:
        assert all(one.handle for one in pool.map(lambda _: status(), range(8)))


def test_in_use(compiled):
    if not native.available():
        assert native.instruction_set() is None
        pytest.skip(native.status().reason)
    assert native.status().reason == ""
    assert native.instruction_set() in native.INSTRUCTION_SETS


def test_without_the_library_the_plain_form_runs(monkeypatch):
    monkeypatch.setattr(native, "available", lambda: False)

    def plain(*operands):
        return operands

    assert _kernels.on_cpu(lambda *operands: None, plain, "setting")(1, 2) == ("setting", 1, 2)
