"""``calor check``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calor.cli.messages import problem
from calor.cli.output import print_json, print_table

if TYPE_CHECKING:
    from calor.workbench.checkup import CheckUp, Finding

SHOWN = 3
"""How many files, or groups of them, are named for each finding."""


def check(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="A subfolder of photos for each class; or train/, validation/ and test/, each with such subfolders.",
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON with all files, for programs.")] = False,
    write_list: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save what to leave out: a file in each line, then a tab and the reason."),
    ] = None,
) -> None:
    """Look for what is wrong with a folder of photos, before training on it.

    Opens every file once. Finds damaged files, copies (resized, recompressed, mirrored, cropped) within and across
    classes and parts, and what gives the class away without showing it. Nothing is deleted or moved.

    The exit code is 0 where nothing serious was found, 1 where something was, and 2 where the folder could not be
    checked.
    """
    from calor import workbench

    try:
        with _bar(shown=not json) as progress:
            found = workbench.check(folder, progress=progress)
        if write_list is not None:
            found.write_list(write_list)
    except Exception as error:
        if (message := problem(error)) is None:
            raise
        print(message, file=sys.stderr)
        raise typer.Exit(2) from error
    if json:
        print_json(found.as_dict())
    else:
        _print(found)
        if write_list is not None:
            print(f"\n{write_list} names {len(found.leave_out)} files to leave out.")
        elif found.leave_out:
            print(f"\nTo save a list of the {len(found.leave_out)} files to leave out: add --write-list FILE.")
    if found.serious:
        raise typer.Exit(1)


@contextmanager
def _bar(*, shown: bool) -> Iterator[Any]:
    """A bar for the files, where there is a terminal for it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console()
    if not (shown and console.is_terminal):
        yield False
        return
    columns = (TextColumn("Looking at pictures"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print(found: "CheckUp") -> None:
    rate = found.files / max(found.seconds, 1e-9)
    print(f"{_plain(found.folder)}: {found.files} files looked at in {found.seconds:.1f} s ({rate:.0f} a second).")
    columns = list(found.counts.values())
    rows = [(_plain(name), *(str(counts[label]) for counts in columns)) for label, name in enumerate(found.class_names)]
    totals = ("together", *(str(sum(counts)) for counts in columns))
    names = [_plain(part) if part != "all" else "Pictures" for part in found.counts]
    print_table(("Class", *names), [*rows, totals], numbers=range(1, len(columns) + 1))
    if found.sizes:
        print(_sizes(found))
    if found.findings:
        print_table(
            ("Grade", "Found", "Files"),
            [(finding.grade, finding.code, str(finding.files or "")) for finding in found.findings],
            numbers=(2,),
        )
        for finding in found.findings:
            _print_finding(found, finding)
    serious = sum(finding.grade == "serious" for finding in found.findings)
    rest = len(found.findings) - serious
    others = f" ({rest} of less weight)" if rest else ""
    print(f"Serious problems: {serious}{others}." if serious else f"Nothing serious was found{others}.")


def _sizes(found: "CheckUp") -> str:
    widths, heights = ([size[axis] for size in found.sizes] for axis in (0, 1))
    (width, height), count = next(iter(found.sizes.items()))
    total = sum(found.sizes.values())
    if len(found.sizes) == 1:
        sizes = f"all {width} × {height} pixels"
    else:
        sizes = (
            f"{min(widths)} to {max(widths)} pixels wide, {min(heights)} to {max(heights)} high; "
            f"most often {width} × {height} ({count / total:.0%})"
        )
    kinds = ", ".join(f"{count} {name}" for name, count in found.formats.items())
    modes = ", ".join(f"{count} {name}" for name, count in found.modes.items())
    return f"Sizes: {sizes}.\nFormats: {kinds}. Modes: {modes}."


def _print_finding(found: "CheckUp", finding: "Finding") -> None:
    print(f"{finding.code} ({finding.grade}): {_plain(finding.what)}")
    print(f"  Why it matters: {_plain(finding.why)}")
    print(f"  What to do: {_plain(finding.advice)}")
    between = "  =  " if "duplicates" in finding.code else ", "
    for group in finding.groups[:SHOWN]:
        shown = between.join(_plain(_relative(file, found.folder)) for file in group[:SHOWN])
        print(f"    {shown}{f' and {len(group) - SHOWN} more' if len(group) > SHOWN else ''}")
    if len(finding.groups) > SHOWN:
        print(f"    and {len(finding.groups) - SHOWN} more")
    print()


def _relative(file: Path, folder: Path) -> Path:
    return file.relative_to(folder) if file.is_relative_to(folder) else file


def _plain(text: object) -> str:
    """Text that any terminal can show: names of files may hold bytes that are no letters."""
    return str(text).encode("utf-8", "replace").decode()
