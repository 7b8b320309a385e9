"""Running programs and notebooks that were written for TensorFlow: what ``calor run`` does."""

import os
import re
import runpy
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calor.compat._stand_in import standing_in
from calor.compat._traceback import report
from calor.errors import ArgumentError, CalorError

__all__ = ["MissingPackageError", "NotebookRun", "notebook", "script"]


class MissingPackageError(CalorError, ImportError):
    """A package that is needed for this alone is not installed; the message says how to install it."""


@dataclass(frozen=True)
class NotebookRun:
    """What became of a notebook.

    Attributes:
        output: the notebook with its outputs.
        cells: how many cells of code ran.
        error: the traceback of the cell that failed, shortened to its own lines; None where all went well.
    """

    output: Path
    cells: int
    error: str | None


def script(path: Path, arguments: Sequence[str] = (), *, with_tensorflow: bool = False) -> int:
    """Run a Python program in this process, as ``python path arguments`` would, on Calor.

    Args:
        path: the program.
        arguments: what it finds in ``sys.argv`` behind its name.
        with_tensorflow: leave ``import tensorflow`` to what is installed.

    Returns:
        The exit code: 1 after an error, whose traceback is printed without Calor's and JAX's own lines.

    Raises:
        ArgumentError: there is no such file.
    """
    if not path.is_file():
        raise ArgumentError(f"There is no program {path}.")
    before = sys.argv, sys.path[:]
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with nullcontext() if with_tensorflow else standing_in(), warnings.catch_warnings():
            # As in Python: what it warns of is the program's own matter.
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            warnings.resetwarnings()
            warnings.simplefilter("default")
            for quiet in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", quiet)
            runpy.run_path(str(path), run_name="__main__")
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    except Exception as error:
        print(report(error), end="", file=sys.stderr)
        return 1
    finally:
        sys.argv, sys.path[:] = before
        sys.stdout.flush()
    return 0


def _show_warning(*what: Any) -> None:
    print(warnings.formatwarning(*what[:4]), end="", file=sys.stderr)


def notebook(
    path: Path,
    output: Path | None = None,
    *,
    with_tensorflow: bool = False,
    started: Callable[[int, int], object] | None = None,
) -> NotebookRun:
    """Run a notebook's cells in a Jupyter kernel of this Python's, and save it with its outputs.

    Args:
        path: the notebook; the kernel works in its folder.
        output: where the result goes; by default beside it, ``NAME.calor.ipynb``.
        with_tensorflow: leave ``import tensorflow`` to what is installed.
        started: called as ``started(cell, cells)`` when a cell begins, counted from 1.

    Returns:
        Where the result is. A cell that fails ends the run, and the result has what there was up to it.

    Raises:
        MissingPackageError: nbclient or ipykernel is not installed.
        ArgumentError: there is no such file, or it is no notebook.
    """
    try:
        import ipykernel  # noqa: F401
        import nbformat
        from jupyter_client.manager import AsyncKernelManager
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, DeadKernelError
    except ImportError as error:
        raise MissingPackageError(
            f"Running notebooks needs {error.name or 'nbclient'}: pip install 'calor[notebook]', or pip install "
            "nbclient ipykernel."
        ) from error
    if not path.is_file():
        raise ArgumentError(f"There is no notebook {path}.")
    try:
        pages = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises many things for what is no notebook
        raise ArgumentError(f"{path} is no Jupyter notebook: {type(error).__name__}: {str(error)[:200]}") from error
    output = output or path.with_name(f"{path.stem}.calor.ipynb")
    # This Python and no other, whatever kernel the notebook names.
    manager: Any = AsyncKernelManager()
    manager._kernel_spec = _kernel(with_tensorflow)
    code = [number for number, cell in enumerate(pages.cells) if cell.cell_type == "code" and cell.source.strip()]

    def begin(cell: Any, cell_index: int) -> None:
        if started is not None and cell_index in code:
            started(code.index(cell_index) + 1, len(code))

    client = NotebookClient(
        pages,
        km=manager,
        timeout=None,
        resources={"metadata": {"path": str(path.resolve().parent)}},
        on_cell_execute=begin,
    )
    failure = None
    try:
        client.execute()
    except CellExecutionError as error:
        failure = _cell_error(pages) or str(error)
    except DeadKernelError:
        failure = "The kernel died: the process was killed, or ran out of memory."
    finally:
        temporary = output.with_name(f".{output.name}.part")
        nbformat.write(pages, temporary)
        os.replace(temporary, output)  # noqa: PTH105
    return NotebookRun(output, sum(pages.cells[number].execution_count is not None for number in code), failure)


def _kernel(with_tensorflow: bool) -> Any:
    from jupyter_client.kernelspec import KernelSpec

    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    if not with_tensorflow:
        command.append("--IPKernelApp.extra_extensions=calor")
    return KernelSpec(argv=command, display_name="Calor", language="python")


def _cell_error(pages: Any) -> str | None:
    """The traceback that the last failing cell shows, without colours."""
    for cell in reversed(pages.cells):
        for shown in cell.get("outputs", ()):
            if shown.output_type == "error":
                return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(shown.traceback))
    return None
