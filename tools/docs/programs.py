"""The code in the README and the documentation, as the programs and commands that it is.

Python: a block that imports Calor (or TensorFlow) starts a program, and those after it go on with it. Shell: each line
is a command. A block under ``<!-- not run: reason -->`` is for the eye only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"^(<!-- not run: (?P<why>.+?) -->\n+)?```(?P<kind>[a-z]+)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
START = re.compile(r"^(import|from) (calor|keras|tensorflow)\b", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        page: the file that it stands in.
        line: of its first line of code, from 1.
        kind: the language behind the fence.
        code: what is in it.
        why: why it is not run; None where it is.
    """

    page: Path
    line: int
    kind: str
    code: str
    why: str | None

    @property
    def place(self) -> str:
        """The page and the line, for messages."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def pages() -> list[Path]:
    """The README and all of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, kind: str) -> Iterator[Block]:
    """The page's blocks in that language, in their order."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        if found["kind"] == kind:
            yield Block(page, text.count("\n", 0, found.start("code")) + 1, kind, found["code"], found["why"])


def programs(page: Path) -> list[Block]:
    """The page's Python programs, with empty lines between their blocks, so that a traceback tells the page's lines."""
    found: list[Block] = []
    for block in blocks(page, "python"):
        if block.why is not None:
            continue
        if not found or START.search(block.code):
            found.append(Block(page, block.line, "python", "\n" * (block.line - 1) + block.code, None))
            continue
        before = found[-1]
        missing = block.line - 1 - before.code.count("\n")
        found[-1] = Block(page, before.line, "python", before.code + "\n" * missing + block.code, None)
    return found
