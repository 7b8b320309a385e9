"""``calor run``: programs with their arguments and errors, and notebooks in a real kernel."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import calor
from calor.cli import main
from calor.compat import _stand_in, run
from calor.errors import ArgumentError

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(calor.__file__).parents[1])}


@pytest.fixture
def program(tmp_path: Path):
    def write(text: str, name: str = "program.py") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def command(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["run", *map(str, arguments)])
    return ended.value.code


def test_arguments_pass_through(program, capsys) -> None:
    path = program("import sys, helper\nprint(sys.argv[1:], __name__, helper.x)")
    program("x = 3", "helper.py")
    before = sys.argv[:], sys.path[:]
    assert command(path, "--epochs", "3", "-o", "out", "--with-tensorflow") == 0
    assert capsys.readouterr().out == "['--epochs', '3', '-o', 'out', '--with-tensorflow'] __main__ 3\n"
    assert (sys.argv, sys.path) == before


@pytest.mark.parametrize(
    ("code", "expected"), [("sys.exit()", 0), ("sys.exit(7)", 7), ("sys.exit('no')", 1), ("1 / 0", 1)]
)
def test_exit_codes(program, capsys, code, expected) -> None:
    assert command(program(f"import sys\n{code}")) == expected
    assert ("no\n" in capsys.readouterr().err) is (code == "sys.exit('no')")


def test_tracebacks_have_the_programs_lines(program, capsys) -> None:
    path = program(
        "import tensorflow as tf\n"
        "model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=[1])])\n"
        "class Broken(tf.keras.callbacks.Callback):\n"
        "    def on_epoch_end(self, epoch, logs=None):\n"
        "        logs['nothing']\n"
        "model.compile('sgd', 'mse')\n"
        "model.fit([1.0], [2.0], verbose=0, callbacks=[Broken()])\n"
    )
    assert command(path) == 1
    shown = capsys.readouterr().err
    assert "line 7" in shown
    assert "line 5" in shown
    assert "KeyError: 'nothing'" in shown
    assert "src/calor" not in shown


def test_errors_of_calor_come_without_their_causes(program, capsys) -> None:
    path = program("from calor.compat.keras import Sequential\nmodel = Sequential()\nmodel.fit([1.0], [1.0])\n")
    assert command(path) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback (most recent call last):\n")
    assert "ModelStateError: " in shown.splitlines()[-1]
    assert "src/calor" not in shown


def test_a_mistake_in_the_syntax(program, capsys) -> None:
    assert command(program("x = (")) == 1
    assert "SyntaxError" in capsys.readouterr().err


def test_warnings_are_the_programs_own(program, capsys) -> None:
    assert command(program("import warnings\nwarnings.warn('look out')")) == 0
    assert "program.py:2: UserWarning: look out" in capsys.readouterr().err


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="There is no program"):
        run.script(tmp_path / "none.py")
    with pytest.raises(ArgumentError, match="There is no notebook"):
        run.notebook(tmp_path / "none.ipynb")


def test_an_output_is_for_notebooks(program, capsys) -> None:
    assert command("-o", "x", program("")) == 2
    assert "only notebooks" in capsys.readouterr().err


def test_nothing_is_changed_outside(program) -> None:
    path = program("import keras, tensorflow\nassert keras.__version__.endswith(__import__('calor').__version__)")
    import keras

    before = dict(sys.modules)
    assert command(path) == 0
    assert "tensorflow" not in sys.modules
    assert sys.modules["keras"] is keras is before["keras"]
    assert not any(isinstance(finder, _stand_in.StandIn) for finder in sys.meta_path)


def test_with_tensorflow(program) -> None:
    """The Keras that is installed here is not Calor's."""
    assert command("--with-tensorflow", program("import keras\nassert '+calor' not in keras.__version__")) == 0


