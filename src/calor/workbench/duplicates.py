"""Pictures that are the same, or nearly: resized, recompressed, mirrored, or cropped by a few percent.

Exact copies have the same pixels. Near ones are found in two steps, both on grey thumbnails. First, every picture is
described by the low frequencies of its thumbnail (a discrete cosine transform, steep parts weighted up), and all are
compared with all by matrix products, blocks of rows at a time: a few billion operations for ten thousand pictures.
Mirroring changes the sign of every other frequency, so the same products compare the mirrored pictures too. Then
each pair that looks alike is laid on top of each other (shift, scale and brightness by Gauss-Newton steps: Lucas and
Kanade, "An iterative image registration technique", 1981) and compared in its details.

The thresholds come from 3,000 photos of cats and dogs and copies that were made of them: see ``ALIKE`` and ``SAME``.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

ALIKE = 0.55
"""The least correlation of two descriptions for a pair to be looked at more closely.

Of the 9 million pairs of the photos, mirrored or not, one in seven thousand reaches it. Copies cropped by 5 % at one
side have 0.8 and more, at all four sides 0.69 and more.
"""

SAME = 0.7
"""The least correlation of the details of two pictures, laid on top of each other, for them to be nearly the same.

Copies that are at once half the size, compressed at quality 40, mirrored and cropped at all sides have 0.81 and more;
different photos 0.37 and less.
"""

FURTHEST = 16.0
"""The most that they may then differ by, in grey levels (root of the mean square): copies do by 13.3 and less.

Drawings of the same thing, and clothes of one cut, agree in their details as well as copies do. Their greys differ.
"""

NEIGHBOURS = 5
"""How many of the pictures that look most like it a picture is compared with: enough to link any group of copies, and
a bound on the work where all pictures look alike."""

FREQUENCIES = 8
BLOCK = 1 << 24
"""How many correlations are computed at once: 64 MB of them."""

AT_ONCE = 256
STEPS = 7
REACH = 4.5
"""Thumbnail pixels that a crop may move an edge by: 14 % of a side."""

LEAST_OVERLAP = 0.75
FLAT = 2.0
"""The standard deviation in grey levels below which a thumbnail shows nothing to compare."""


def equal(keys: Iterable[Hashable]) -> list[list[int]]:
    """The positions of equal keys, a list for each key that comes more than once, in order.

    >>> equal("abca")
    [[0, 3]]
    """
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return [group for group in places.values() if len(group) > 1]


def merged(groups: Iterable[Sequence[int]], count: int) -> list[list[int]]:
    """Groups of positions below ``count``, those that have one in common made one; in order.

    >>> merged([[3, 4], [0, 2], [4, 2]], 6)
    [[0, 2, 3, 4]]
    """
    links = _Links(count)
    for first, *others in groups:
        for other in others:
            links.join(first, other)
    return links.groups()


def near(thumbnails: np.ndarray) -> list[list[int]]:
    """The pictures that are nearly the same, as lists of positions, in order.

    Args:
        thumbnails: uint8 (pictures, size, size), grey.

    >>> random = np.random.default_rng(0)
    >>> pictures = np.cumsum(random.normal(0, 9, (3, 32, 32)), axis=2).astype(np.int8).astype(np.uint8) + 128
    >>> near(np.concatenate([pictures, pictures[1:2, :, ::-1]]))
    [[1, 3]]
    """
    thumbnails = np.asarray(thumbnails)
    if len(thumbnails) < 2:
        return []
    telling = np.flatnonzero(thumbnails.std(axis=(1, 2)) > FLAT)
    links = _Links(len(thumbnails))
    seen = thumbnails[telling]
    brightness = seen.mean(axis=(1, 2))
    for first, second, mirrored in _batches(_alike(_described(seen), brightness)):
        others = np.where(mirrored[:, None, None], seen[second][:, :, ::-1], seen[second])
        same = likeness(seen[first], others) >= SAME
        for a, b in zip(telling[first[same]], telling[second[same]], strict=True):
            links.join(int(a), int(b))
    return links.groups()


class _Links:
    """Which things belong together, when told pair by pair."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def _root(self, place: int) -> int:
        while self._parents[place] != place:
            self._parents[place] = self._parents[self._parents[place]]
            place = self._parents[place]
        return place

    def join(self, first: int, second: int) -> None:
        first, second = sorted((self._root(first), self._root(second)))
        self._parents[second] = first

    def groups(self) -> list[list[int]]:
        return equal(self._root(place) for place in range(len(self._parents)))


