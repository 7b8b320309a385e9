"""The public names of ``calor``, and that importing them costs nothing before they are used."""

import subprocess
import sys

import pytest

import calor

PUBLIC = [
    "Dataset",
    "Input",
    "Sequential",
    "__version__",
    "activations",
    "callbacks",
    "compat",
    "data",
    "errors",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "workbench",
]


def run_python(*arguments: str) -> str:
    """What a new interpreter prints."""
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True).stdout


def test_public_names() -> None:
    assert sorted(calor.__all__) == PUBLIC
    assert dir(calor) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_there(name: str) -> None:
    assert getattr(calor, name) is not None


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Sequentail'"):
        calor.Sequentail  # noqa: B018


def test_import_loads_no_heavy_package() -> None:
    heavy = {"PIL", "h5py", "jax", "jaxlib", "matplotlib", "numpy", "optax", "rich", "typer"}
    loaded = run_python("-c", "import sys, calor; print(*{name.partition('.')[0] for name in sys.modules})")
    assert heavy.isdisjoint(loaded.split())


def test_help_loads_no_jax() -> None:
    program = "import runpy, sys\nsys.argv = ['calor', '--help']\n"
    program += "try: runpy.run_module('calor', run_name='__main__')\n"
    program += "except SystemExit: print('modules:', *sys.modules)"
    shown, _, loaded = run_python("-c", program).partition("modules:")
    assert "train" in shown
    assert {"jax", "numpy", "matplotlib", "PIL"}.isdisjoint(loaded.split())


def test_no_function_of_the_workbench_is_hidden_by_its_module() -> None:
    code = (
        "import importlib, inspect, pkgutil, calor.workbench as room\n"
        "for module in pkgutil.iter_modules(room.__path__): importlib.import_module(f'calor.workbench.{module.name}')\n"
        "print([name for name in room.__all__ if inspect.ismodule(getattr(room, name))])"
    )
    assert run_python("-c", code).strip() == "[]"
