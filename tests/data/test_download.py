"""Downloads from a server that breaks off, lies, stalls and redirects in circles: no wrong file, ever."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

import calor
from calor.data import download as downloads
from calor.data.download import download, file_digest, progress_bar
from calor.data.lock import locked
from calor.errors import ArgumentError, CalorWarning, DownloadError

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Misbehaving(BaseHTTPRequestHandler):
    """Each path behaves badly in its own way; ``requests`` records the path and the Range of every request."""

    requests: ClassVar[list[tuple[str, str | None]]] = []
    released: ClassVar[threading.Event] = threading.Event()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        behaviour = self.path.strip("/").split("/")[0].replace("-", "_")
        asked = self.headers.get("Range")
        first = not any(path == self.path for path, _ in self.requests)
        self.requests.append((self.path, asked))
        getattr(self, behaviour)(int(asked.removeprefix("bytes=").rstrip("-")) if asked else None, first)

    def answer(self, status: int, body: bytes, promised: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        self.wfile.write(body)

    def good(self, start: int | None, first: bool) -> None:
        if start is None:
            self.answer(200, CONTENT)
        elif start >= len(CONTENT):
            self.answer(416, b"", Content_Range=f"bytes */{len(CONTENT)}")
        else:
            total = len(CONTENT)
            self.answer(206, CONTENT[start:], Content_Range=f"bytes {start}-{total - 1}/{total}")

    def breaks_once(self, start: int | None, first: bool) -> None:
        if first:
            self.answer(200, CONTENT[:30_000], promised=len(CONTENT))
        else:
            self.good(start, first)

    def breaks_always(self, start: int | None, first: bool) -> None:
        start = start or 0
        total = len(CONTENT)
        piece = CONTENT[start : start + 10_000]
        self.answer(206 if start else 200, piece, total - start, Content_Range=f"bytes {start}-{total - 1}/{total}")

    def breaks_chunked(self, start: int | None, first: bool) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"2710\r\n" + CONTENT[:5_000])

    def stalls(self, start: int | None, first: bool) -> None:
        self.answer(200, CONTENT[:20_000], promised=len(CONTENT))
        self.wfile.flush()
        self.released.wait(30)

    def silent(self, start: int | None, first: bool) -> None:
        self.released.wait(30)

    def held_once(self, start: int | None, first: bool) -> None:
        """The first request gets the beginning, and the rest when the test says so."""
        if first:
            self.answer(200, CONTENT[:20_000], promised=len(CONTENT))
            self.released.wait(30)
            self.wfile.write(CONTENT[20_000:])
        else:
            self.good(start, first)

    def drips(self, start: int | None, first: bool) -> None:
        self.answer(200, CONTENT[:100], promised=len(CONTENT))
        while not self.released.wait(0.01):
            self.wfile.write(b"x")

    def drips_to_the_end(self, start: int | None, first: bool) -> None:
        self.answer(200, b"", promised=len(CONTENT))
        for place in range(0, len(CONTENT), 20_000):
            time.sleep(0.3)
            self.wfile.write(CONTENT[place : place + 20_000])

    def promises_less(self, start: int | None, first: bool) -> None:
        self.answer(200, CONTENT, promised=40_000)

    def promises_nonsense(self, start: int | None, first: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "-5")
        self.end_headers()
        self.wfile.write(CONTENT)

    def ignores_range(self, start: int | None, first: bool) -> None:
        self.answer(200, CONTENT)

    def other_range(self, start: int | None, first: bool) -> None:
        if start is None:
            self.answer(200, CONTENT)
        else:
            self.answer(206, CONTENT[7:], Content_Range=f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}")

    def nameless_range(self, start: int | None, first: bool) -> None:
        self.answer(200 if start is None else 206, CONTENT)

    def wrong(self, start: int | None, first: bool) -> None:
        self.answer(200, b"other bytes")

    def page(self, start: int | None, first: bool) -> None:
        self.answer(200, b"\n<!DOCTYPE html><title>Sign in</title>", Content_Type="text/html")

    def missing(self, start: int | None, first: bool) -> None:
        self.answer(404, b"no such file")

    def broken(self, start: int | None, first: bool) -> None:
        self.answer(500, b"")

    def broken_once(self, start: int | None, first: bool) -> None:
        if first:
            self.answer(503, b"")
        else:
            self.good(start, first)

    def circle(self, start: int | None, first: bool) -> None:
        self.answer(302, b"", Location="/circle")

    def staircase(self, start: int | None, first: bool) -> None:
        step = int(self.path.rsplit("/", 1)[1])
        self.answer(302, b"", Location=f"/staircase/{step + 1}")

    def redirect(self, start: int | None, first: bool) -> None:
        self.answer(302, b"", Location="/good")

    def local_file(self, start: int | None, first: bool) -> None:
        self.answer(302, b"", Location="file:///etc/hostname")

    def transfer_by_ftp(self, start: int | None, first: bool) -> None:
        self.answer(302, b"", Location="ftp://127.0.0.1/file")

    def garbage(self, start: int | None, first: bool) -> None:
        self.wfile.write(b"this is not HTTP\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("CALOR_OFFLINE", raising=False)
    Misbehaving.requests.clear()
    Misbehaving.released.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        Misbehaving.released.set()
        httpd.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "file.bin"


def fetch(url: str | list[str], target: Path, **options: Any) -> Path:
    return download(url, target, sha256=[SHA256], pause=0.0, **options)


def part_of(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def test_a_file_arrives_whole_with_progress(server: str, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    assert fetch(f"{server}/good", target, progress=lambda *at: seen.append(at)) == target
    assert target.read_bytes() == CONTENT
    assert not part_of(target).exists()
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_a_file_that_is_there_is_not_fetched_again(server: str, target: Path) -> None:
    fetch(f"{server}/good", target)
    fetch(f"{server}/missing", target)
    assert Misbehaving.requests == [("/good", None)]


def test_a_redirection_is_followed(server: str, target: Path) -> None:
    assert fetch(f"{server}/redirect", target).read_bytes() == CONTENT


def test_a_broken_transfer_goes_on_where_it_broke_off(server: str, target: Path) -> None:
    assert fetch(f"{server}/breaks-once", target).read_bytes() == CONTENT
    assert Misbehaving.requests == [("/breaks-once", None), ("/breaks-once", "bytes=30000-")]


def test_the_next_call_goes_on_from_the_part(server: str, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"broke off after 30,000 of 102,400 bytes[\s\S]*kept in .*file\.bin\.part"):
        fetch(f"{server}/breaks-always", target)
    assert not target.exists()
    assert part_of(target).read_bytes() == CONTENT[:30_000]
    fetch(f"{server}/good", target)
    assert Misbehaving.requests[-1] == ("/good", "bytes=30000-")
    assert target.read_bytes() == CONTENT


def test_a_broken_chunked_transfer_is_no_whole_file(server: str, target: Path) -> None:
    with pytest.raises(DownloadError, match="breaks-chunked"):
        fetch(f"{server}/breaks-chunked", target)
    assert not target.exists()


@pytest.mark.parametrize("kind", ["ignores-range", "other-range", "nameless-range"])
@pytest.mark.parametrize("left", [CONTENT[:500], b"x" * 500])
def test_a_server_that_does_not_resume_sends_the_file_anew(server: str, target: Path, kind: str, left: bytes) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(left)
    assert fetch(f"{server}/{kind}", target).read_bytes() == CONTENT


def test_a_part_that_was_whole_is_verified_and_used(server: str, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT)
    assert fetch(f"{server}/good", target).read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 500, b"x" * len(CONTENT), CONTENT + b"more"])
def test_a_part_of_another_file_is_found_out_and_fetched_anew(server: str, target: Path, left: bytes) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(left)
    assert fetch(f"{server}/good", target).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("promises-less", r"not the file that is expected \(40,000 bytes with"),
        ("wrong", r"not the file that is expected \(11 bytes with SHA-256 .*\); it was deleted"),
        ("page", "looks like a web page"),
        ("missing", "the server answered 404 Not Found"),
        ("broken", "the server answered 500"),
        ("circle", "redirects in a circle"),
        ("staircase/0", "more than 5 times"),
        ("local-file", "not http"),
        ("transfer-by-ftp", "unknown url type: ftp"),
        ("garbage", "this is not HTTP"),
    ],
)
def test_failures_say_where_what_and_what_to_do(server: str, target: Path, path: str, message: str) -> None:
    with pytest.raises(DownloadError, match=message) as caught:
        fetch(f"{server}/{path}", target)
    assert f"{server}/{path}" in str(caught.value)
    assert "CALOR_DATA" in str(caught.value)
    assert isinstance(caught.value, OSError)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(("path", "tries"), [("missing", 1), ("wrong", 1), ("broken", 3), ("garbage", 3)])
def test_only_what_may_get_better_is_tried_again(server: str, target: Path, path: str, tries: int) -> None:
    with pytest.raises(DownloadError):
        fetch(f"{server}/{path}", target)
    assert [asked for asked, _ in Misbehaving.requests] == [f"/{path}"] * tries


def test_a_passing_fault_of_the_server_is_outlasted(server: str, target: Path) -> None:
    assert fetch(f"{server}/broken-once", target).read_bytes() == CONTENT


def test_a_stalling_server_is_given_up_and_what_came_is_kept(server: str, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"broke off after 20,000 bytes: no answer within 0\.2 seconds"):
        fetch(f"{server}/stalls", target, timeout=0.2, attempts=1)
    assert part_of(target).stat().st_size == 20_000


def test_a_server_that_does_not_answer_is_given_up_for_a_mirror(server: str, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"silent: no answer within 0\.2 seconds"):
        fetch(f"{server}/silent", target, timeout=0.2, attempts=1)
    assert fetch([f"{server}/silent", f"{server}/good"], target, timeout=0.2, attempts=1).read_bytes() == CONTENT


def test_a_dripping_server_is_given_up_and_a_mirror_goes_on(server: str, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"broke off after \d+ bytes: slower than 1,000 bytes a second"):
        fetch(f"{server}/drips", target, timeout=0.7, attempts=1)
    assert not target.exists()
    left = part_of(target).stat().st_size
    fetch([f"{server}/drips", f"{server}/good"], target, timeout=0.7, attempts=2)
    assert target.read_bytes() == CONTENT
    assert Misbehaving.requests[1] == ("/drips", f"bytes={left}-")


def test_a_slow_line_is_not_a_broken_one(server: str, target: Path) -> None:
    assert fetch(f"{server}/drips-to-the-end", target, timeout=1.0, attempts=1).read_bytes() == CONTENT


def test_a_length_that_makes_no_sense_is_ignored(server: str, target: Path) -> None:
    assert fetch(f"{server}/promises-nonsense", target).read_bytes() == CONTENT


def python(code: str, target: Path, url: str) -> subprocess.Popen[str]:
    """Another process that downloads, with Calor as it is in this one."""
    program = f"""
