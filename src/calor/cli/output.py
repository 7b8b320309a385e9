"""What commands print: JSON for programs, tables and sizes for people."""

from collections.abc import Iterable, Sequence


def print_json(value: object) -> None:
    """Print JSON, indented."""
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int]) -> None:
    """Print rows under a head; ``numbers`` are the columns that are aligned to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no edge at which to break lines
    table = Table(box=box.SIMPLE_HEAD)
    for column, name in enumerate(head):
        table.add_column(name, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as Text: brackets in a file's name are no markup
    console.print(table)


def size_text(count: float) -> str:
    """Bytes in the unit that gives a short number: 135 MB."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
