"""The cache folder, and the compiled programs in it: found again by the next process, limited, and off on request."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import calor
from calor._cache import cache_folder, kept_files, remove_oldest

EXAMPLE = Path(calor.__file__).parents[2] / "examples" / "celsius.py"

COUNT_AND_RUN = """
import collections, json, runpy, sys
import jax

counts = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **_: counts.update([event.rpartition("/")[2]]))
runpy.run_path(sys.argv.pop(), run_name="__main__")
found = {name: counts[name] for name in ("compile_requests_use_cache", "cache_hits", "cache_misses")}
print(json.dumps(found | {"folder": jax.config.jax_compilation_cache_dir}))
"""

CONVOLUTIONS = """
import numpy as np
import calor

layers = calor.layers
x = np.random.default_rng(0).random((8, 12, 12, 3), np.float32)
model = calor.Sequential(
    [
        layers.Conv2D(4, 3, activation="relu", input_shape=(12, 12, 3)),
        layers.MaxPooling2D(2),
        layers.Conv2D(4, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(2),
    ],
    seed=0,
)
model.compile(loss="mean_squared_error", optimizer="adam")
print(model.fit(x, x[:, :2, 0, 0], epochs=2, verbose=0).history["loss"])
"""
SET_UP = "from calor._cache import keep_compiled_programs; keep_compiled_programs()"


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, ".cache/calor"),
        ("darwin", {}, "Library/Caches/calor"),
        ("linux", {"XDG_CACHE_HOME": "/var/xdg"}, "/var/xdg/calor"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, ".cache/calor"),
        ("darwin", {"XDG_CACHE_HOME": "/var/xdg"}, "Library/Caches/calor"),
        ("linux", {"CALOR_CACHE": "/big/disk", "XDG_CACHE_HOME": "/var/xdg"}, "/big/disk"),
        ("linux", {"CALOR_CACHE": "~/mine"}, "mine"),
        ("linux", {"CALOR_CACHE": "off"}, ".cache/calor"),
    ],
)
def test_the_cache_folder_is_the_platforms_or_the_users(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setenv("HOME", "/home/ada")
    for name in ("CALOR_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path("/home/ada") / expected


def start(program: Path | str, folder: Path, **variables: str) -> tuple[list[str], dict[str, Any]]:
    """What a new process prints, and how often it asked for a compiled program, found it, and kept a new one."""
    if isinstance(program, str):
        (folder / "program.py").write_text(program)
        program = folder / "program.py"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CALOR_CACHE", "JAX_"))}
    environment |= {"HOME": str(folder), "XDG_CACHE_HOME": str(folder), "JAX_PLATFORMS": "cpu", **variables}
    environment |= {"PYTHONPATH": str(Path(calor.__file__).parents[1]), "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-c", COUNT_AND_RUN, str(program)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *printed, counts = done.stdout.splitlines()
    return printed, json.loads(counts)


# The second program runs on the native kernels, where they are.
@pytest.mark.parametrize("program", [EXAMPLE, CONVOLUTIONS], ids=["celsius", "convolutions"])
def test_a_second_start_compiles_nothing(program: Path | str, tmp_path: Path) -> None:
    printed, first = start(program, tmp_path)
    again, second = start(program, tmp_path)
    assert first["cache_hits"] == 0
    assert first["cache_misses"] == first["compile_requests_use_cache"] > 0
    assert second["cache_misses"] == 0
    assert second["cache_hits"] == second["compile_requests_use_cache"] == first["compile_requests_use_cache"]
    assert again == printed
    assert Path(first["folder"]).relative_to(tmp_path).parts[-2:] == ("calor", "xla")


def test_no_programs_are_kept_where_the_user_says_so_or_the_folder_is_of_no_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    everybodys = tmp_path / "shared" / "xla"
    everybodys.mkdir(parents=True)
    everybodys.chmod(0o777)  # anybody could put a program there, and it would be run
    for chosen in ("off", str(tmp_path / "file"), str(everybodys.parent)):
        assert start(SET_UP, tmp_path, CALOR_CACHE=chosen)[1]["folder"] is None
    assert not (tmp_path / "calor").exists()


def test_what_jax_was_told_goes_first(tmp_path: Path) -> None:
    mine = str(tmp_path / "mine")
    assert start(SET_UP, tmp_path, JAX_COMPILATION_CACHE_DIR=mine)[1]["folder"] == mine
    assert not (tmp_path / "calor").exists()


def test_what_was_not_used_for_the_longest_time_goes_first(tmp_path: Path) -> None:
    for age, name in enumerate(["new", "old", "older"]):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    os.utime(tmp_path / "older", (1e9 + 1, 1e9 - 2))  # used again since
    remove_oldest(kept_files(tmp_path), 300)
    assert len(list(tmp_path.iterdir())) == 3
    remove_oldest(kept_files(tmp_path), 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "older"]
    (tmp_path / "folder").mkdir()  # XLA keeps something there
    remove_oldest(kept_files(tmp_path), 0)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
