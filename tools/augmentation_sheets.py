"""Draws the contact sheets of docs/augmentation.md. Run it as ``python tools/augmentation_sheets.py``.

The pictures are those that `calor demo` draws, so nothing is fetched.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from PIL import Image, ImageDraw

from calor import layers
from calor.data import load_image
from calor.workbench.demo import draw_pictures

SIDE, ACROSS, MARGIN, CAPTION = 80, 6, 4, 14
IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"

Change = Callable[[np.ndarray, jax.Array], np.ndarray]


def one_picture(layer: layers.RandomFlip) -> Change:
    """The same picture, changed in a new way in each column."""
    return lambda pictures, key: layer.augment(np.repeat(pictures[:1], ACROSS, 0), key)


def mixed(mixing: layers.MixUp) -> Change:
    """Different pictures, mixed with one another."""
    return lambda pictures, key: mixing(pictures, np.eye(ACROSS, dtype=np.float32), key=key)[0]


def filled(mode: str) -> Change:
    """A turn that shows what lies beyond the edges."""
    return one_picture(layers.RandomAffine(40, 0.3, 0.3, zoom=(1.2, 1.8), fill_mode=mode, fill_value=127))


SHEETS: dict[str, dict[str, Change]] = {
    "augmentation_geometry": {
        "RandomFlip()": one_picture(layers.RandomFlip()),
        "RandomRotation(0.1)": one_picture(layers.RandomRotation(0.1)),
        "RandomTranslation(0.2, 0.2)": one_picture(layers.RandomTranslation(0.2, 0.2)),
        "RandomZoom(0.3)": one_picture(layers.RandomZoom(0.3)),
        "RandomShear(0.3, 0.3)": one_picture(layers.RandomShear(0.3, 0.3)),
        'RandomAffine(40, 0.2, 0.2, 0.2, 0.2, horizontal_flip=True), fill_mode="nearest"': one_picture(
            layers.RandomAffine(40, 0.2, 0.2, 0.2, 0.2, horizontal_flip=True)
        ),
    },
    "augmentation_fill": {
        'fill_mode="nearest"': filled("nearest"),
        'fill_mode="reflect"': filled("reflect"),
        'fill_mode="wrap"': filled("wrap"),
        'fill_mode="constant", fill_value=127': filled("constant"),
    },
    "augmentation_values": {
        "RandomBrightness(0.3)": one_picture(layers.RandomBrightness(0.3)),
        "RandomContrast(0.6)": one_picture(layers.RandomContrast(0.6)),
        "RandomSaturation((0.1, 0.9))": one_picture(layers.RandomSaturation((0.1, 0.9))),
        "RandomErasing((1.0, 1.0), (0.1, 0.3))": one_picture(layers.RandomErasing((1.0, 1.0), (0.1, 0.3))),
        "MixUp(1.0)": mixed(layers.MixUp(1.0)),
        "CutMix((1.0, 1.0))": mixed(layers.CutMix((1.0, 1.0))),
    },
}


def sheet(rows: dict[str, Change], pictures: np.ndarray) -> Image.Image:
    """One row of pictures for each change, under its name."""
    step = SIDE + MARGIN
    image = Image.new("RGB", (ACROSS * step + MARGIN, len(rows) * (step + CAPTION) + MARGIN), "white")
    draw = ImageDraw.Draw(image)
    for row, (name, change) in enumerate(rows.items()):
        top = MARGIN + row * (step + CAPTION)
        draw.text((MARGIN, top), name, fill="black")
        changed = np.clip(np.asarray(change(np.roll(pictures, -row, 0), jax.random.key(row))), 0, 255)
        for column, one in enumerate(changed.astype(np.uint8)):
            image.paste(Image.fromarray(one), (MARGIN + column * step, top + CAPTION))
    return image


def main() -> None:
    """Write all sheets."""
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(draw_pictures(folder, per_class=2, seed=3).rglob("*.*"))[:ACROSS]
        pictures = np.stack([load_image(file, size=(SIDE, SIDE)) for file in files])
    for name, rows in SHEETS.items():
        # A palette: as good to look at, and a third of the size.
        sheet(rows, pictures).quantize(96).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
