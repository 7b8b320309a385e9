"""The Python programs in the README and the documentation run as they stand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def programs() -> list:
    """Each block as a test case that is named by its file and line."""
    cases = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start(1)) + 1
            code = "\n" * (line - 1) + block[1]  # so that a traceback tells the page's own lines
            cases.append(pytest.param(page, code, id=f"{page.relative_to(ROOT)}:{line}"))
    return cases


@pytest.mark.parametrize(("page", "code"), programs())
def test_program(
    page: Path, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if re.search("fashion_mnist|cats_and_dogs", code):
        request.getfixturevalue("real_data")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(page), "exec"), {"__name__": "__main__"})