def _described(thumbnails: np.ndarray) -> Floats:
    """The low frequencies, (pictures, height frequencies × width frequencies), of length 1."""
    size = thumbnails.shape[-1]
    frequencies = np.arange(FREQUENCIES)
    # The orthogonal DCT-II, but for the first row, which only matters for frequencies that are weighted anyway.
    waves = np.cos(np.pi / size * np.outer(frequencies, np.arange(size) + 0.5)).astype(np.float32)
    waves[0] /= np.sqrt(2)
    transformed = waves @ (thumbnails.astype(np.float32) - 128) @ waves.T
    # In photos a frequency is the weaker the higher it is: so weighted, all tell about the same. The mean is left out.
    transformed *= np.hypot(frequencies[:, None], frequencies).astype(np.float32)
    flat = transformed.reshape(len(thumbnails), FREQUENCIES**2)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def _alike(descriptions: Floats, brightness: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Pairs of positions, the first smaller, that look alike as they are or mirrored (third)."""
    count = len(descriptions)
    odd = np.arange(FREQUENCIES**2) % 2 == 1
    plain, mirroring = (np.ascontiguousarray(descriptions[:, part]) for part in (~odd, odd))
    rows = max(BLOCK // max(count, 1), 1)
    for start in range(0, count, rows):
        stop = min(start + rows, count)
        even_part, odd_part = (part[start:stop] @ part[start:].T for part in (plain, mirroring))
        earlier = np.tri(stop - start, count - start, dtype=bool)
        for mirrored, alike in ((False, even_part + odd_part), (True, even_part - odd_part)):
            alike[earlier] = -1.0
            for _ in range(min(NEIGHBOURS, count)):
                nearest = alike.argmax(axis=1)
                first = np.flatnonzero(alike[np.arange(len(alike)), nearest] >= ALIKE)
                if not len(first):
                    break
                second = nearest[first]
                alike[first, second] = -1.0
                first, second = first + start, second + start
                close = np.abs(brightness[first] - brightness[second]) < 2 * FURTHEST
                yield first[close], second[close], np.full(np.count_nonzero(close), mirrored)


def _batches(pairs: Iterable[Sequence[np.ndarray]]) -> Iterator[tuple[np.ndarray, ...]]:
    """The same arrays, cut into pieces of a bounded length."""
    for arrays in pairs:
        for start in range(0, len(arrays[0]), AT_ONCE):
            yield tuple(array[start : start + AT_ONCE] for array in arrays)


def likeness(first: np.ndarray, second: np.ndarray) -> NDArray[np.float32]:
    """How much the details of pictures agree, each pair laid on top of each other as well as can be: -1 to 1.

    It is 0 for pictures that overlap too little then, or whose greys differ too much.

    Args:
        first: uint8 (pairs, size, size), grey.
        second: likewise.
    """
    return np.maximum(_laid_on(first, second), _laid_on(second, first))


def _laid_on(still: np.ndarray, moving: np.ndarray) -> NDArray[np.float32]:
    """The correlation of the details after the moving pictures were laid on the still ones."""
    still, moving = still.astype(np.float32), moving.astype(np.float32)
    pairs, size = len(still), still.shape[-1]
    pixels = np.arange(size, dtype=np.float32)
    # From -1 to 1 over a side, so that a step of scale moves the edges as far as one of shift.
    place = (pixels - (size - 1) / 2) / ((size - 1) / 2)
    slopes = np.gradient(moving, axis=(1, 2))
    motion = np.zeros((pairs, 4), np.float32)  # scale and shift down, then across
    damping = np.diag([1, 1, 1, 1, 0, 0]).astype(np.float32) * 1e-3

    def moves() -> tuple[Floats, Floats, Floats]:
        """What moves rows and columns, and which pixels of the moving picture are seen then."""
        rows = pixels + motion[:, :1] * place + motion[:, 1:2]
        columns = pixels + motion[:, 2:3] * place + motion[:, 3:]
        inside = (_within(rows, size)[:, :, None] & _within(columns, size)[:, None, :]).astype(np.float32)
        return _interpolation(rows, size), _interpolation(columns, size).transpose(0, 2, 1), inside

    for _ in range(STEPS):
        down, across, inside = moves()
        moved = down @ moving @ across
        steep, level = (down @ slope @ across for slope in slopes)
        columns_of = (steep * place[:, None], steep, level * place, level, moved, np.ones_like(moved))
        jacobian = np.stack(columns_of, -1).reshape(pairs, size * size, 6) * inside.reshape(pairs, -1, 1)
        transposed = jacobian.transpose(0, 2, 1)
        products = transposed @ jacobian
        products += damping * np.trace(products, axis1=1, axis2=2)[:, None, None] + 1e-3 * np.eye(6, dtype=np.float32)
        solved = np.linalg.solve(products, transposed @ still.reshape(pairs, -1, 1))[..., 0]
        gain = np.maximum(solved[:, 4:5], 0.2)
        motion = np.clip(motion + np.clip(solved[:, :4] / gain, -1, 1), -REACH, REACH)
    down, across, inside = moves()
    moved = down @ moving @ across
    overlap = inside.sum(axis=(1, 2))
    difference = np.sqrt((inside * (moved - still) ** 2).sum(axis=(1, 2)) / np.maximum(overlap, 1))
    fits = (overlap >= LEAST_OVERLAP * size * size) & (difference <= FURTHEST)
    return np.where(fits, _correlation(_details(moved), _details(still), inside), np.float32(0))


def _within(places: Floats, size: int) -> NDArray[np.bool_]:
    return (places >= -0.5) & (places <= size - 0.5)


def _interpolation(places: Floats, size: int) -> Floats:
    """Matrices (pairs, places, size) that interpolate linearly between whole places."""
    weights: Floats = np.maximum(
        1 - np.abs(np.clip(places, 0, size - 1)[..., None] - np.arange(size, dtype=np.float32)), 0
    )
    return weights.astype(np.float32, copy=False)


def _details(pictures: Floats) -> Floats:
    """What a picture has beyond a blurred one, all parts of the same strength: one sharp edge must not decide."""
    fine = pictures - _blurred(pictures)
    details = fine / np.sqrt(_blurred(fine * fine) + np.float32(4))
    return details.astype(np.float32, copy=False)


def _blurred(pictures: Floats) -> Floats:
    """Binomial weights over five pixels, both ways."""
    weights = np.array([1, 4, 6, 4, 1], np.float32) / 16
    size = pictures.shape[-1]
    places = np.clip(np.arange(size)[:, None] + np.arange(-2, 3), 0, size - 1)
    matrix = np.zeros((size, size), np.float32)
    np.add.at(matrix, (np.arange(size)[:, None], places), weights)
    return (matrix @ pictures @ matrix.T).astype(np.float32, copy=False)


def _correlation(first: Floats, second: Floats, inside: Floats) -> Floats:
    count = np.maximum(inside.sum(axis=(1, 2), keepdims=True), 1)
    first, second = (
        (values - (values * inside).sum(axis=(1, 2), keepdims=True) / count) * inside for values in (first, second)
    )
    strength = np.sqrt((first * first).sum(axis=(1, 2)) * (second * second).sum(axis=(1, 2)))
    return ((first * second).sum(axis=(1, 2)) / np.maximum(strength, 1e-6)).astype(np.float32, copy=False)
