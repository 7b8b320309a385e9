"""In a notebook: TensorFlow's imports give Calor's modules, and lines that install TensorFlow are left out."""

import re
from collections.abc import Sequence
from typing import Any

from calor.compat import _stand_in
from calor.compat._traceback import shortened

__all__ = ["leave_out_installs", "load", "unload"]

_INSTALL = re.compile(
    r"^(?P<start>\s*[!%]\s*(?:\S*python3?\s+-m\s+)?(?:uv\s+)?(?:pip3?|conda|mamba)\s+install\b)(?P<rest>[^\n]*)(?P<end>\n?)$"
)
_OURS = re.compile(
    r"""["']?(tensorflow|tf|keras|tfds|tensorboard)([-_][\w-]+)?(\[[\w,-]*\])?([=<>!~;].*)?["']?""", re.IGNORECASE
)
_OPTIONS = re.compile(r"-\S*")


def leave_out_installs(lines: list[str]) -> list[str]:
    """A cell's lines without installations of TensorFlow's packages; what else a line installs is installed.

    >>> print(*leave_out_installs(["!pip install -q tensorflow==2.0 pandas", "x = 1"]))
    !pip install -q pandas
     print('Calor: tensorflow==2.0 is not installed, as Calor stands in for it.')
     x = 1
    """
    changed = []
    for line in lines:
        found = _INSTALL.match(line)
        words = found["rest"].split() if found else []
        ours = [word for word in words if _OURS.fullmatch(word)]
        if found is None or not ours:
            changed.append(line)
            continue
        others = [word for word in words if word not in ours]
        if any(not _OPTIONS.fullmatch(word) for word in others):
            changed.append(f"{found['start']} {' '.join(others)}\n")
        indent = found["start"][: len(found["start"]) - len(found["start"].lstrip())]
        verb = "is" if len(ours) == 1 else "are"
        names = ", ".join(word.strip("'\"") for word in ours)
        changed.append(f"{indent}print({f'Calor: {names} {verb} not installed, as Calor stands in for it.'!r})\n")
    return changed


def load(shell: Any) -> None:
    """What ``%load_ext calor`` does: see this module's first line. Errors show the notebook's own lines only."""
    before = _stand_in.activate()
    if before:
        print(
            f"Calor: {', '.join(before)} was imported from elsewhere before, and the names bound to it stay as they "
            "are; import it again, or restart the kernel and load Calor first."
        )
    if leave_out_installs not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(leave_out_installs)
    shell.register_magic_function(_tensorflow_version, "line", "tensorflow_version")
    shell.set_custom_exc((Exception,), _show)


def unload(shell: Any) -> None:
    """What ``%unload_ext calor`` does: later imports find what is installed."""
    _stand_in.deactivate()
    if leave_out_installs in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(leave_out_installs)
    shell.set_custom_exc((), None)


def _tensorflow_version(line: str) -> None:
    """Colab's choice between two versions of TensorFlow, of which Calor is neither."""


def _show(shell: Any, kind: type[BaseException], error: BaseException, trace: Any, tb_offset: int | None = None) -> Any:
    """Show an error by the notebook's own lines."""
    short = shortened(trace)
    # IPython leaves out the frame that runs the cell; the shortened traceback may not have it.
    while short is not None and short.tb_next is not None and "/IPython/" in short.tb_frame.f_code.co_filename:
        short = short.tb_next
    made: Sequence[str] = shell.InteractiveTB.structured_traceback(kind, error, short, tb_offset=0)
    shell._showtraceback(kind, error, made)
    return made
