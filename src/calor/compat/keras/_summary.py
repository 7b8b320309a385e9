"""The table of a model's layers in the words of Keras."""

from collections.abc import Callable, Sequence

from calor.models.network import Placed

WIDTH = 65
"""How wide the table is, as in Keras."""


def summarise(name: str, placed: Sequence[Placed], write: Callable[[str], object], width: int | None = None) -> None:
    """Write the table: for each layer its name and class, output shape and number of parameters."""
    head = ("Layer (type)", "Output Shape", "Param #")
    rows = [
        (f"{one.name} ({type(one.layer).__name__})", str((None, *one.output_shape)), f"{one.count:,}") for one in placed
    ]
    first, second = (max(len(row[column]) for row in [head, *rows]) + 2 for column in (0, 1))
    width = max(width or WIDTH, first + second + 10)
    first = max(first, width * 45 // 100)
    second = max(second, width * 40 // 100)
    write(f'Model: "{name}"')
    write("_" * width)
    write(f"{head[0]:<{first}}{head[1]:<{second}}{head[2]}")
    write("=" * width)
    for row in rows:
        write(f"{row[0]:<{first}}{row[1]:<{second}}{row[2]}")
    write("=" * width)
    total, trained = sum(one.count for one in placed), sum(one.trainable_count for one in placed)
    for label, count in (("Total", total), ("Trainable", trained), ("Non-trainable", total - trained)):
        write(f"{label} params: {count:,} ({_size(4 * count)})")


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.2f} {unit}"
        count /= 1024
    return f"{count:.2f} GB"