import sys
from pathlib import Path
from calor.data.download import download
{code}
download(sys.argv[1], Path(sys.argv[2]), sha256=[sys.argv[3]])
"""
    return subprocess.Popen(
        [sys.executable, "-c", program, url, str(target), SHA256],
        env=os.environ | {"PYTHONPATH": str(Path(calor.__file__).parents[1])},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_part(target: Path) -> None:
    end = time.monotonic() + 60
    while not (part_of(target).exists() and part_of(target).stat().st_size == 20_000):
        assert time.monotonic() < end, "the other process has not begun"
        time.sleep(0.01)


def test_a_killed_process_is_resumed_by_the_next(server: str, target: Path) -> None:
    with python("", target, f"{server}/held-once") as process:
        wait_for_part(target)
        process.send_signal(signal.SIGKILL)
    assert sorted(path.name for path in target.parent.iterdir()) == ["file.bin.lock", "file.bin.part"]
    assert fetch(f"{server}/held-once", target).read_bytes() == CONTENT
    assert Misbehaving.requests == [("/held-once", None), ("/held-once", "bytes=20000-")]
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]


def test_of_two_processes_one_downloads_and_the_other_waits(server: str, target: Path) -> None:
    with python("", target, f"{server}/held-once") as first:
        wait_for_part(target)
        with python("", target, f"{server}/held-once") as second:
            assert second.stderr is not None
            assert "Another process is downloading file.bin; waiting for it." in second.stderr.readline()
            Misbehaving.released.set()
            assert second.wait(60) == 0
        assert first.wait(60) == 0
    assert Misbehaving.requests == [("/held-once", None)]
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]


def test_threads_of_one_process_wait_for_each_other_too(
    server: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server goes on once the second thread says that it waits.
    monkeypatch.setattr(downloads, "warn", lambda message: Misbehaving.released.set())
    thread = threading.Thread(target=fetch, args=(f"{server}/held-once", target))
    thread.start()
    wait_for_part(target)
    assert fetch(f"{server}/held-once", target).read_bytes() == CONTENT
    thread.join()
    assert len(Misbehaving.requests) == 1


def test_a_process_that_holds_the_lock_and_does_nothing_is_not_waited_for_for_ever(
    server: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_PATIENCE", 0.3)
    target.parent.mkdir()
    with (
        locked(target.with_name("file.bin.lock"), lambda: None),
        pytest.warns(CalorWarning, match="waiting for it"),
        pytest.raises(DownloadError, match=r"holds .*file\.bin\.lock .*received nothing for 0\.3 seconds\. End that"),
    ):
        fetch(f"{server}/good", target)
    assert Misbehaving.requests == []


@pytest.mark.parametrize("word", ["1", "yes"])
def test_offline_nothing_is_fetched_and_what_is_there_is_used(
    server: str, target: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv("CALOR_OFFLINE", word)
    with pytest.raises(DownloadError, match=r"file\.bin: not on this machine, and CALOR_OFFLINE is set") as caught:
        fetch([f"{server}/good", f"{server}/missing"], target)
    assert f"{server}/good\n    as {target}" in str(caught.value)
    assert "CALOR_DATA" in str(caught.value)
    assert Misbehaving.requests == []
    assert not target.parent.exists()
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    assert fetch(f"{server}/good", target) == target


@pytest.mark.parametrize("word", ["", "0"])
def test_offline_mode_can_be_off(server: str, target: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("CALOR_OFFLINE", word)
    assert fetch(f"{server}/good", target).read_bytes() == CONTENT


def test_no_server_at_all(server: str, target: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving) as closed:
        port = closed.server_port
    with pytest.raises(DownloadError, match="Connection refused"):
        fetch(f"http://127.0.0.1:{port}/good", target)


def test_mirrors_are_tried_in_turn_and_all_failures_are_told(server: str, target: Path) -> None:
    assert fetch([f"{server}/missing", f"{server}/wrong", f"{server}/good"], target).read_bytes() == CONTENT
    target.unlink()
    with pytest.raises(DownloadError, match=r"missing: the server answered 404[\s\S]*wrong: what came is not"):
        fetch([f"{server}/missing", f"{server}/wrong"], target)


def test_a_file_larger_than_the_limit_is_not_taken(server: str, target: Path) -> None:
    with pytest.raises(DownloadError, match="larger than the 1,000 bytes"):
        fetch(f"{server}/good", target, limit=1_000)
    assert list(target.parent.iterdir()) == []


def test_another_digest_decides(server: str, target: Path) -> None:
    assert download(f"{server}/wrong", target, sha256=["abc"], digest=lambda path: "abc") == target


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has a device that is always full")
def test_no_room_on_the_disk_is_said_at_once(server: str, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"Cannot write .*file\.bin\.part: No space left on device\. Make room"):
        fetch(f"{server}/good", target)
    assert len(Misbehaving.requests) == 1
    assert not target.exists()


def test_a_lock_that_cannot_be_made(server: str, target: Path) -> None:
    target.with_name("file.bin.lock").mkdir(parents=True)
    with pytest.raises(DownloadError, match=r"Cannot write .*file\.bin\.lock: Is a directory"):
        fetch(f"{server}/good", target)
    assert Misbehaving.requests == []


def test_a_folder_that_cannot_be_made(server: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DownloadError, match=r"Cannot make the folder .*taken"):
        fetch(f"{server}/good", tmp_path / "taken" / "file.bin")


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://example.com/x", "photos.zip"])
def test_only_http_addresses_are_taken(target: Path, address: str) -> None:
    with pytest.raises(ArgumentError, match="only http and https"):
        fetch(address, target)


def test_no_address_is_an_error(target: Path) -> None:
    with pytest.raises(ArgumentError, match="no address"):
        fetch([], target)


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    assert file_digest(tmp_path / "file") == SHA256


def test_the_bar_is_drawn_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress_bar("photos.zip") as advance:
        advance(1, None)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_bar("photos.zip") as advance:
        advance(1024, 1024)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "photos.zip" in captured.err
