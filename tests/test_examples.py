"""The example programs run as they stand, with fewer epochs, and save their plots."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
WITHOUT_DATA = ("celsius", "celsius_three_layers")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(EXAMPLES.parent / "src")}
SLOW = ("fashion_mnist_cnn", "cats_and_dogs", "cats_and_dogs_augmented")


def run(name: str, folder: Path, epochs: int) -> str:
    program = [sys.executable, str(EXAMPLES / f"{name}.py"), str(epochs)]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / f"{name}.png").stat().st_size > 5000
    return done.stdout


def test_all_examples_are_tested() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted((*WITHOUT_DATA, "fashion_mnist_dense", *SLOW))


def test_celsius(tmp_path: Path) -> None:
    assert "100 °C is 211." in run("celsius", tmp_path, 500)
    assert "F = 1.798 * C + 31.9" in run("celsius", tmp_path, 1200)


def test_celsius_three_layers(tmp_path: Path) -> None:
    answer = run("celsius_three_layers", tmp_path, 500).split("100 °C is ")[1].split(" ")[0]
    assert 209 < float(answer) < 214


def test_fashion_mnist_dense(tmp_path: Path, real_data: Path) -> None:
    accuracy = run("fashion_mnist_dense", tmp_path, 1).split("test set: ")[1]
    assert float(accuracy) > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_pictures(name: str, tmp_path: Path, real_data: Path) -> None:
    assert "Epoch 1/1" in run(name, tmp_path, 1)
