"""Does it cheat? The accuracy on photos that have lost what should matter, or what should not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calor.workbench.report.evidence.outputs import Change, Outputs
from calor.workbench.report.evidence.share import Share

BORDER = 0.1
"""The width of the border that is left, as a share of the photo's."""

PIECES = 4
"""Into how many rows and columns of pieces a photo is cut to shuffle them."""

GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""The weights of red, green and blue in brightness (ITU-R BT.601), which Pillow's grey has, too."""


@dataclass(frozen=True)
class Trial:
    """The accuracy on changed photos.

    Attributes:
        name: of the change.
        share: of the photos that are still recognised.
        kept: how much is left of what the network has over naming the commonest class: 1 is all, 0 nothing.
        grade: ``"good"``, ``"note"`` or ``"warning"``.
        sentence: what it means.
    """

    name: str
    share: Share
    kept: float
    grade: str
    sentence: str


def border_only(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The outer tenth of each side; the middle has the border's mean colour, which gives nothing of it away."""
    height, width = images.shape[1:3]
    down, across = max(round(BORDER * height), 1), max(round(BORDER * width), 1)
    middle = np.s_[:, down : height - down, across : width - across]
    outside = np.ones((height, width), bool)
    outside[middle[1:]] = False
    changed = images.copy()
    changed[middle] = images[:, outside].mean(axis=1)[:, None, None]
    return changed


def without_colour(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same photos in grey, in as many channels as they had."""
    changed = images.copy()
    changed[..., :3] = np.round(images[..., :3] @ GREY).astype(np.uint8)[..., None]
    return changed


def shuffled(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Photos cut into 16 pieces that are put together in another order, each in its own.

    Rows and columns of pixels that are left over stay where they are.
    """
    count, height, width, channels = images.shape
    down, across = height // PIECES, width // PIECES
    cut = images[:, : PIECES * down, : PIECES * across]
    pieces = cut.reshape(count, PIECES, down, PIECES, across, channels).swapaxes(2, 3)
    pieces = pieces.reshape(count, PIECES**2, down, across, channels)
    order = np.random.default_rng(0).permuted(np.tile(np.arange(PIECES**2), (count, 1)), axis=1)
    mixed = np.take_along_axis(pieces, order[:, :, None, None, None], axis=1)
    mixed = mixed.reshape(count, PIECES, PIECES, down, across, channels).swapaxes(2, 3)
    changed = images.copy()
    changed[:, : PIECES * down, : PIECES * across] = mixed.reshape(cut.shape)
    return changed


def changes(color_mode: str) -> dict[str, Change]:
    """The changes that make sense for photos of a colour mode, by name."""
    return {
        "Border only": border_only,
        **({} if color_mode == "grayscale" else {"No colour": without_colour}),
        "Shuffled pieces": shuffled,
    }


def trials(outputs: Outputs, chance: float) -> list[Trial]:
    """What the network still recognises after each change that it was observed under, and what that means.

    Args:
        outputs: with ``changed``.
        chance: the accuracy of naming the commonest class.
    """
    plain = Share(int(outputs.right.sum()), len(outputs))
    if plain.low <= chance:
        return []
    found = []
    for name, taken_for in outputs.changed.items():
        share = Share(int((taken_for == outputs.labels).sum()), len(outputs))
        kept = min(max((share.value - chance) / (plain.value - chance), 0.0), 1.0)
        found.append(Trial(name, share, kept, *_reading(name, kept, share.low > chance)))
    return found


def _reading(name: str, kept: float, beyond_chance: bool) -> tuple[str, str]:
    if name == "Border only":
        if not beyond_chance:
            return "good", "The edges alone tell it nothing: it looks at what is in the photo."
        if kept < 0.5:
            return "note", (
                "The edges alone tell it something. So it is where things reach the edge, or where each class has its "
                "own kind of background."
            )
        return "warning", (
            "The edges alone tell it most of what it knows: backgrounds or frames may give the classes away. "
            "Photos taken elsewhere may fool it."
        )
    if name == "No colour":
        if kept >= 0.8:
            return "good", "It hardly needs colours."
        if kept >= 0.4:
            return "note", "Colours help it. Another light or camera may cost some accuracy."
        return "warning", "It goes by colours above all: in another light it may fail."
    if kept >= 0.7:
        return "note", "It knows the classes by small parts and textures; how these lie hardly matters to it."
    if kept >= 0.3:
        return "good", "Parts and their arrangement both count."
    return "good", "It needs the whole: shapes, and not scattered parts."
