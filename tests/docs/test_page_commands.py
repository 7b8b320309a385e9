"""The commands in the README and the documentation run as they stand, on drawn pictures.

Each page has a folder with what its commands name. Training is cut to one epoch of small pictures. A block that cannot
be run is marked, and counted here.
"""

import json
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import programs
import pytest

import calor
from calor.cli import main

PAGES = [page for page in programs.pages() if any(block.why is None for block in programs.blocks(page, "sh"))]

NOT_RUN = {
    "README.md": 1,  # make
    "docs/index.md": 1,  # installs
    "docs/how-to/coming-from-pytorch.md": 1,  # PyTorch
    "docs/how-to/notebooks.md": 2,  # installs; a magic of IPython's
    "docs/how-to/run-tensorflow-code.md": 1,  # notebooks, as in the README
}

PLACEHOLDERS = {"PHOTOS": "photos", "MODEL": "shapes.keras", "IMAGE...": "photos/tree/001.jpg", "RUN": "run"}

ELSEWHERE = {
    "calor demo": "tests/cli/test_cli.py",
    "calor doctor": "tests/cli/test_doctor.py",
    "calor train --resume RUN": "tests/workbench/test_resume.py",
    "calor compare RUN RUN...": "tests/workbench/test_comparison.py",
    "calor reproduce RUN": "tests/workbench/test_reproduction.py",
}
"""Commands that take long, or need a run that was killed, and the tests that run them."""

PROGRAM = """
import sys
import tensorflow as tf
model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=[1])])
print(model.predict([100.0]).shape, sys.argv[1:])
"""


def commands(page: Path) -> list[str]:
    """Each line of the page's blocks, without its remark."""
    lines = [line for block in programs.blocks(page, "sh") if block.why is None for line in block.code.splitlines()]
    return [shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))]


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, enough to seal some, a model, a run, a program and a notebook."""
    folder = tmp_path_factory.mktemp("things")
    calor.workbench.draw_pictures(folder / "photos", per_class=50)
    (folder / "shapes").symlink_to(folder / "photos")
    model = calor.workbench.photo_network((32, 32), 4, seed=0)
    model.class_names = ["boat", "house", "star", "tree"]
    model.save(folder / "shapes.keras")
    calor.workbench.train(folder / "photos", output=folder / "run", epochs=1, image_size=(32, 32), verbose=0)
    (folder / "program.py").write_text(PROGRAM)
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "outputs": [], "execution_count": None}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell | {"source": PROGRAM}]}
    (folder / "notebook.ipynb").write_text(json.dumps(notebook))
    return folder


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(programs.ROOT).as_posix() for page in PAGES])
def test_commands(
    page: Path, things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for thing in things.iterdir():
        (tmp_path / thing.name).symlink_to(thing)
    monkeypatch.chdir(tmp_path)
    for command in commands(page):
        if command in ELSEWHERE:
            assert (programs.ROOT / ELSEWHERE[command]).is_file()
            continue
        program, *arguments = [PLACEHOLDERS.get(word, word) for word in shlex.split(command)]
        assert program == "calor", f"{command}: mark a block that is not to be run"
        if arguments[0] == "train":
            arguments += ["--epochs", "1", "--image-size", "32"]
        if any(argument.endswith(".ipynb") for argument in arguments):  # leaves a kernel's sockets open
            done = subprocess.run(
                [sys.executable, "-m", "calor", *arguments], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            continue
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        fine = (0, 1) if arguments[0] == "check" else (0,)  # 1: something serious was found
        assert ended.value.code in fine, capsys.readouterr().err


def test_what_is_not_run_is_known() -> None:
    marked = Counter(
        page.relative_to(programs.ROOT).as_posix()
        for page in programs.pages()
        for kind in ("python", "sh")
        for block in programs.blocks(page, kind)
        if block.why is not None
    )
    assert dict(marked) == NOT_RUN


def test_every_block_of_code_has_a_known_language() -> None:
    for page in programs.pages():
        inside = False
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            if line.lstrip().startswith("```"):
                inside = not inside
                assert not inside or line in ("```", "```python", "```sh", "```text"), f"{page.name}:{number}: {line}"
        assert not inside, page.name
