"""Training on more pictures than may be in memory: bounded memory, whatever the size of the data."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parent / "train_on_many.py"
MEMORY_LIMIT = 50_000_000
PER_FILE = 1_000
"""Bytes that a file may take for its name, size and time, pixels apart."""


def trained(folder: Path, count: int, cache: Path) -> dict[str, Any]:
    command = [sys.executable, PROGRAM, folder, str(count), str(MEMORY_LIMIT)]
    environment = os.environ | {"CALOR_CACHE": str(cache)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow  # 200,000 files are written, decoded and read twice: three minutes
def test_two_hundred_thousand_pictures_train_in_bounded_memory(tmp_path):
    few = trained(tmp_path / "few", 2_000, tmp_path / "cache")
    many = trained(tmp_path / "many", 200_000, tmp_path / "cache")
    assert (few["data"], many["data"]) == ("resident", "streaming")
    assert many["examples"] == 200_000
    assert many["accuracy"] > 0.99
    assert many["resident_set"] < few["resident_set"] + MEMORY_LIMIT + 200_000 * PER_FILE
