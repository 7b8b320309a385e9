"""Several recipes on the same split: train each, then compare them by their validation loss."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calor.errors import ArgumentError, NonFiniteError
from calor.workbench import recipes
from calor.workbench.comparison import Comparison, compare
from calor.workbench.run_folder import make_run_folder, removed_if_empty
from calor.workbench.settings import Settings
from calor.workbench.trainer import Trained, train


@dataclass(frozen=True)
class Trials:
    """What ``try_recipes`` gives.

    Attributes:
        folder: where the run folders are, one for each recipe.
        runs: those that came to an end, by recipe.
        comparison: of these; None where fewer than two are left.
    """

    folder: Path
    runs: dict[str, Trained]
    comparison: Comparison | None


def try_recipes(
    folder: str | os.PathLike[str],
    names: Sequence[str],
    *,
    output: str | os.PathLike[str] | None = None,
    verbose: int = 1,
    **settings: Any,
) -> Trials:
    """Train several recipes on the same split of a folder of photos, and compare them.

    The folder is checked and divided once; all learn from the same photos and are measured on the same. A recipe whose
    loss becomes NaN is told and left out of the comparison.

    Args:
        folder: as for ``train``.
        names: of the recipes, two or more.
        output: the new folder for the run folders; by default as for ``train``.
        verbose: as for ``train``.
        **settings: as for ``train``, the same for all; but no ``recipe``.

    Raises:
        ArgumentError: there are not two recipes, or one of them twice; or as for ``train``.
        UnknownNameError: there is no such recipe.
        DataError, OSError: as for ``train``.
    """
    if isinstance(names, str) or len(names) < 2:
        raise ArgumentError("try_recipes needs the names of two recipes or more, as a list.")
    for number, name in enumerate(names):
        recipes.get(name)
        if name in names[:number]:
            raise ArgumentError(f"The recipe {name} is to be tried twice: name each once.")
    if "recipe" in settings:
        raise ArgumentError("try_recipes takes no recipe: its names say which.")
    Settings(Path(folder), **{name: value for name, value in settings.items() if value is not None})

    home = make_run_folder(output, folder)
    runs: dict[str, Trained] = {}
    begun: list[str] = []
    with removed_if_empty(home):
        for name in names:
            if verbose:
                print(f"{'' if not begun else chr(10)}=== {len(begun) + 1} of {len(names)}: {name}", flush=True)
            shared = settings | ({"split": home / begun[0], "check": False} if begun else {})
            try:
                runs[name] = train(folder, output=home / name, recipe=name, verbose=verbose, **shared)
            except NonFiniteError as error:
                print(f"{name} is left out: {error}", flush=True)
            except KeyboardInterrupt:
                if verbose and runs:
                    _say_what_is_left(home, list(runs), names, folder)
                raise
            begun.append(name)
    ended = [run.folder for run in runs.values()]
    return Trials(home, runs, compare(ended) if len(ended) > 1 else None)


def _say_what_is_left(home: Path, ended: Sequence[str], names: Sequence[str], folder: str | os.PathLike[str]) -> None:
    left = [name for name in names if name not in ended and not (home / name).exists()]
    lines = [
        shlex.join(map(str, ["calor", "train", folder, "--recipe", name, "--split", home / ended[0]])) for name in left
    ]
    lines.append(shlex.join(["calor", "compare", *(str(home / name) for name in ended)]) + " ...")
    print("What is left of these trials:\n  " + "\n  ".join(lines), flush=True)
