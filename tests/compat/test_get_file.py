"""``get_file``: found by code for either Keras, from a server of ours, and hostile archives."""

import dataclasses
import functools
import hashlib
import http.server
import io
import os
import stat
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from calor.compat import tensorflow_datasets as tfds
from calor.compat.keras.utils import get_file
from calor.data.archive import unpack
from calor.data.catalogue import CATALOGUE
from calor.data.entry import RemoteFile
from calor.errors import ArgumentError, DataError, DownloadError


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is served; its address is in ``site.url``."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("CALOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CALOR_DATA", raising=False)
    monkeypatch.delenv("http_proxy", raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(http.server, "address", f"http://127.0.0.1:{server.server_port}", raising=False)
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


def url(name: str) -> str:
    return f"{http.server.address}/{name}"


def photos(path: Path, top: str = "photos") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{top}/train/cats/cat.0.jpg", "meow")
        archive.writestr("README", "read")


def test_either_keras_finds_what_was_unpacked(site: Path) -> None:
    photos(site / "photos.zip")
    path = get_file("photos.zip", origin=url("photos.zip"), extract=True)
    for base in (Path(path) / "photos", Path(os.path.dirname(path)) / "photos", Path(path).with_suffix("")):  # noqa: PTH120
        assert (base / "train" / "cats" / "cat.0.jpg").read_text() == "meow"
    assert os.listdir(os.path.join(os.path.dirname(path), "photos", "train")) == ["cats"]  # noqa: PTH118, PTH120, PTH208
    (site / "photos.zip").unlink()
    assert get_file("photos.zip", origin=url("photos.zip"), extract=True) == path


def test_a_file_that_is_called_as_what_is_in_it(site: Path) -> None:
    with tarfile.open(site / "flowers.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("flowers/rose/1.jpg")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"rose"))
    path = get_file("flowers", url("flowers.tgz"), untar=True)
    assert (Path(path) / "rose" / "1.jpg").read_text() == "rose"


def test_a_folder_of_ones_own(site: Path, tmp_path: Path) -> None:
    photos(site / "photos.zip")
    photos(site / "others.zip")
    path = get_file(origin=url("photos.zip"), extract=True, cache_dir=tmp_path, cache_subdir="data")
    assert path == str(tmp_path / "data" / "photos.zip")
    assert (tmp_path / "data" / "photos" / "train").is_dir()
    with pytest.raises(DataError, match="is there already and is not from this archive"):
        get_file(origin=url("others.zip"), extract=True, cache_dir=tmp_path, cache_subdir="data")


def test_a_plain_file_and_its_hash(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "table.csv").write_text("1,2")
    digest = hashlib.sha256(b"1,2").hexdigest()
    path = get_file("table.csv", url("table.csv"))
    assert Path(path).read_text() == "1,2"
    assert "Downloading data from http" in capsys.readouterr().out
    (site / "table.csv").write_text("3,4")
    assert Path(get_file("table.csv", url("table.csv"), file_hash=digest)).read_text() == "1,2"
    assert Path(get_file("table.csv", url("table.csv"), force_download=True)).read_text() == "3,4"
    md5 = hashlib.md5(b"3,4", usedforsecurity=False).hexdigest()
    assert get_file("table.csv", url("table.csv"), md5_hash=md5) == path
    with pytest.raises(DownloadError, match="not the file that is expected"):
        get_file("table.csv", url("table.csv"), file_hash=digest)
    assert not Path(path).exists()
    with pytest.raises(DownloadError, match="404"):
        get_file("none.csv", url("none.csv"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs origin"),
        ({"origin": "https://example.com/"}, "no name of a file"),
        ({"origin": "https://example.com/a", "fname": "../a"}, "no name of a file"),
        ({"origin": "https://example.com/a", "fname": "a/b"}, "no name of a file"),
        ({"origin": "file:///etc/passwd"}, "only http and https"),
        ({"origin": "https://example.com/a", "file_hash": "0", "hash_algorithm": "crc"}, "hash_algorithm"),
    ],
)
def test_mistakes(site: Path, settings: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        get_file(**settings)


def zipped(name: str, mode: int = 0, content: bytes = b"/etc/passwd"):
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr("photos/cat.jpg", "meow")
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)

    return make


def tarred(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", packing: str = "w"):
    def make(path: Path) -> None:
        with tarfile.open(path, packing) as archive:  # type: ignore[call-overload]
            for each, type_, data in (("photos/cat.jpg", tarfile.REGTYPE, b"meow"), (name, kind, content)):
                info = tarfile.TarInfo(each)
                info.type, info.size = type_, len(data)
                info.linkname = "/etc/passwd" if type_ in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
                archive.addfile(info, io.BytesIO(data))

    return make


ZEROS = bytes(30 << 20)

HOSTILE = {
    "zip: ..": (zipped("../outside"), "leads out of its folder"),
    "zip: .. inside": (zipped("a/../../outside"), "leads out of its folder"),
    "zip: absolute": (zipped("/outside"), "leads out of its folder"),
    "zip: drive": (zipped("C:outside"), "leads out of its folder"),
    "zip: link": (zipped("link", stat.S_IFLNK | 0o777), "a link"),
    "zip: device": (zipped("device", stat.S_IFCHR | 0o666), "a device"),
    "zip: pipe": (zipped("pipe", stat.S_IFIFO | 0o666), "a device"),
    "zip: bomb": (zipped("zeros", content=ZEROS), "unpacks to more than"),
    "tar: ..": (tarred("../outside"), "leads out of its folder"),
    "tar: .. inside": (tarred("a/../../outside"), "leads out of its folder"),
    "tar: absolute": (tarred("/outside"), "leads out of its folder"),
    "tar: link": (tarred("link", tarfile.SYMTYPE), "a link"),
    "tar: hard link": (tarred("link", tarfile.LNKTYPE), "a link"),
    "tar: device": (tarred("device", tarfile.CHRTYPE), "a device"),
    "tar: block device": (tarred("device", tarfile.BLKTYPE), "a device"),
    "tar: pipe": (tarred("pipe", tarfile.FIFOTYPE), "a device"),
    "tar.gz: bomb": (tarred("zeros", content=ZEROS, packing="w:gz"), "unpacks to more than"),
    "tar.xz: bomb": (tarred("zeros", content=ZEROS, packing="w:xz"), "unpacks to more than"),
    "text": (lambda path: path.write_text("no archive"), "not a zip or tar archive"),
}
"""Archives that would write outside of their folder, or fill the disk."""

hostile = pytest.mark.parametrize(("make", "message"), HOSTILE.values(), ids=HOSTILE.keys())


def nothing_was_written(folder: Path) -> None:
    """No trace of what was in the archive: neither outside of its folder nor in one that is half done."""
    found = [path for path in folder.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]
    assert not found
    assert not [path for path in folder.rglob("*") if path.name in ("outside", "link", "device", "pipe", "zeros")]
    assert not list(folder.rglob("cat.jpg"))
    assert not Path("/outside").exists()


@hostile
def test_hostile_archives(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make, message: str) -> None:
    monkeypatch.setitem(unpack.__kwdefaults__, "limit", 20 << 20)
    make(site / "evil.zip")
    with pytest.raises(DataError, match=message):
        get_file("evil.zip", url("evil.zip"), extract=True)
    nothing_was_written(tmp_path)


@hostile
@pytest.mark.filterwarnings("ignore:.* is not a recorded archive")
def test_hostile_archives_in_place_of_named_data_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make, message: str
) -> None:
    """``tfds.load`` finds a copy in CALOR_DATA, which need not be the recorded one, and unpacks it."""
    monkeypatch.setenv("CALOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CALOR_DATA", str(tmp_path))
    pets = dataclasses.replace(
        CATALOGUE["cats_and_dogs"],
        name="pets",
        archive=RemoteFile("pets.zip", ("http://127.0.0.1:1/pets.zip",), "0" * 64, 1 << 20),
    )
    monkeypatch.setattr("calor.data.catalogue.CATALOGUE", {"pets": pets})
    make(tmp_path / "pets.zip")
    with pytest.raises(DataError, match=message):
        tfds.load("pets", as_supervised=True)
    nothing_was_written(tmp_path)


def test_a_transfer_that_breaks_off_leaves_no_file(site: Path, tmp_path: Path, monkeypatch) -> None:
    class Broken(Quiet):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")

    server = http.server.HTTPServer(("127.0.0.1", 0), Broken)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr("calor.data.download.time.sleep", lambda seconds: None)
    with pytest.raises(DownloadError, match="broke off"):
        get_file("big.zip", f"http://127.0.0.1:{server.server_port}/big.zip", extract=True)
    server.shutdown()
    server.server_close()
    thread.join()
    assert [path.suffix for path in tmp_path.rglob("big.zip*") if path.is_file() and path.suffix != ".lock"] == [
        ".part"
    ]


def test_what_the_catalogue_knows_needs_no_network(tmp_path: Path, monkeypatch, real_data: Path) -> None:
    monkeypatch.setenv("CALOR_CACHE", str(tmp_path))
    origin = "https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip"
    path = get_file("cats_and_dogs_filterted.zip", origin=origin, extract=True)
    assert len(list(Path(path, "cats_and_dogs_filtered", "train", "cats").iterdir())) == 1000
