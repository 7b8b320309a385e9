"""``calor check``: what it prints, writes and returns."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from calor.cli import main
from calor.workbench import draw_pictures

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["check", *map(str, arguments)])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_pictures(tmp_path / "photos", per_class=20)


def test_a_clean_folder(photos: Path, run: Run) -> None:
    code, out, err = run(photos)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert "80 files looked at" in out
    assert "Formats: 72 JPEG, 8 PNG. Modes: 80 RGB." in out
    assert out.rstrip().endswith("Nothing serious was found.")


def test_faults_their_examples_and_the_list(photos: Path, tmp_path: Path, run: Run) -> None:
    for number in range(5):
        shutil.copy(photos / "star" / f"{number + 1:03}.jpg", photos / "tree" / f"copy-{number}.jpg")
    (photos / "boat" / "010.png").write_bytes(b"")
    code, out, err = run(photos, "--write-list", tmp_path / "list.txt")
    assert (code, err) == (1, "")
    assert "duplicates-across-classes (serious): 5 pictures of one class are the same as in another." in out
    assert "    star/001.jpg  =  tree/copy-0.jpg" in out
    assert "    and 2 more" in out
    assert "Why it matters: One of the labels is wrong" in out
    assert "What to do: Copy or download them again" in out
    assert out.splitlines()[-1] == f"{tmp_path / 'list.txt'} names 11 files to leave out."
    lines = [line.split("\t") for line in (tmp_path / "list.txt").read_text().splitlines()]
    assert len(lines) == 11
    assert [str(photos / "boat" / "010.png"), "is empty (0 bytes)"] in lines
    assert "Serious problems: 2 (1 of less weight)." in out
    assert "add --write-list FILE" in run(photos)[1]


def test_one_group_of_pictures_with_something_in_common(photos: Path, run: Run) -> None:
    for file in list((photos / "boat").iterdir()):
        shutil.move(file, file.with_name(f"DSC_{file.name}"))
    code, out, _ = run(photos)
    assert code == 0
    assert "boat/DSC_000.png, boat/DSC_001.jpg, boat/DSC_002.jpg and 17 more" in out
    assert "Nothing serious was found (1 of less weight)." in out


def test_json(photos: Path, run: Run) -> None:
    (photos / "boat" / "010.png").write_bytes(b"")
    code, out, err = run(photos, "--json")
    assert (code, err) == (1, "")
    record = json.loads(out)
    assert record["findings"][0]["code"] == "unreadable"
    assert record["findings"][0]["groups"] == [[str(photos / "boat" / "010.png")]]
    assert list(record["leave_out"]) == [str(photos / "boat" / "010.png")]


def test_pictures_of_one_size_and_a_bar_on_a_terminal(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    for level, kind in enumerate(("dark", "light")):
        (tmp_path / kind).mkdir()
        Image.new("RGB", (20, 30), (level * 200,) * 3).save(tmp_path / kind / "1.png")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    code, out, _ = run(tmp_path)
    assert code == 0
    assert "Looking at pictures" in out
    assert "Sizes: all 20 × 30 pixels." in out


def test_nothing_but_damaged_files(tmp_path: Path, run: Run) -> None:
    for kind in ("a", "b"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "1.png").write_text("none")
    code, out, _ = run(tmp_path)
    assert code == 1
    assert "unreadable (serious): 2 files cannot be read as a picture." in out
    assert "Sizes" not in out


def test_what_cannot_be_checked(photos: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run(tmp_path / "nowhere")
    assert (code, out) == (2, "")
    assert err.startswith(f"calor: {tmp_path / 'nowhere'} does not exist.")
    code, _, err = run(photos, "--write-list", tmp_path / "nowhere" / "list.txt")
    assert code == 2
    assert "No such file or directory" in err

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sys.modules["calor.workbench"], "check", broken)
    with pytest.raises(ZeroDivisionError):
        main(["check", str(photos)])
