"""The course notes' own code, taken out of their file and run with ``calor run``: no block fails.

The notes are no part of this repository. ``CALOR_NOTES`` names their file; by default it is one beside the checkout.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTES = Path(os.environ.get("CALOR_NOTES") or ROOT.parent / "shared" / "notes" / "course-notes.md")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "Agg"}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

# What is wrong in the notes themselves, and what is put in its place.
MISSING_DATA = """\
celsius_q = np.array([-40, -10, 0, 8, 15, 22, 38], dtype=float)
fahrenheit_a = np.array([-40, 14, 32, 46, 59, 72, 100], dtype=float)
"""
"""The cell that defines the data is not there."""

TYPING_ERRORS = {"keras.layer.Dense(unit=": "tf.keras.layers.Dense(units="}
"""The sketch of three inputs, which also never imports ``keras``."""

PYTHON = ("python", "pyhton")
"""One block of Python is called pyhton."""

# The augmented program ends before it is compiled and trained: the cells of the one before are meant.


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    """Every block of Python in the notes, in their order."""
    if not NOTES.is_file():
        pytest.skip(f"the course notes are not here: CALOR_NOTES names their file, and {NOTES} is none")
    return [block[2] for block in BLOCK.finditer(NOTES.read_text(encoding="utf-8")) if block[1] in PYTHON]


def containing(blocks: list[str], first: str, last: str) -> list[str]:
    """The blocks from the first one with some text to the next with another."""
    start = next(number for number, block in enumerate(blocks) if first in block)
    stop = next(number for number, block in enumerate(blocks) if number >= start and last in block)
    return blocks[start : stop + 1]


def with_changes(blocks: list[str], changes: dict[str, str]) -> list[str]:
    """The blocks with shorter runs; each change must find its place."""
    text = "\n\0\n".join(blocks)
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    return text.split("\n\0\n")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "calor", "run", *arguments]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def run_script(folder: Path, blocks: list[str], *questions: str) -> list[str]:
    """Run the blocks as a program, and give what it then answers to some questions."""
    program = "\n".join(blocks) + "".join(f"\nprint('answer:', {question})" for question in questions)
    (folder / "program.py").write_text(program)
    done = run(folder, "program.py")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return [line.removeprefix("answer: ") for line in done.stdout.splitlines() if line.startswith("answer: ")]


def run_notebook(folder: Path, cells: list[str]) -> list[str]:
    """Run the blocks as the cells of a notebook, and give what each of them shows."""
    notebook: dict[str, Any] = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{number}",
                "metadata": {},
                "outputs": [],
                "source": cell,
            }
            for number, cell in enumerate(cells)
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (folder / "notes.ipynb").write_text(json.dumps(notebook))
    done = run(folder, "notes.ipynb")
    assert done.returncode == 0, done.stderr
    return [
        "".join("".join(shown.get("text") or shown.get("data", {}).get("text/plain", "")) for shown in cell["outputs"])
        for cell in json.loads((folder / "notes.calor.ipynb").read_text())["cells"]
    ]


def test_every_block_is_in_a_program(blocks: list[str]) -> None:
    assert len(blocks) == 60
    programs = (
        celsius(blocks),
        clothes(blocks),
        clothes_convolutional(blocks),
        cats_and_dogs(blocks),
        augmented(blocks),
    )
    used = {block for program in programs for block in program}
    assert [block for block in blocks if block not in used] == [sketch(blocks)]


def celsius(blocks: list[str]) -> list[str]:
    found = containing(blocks, "import tensorflow as tf\nimport numpy", "model.predict([100.0])\n```"[:-4])
    last = next(number for number, block in enumerate(blocks) if block.strip().endswith("\nmodel.predict([100.0])"))
    return blocks[blocks.index(found[0]) : last + 1]


def sketch(blocks: list[str]) -> str:
    return containing(blocks, "keras.layer.Dense", "keras.layer.Dense")[0]


def preamble(blocks: list[str]) -> list[str]:
    start = next(number for number, block in enumerate(blocks) if block.strip() == "import tensorflow as tf")
    return blocks[start : blocks.index(containing(blocks, "train_dataset.take(25)", "train_dataset.take(25)")[0]) + 1]


def clothes(blocks: list[str]) -> list[str]:
    first = preamble(blocks)
    last = containing(blocks, "num_rows = 5", "num_rows = 5")[0]
    return blocks[blocks.index(first[0]) : blocks.index(last) + 1]


def clothes_convolutional(blocks: list[str]) -> list[str]:
    return preamble(blocks) + containing(blocks, "Conv2D(32, (3,3), padding='same'", "epochs=10")


def cats_and_dogs(blocks: list[str]) -> list[str]:
    return containing(blocks, "from tensorflow.keras.preprocessing.image import", "loss='binary_crossentropy'")


def augmented(blocks: list[str]) -> list[str]:
    first = containing(blocks, "from tensorflow.keras.preprocessing.image import", "val_data_gen =")
    return (
        first
        + containing(blocks, "rescale=1./255, horizontal_flip=True", "tf.keras.layers.Dropout(0.5)")
        + containing(blocks, "SparseCategoricalCrossentropy(from_logits=True)", "plt.savefig")
    )


def with_data(program: list[str]) -> list[str]:
    place = next(number for number, block in enumerate(program) if "celsius_q" in block)
    return [*program[:place], MISSING_DATA, *program[place:]]


def test_celsius(blocks: list[str], tmp_path: Path) -> None:
    program = ["import tensorflow as tf\ntf.random.set_seed(1)\n", *with_data(celsius(blocks))]
    kernel, bias, predicted = run_script(
        tmp_path, program, "*l0.get_weights()[0][0]", "*l0.get_weights()[1]", "model.predict([100.0])[0][0]"
    )
    # 100 degrees are 212; the notes print 1.8236 and 28.957 for the weights.
    assert float(kernel) == pytest.approx(1.8, abs=0.05)
    assert float(bias) == pytest.approx(30, abs=3)
    assert float(predicted) == pytest.approx(212, abs=3)


def test_celsius_as_a_notebook(blocks: list[str], tmp_path: Path) -> None:
    shown = run_notebook(tmp_path, with_data(celsius(blocks)))
    assert "Finished training the model" in shown[5]
    assert "Line2D" in shown[6]
    assert re.fullmatch(r"\[\[21[0-3]\.\d*\]\]\n", shown[7])
    assert "These are the l2 variables: [array(" in shown[9]
    assert re.fullmatch(r"array\(\[\[21[0-3]\.\d*\]\], dtype=float32\)", shown[10])


def test_the_sketch_of_three_inputs(blocks: list[str], tmp_path: Path) -> None:
    code = sketch(blocks)
    (tmp_path / "sketch.py").write_text("from tensorflow import keras\n" + code)
    assert "tf.keras.layer is outside what Calor covers" in run(tmp_path, "sketch.py").stderr
    for wrong, right in TYPING_ERRORS.items():
        code = code.replace(wrong, right)
    assert run_script(tmp_path, ["import tensorflow as tf\n" + code], "model.count_params()") == ["11"]


def test_clothes(blocks: list[str], tmp_path: Path, real_data: Path) -> None:
    """The dense network, as a notebook: what a cell ends in is shown, as the notes print it."""
    program = with_changes(clothes(blocks), {"model.fit(train_dataset, epochs=5": "model.fit(train_dataset, epochs=1"})
    program.insert(0, "!pip install -U tensorflow_datasets")
    shown = dict(zip([cell.strip() for cell in program], run_notebook(tmp_path, program), strict=True))

    def of(text: str) -> str:
        return next(output for cell, output in shown.items() if text in cell)

    assert "not installed" in of("pip install")
    names = "['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot']"
    assert of("class_names =") == f"Class names: {names}\n"
    assert of("num_test_examples =") == "Number of training examples: 60000\nNumber of test examples:     10000\n"
    assert "1875/1875" in of("model.fit(train_dataset")
    assert float(of("model.evaluate").split("test dataset: ")[1]) > 0.75
    assert of("predictions.shape") == "(32, 10)"
    probabilities = [
        float(number)
        for number in re.findall(r"\d\.?\d*(?:e-\d+)?", of("predictions[0]\n").removesuffix("dtype=float32)"))
    ]
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    # The first test picture is a coat, and the network says so.
    assert re.fullmatch(r"4|np\.int64\(4\)", of("test_labels[0]\n"))
    assert re.fullmatch(r"4|np\.int64\(4\)", of("np.argmax(predictions[0])\n"))


def test_clothes_convolutional(blocks: list[str], tmp_path: Path, real_data: Path) -> None:
    changes = {"epochs=10, steps_per_epoch=math.ceil(num_train_examples/BATCH_SIZE)": "epochs=1, steps_per_epoch=300"}
    program = with_changes(clothes_convolutional(blocks), changes)
    parameters, accuracy = run_script(tmp_path, program, "model.count_params()", "model.evaluate(test_dataset)[1]")
    assert parameters == "421642"
    assert float(accuracy) > 0.7


FEW = {
    "EPOCHS = 100": "EPOCHS = 2",
    "steps_per_epoch=int(np.ceil(total_train / float(BATCH_SIZE)))": "steps_per_epoch=2",
    "validation_steps=int(np.ceil(total_val / float(BATCH_SIZE)))": "validation_steps=1",
}


def test_cats_and_dogs(blocks: list[str], tmp_path: Path, real_data: Path) -> None:
    program = with_changes(cats_and_dogs(blocks), FEW)
    answers = run_script(
        tmp_path,
        program,
        "num_cats_tr, num_dogs_tr, num_cats_val, num_dogs_val",
        "sample_training_images.shape, sample_training_images.dtype, sample_training_images.max() <= 1",
        "train_data_gen.class_indices, train_data_gen.n, val_data_gen.samples",
        "sorted(history.history)",
        "model.count_params()",
    )
    assert answers == [
        "1000 1000 500 500",
        "(100, 150, 150, 3) float32 True",
        "{'cats': 0, 'dogs': 1} 2000 1000",
        "['accuracy', 'loss', 'val_accuracy', 'val_loss']",
        "3453634",
    ]
    assert (tmp_path / "foo.png").stat().st_size > 5000


def test_cats_and_dogs_augmented(blocks: list[str], tmp_path: Path, real_data: Path) -> None:
    program = with_changes(augmented(blocks), FEW)
    answers = run_script(
        tmp_path, program, "[type(layer).__name__ for layer in model.layers][-4:]", "len(acc), len(val_loss)"
    )
    assert answers == ["['Dropout', 'Flatten', 'Dense', 'Dense']", "2 2"]
    assert (tmp_path / "foo.png").stat().st_size > 5000
