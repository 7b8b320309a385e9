"""``calor cache``: what is kept, where it came from, and clearing it."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calor.cli import main
from calor.data import pixel_cache

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["cache", *arguments])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that does not exist yet."""
    monkeypatch.setenv("CALOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CALOR_CACHE_LIMIT", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def filled(folder: Path) -> Path:
    """With the pixels of two folders, one of them not used for five days, a compiled program and a download."""
    for name, days in (("flowers", 5), ("[pets]", 0)):
        request = pixel_cache.Request(Path("/photos") / name, "3 × 4, rgb, bilinear, stretch", (), "", (3, 4, 3))
        before = set(folder.rglob("*.pixels"))
        with pixel_cache.Writer(request, 2) as writer:
            writer.add(np.zeros((2, 3, 4, 3), np.uint8))
            assert writer.finish({}) is not None
        (new,) = set(folder.rglob("*.pixels")) - before
        os.utime(new, (time.time() - days * 86400,) * 2)
    (folder / "xla").mkdir()
    (folder / "xla" / "program").write_bytes(bytes(3000))
    (folder / "downloads").mkdir()
    (folder / "downloads" / "data.zip").touch()
    return folder


def test_an_empty_cache(run: Run, folder: Path) -> None:
    code, out, _ = run()
    assert code == 0
    assert out.splitlines() == [
        f"In {folder}:",
        "Decoded pictures:  0 bytes of 10.0 GB that are allowed.",
        "Compiled programs: 0 bytes in 0 files.",
    ]
    assert run("clear")[1] == "There was nothing to remove.\n"
    assert not folder.exists()


def test_what_is_kept_is_listed(run: Run, filled: Path) -> None:
    _, out, _ = run()
    flowers, pets = (line.split() for line in out.splitlines() if "/photos/" in line)
    assert flowers[:8] == ["/photos/flowers", "3", "×", "4,", "rgb,", "bilinear,", "stretch", "2"]
    assert pets[0] == "/photos/[pets]"
    assert pets[-2] == time.strftime("%Y-%m-%d")
    assert "Compiled programs: 3 kB in 1 files." in out


def test_json(run: Run, filled: Path) -> None:
    found = json.loads(run("--json")[1])
    assert found["folder"] == str(filled)
    assert found["pictures_limit"] == 10**10
    assert found["programs"] == {"files": 1, "size": 3000}
    first, second = found["pictures"]
    assert (first["folder"], second["folder"]) == ("/photos/flowers", "/photos/[pets]")
    assert first["pictures"] == 2
    assert Path(first["file"]).stat().st_size == first["size"]


def test_parts_and_old_ones_are_cleared_and_downloads_never(run: Run, filled: Path) -> None:
    size = next(filled.rglob("*.pixels")).stat().st_size
    assert json.loads(run("clear", "--older-than", "3", "--json")[1])["freed"] == pytest.approx(size, abs=20)
    assert len(list(filled.rglob("*.pixels"))) == 1
    assert run("clear", "programs")[1] == "3 kB freed.\n"
    assert list((filled / "xla").iterdir()) == []
    assert run("clear", "pictures")[1].endswith(" bytes freed.\n")
    assert list(filled.rglob("*.pixels")) == []
    assert run("clear")[1] == "There was nothing to remove.\n"
    assert (filled / "downloads" / "data.zip").exists()


def test_mistakes(run: Run, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, error = run("clear", "downloads")
    assert code == 2
    assert "'all', 'pictures', 'programs'" in error
    monkeypatch.setenv("CALOR_CACHE_LIMIT", "much")
    code, _, error = run()
    assert code == 1
    assert error.startswith("calor: CALOR_CACHE_LIMIT='much': write bytes")