def notebook(path: Path, *cells: str) -> Path:
    content = {
        "cells": [{"cell_type": "markdown", "id": "text", "metadata": {}, "source": "# Title"}]
        + [
            {"cell_type": "code", "execution_count": None, "id": f"c{i}", "metadata": {}, "outputs": [], "source": cell}
            for i, cell in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "some-other-kernel", "display_name": "Other", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(content))
    return path


def calor_run(*arguments: str | Path) -> subprocess.CompletedProcess:
    words = [sys.executable, "-m", "calor", "run", *map(str, arguments)]
    return subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def outputs(path: Path) -> list[list[Any]]:
    return [cell["outputs"] for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def text_of(shown: list[Any]) -> str:
    return "".join("".join(one.get("text") or one.get("data", {}).get("text/plain", "")) for one in shown)


def test_a_notebook(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "first.ipynb",
        "try:\n    # Colab only\n    %tensorflow_version 2.x\nexcept Exception:\n    pass\n"
        "import tensorflow as tf, keras\nprint(tf.__version__)",
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        "!pip install -q tensorflow keras\nif True:\n    !python3 -m pip install tensorflow_datasets==4.9\n!ls",
        "keras.layers.Dense(3).units",
        "",
        "%unload_ext calor\nimport keras\n'+calor' in keras.__version__",
        "%load_ext calor\nimport keras\n'+calor' in keras.__version__",
    )
    done = calor_run(path, "--output", tmp_path / "second.ipynb")
    assert done.returncode == 0, done.stderr
    assert f"6 cells ran; the notebook with their outputs is {tmp_path / 'second.ipynb'}." in done.stdout
    version, plot, shell, units, nothing, without, again = outputs(tmp_path / "second.ipynb")
    assert "+calor" in text_of(version)
    assert any("image/png" in one.get("data", {}) for one in plot)
    assert "tensorflow, keras are not installed" in text_of(shell)
    assert "tensorflow_datasets==4.9 is not installed" in text_of(shell)
    assert "first.ipynb" in text_of(shell)
    assert (text_of(units), nothing, text_of(without)) == ("3", [], "False")
    assert text_of(again).endswith("True")
    assert "keras was imported from elsewhere before" in text_of(again)
    assert json.loads(path.read_text())["cells"][1]["outputs"] == []


def test_a_cell_that_fails(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "fails.ipynb",
        "from tensorflow import keras\nprint('before')",
        "def make():\n    return keras.layers.Dense(2, kernel_regularizer='l2')\nmake()",
        "print('after')",
    )
    done = calor_run(path)
    assert done.returncode == 1
    assert "kernel_regularizer='l2') is outside what Calor covers" in done.stderr
    assert "return keras.layers.Dense(2" in done.stderr
    assert "_from_keras" not in done.stderr
    assert "IPython/core" not in done.stderr
    assert "fails.calor.ipynb" in done.stderr
    before, error, after = outputs(tmp_path / "fails.calor.ipynb")
    assert text_of(before) == "before\n"
    assert error[0]["output_type"] == "error"
    assert after == []


def test_a_kernel_that_dies(tmp_path: Path) -> None:
    done = calor_run(notebook(tmp_path / "dies.ipynb", "import os\nos._exit(1)"))
    assert done.returncode == 1
    assert "The kernel died" in done.stderr


def test_what_is_no_notebook(tmp_path: Path, capsys) -> None:
    (tmp_path / "no.ipynb").write_text("{}")
    assert command(tmp_path / "no.ipynb") == 1
    assert "is no Jupyter notebook" in capsys.readouterr().err
    assert command(tmp_path / "no.ipynb", "--epochs") == 2
    assert "a notebook takes no arguments" in capsys.readouterr().err


def test_without_nbclient(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "nbclient", None)
    with pytest.raises(run.MissingPackageError, match=r"nbclient: pip install 'calor\[notebook\]'"):
        run.notebook(notebook(tmp_path / "first.ipynb", "1"))
