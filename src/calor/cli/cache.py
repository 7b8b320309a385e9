"""``calor cache``."""

import enum
from typing import Annotated

import typer

from calor.cli.output import print_json, print_table, size_text

app = typer.Typer(help="Show what is kept in the cache folder, and clear it.", rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class Part(enum.StrEnum):
    """What can be cleared."""

    all = "all"
    pictures = "pictures"
    programs = "programs"


@app.callback(invoke_without_command=True)
def cache(context: typer.Context, json: AsJson = False) -> None:
    """Show what is kept in the cache folder: decoded pictures, and programs that XLA compiled.

    `calor cache clear` removes it. All of it can be made again.
    """
    if context.invoked_subcommand is not None:
        return
    from calor._cache import cache_folder, programs
    from calor.data import pixel_cache

    entries, compiled = pixel_cache.entries(), programs()
    limit = pixel_cache.cache_limit()
    if json:
        print_json(
            {
                "folder": str(cache_folder()),
                "pictures": [vars(entry) | {"file": str(entry.file)} for entry in entries],
                "pictures_limit": limit,
                "programs": {"files": len(compiled), "size": sum(file.size for file in compiled)},
            }
        )
        return
    print(f"In {cache_folder()}:")
    if entries:
        rows = [
            (
                entry.folder or entry.file.name,
                entry.settings,
                str(entry.pictures),
                size_text(entry.size),
                _day(entry.used),
            )
            for entry in entries
        ]
        print_table(("Pictures from", "Decoded as", "Number", "Size", "Last used"), rows, numbers=(2, 3))
    print(
        f"Decoded pictures:  {size_text(sum(entry.size for entry in entries))} of {size_text(limit)} that are allowed."
    )
    print(f"Compiled programs: {size_text(sum(file.size for file in compiled))} in {len(compiled)} files.")


@app.command()
def clear(
    part: Annotated[Part, typer.Argument(help="What to remove.")] = Part.all,
    older_than: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="Only what was not used for so many days.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Remove decoded pictures and compiled programs. Downloads are left alone."""
    import time

    from calor._cache import clear_programs
    from calor.data import pixel_cache

    before = None if older_than is None else time.time() - older_than * 24 * 60 * 60
    freed = 0
    if part != Part.programs:
        freed += pixel_cache.clear(before)
    if part != Part.pictures:
        freed += clear_programs(before)
    if json:
        print_json({"freed": freed})
    else:
        print(f"{size_text(freed)} freed." if freed else "There was nothing to remove.")


def _day(seconds: float) -> str:
    import datetime

    return f"{datetime.datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
