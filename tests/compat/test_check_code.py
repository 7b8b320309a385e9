"""``calor check-code``: what is found by reading, and that nothing is run."""

import json
from pathlib import Path

import pytest

from calor.cli import main
from calor.compat.check_code import check_file, check_source, plain_python
from calor.errors import ArgumentError

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
MEANT_TO_FAIL = {"surroundings"}


def found(source: str) -> list[tuple[int, str]]:
    return [(one.line, one.name.removeprefix("tensorflow.")) for one in check_source(source)]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_programs_that_run(program: Path) -> None:
    findings = check_file(program)
    assert bool(findings) is (program.stem in MEANT_TO_FAIL), findings


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import tensorflow as tf\nx = 1\ntf.Variable(3)", [(3, "Variable")]),
        ("import tensorflow.keras.layers as L\nL.LSTM(2)\nL.Dense(2)", [(2, "keras.layers.LSTM")]),
        ("from tensorflow.keras.layers import Dense, GRU as G", [(1, "keras.layers.GRU")]),
        ("from tensorflow import keras\nM = keras.models\nM.Model\nM.Sequential", [(3, "keras.models.Model")]),
        ("import keras\nclass A(keras.Model):\n    pass", [(2, "keras.Model")]),
        ("from tensorflow.keras.applications import VGG16", [(1, "keras.applications.VGG16")]),
        ("import tensorflow_hub as hub", [(1, "tensorflow_hub")]),
        ("from tensorflow_hub import KerasLayer", [(1, "tensorflow_hub.KerasLayer")]),
        (
            "from tensorflow.keras.layers import *\nDense(2, kernel_regularizer='l2')",
            [(2, "keras.layers.Dense(kernel_regularizer=)")],
        ),
        (
            "import keras\nkeras.layers.Dense(2, kernel_regularizer=f(1), **more)",
            [(2, "keras.layers.Dense(kernel_regularizer=)")],
        ),
        (
            "import keras\nkeras.layers.Dense(unit=2)\nkeras.optimizers.SGD(lr=0.1, decay=0)",
            [(2, "keras.layers.Dense(unit=)")],
        ),
        ("import keras\nkeras = 3\nkeras.anything", []),
        ("import numpy as tf\ntf.whatever\nfrom . import keras", []),
        ("import tensorflow as tf\ntf.data.Dataset.from_nothing(1)", [(2, "data.Dataset.from_nothing")]),
        ("import tensorflow as tf\n(tf\n .keras\n .nothing)", [(4, "keras.nothing")]),
        ("import tensorflow as tf\ntf.keras.Sequential().whatever", []),
    ],
)
def test_names(source: str, names: list) -> None:
    assert found(source) == names


def test_nothing_is_run(tmp_path: Path) -> None:
    assert check_source(f"import tensorflow as tf\nopen({str(tmp_path / 'x')!r}, 'w')\nraise SystemExit") == []
    assert not (tmp_path / "x").exists()


def test_cells() -> None:
    assert plain_python("%%bash\nls") == ""
    assert plain_python("%%time\nx = 1") == "pass\nx = 1"
    assert plain_python("if a:\n  !ls\n  %cd x\nmodel?\ny = 1") == "if a:\n  pass\n  pass\npass\ny = 1"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [
        {"cell_type": "markdown", "source": "tf.Variable"},
        {"cell_type": "code", "source": ["!pip install x\n", "import tensorflow as tf"]},
        {"cell_type": "code", "source": "tf.keras.Model"},
    ]
    notebook, program = tmp_path / "a.ipynb", tmp_path / "b.py"
    notebook.write_text(json.dumps({"cells": cells}))
    program.write_text("import keras\nkeras.layers.Dense(3)")
    with pytest.raises(SystemExit) as ended:
        main(["check-code", str(notebook), str(program)])
    assert ended.value.code == 1
    output = capsys.readouterr().out
    assert output.startswith(f"{notebook}:cell 3:1: tf.keras.Model is outside what Calor covers; the nearest thing")
    assert output.count("\n") == 1
    with pytest.raises(SystemExit) as ended:
        main(["check-code", "--json", str(notebook)])
    assert ended.value.code == 1
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["file"], record["cell"], record["line"], record["name"]) == (
        str(notebook),
        3,
        1,
        "tensorflow.keras.Model",
    )
    with pytest.raises(SystemExit) as ended:
        main(["check-code", str(program)])
    assert ended.value.code == 0
    assert "has every name" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.py", "x = (", r"a\.py, line 1: this is no Python"),
        ("a.ipynb", "{}", "no Jupyter notebook"),
        ("a.ipynb", '{"cells": [{"cell_type": "code", "source": "x = ("}]}', "cell 1, line 1"),
        ("a.py", b"\xff\xfe", "cannot be read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content, message: str) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ArgumentError, match=message):
        check_file(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="cannot be read"):
        check_file(tmp_path / "none.py")
