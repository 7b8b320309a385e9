"""Make docs/images/report-*.png: a report on drawn pictures, as Chromium shows it.

python tools/report_pictures.py [FOLDER]
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from calor.workbench import draw_pictures, train

DOCS = Path(__file__).parent.parent / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def make_report(place: Path) -> Path:
    """Train on pictures that Calor draws, and write the report."""
    photos = draw_pictures(place / "pictures", per_class=200)
    settings = {"recipe": "quick", "epochs": 16, "image_size": (64, 64), "test_share": 0.0}
    return train(photos, output=place / "run", verbose=2, **settings).folder / "report.html"


def take_pictures(report: Path, folder: Path) -> None:
    """Save parts of the page, in the light and in the dark, in wide and narrow windows."""
    browser_path = next(path for name in BROWSERS if (path := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])

        def opened(scheme: str, width: int, height: int):
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(report.as_uri())
            return page

        opened("light", 1000, 760).screenshot(path=folder / "report-top.png")
        opened("light", 390, 844).screenshot(path=folder / "report-phone.png")
        page = opened("dark", 1000, 760)
        for name in ("sure", "looks", "cheats"):
            page.locator(f"#{name}").screenshot(path=folder / f"report-{name}.png")
        page.locator(".confusion td.good button").first.click()
        page.wait_for_timeout(300)
        page.screenshot(path=folder / "report-matrix.png")
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        report = make_report(Path(sys.argv[1] if len(sys.argv) > 1 else place))
        take_pictures(report, DOCS)
