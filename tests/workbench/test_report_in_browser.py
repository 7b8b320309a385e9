"""The report in a real browser: no error on its console, no request to the network, every photo within reach."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calor.training.history import History
from calor.workbench import draw_pictures, photo_network, split_folder
from calor.workbench.report import write_report
from calor.workbench.report.evidence.learning_curve import LearningCurve
from calor.workbench.report.evidence.share import Share

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: it is in the group test")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

NAMES = {"boat": "<script>alert('boat')<", "house": 'a "house" & home', "star": "星 ⭐", "tree": "tree"}
"""What the drawn classes are called here."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a network that has learned a little, so that it is right and wrong, and sure and unsure."""
    place = tmp_path_factory.mktemp("report")
    photos = draw_pictures(place / "photos", per_class=70)
    for kind, name in NAMES.items():
        (photos / kind).rename(photos / name)
    split = split_folder(photos, test_share=0.0)
    model = photo_network((24, 24), 4, learning_rate=3e-3, seed=0)
    model.class_names = split.class_names
    training, validation = split.datasets("training", "validation", image_size=(24, 24), progress=False)
    history = model.fit(training.shuffle(300).batch(16), epochs=4, validation_data=validation.batch(16), verbose=0)
    assert isinstance(history, History)
    run = place / "run"
    run.mkdir()
    model.save(run / "model.keras")
    history.save(run / "history.json")
    split.save(run / "split.json")
    LearningCurve((56, 112, 224), (Share(25, 56), Share(30, 56), Share(35, 56))).save(run)
    return write_report(run)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"there is no browser ({', '.join(names)}): install Chromium, as CONTRIBUTING.md says")
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # for whom Chromium has no sandbox
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"] if root else [])
        yield browser
        browser.close()


@pytest.fixture
def told() -> list[str]:
    """All that a page says on its console, and asks of the network."""
    return []


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Any, report: Path, told: list[str], scheme: str) -> Iterator[Any]:
    # The page's own policy allows no scripts, and so not the one that looks for faults.
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1000, "height": 800}, bypass_csp=True)
    page = watched(context, told)
    page.goto(report.as_uri())
    yield page
    context.close()


def watched(context: Any, told: list[str]) -> Any:
    page = context.new_page()
    page.on("console", lambda message: told.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: told.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (told.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def asked(route: Any) -> None:
        address = route.request.url
        if not address.startswith("data:"):
            told.append(f"request: {address.partition('?')[0]}")
        route.continue_()

    page.route("**/*", asked)
    return page


def serious(page: Any) -> list[str]:
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:150]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def test_no_error_and_no_request(browser: Any, report: Path, told: list[str]) -> None:
    context = browser.new_context()  # with the page's policy in force
    page = watched(context, told)
    page.goto(report.as_uri())
    for summary in page.locator("summary").all():
        summary.click()
    page.wait_for_load_state("networkidle")
    broken = "[...document.images].filter(image => image.complete && !image.naturalWidth).length"
    assert page.evaluate(broken) == 0
    assert told == [f"request: {report.as_uri()}"]
    context.close()


def test_every_cell_opens_its_photos(page: Any, told: list[str]) -> None:
    cells = page.locator(".confusion td button")
    counts = np.array([int(text) for text in cells.all_inner_texts()])
    assert counts.sum() == 56
    assert len(counts) > 4  # it is wrong, too
    for place, count in enumerate(counts):
        button = cells.nth(place)
        # By mouse and by keyboard in turn.
        if place % 2:
            button.click()
        else:
            button.focus()
            page.keyboard.press("Enter")
        opened = page.locator("[popover]:popover-open")
        assert opened.count() == 1
        assert opened.get_attribute("id") == button.get_attribute("popovertarget")
        pictures = opened.locator("img")
        assert pictures.count() == count
        pictures.last.scroll_into_view_if_needed()
        page.wait_for_function("() => [...document.querySelectorAll(':popover-open img')].at(-1).naturalWidth > 0")
        assert f"{count} photo" in opened.locator("h3").inner_text()
        if place % 2:
            opened.get_by_role("button", name="Close").click()
        else:
            page.keyboard.press("Escape")
        assert page.locator("[popover]:popover-open").count() == 0
    assert not [line for line in told if not line.startswith("request")]


def test_names_are_only_shown(page: Any, told: list[str]) -> None:
    heads = page.locator(".confusion tbody th").all_inner_texts()
    assert sorted(heads) == sorted(NAMES.values())
    assert page.evaluate("document.scripts.length") == 0
    assert not [line for line in told if line.startswith("dialog")]


def test_it_is_accessible(page: Any, scheme: str) -> None:
    for summary in page.locator("summary").all():
        summary.click()
    assert serious(page) == []
    page.locator(".confusion td.bad button").first.click()
    assert serious(page) == []


@pytest.mark.parametrize("width", [340, 1600])
def test_it_fits_into_any_window(width: int, browser: Any, report: Path, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 700}, color_scheme=scheme)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_axe_does_find_faults(page: Any) -> None:
    page.evaluate(
        "document.querySelector('h1').insertAdjacentHTML('afterend', '<img src=\"data:,\"><button></button>')"
    )
    assert len(serious(page)) >= 2
