"""The documentation's site: complete, built without a warning, and in need of no network."""

import importlib
import inspect
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import generated
import hooks
import programs
import pytest

REFERENCE = programs.ROOT / "docs" / "reference"
MODULES = ("activations", "callbacks", "data", "initializers", "layers", "losses", "metrics", "models", "ops")
MODULES += ("optimizers", "schedules", "workbench")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    pytest.importorskip("mkdocs", reason="MkDocs is not installed: `make docs` installs it")
    pytest.importorskip("material", reason="MkDocs Material is not installed: `make docs` installs it")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "CALOR_REPOSITORY_URL": "https://example.org/calor"}
    done = subprocess.run(command, cwd=programs.ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder


def test_site_has_every_page(site: Path) -> None:
    pages = {page.relative_to(programs.ROOT / "docs").with_suffix(".html") for page in programs.pages()[1:]}
    assert pages <= {page.relative_to(site) for page in site.rglob("*.html")}


def test_site_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
    for page in site.rglob("*.html"):
        found = [tag for tag in loaded.findall(page.read_text(encoding="utf-8")) if 'rel="canonical"' not in tag]
        assert found == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_reference_shows_every_public_name(site: Path) -> None:
    anchors = set()
    for page in (site / "reference").glob("*.html"):
        anchors |= set(re.findall(r'id="(calor\.[\w.]+)"', page.read_text(encoding="utf-8")))
    assert anchors >= public_names()


def test_reference_shows_what_models_and_datasets_can_do_wherever_it_is_written(site: Path) -> None:
    for page, name, inner in (
        ("models", "calor.models.Sequential", {"carry", "publish", "weight_order"}),
        ("data", "calor.data.Dataset", set()),
    ):
        module, _, class_name = name.rpartition(".")
        parts = dir(getattr(importlib.import_module(module), class_name))
        text = (site / "reference" / f"{page}.html").read_text(encoding="utf-8")
        shown = set(re.findall(rf'id="{re.escape(name)}\.(\w+)"', text))
        described = {"parameters", "state", "input_shape", "output_shape", "layer_names"}  # in the class's docstring
        assert {part for part in parts if not part.startswith("_")} - described - inner == shown - described


def test_examples_of_docstrings_are_code(site: Path) -> None:
    text = (site / "reference" / "layers.html").read_text(encoding="utf-8")
    assert text.count('class="gp">&gt;&gt;&gt; ') > 30
    assert not re.search(r"<blockquote>\s*<blockquote>", text)


def test_links_to_code_go_to_the_repository(site: Path) -> None:
    assert 'href="https://example.org/calor/blob/HEAD/examples"' in (site / "results.html").read_text(encoding="utf-8")


def test_pages_open_from_the_disk_in_a_browser_and_can_be_searched(site: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as browsers:
        system = Path("/usr/bin/chromium")
        try:
            browser = browsers.chromium.launch(
                executable_path=system if system.exists() else None, args=["--no-sandbox"]
            )
        except playwright.Error as error:
            pytest.skip(f"there is no browser: {str(error).splitlines()[0]}")
        page = browser.new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda one: None if one.url.startswith(("file:", "data:")) else wrong.append(one.url))
        page.goto((site / "tutorial" / "one-neuron.html").as_uri())
        page.click(".md-search__input")
        page.keyboard.type("max pooling", delay=20)
        page.wait_for_selector(".md-search-result__item", timeout=30_000)
        sizes = page.evaluate("[...document.querySelectorAll('.md-content img')].map(image => image.naturalWidth)")
        browser.close()
    assert sizes
    assert all(sizes)
    assert wrong == []


def public_names() -> set[str]:
    errors = importlib.import_module("calor.errors")
    own = [name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__]
    names = {f"calor.errors.{name}" for name in own if inspect.isclass(getattr(errors, name))}
    for module in MODULES:
        home = importlib.import_module(f"calor.{module}")
        names |= {f"calor.{module}.{name}" for name in home.__all__ if not inspect.ismodule(getattr(home, name))}
    return names


def test_reference_lists_every_public_name() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    listed = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
    assert public_names() - set(listed) == set()
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("name", generated.PAGES)
def test_page_made_of_the_code_is_up_to_date(name: str) -> None:
    made = re.sub(r"[ \t]+$", "", generated.PAGES[name](), flags=re.MULTILINE)
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == made, "run python tools/docs/generated.py"


def test_every_environment_variable_is_listed() -> None:
    files = [*(programs.ROOT / "src").rglob("*.py"), programs.ROOT / "hatch_build.py"]
    used = {name for file in files for name in re.findall(r"[\"'](CALOR_[A-Z_]+)[\"']", file.read_text("utf-8"))}
    text = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(CALOR_[A-Z_]+)`", text, re.MULTILINE)) == used


def test_hook_rewrites_links_out_of_the_folder_only(caplog: pytest.LogCaptureFixture) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="how-to/x.md"))
    config = SimpleNamespace(config_file_path=str(programs.ROOT / "mkdocs.yml"), repo_url="https://example.org/calor")
    text = "[a](../data.md) [b](../../README.md#top) ![c](../images/c.png)\n```text\n[d](../../e)\n```\n"
    wanted = text.replace("../../README.md", "https://example.org/calor/blob/HEAD/README.md")
    assert hooks.on_page_markdown(text, page=page, config=config, files=None) == wanted
    config.repo_url = ""
    with caplog.at_level(logging.WARNING, "mkdocs.hooks.calor"):
        assert hooks.on_page_markdown("[b](../../nowhere.md)", page=page, config=config, files=None) == "b"
    assert "how-to/x.md links to nowhere.md, which the repository does not have" in caplog.text


def test_examples_are_fenced_wherever_they_stand() -> None:
    pytest.importorskip("griffe", reason="mkdocstrings is not installed: `make docs` installs it")
    from doctests import fenced

    assert fenced("One more.\n\n>>> more(1)\n2") == "One more.\n\n```pycon\n>>> more(1)\n2\n```"
    assert fenced("A.\n\n    >>> b\n    c\n\nD.") == "A.\n\n    ```pycon\n    >>> b\n    c\n    ```\n\nD."
