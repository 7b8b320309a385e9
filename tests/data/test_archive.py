"""Archives that are crafted to escape their folder, to fill the disk, or that are simply damaged."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from calor.data.archive import read_members, unpack
from calor.errors import DataError

FILES = {"photos/train/cats/cat.0.jpg": b"meow" * 1000, "photos/train/dogs/dog.0.jpg": b"woof", "photos/empty": b""}


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photos/nothing/", b"")
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("photos/nothing")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def make_xz(path: Path, files: dict[str, bytes]) -> Path:
    return make_tar(path, files, "w:xz")


def make_bz2(path: Path, files: dict[str, bytes]) -> Path:
    return make_tar(path, files, "w:bz2")


Maker = Callable[[Path, dict[str, bytes]], Path]
kinds = pytest.mark.parametrize("make", [make_zip, make_tar, make_xz, make_bz2])


def refused(tmp_path: Path, archive: Path, message: str, **options: int) -> None:
    """Unpacking fails with the message, the archive's name in it, and leaves nothing behind."""
    folder = tmp_path / "out" / "photos"
    with pytest.raises(DataError, match=message) as caught:
        unpack(archive, folder, **options)
    assert str(archive) in str(caught.value)
    assert list(folder.parent.iterdir()) == []
    assert not (tmp_path / "escaped").exists()


@kinds
def test_files_and_folders_come_out_as_they_went_in(tmp_path: Path, make: Maker) -> None:
    folder = unpack(make(tmp_path / "archive", FILES), tmp_path / "deep" / "out")
    assert folder == tmp_path / "deep" / "out"
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == FILES
    assert (folder / "photos" / "nothing").is_dir()
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    folder = unpack(make_zip(tmp_path / "archive", FILES), tmp_path / "out")
    (folder / "photos" / "empty").write_bytes(b"changed")
    unpack(tmp_path / "archive", folder)
    assert (folder / "photos" / "empty").read_bytes() == b"changed"


def test_another_process_may_have_been_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, folder = make_zip(tmp_path / "archive", FILES), tmp_path / "out"
    rename = Path.rename

    def rename_after_another(path: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        unpack(archive, folder)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_after_another)
    assert (unpack(archive, folder) / "photos" / "train" / "dogs" / "dog.0.jpg").read_bytes() == b"woof"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "out"]


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize(
    "name",
    [
        "../escaped",
        "photos/../../escaped",
        "/tmp/calor-escaped",
        "C:/escaped",
        "..\\escaped",
        "photos/..",
    ],
)
def test_names_that_lead_out_are_refused(tmp_path: Path, make: Maker, name: str) -> None:
    refused(tmp_path, make(tmp_path / "archive", {**FILES, name: b"x"}), "leads out of its folder")


def add_special(path: Path, kind: str) -> Path:
    if kind.startswith("zip"):
        make_zip(path, FILES)
        with zipfile.ZipFile(path, "a") as archive:
            entry = zipfile.ZipInfo("photos/special")
            entry.create_system = 3
            entry.external_attr = {"zip link": stat.S_IFLNK, "zip device": stat.S_IFIFO}[kind] << 16
            archive.writestr(entry, "../../escaped")
        return path
    types = {
        "tar link": tarfile.SYMTYPE,
        "tar hard link": tarfile.LNKTYPE,
        "tar device": tarfile.CHRTYPE,
        "tar pipe": tarfile.FIFOTYPE,
    }
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("photos/special")
        info.type, info.linkname = types[kind], "../../escaped"
        archive.addfile(info)
    return path


@pytest.mark.parametrize("kind", ["zip link", "zip device", "tar link", "tar hard link", "tar device", "tar pipe"])
def test_links_and_devices_are_refused(tmp_path: Path, kind: str) -> None:
    noun = "link" if kind.endswith("link") else "device"
    refused(tmp_path, add_special(tmp_path / "archive", kind), f"'photos/special', a {noun}; only files and folders")


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    data = bytearray(make_zip(tmp_path / "archive", {"photos/cat.jpg": b"meow"}).read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "archive").write_bytes(data)
    refused(tmp_path, tmp_path / "archive", r"'photos/cat\.jpg', an encrypted file")


