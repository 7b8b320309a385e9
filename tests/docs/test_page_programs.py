"""The Python programs in the README and the documentation run as they stand.

Three things are cut for time: on real data and drawn pictures the epochs, the pictures that are drawn, and the examples
of Fashion-MNIST.
"""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import programs
import pytest

import calor
from calor.compat._stand_in import standing_in
from calor.data.named import NamedArrays

PROGRAMS = [program for page in programs.pages() for program in programs.programs(page)]
REAL = re.compile("fashion_mnist|cats_and_dogs")


def shortened(code: str) -> str:
    """Two epochs, and few pictures to draw, in what trains on pictures."""
    if REAL.search(code) or "draw_pictures" in code:
        code = re.sub(r"\bepochs=\d+", "epochs=2", code)
        code = re.sub(r"\bper_class=\d+", "per_class=10", code)
    return code


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first examples of the named data sets of arrays."""
    load = calor.data.load

    def load_few(name: str, **settings: object) -> object:
        data = load(name, **settings)
        if not isinstance(data, NamedArrays):
            return data
        columns = {split: (x[:2000], y[:2000]) for split, (x, y) in data.columns.items()}
        return NamedArrays(data.name, data.class_names, data.splits, columns)

    monkeypatch.setattr(calor.data, "load", load_few)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("program", PROGRAMS, ids=[program.place for program in PROGRAMS])
def test_program(
    program: programs.Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if REAL.search(program.code):
        request.getfixturevalue("real_data")
    if "KERAS_BACKEND" not in program.code and re.search(
        r"^(import|from) (keras|tensorflow)", program.code, re.MULTILINE
    ):
        request.getfixturevalue("tensorflow_is_calor")
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    try:
        exec(compile(shortened(program.code), str(program.page), "exec"), {"__name__": "__main__"})
    finally:
        plt.close("all")
    for picture in re.findall(r"[\"']images/(\S+?\.(?:png|svg))[\"']", program.code):
        assert (tmp_path / "images" / picture).is_file()


@pytest.fixture
def tensorflow_is_calor() -> object:
    with standing_in():
        yield


def test_programs_are_told_apart_and_keep_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport calor\n```\n\n```python\nx = 1 / 0\n```\n\n"
        "<!-- not run: why -->\n```python\nfor\n```\n\n```python\nfrom calor import layers\n```\n"
    )
    monkeypatch.setattr(programs, "ROOT", tmp_path)
    first, second = programs.programs(page)
    assert (first.code, first.place) == ("\nimport calor\n\n\n\nx = 1 / 0\n", "page.md:2")
    assert (second.code, second.place) == ("\n" * 14 + "from calor import layers\n", "page.md:15")
    assert [block.why for block in programs.blocks(page, "python")] == [None, None, "why", None]


def test_every_picture_of_the_tutorial_is_drawn_on_its_page() -> None:
    for page in sorted((programs.ROOT / "docs" / "tutorial").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        shown = set(re.findall(r"\]\(images/(\S+?)\)", text))
        drawn = set(re.findall(r"[\"']images/(\S+?\.(?:png|svg))[\"']", text))
        assert shown == drawn, page.name
        assert all((page.parent / "images" / name).is_file() for name in shown), page.name
