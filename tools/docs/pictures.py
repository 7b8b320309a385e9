"""Draws the pictures of the tutorial again: runs its pages as they stand, and keeps what they save.

Run it as ``python tools/docs/pictures.py [PLACE...]``, with ``CALOR_DATA`` where the data sets lie: ``clothing`` is a
page, ``filters.md:13`` a program. All of it trains on Fashion-MNIST, for some minutes.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import programs
from PIL import Image

TUTORIAL = programs.ROOT / "docs" / "tutorial"
GREY = "#83807f"
"""Readable on white and in the dark alike."""

STYLE = {
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.titlecolor": GREY,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.cycler(color=["#e8663c", "#3f8fd2", "#4caf7a", "#b07cc6", "#c9a227"]),
    "grid.color": GREY,
    "legend.facecolor": "none",
    "legend.edgecolor": "none",
    "legend.framealpha": 0,
    "text.color": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "lines.linewidth": 2,
    "savefig.dpi": 150,
    "svg.hashsalt": "calor",
    "svg.fonttype": "path",
}


def keep(picture: Path) -> str:
    """Put a picture into the documentation, and say how large it is there."""
    kept = TUTORIAL / "images" / picture.name
    if picture.suffix == ".png":
        # A palette: as good to look at, and a third of the size.
        Image.open(picture).convert("RGBA").quantize(160, method=Image.Quantize.FASTOCTREE).save(kept, optimize=True)
    else:
        shutil.copy(picture, kept)
    return f"{picture}: {kept.stat().st_size / 1000:.0f} kB"


def main() -> None:
    """Run the programs that are named, or all of them."""
    if os.environ.get("CALOR_DATA"):
        os.environ["CALOR_DATA"] = str(Path(os.environ["CALOR_DATA"]).resolve())
    os.environ["SOURCE_DATE_EPOCH"] = "0"  # SVG files that do not change with the day
    matplotlib.rcParams.update(STYLE)
    for program in [program for page in sorted(TUTORIAL.glob("*.md")) for program in programs.programs(page)]:
        if sys.argv[1:] and not any(place in program.place for place in sys.argv[1:]):
            continue
        print(f"\n{program.place}", flush=True)
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            Path("images").mkdir()
            exec(compile(program.code, str(program.page), "exec"), {"__name__": "__main__"})
            for picture in sorted(Path("images").iterdir()):
                print(f"  {keep(picture)}", flush=True)


if __name__ == "__main__":
    main()
