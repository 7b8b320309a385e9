"""``calor doctor``: what it shows, what it finds wrong, and the line for users without the kernels."""

import dataclasses
import json
from collections.abc import Callable, Iterator

import pytest

from calor._cache import cache_folder
from calor.cli import main
from calor.ops import native
from calor.workbench import doctor

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``calor doctor`` in this process: its exit code and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["doctor", *arguments])
        output = capsys.readouterr()
        assert output.err == ""
        return int(ended.value.code or 0), output.out

    return run


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller self-test."""
    for name, value in {"BATCH": 2, "SIDE": 8, "CHANNELS": 3, "FILTERS": 4}.items():
        monkeypatch.setattr(doctor, name, value)


def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "status", lambda: native.Status(None, "not compiled: no compiler"))


def test_it_shows_what_there_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALOR_DATA", "/some/data")
    monkeypatch.setenv("NPROC", "3")
    code, out = run("--no-self-test")
    assert code == 0
    rows = {line.partition(" ")[0]: line for line in out.splitlines()}
    assert list(rows)[:8] == ["Versions", "System", "Processor", "Memory", "Devices", "Kernels", "Cache", "Data"]
    assert "Calor 0." in rows["Versions"]
    assert rows["Processor"].endswith(", 3 threads for XLA")
    assert str(cache_folder()) in rows["Cache"]
    assert "/some/data" in rows["Data"]
    assert (native.instruction_set() or native.status().reason) in rows["Kernels"]
    assert "Self-test" not in out


@pytest.mark.usefixtures("quick")
def test_the_self_test_passes(run: Run) -> None:
    code, out = run("--seconds", "0")
    assert code == 0
    assert "convolution and pooling" in out
    assert "Calor computes right" in out
    assert out.count("gradient") == 4


@pytest.mark.usefixtures("quick")
def test_json(run: Run) -> None:
    code, out = run("--json", "--seconds", "0")
    found = json.loads(out)
    assert code == 0
    assert found["right"] is True
    assert len(found["self_test"]) == 6
    assert found["instruction_set"] == native.instruction_set()
    for one in found["self_test"]:
        assert one["plain_gflops"] > 0
        assert (one["difference"] is None) == (found["instruction_set"] is None)
    assert "self_test" not in json.loads(run("--json", "--no-self-test")[1])


@pytest.mark.usefixtures("quick")
def test_without_kernels_it_says_why_and_passes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    without_kernels(monkeypatch)
    code, out = run("--seconds", "0")
    assert code == 0
    assert "Kernels    none, XLA alone: not compiled: no compiler" in out
    assert "arithmetic alone" not in out
    assert out.splitlines()[-1].startswith("Calor computes right, but convolutions on the CPU run on XLA alone")


def test_wrong_results_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(seconds: float) -> Iterator[doctor.Measurement]:
        yield doctor.Measurement("one thing", 100.0, 10.0, 1e-7)
        yield doctor.Measurement("another", 100.0, 10.0, float("inf"))

    monkeypatch.setattr(doctor, "self_test", broken)
    code, out = run("--seconds", "0")
    assert code == 1
    assert out.splitlines()[-1].startswith("Something is wrong: ")
    assert "for another. Run with CALOR_KERNELS=off" in out
    code, out = run("--seconds", "0", "--json")
    assert code == 1
    assert json.loads(out)["self_test"][1] | {"difference": None, "right": False} == json.loads(out)["self_test"][1]


def test_a_difference_beyond_rounding_is_wrong() -> None:
    good = doctor.Measurement("", 1.0, 1.0, doctor.TOLERANCE)
    assert good.right
    assert not dataclasses.replace(good, difference=2 * doctor.TOLERANCE).right
    assert not dataclasses.replace(good, difference=float("nan")).right


def test_the_line_for_users_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    without_kernels(monkeypatch)
    line = doctor.no_kernels()
    assert line is not None
    assert line.endswith("for CPUs: not compiled: no compiler.")
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert doctor.no_kernels() is None