@kinds
def test_a_bomb_is_refused(tmp_path: Path, make: Maker) -> None:
    archive = make(tmp_path / "archive", {"photos/zeros": bytes(2_000_000)})
    assert archive.stat().st_size < 20_000
    refused(tmp_path, archive, "unpacks to more than 1,000,000 bytes", limit=1_000_000)


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "archive", {"photos/zeros": bytes(500_000)})
    data = archive.read_bytes().replace((500_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    archive.write_bytes(data)
    refused(tmp_path, archive, "is damaged", limit=1_000)


@pytest.mark.parametrize(("offset", "value"), [(8, 8), (10, 99)])
def test_a_zip_of_another_making_is_refused(tmp_path: Path, offset: int, value: int) -> None:
    """A name that claims to be UTF-8 and is not; a compression that does not exist."""
    archive = make_zip(tmp_path / "archive", {"photos/c\N{LATIN SMALL LETTER A WITH GRAVE}t": b"meow"})
    data = bytearray(archive.read_bytes().replace("\N{LATIN SMALL LETTER A WITH GRAVE}".encode(), b"\xff\xff"))
    data[data.rindex(b"PK\x01\x02") + offset + (offset == 8)] = value
    archive.write_bytes(data)
    refused(tmp_path, archive, "is damaged")


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calor.data.archive._MEMBERS", 3)
    refused(tmp_path, make_zip(tmp_path / "archive", FILES), "or 3 entries")


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_name_that_is_both_file_and_folder_is_refused(tmp_path: Path, make: Maker) -> None:
    files = {"photos/cat": b"x", "photos/cat/0.jpg": b"x"}
    refused(tmp_path, make(tmp_path / "archive", files), "'photos/cat/0.jpg' twice")


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        for content in (b"one", b"two"):
            info = tarfile.TarInfo("photos/cat.jpg")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    refused(tmp_path, tmp_path / "archive", r"'photos/cat\.jpg' twice")


@kinds
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_archives_that_are_cut_off_are_refused(tmp_path: Path, make: Maker, share: float) -> None:
    content = {"photos/noise": b"".join(bytes([value * value % 251]) for value in range(50_000)), **FILES}
    archive = make(tmp_path / "archive", content)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    refused(tmp_path, archive, "is damaged|is not a zip or tar archive")


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_flipped_bits_are_found(tmp_path: Path, make: Maker) -> None:
    archive = make(tmp_path / "archive", {"photos/cat.jpg": b"meow, said the cat, and meow again, but otherwise"})
    data = bytearray(archive.read_bytes())
    middle = data.index(b"photos/cat.jpg") + 24 if make is make_zip else len(data) // 2
    data[middle] ^= 0xFF
    archive.write_bytes(data)
    refused(tmp_path, archive, "is damaged|is not a zip or tar archive")


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", bytes(100)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "archive").write_bytes(content)
    refused(tmp_path, tmp_path / "archive", "is not a zip or tar archive")


def test_a_missing_archive_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "nowhere.zip", tmp_path / "out")


def test_a_full_disk_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("calor.data.archive._copy", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(make_zip(tmp_path / "archive", FILES), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


@kinds
def test_files_are_read_without_unpacking(tmp_path: Path, make: Maker) -> None:
    archive = make(tmp_path / "archive", FILES)
    names = ["photos/train/dogs/dog.0.jpg", "photos/empty"]
    assert read_members(archive, names) == {name: FILES[name] for name in names}
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_names_that_begin_with_the_folder_itself(tmp_path: Path) -> None:
    assert read_members(make_tar(tmp_path / "archive", {"./a/b": b"x"}), ["a/b"]) == {"a/b": b"x"}


@kinds
def test_reading_a_cut_off_archive(tmp_path: Path, make: Maker) -> None:
    archive = make(tmp_path / "archive", FILES | {"photos/last": bytes(range(256)) * 100})
    whole = archive.read_bytes()
    for length in (len(whole) // 3, len(whole) * 9 // 10):
        archive.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"is damaged|its end is missing") as caught:
            read_members(archive, ["photos/last"])
        assert str(archive) in str(caught.value)


@pytest.mark.parametrize("name", ["photos/cats", "photos/nothing", "photos"])
def test_reading_what_is_no_file_of_the_archive(tmp_path: Path, name: str) -> None:
    archive = make_tar(tmp_path / "archive", FILES)
    with pytest.raises(DataError, match=rf"archive holds no file {name}; it is the wrong one"):
        read_members(archive, ["photos/empty", name])


def test_reading_more_than_the_limit(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "archive", {"a": bytes(600), "b": bytes(600)})
    assert len(read_members(archive, ["a"], limit=1_000)) == 1
    with pytest.raises(DataError, match="more than 1,000 bytes"):
        read_members(archive, ["a", "b"], limit=1_000)


def test_reading_a_file_whose_length_is_a_lie(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "archive", {"a": bytes(600)})
    with zipfile.ZipFile(archive) as opened:
        true = opened.getinfo("a").file_size
    content = archive.read_bytes()
    central = content.rindex(b"PK\x01\x02")
    lie = (true + 5).to_bytes(4, "little")
    archive.write_bytes(content[: central + 24] + lie + content[central + 28 :])
    with pytest.raises(DataError, match=r"is damaged .*a has not the length"):
        read_members(archive, ["a"])


def test_reading_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_members(tmp_path / "archive", ["a"])
