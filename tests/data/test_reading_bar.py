"""The bar for folders: for people only, and only where it takes a while."""

import io

import pytest

from calor.data import reading_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, output: io.StringIO, progress: reading_bar.Progress | bool) -> str:
    """What standard error gets of three pictures."""
    with monkeypatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setattr("sys.stderr", output)
        with reading_bar.reading(progress, 3) as advance:
            for done in (1, 2, 3):
                advance(done, 3)
    return output.getvalue()


def test_what_takes_long_is_shown_with_images_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.5, 2.0, 2.05])
    monkeypatch.setattr(reading_bar.time, "monotonic", lambda: next(clock))
    output = shown(monkeypatch, Terminal(), True)
    for text in ("Reading pictures", "2/3", "1 images/s"):
        assert text in output


def test_what_is_done_at_once_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Reading" not in shown(monkeypatch, Terminal(), True)


def test_nobody_is_told_who_did_not_ask_or_does_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_bar, "AFTER", 0.0)
    assert "Reading" in shown(monkeypatch, Terminal(), True)
    assert shown(monkeypatch, Terminal(), False) == ""
    assert shown(monkeypatch, io.StringIO(), True) == ""


def test_a_function_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    assert shown(monkeypatch, Terminal(), lambda done, total: told.append((done, total))) == ""
    assert told == [(1, 3), (2, 3), (3, 3)]
