"""How mkdocstrings gets the docstrings: their examples, which stand bare in the text, as blocks of code.

Griffe looks for examples in a section of that name only; anywhere else ``>>>`` would become Markdown's quotations.
"""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^( *)>>> .*?(?=^ *$|\Z)", re.DOTALL | re.MULTILINE)


def fenced(docstring: str) -> str:
    r"""The docstring with a fence around each example.

    >>> print(fenced("One more.\n\n>>> more(1)\n2"))
    One more.
    <BLANKLINE>
    ```pycon
    >>> more(1)
    2
    ```
    """

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}```pycon\n{found[0].rstrip()}\n{found[1]}```\n"

    return EXAMPLE.sub(block, docstring).rstrip()


class Doctests(griffe.Extension):
    """Mends every docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring is not None and ">>> " in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)
