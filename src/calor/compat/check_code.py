"""Which of TensorFlow's names in a program Calor does not have, found out by reading it: nothing is run."""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calor.compat._from_keras import FromKeras
from calor.compat._stand_in import StandIn, home
from calor.errors import ArgumentError, CalorError, NotCoveredError

__all__ = ["Finding", "check_file", "check_source"]


@dataclass(frozen=True)
class Finding:
    """A name that Calor does not have.

    Attributes:
        file: where it was found.
        cell: in which cell of a notebook, counted from 1 with those of text; None for a program.
        line: in which line of the file or cell, from 1.
        name: as it is written in full: ``tensorflow.keras.layers.LSTM``.
        message: the sentence that running the line would raise.
    """

    file: str
    cell: int | None
    line: int
    name: str
    message: str

    @property
    def place(self) -> str:
        """File, cell and line, as editors know them."""
        return f"{self.file}:{f'cell {self.cell}:' if self.cell is not None else ''}{self.line}"


def check_file(path: Path) -> list[Finding]:
    """The names in a program or a notebook that Calor does not have, in the order of the lines.

    Args:
        path: a ``.py`` or ``.ipynb`` file.

    Raises:
        ArgumentError: it cannot be read, or is neither Python nor a notebook.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} cannot be read: {error}.") from error
    if path.suffix != ".ipynb":
        return list(_Reader(str(path)).findings(text, None))
    reader = _Reader(str(path))
    return [found for cell, source in _code_cells(path, text) for found in reader.findings(plain_python(source), cell)]


def check_source(source: str, file: str = "<program>") -> list[Finding]:
    """The names in the text of a program that Calor does not have.

    >>> [found.name for found in check_source("import tensorflow as tf; layer = tf.keras.layers.LSTM(8)")]
    ['tensorflow.keras.layers.LSTM']
    """
    return list(_Reader(file).findings(source, None))


def _code_cells(path: Path, text: str) -> Iterator[tuple[int, str]]:
    try:
        for number, cell in enumerate(json.loads(text)["cells"], start=1):
            if cell["cell_type"] == "code":
                source = cell["source"]
                yield number, source if isinstance(source, str) else "".join(source)
    except (ValueError, KeyError, TypeError) as error:
        raise ArgumentError(f"{path} is no Jupyter notebook: {type(error).__name__}: {error}") from error


def plain_python(source: str) -> str:
    """A cell with ``pass`` in the place of lines for the shell and for IPython; nothing of a ``%%`` cell but Python.

    >>> plain_python("    !ls photos")
    '    pass'
    """
    first, _, rest = source.partition("\n")
    if first.startswith("%%") and first[2:].split()[:1] not in (["time"], ["timeit"], ["capture"]):
        return ""
    lines = [first, *rest.split("\n")] if rest else [first]
    return "\n".join(re.sub(r"^(\s*)([!%?].*|\S.*\?)$", r"\1pass", line) for line in lines)


class _Reader:
    """Reads programs, remembering from cell to cell which names are TensorFlow's."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._bound: dict[str, str] = {}

    def findings(self, source: str, cell: int | None) -> Iterator[Finding]:
        """What the source asks for in vain."""
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            where = self._file if cell is None else f"{self._file}, cell {cell}"
            raise ArgumentError(f"{where}, line {error.lineno}: this is no Python: {error.msg}.") from error
        found: dict[tuple[int, str], Finding] = {}
        for node in _in_order(tree):
            for name, line in self._asked(node):
                message = absence(name)
                if message is not None:
                    found.setdefault((line, name), Finding(self._file, cell, line, name, message))
            if isinstance(node, ast.Call):
                for name, message in self._arguments(node):
                    found.setdefault((node.lineno, name), Finding(self._file, cell, node.lineno, name, message))
        yield from sorted(found.values(), key=lambda one: one.line)

    def _asked(self, node: ast.AST) -> Iterator[tuple[str, int]]:
        """Full names that a node asks for; bindings are remembered on the way."""
        match node:
            case ast.Import():
                for alias in node.names:
                    if _is_ours(alias.name):
                        self._bound[alias.asname or alias.name.partition(".")[0]] = (
                            alias.name if alias.asname else alias.name.partition(".")[0]
                        )
                        yield alias.name, node.lineno
            case ast.ImportFrom(module=str(module), level=0) if _is_ours(module):
                for alias in node.names:
                    if alias.name == "*":
                        self._bound |= {name: f"{module}.{name}" for name in _names(module)}
                        yield module, node.lineno
                    else:
                        self._bound[alias.asname or alias.name] = f"{module}.{alias.name}"
                        yield f"{module}.{alias.name}", node.lineno
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                name = self._full_name(value)
                if name is not None and absence(name) is None:
                    self._bound[target] = name
                else:
                    self._bound.pop(target, None)
            case ast.Attribute():
                name = self._full_name(node)
                if name is not None:
                    yield name, node.end_lineno or node.lineno
            case _:
                pass

    def _full_name(self, node: ast.AST) -> str | None:
        """``tensorflow.keras.layers.Dense`` for an expression that means it."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self._bound:
            return None
        return ".".join([self._bound[node.id], *reversed(parts)])

    def _arguments(self, node: ast.Call) -> Iterator[tuple[str, str]]:
        """Arguments of layers and the like that Calor does not have."""
        name = self._full_name(node.func)
        target = _resolved(name) if name else None
        if not isinstance(target, FromKeras):
            return
        for keyword in node.keywords:
            if keyword.arg is None:
                continue
            try:
                value = ast.literal_eval(keyword.value)
            except ValueError:
                value = ...  # some expression: an object, where the argument matters at all
            try:
                target.translated({keyword.arg: value})
            except CalorError as error:
                message = str(error).replace("=Ellipsis", "=...")
                yield f"{name}({keyword.arg}=)", message


def _in_order(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, each before what follows it in the text."""
    for node in ast.iter_child_nodes(tree):
        yield node
        yield from _in_order(node)


def _is_ours(module: str) -> bool:
    return home(module) is not None or absence(module) is not None


def _names(module: str) -> list[str]:
    target = _resolved(module)
    return list(getattr(target, "__all__", ()))


def absence(name: str) -> str | None:
    """The sentence about the first part of a full name that Calor does not have, or None.

    >>> absence("tensorflow.keras.layers.Dense") is None
    True
    """
    try:
        _walk(name)
    except NotCoveredError as error:
        return str(error)
    except AttributeError:
        return None
    return None


def _resolved(name: str) -> Any:
    try:
        return _walk(name)
    except (NotCoveredError, AttributeError):
        return None


def _walk(name: str) -> Any:
    """The object of this package that a full name means; None for names that are not TensorFlow's."""
    StandIn().find_spec(name.partition(".")[0])  # raises for packages that are built on TensorFlow
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        module = home(".".join(parts[:count]))
        if module is None:
            return None
        if count == 1 or module in ("calor.compat.tensorflow", "calor.compat.keras"):
            break
    value: Any = importlib.import_module(home(".".join(parts[:count])) or "")
    for part in parts[count:]:
        value = getattr(value, part)
    return value
