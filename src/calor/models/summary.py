"""The table that ``summary`` prints."""

from collections.abc import Callable, Iterable, Sequence

from calor.models.network import Placed


def summarise(name: str, placed: Sequence[Placed], write: Callable[[str], object] = print) -> None:
    """Write a table of the layers: name and class, output shape with the batch axis as None, weights."""
    head = ("Layer (type)", "Output shape", "Weights")
    rows = [(f"{one.name} ({type(one.layer).__name__})", _shape(one.output_shape), f"{one.count:,}") for one in placed]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Iterable[str]) -> str:
        first, second, third = cells
        return f"{first:<{widths[0]}}  {second:<{widths[1]}}  {third:>{widths[2]}}".rstrip()

    rule = "─" * (sum(widths) + 4)
    total = sum(one.count for one in placed)
    trainable = sum(one.trainable_count for one in placed)
    write(f"Model: {name}")
    for text in (rule, line(head), rule, *map(line, rows), rule):
        write(text)
    write(f"Total weights: {total:,} ({_bytes(4 * total)})")
    if trainable != total:
        write(f"Trained: {trainable:,}   kept by layers: {total - trainable:,}")


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, ('None', *shape)))}{',' if not shape else ''})"


def _bytes(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.2f} {unit}"
        number /= 1024
    return f"{number:.2f} GiB"
