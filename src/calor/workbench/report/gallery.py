"""Which photos the page shows as thumbnails, so that every cell has some and the file stays small."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice, zip_longest

from calor.workbench.report.drawing.pictures import thumbnails
from calor.workbench.report.evidence.outputs import Outputs

MOST = 1200
"""Thumbnails in a page: about 6 MB."""


def choose(cells: Mapping[tuple[int, int], Sequence[int]], first: Iterable[int], most: int = MOST) -> list[int]:
    """The photos to show: some that are needed, then one of each cell after the other until there are enough.

    Args:
        cells: the photos behind each cell of a confusion matrix, the most telling first.
        first: photos that are shown in any case.
        most: how many in all.

    >>> choose({(0, 0): [1, 2, 3], (0, 1): [4]}, first=[3], most=3)
    [3, 4, 1]
    """
    # Mistakes come first: there are fewer of them, and they tell more.
    ordered = sorted(cells, key=lambda cell: cell[0] == cell[1])
    rounds = zip_longest(*(cells[cell] for cell in ordered))
    places = chain(first, (place for round_ in rounds for place in round_ if place is not None))
    return list(islice(dict.fromkeys(places), most))


def pictures(outputs: Outputs, places: Sequence[int]) -> dict[int, str]:
    """Thumbnails, as ``data:`` addresses, by the photo's number."""
    made = thumbnails(outputs.photos.files[place] for place in places)
    return {place: address for place, address in zip(places, made, strict=True) if address}
