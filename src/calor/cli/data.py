"""``calor data list``, ``get`` and ``verify``: the named data sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calor.cli.output import print_json, print_table

if TYPE_CHECKING:
    from calor.data.catalogue import LocalFile

app = typer.Typer(
    help="The named data sets: what there is, fetching it, checking it.", rich_markup_mode=None, no_args_is_help=True
)

Names = Annotated[list[str], typer.Argument(metavar="NAME", help="Data sets, by the names that list shows.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="The folder of the files; by default the one that CALOR_DATA names, and the cache folder.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command("list")
def list_(data_dir: Folder = None, json: AsJson = False) -> None:
    """Show the data sets, their sizes and licences, and which are on this machine."""
    from calor.data.catalogue import CATALOGUE, local_files

    files = {name: local_files(name, data_dir=data_dir) for name in CATALOGUE}
    if json:
        print_json(
            [
                {
                    "name": name,
                    "title": entry.title,
                    "home": entry.home,
                    "licence": entry.licence,
                    "class_names": entry.class_names,
                    "splits": dict(entry.splits),
                    "bytes": entry.size,
                    "here": all(local.here for local in files[name]),
                    "files": [
                        {
                            "path": str(local.path),
                            "here": local.here,
                            "urls": local.file.urls,
                            "sha256": local.file.sha256,
                        }
                        for local in files[name]
                    ],
                }
                for name, entry in CATALOGUE.items()
            ]
        )
        return
    rows = []
    for name, entry in CATALOGUE.items():
        examples = ", ".join(f"{count:,} {split}" for split, count in entry.splits.items())
        megabytes = f"{entry.size / 1e6:.0f}"
        rows.append(
            (name, entry.title, examples, str(len(entry.class_names)), megabytes, entry.licence, _here(files[name]))
        )
    print_table(("Name", "What", "Examples", "Classes", "MB", "Licence", "Here"), rows, numbers=(3, 4))


@app.command()
def get(names: Names, data_dir: Folder = None, json: AsJson = False) -> None:
    """Download data sets, unless they are here, and say where they lie.

    Broken downloads go on where they broke off. With CALOR_OFFLINE=1 nothing is fetched.
    """
    from calor.data.catalogue import fetch, local_files

    for name in names:  # a name that does not exist should not be noticed after an hour of downloading
        local_files(name, data_dir=data_dir)
    fetched = {name: [str(local.path) for local in fetch(name, data_dir=data_dir)] for name in names}
    if json:
        print_json(fetched)
        return
    for name, paths in fetched.items():
        for path in paths:
            print(f"{name}: {path}")


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Data sets; by default all that are here.")
    ] = None,
    data_dir: Folder = None,
    json: AsJson = False,
) -> None:
    """Check the SHA-256 of data sets' files.

    The exit code is 1 where a file is missing or not the right one.
    """
    from calor.data.catalogue import CATALOGUE, local_files

    chosen = {name: local_files(name, data_dir=data_dir) for name in names or CATALOGUE}
    if not names:
        chosen = {name: files for name, files in chosen.items() if any(local.here for local in files)}
    checked = [(name, local, local.problem()) for name, files in chosen.items() for local in files]
    if json:
        print_json(
            [
                {"name": name, "path": str(local.path), "right": problem is None, "problem": problem}
                for name, local, problem in checked
            ]
        )
    else:
        for name, local, problem in checked:
            print(f"{name}: {local.path}: {problem or 'right'}")
        if not checked:
            print("No data set is here; calor data get NAME fetches one.")
    if any(problem for _, _, problem in checked):
        raise typer.Exit(1)


def _here(files: "tuple[LocalFile, ...]") -> str:
    count = sum(local.here for local in files)
    if count in (0, len(files)):
        return "yes" if count else "no"
    return f"{count} of {len(files)} files"
