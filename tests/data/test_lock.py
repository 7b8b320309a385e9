"""The lock between processes: held by one, freed when it ends, never stale, and not needed where there is none."""

import errno
import os
import runpy
import sys
import threading
import time
from pathlib import Path

import pytest

from calor.data import lock
from calor.data.lock import locked


def held(path: Path) -> bool:
    """Whether another would have to wait."""

    class Held(Exception):
        pass

    def found() -> None:
        raise Held

    try:
        with locked(path, found):
            return False
    except Held:
        return True


def test_it_is_held_inside_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, lambda: None):
        assert held(path)
    assert not path.exists()
    assert not held(path)
    assert not path.exists()


def test_it_is_freed_by_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock", lambda: None):
        _ = 1 / 0
    assert not held(tmp_path / "lock")


def test_a_file_that_was_left_behind_is_nobodys_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    assert not held(tmp_path / "lock")


def test_many_take_turns(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(10):
            with locked(tmp_path / "lock", lambda: None, pause=0.001):
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 40


def test_a_file_that_vanishes_while_it_is_taken_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    real, times = os.open, []

    def open_then_remove(*arguments: int) -> int:
        times.append(1)
        descriptor = real(*arguments)
        if len(times) < 3:  # as the process that holds it does at its end
            path.unlink()
        if len(times) == 2:
            path.write_bytes(b"")
        return descriptor

    monkeypatch.setattr(os, "open", open_then_remove)
    with locked(path, lambda: pytest.fail("nobody holds it")):
        assert len(times) == 3
        monkeypatch.undo()
        assert held(path)


def test_where_files_cannot_be_locked_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with locked(tmp_path / "lock", lambda: None):
        assert not held(tmp_path / "lock")


def test_where_the_system_has_no_locks_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)  # importing it fails
    without = runpy.run_path(lock.__file__)["locked"]
    with without(tmp_path / "lock", lambda: None), without(tmp_path / "lock", lambda: pytest.fail("waits")):
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locked(tmp_path / "nowhere" / "lock", lambda: None):
        pass
