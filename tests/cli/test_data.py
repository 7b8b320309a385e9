"""``calor data``: the list, a download from a server on this machine, and files that are wrong or missing."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from calor.cli import main
from calor.data import catalogue
from calor.data.catalogue import CATALOGUE
from calor.data.entry import IdxEntry, RemoteFile

IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7, 8])
LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 2, 0, 1])

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``calor data`` in this process: its exit code, what it printed and what it complained about."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["data", *map(str, arguments)])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder into which the data set "dots" is downloaded, from this machine."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "images").write_bytes(IMAGES)
    (home / "labels").write_bytes(LABELS)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("CALOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CALOR_DATA", raising=False)
    monkeypatch.delenv("CALOR_OFFLINE", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=home)) as server:
        images, labels = (
            RemoteFile(
                f"dots/{name}",
                (f"http://127.0.0.1:{server.server_port}/{name}",),
                hashlib.sha256(content).hexdigest(),
                len(content),
            )
            for name, content in (("images", IMAGES), ("labels", LABELS))
        )
        splits, columns = MappingProxyType({"train": 2}), MappingProxyType({"train": (images, labels)})
        dots = IdxEntry("dots", "two dots", "https://example.com", "MIT", ("a", "b"), splits, columns)
        monkeypatch.setattr(catalogue, "CATALOGUE", {"dots": dots, "mnist": CATALOGUE["mnist"]})
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield tmp_path / "cache" / "downloads" / "dots"
        server.shutdown()
        thread.join()


def test_list_shows_what_there_is_and_what_is_here(run: Run, downloads: Path) -> None:
    code, out, err = run("list")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert lines[0] == ["Name", "What", "Examples", "Classes", "MB", "Licence", "Here"]
    assert lines[2] == ["dots", "two", "dots", "2", "train", "2", "0", "MIT", "no"]
    assert lines[3][-6:] == ["10", "12", "CC", "BY-SA", "3.0", "no"]
    assert "60,000 train, 10,000 test" in out
    downloads.mkdir(parents=True)
    (downloads / "images").write_bytes(IMAGES)
    assert run("list")[1].count("1 of 2 files") == 1
    (downloads / "labels").write_bytes(LABELS)
    assert run("list")[1].splitlines()[3].split()[-1] == "yes"


def test_list_for_programs(run: Run, downloads: Path) -> None:
    code, out, _ = run("list", "--json")
    dots, mnist = json.loads(out)
    assert code == 0
    assert dots["name"] == "dots"
    assert dots["splits"] == {"train": 2}
    assert dots["class_names"] == ["a", "b"]
    assert dots["bytes"] == len(IMAGES) + len(LABELS)
    assert dots["here"] is False
    assert dots["files"][0]["path"] == str(downloads / "images")
    assert dots["files"][0]["sha256"] == hashlib.sha256(IMAGES).hexdigest()
    assert len(mnist["files"]) == 4
    assert len(mnist["files"][0]["urls"]) == 2


def test_get_downloads_and_says_where(run: Run, downloads: Path) -> None:
    for _ in range(2):
        code, out, err = run("get", "dots")
        assert (code, err) == (0, "")
        assert out == f"dots: {downloads / 'images'}\ndots: {downloads / 'labels'}\n"
    assert (downloads / "labels").read_bytes() == LABELS
    assert json.loads(run("get", "dots", "--json")[1]) == {
        "dots": [str(downloads / "images"), str(downloads / "labels")]
    }


def test_get_into_another_folder(run: Run, downloads: Path, tmp_path: Path) -> None:
    assert run("get", "dots", "--data-dir", tmp_path / "mine")[0] == 0
    assert (tmp_path / "mine" / "dots" / "images").read_bytes() == IMAGES
    assert not downloads.exists()
    assert run("list", "--data-dir", tmp_path / "mine")[1].count("yes") == 1
    assert run("verify", "dots", "--data-dir", tmp_path / "mine")[0] == 0


def test_get_checks_all_names_before_it_begins(run: Run, downloads: Path) -> None:
    code, out, err = run("get", "dots", "dotz")
    assert (code, out) == (1, "")
    assert err == "calor: There is no data set called 'dotz'. Did you mean 'dots'?\n"
    assert not downloads.exists()


def test_get_says_what_went_wrong(run: Run, downloads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home" / "labels").write_bytes(b"<html>")
    code, _, err = run("get", "dots")
    assert code == 1
    assert err.startswith("calor: Could not download labels.\n")
    assert "looks like a web page" in err
    monkeypatch.setenv("CALOR_OFFLINE", "1")
    code, _, err = run("get", "dots")
    assert code == 1
    assert err.startswith("calor: labels: not on this machine, and CALOR_OFFLINE is set")
    assert f"as {downloads / 'labels'}" in err


def test_verify_names_each_file(run: Run, downloads: Path) -> None:
    run("get", "dots")
    assert run("verify", "dots") == (
        0,
        f"dots: {downloads / 'images'}: right\ndots: {downloads / 'labels'}: right\n",
        "",
    )
    (downloads / "images").write_bytes(LABELS)
    (downloads / "labels").unlink()
    code, out, err = run("verify", "dots")
    assert (code, err) == (1, "")
    first, second = out.splitlines()
    assert first.startswith(
        f"dots: {downloads / 'images'}: its bytes have SHA-256 {hashlib.sha256(LABELS).hexdigest()}"
    )
    assert second == f"dots: {downloads / 'labels'}: it is not here"
    code, out, _ = run("verify", "dots", "--json")
    assert code == 1
    assert [(one["name"], one["right"]) for one in json.loads(out)] == [("dots", False), ("dots", False)]
    assert json.loads(out)[1]["problem"] == "it is not here"


def test_verify_without_names_looks_at_what_is_here(run: Run, downloads: Path) -> None:
    assert run("verify") == (0, "No data set is here; calor data get NAME fetches one.\n", "")
    assert json.loads(run("verify", "--json")[1]) == []
    run("get", "dots")
    code, out, _ = run("verify")
    assert code == 0
    assert "mnist" not in out
    assert out.count("right") == 2


def test_a_data_folder_that_does_not_exist(
    run: Run, downloads: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CALOR_DATA", str(tmp_path / "nowhere"))
    for command in (["list"], ["verify"], ["get", "dots"]):
        code, _, err = run(*command)
        assert code == 1
        assert err.startswith("calor: The environment variable CALOR_DATA names")


def test_the_real_data_are_right(run: Run, real_data: Path) -> None:
    code, out, _ = run("verify", "fashion_mnist", "cats_and_dogs", "--data-dir", real_data)
    assert code == 0
    assert out.count(": right\n") == 5
