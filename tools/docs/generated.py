"""The pages of the reference that are lists made of the code. ``python tools/docs/generated.py`` writes them again.

The tests compare: a page that differs from what this gives is out of date.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

from calor.cli import app
from calor.compat._absent import Namespace

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
MADE = "<!-- Made by tools/docs/generated.py: change the code that it describes, and run that. -->"


def command_line() -> str:
    """All commands with their arguments and options, from what their ``--help`` is made of."""
    parts = [
        MADE,
        "# Command line",
        "`calor COMMAND --help` shows the same. After `make demo` the command is `.venv/bin/calor`.",
    ]
    for path, command in _commands("calor", typer.main.get_command(app)):
        if " " in path:
            parts.append(f"{'#' * len(path.split())} {path}")
        parts.append(_paragraphs(command.help))
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
        words = [path, *(["[OPTIONS]"] if options else []), *map(_usage, arguments)]
        words += ["COMMAND ..."] if getattr(command, "commands", None) else []
        parts.append(f"```text\n{' '.join(words)}\n```")
        rows = [f"| `{_value(one)}` | {_help(one)} | {_default(one)} |" for one in arguments]
        rows += [f"| {_flags(one)} | {_help(one)} | {_default(one)} |" for one in options if one.name != "help"]
        if rows:
            parts.append("| | what it is | default |\n|---|---|---|\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, part in getattr(command, "commands", {}).items():
        yield from _commands(f"{path} {name}", part)


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text or "").split("\n\n"))


def _usage(argument: Any) -> str:
    word = _value(argument) + ("..." if argument.nargs == -1 else "")
    return word if argument.required else f"[{word}]"


def _value(parameter: Any) -> str:
    return (parameter.metavar or parameter.name).upper()


def _flags(option: Any) -> str:
    value = "" if option.is_flag else f" {_value(option)}"
    return ", ".join(f"`{name}{value}`" for name in [*option.opts, *option.secondary_opts])


def _help(parameter: Any) -> str:
    return " ".join((parameter.help or "").split()).replace("|", "\\|")


def _default(parameter: Any) -> str:
    default = parameter.default
    if isinstance(default, bool):
        return (
            f"`{parameter.opts[0]}`"
            if default
            else f"`{parameter.secondary_opts[0]}`"
            if parameter.secondary_opts
            else ""
        )
    return f"`{default}`" if isinstance(default, str | int | float) else ""


def tensorflow_names() -> str:
    """Every name of TensorFlow's that the compat floor has, by the module in which users find it."""
    import calor.compat.tensorflow as tf
    import calor.compat.tensorflow_datasets as tfds

    parts = [
        MADE,
        "# TensorFlow's names",
        "What `import tensorflow as tf`, `from tensorflow import keras`, `import keras` and "
        "`import tensorflow_datasets as tfds` give under [`calor run`](../how-to/run-tensorflow-code.md), and "
        "`import calor.compat.tensorflow as tf` anywhere. Arguments and results are those of TensorFlow 2.21 and Keras "
        "3; where Keras 2 differed, its way of writing works as well.",
        "Any other name raises a `calor.errors.NotCoveredError`, in a sentence that names the nearest thing there is.",
    ]
    seen: set[int] = set()
    for path, space in [*_spaces("tf", tf, seen), *_spaces("tfds", tfds, seen)]:
        names = [name for name in _public(space) if not _is_space(getattr(space, name))]
        if names:
            parts.append(f"## {path}")
            parts.append(" ".join(f"`{name}`" for name in names))
    return "\n\n".join(parts) + "\n"


def _spaces(path: str, space: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if id(space) in seen:
        return
    seen.add(id(space))
    yield path, space
    for name in _public(space):
        if _is_space(part := getattr(space, name)):
            yield from _spaces(f"{path}.{name}", part, seen)


def _public(space: Any) -> list[str]:
    return sorted((name for name in dir(space) if not name.startswith("_")), key=str.lower)


def _is_space(value: Any) -> bool:
    return isinstance(value, Namespace) or (isinstance(value, ModuleType) and value.__name__.startswith("calor.compat"))


PAGES: dict[str, Callable[[], str]] = {"command-line.md": command_line, "compat.md": tensorflow_names}


def main() -> None:
    """Write all of them."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(re.sub(r"[ \t]+$", "", page(), flags=re.MULTILINE), encoding="utf-8")


if __name__ == "__main__":
    main()
