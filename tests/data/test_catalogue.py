"""Named data sets: found in a folder or downloaded from a local server, verified, and unpacked under their hash."""

import gzip
import hashlib
import tarfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calor.data import archive, catalogue
from calor.data.catalogue import CATALOGUE, fetch, load, local_files
from calor.data.dataset import Dataset
from calor.data.download import file_digest
from calor.data.entry import CifarEntry, Entry, FolderEntry, IdxEntry, RemoteFile
from calor.data.named import NamedData
from calor.errors import ArgumentError, CalorWarning, DataError, DownloadError, UnknownNameError

IMAGES = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)
LABELS = np.array([2, 0, 1, 1, 0, 1], np.uint8)


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


PICTURES = np.arange(3 * 32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(3, 32, 32, 3)
RECORDS = [(bytes([0, 2]), PICTURES[0]), (bytes([1, 0]), PICTURES[1]), (bytes([1, 1]), PICTURES[2])]


def cifar(records: list[tuple[bytes, np.ndarray]]) -> bytes:
    """Label bytes and pictures ``(32, 32, 3)`` in CIFAR's format: red, then green, then blue."""
    return b"".join(labels + picture.transpose(2, 0, 1).tobytes() for labels, picture in records)


def jpeg(colour: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (20 + colour, 16), (colour, 100, 50)).save(file, "JPEG")
    return file.getvalue()


def photos(path: Path, *, train: int = 3, root: str = "pets", colour: int = 0) -> Path:
    """A zip of ``train`` training pictures and one validation picture of each of two classes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for kind in ("cats", "dogs"):
            for number in range(train):
                archive.writestr(f"{root}/train/{kind}/{kind}.{number}.jpg", jpeg(colour + number))
            archive.writestr(f"{root}/validation/{kind}/{kind}.9.jpg", jpeg(colour))
        archive.writestr(f"{root}/readme.txt", "not a picture")
    return path


class Home:
    """A data set's home on this machine: what lies in ``folder`` is served at ``url``."""

    def __init__(self, folder: Path, url: str, asked: list[str]) -> None:
        self.folder, self.url, self.asked = folder, url, asked

    def file(self, path: str, sha256: str, contents: bool = False, also: tuple[str, ...] = ()) -> RemoteFile:
        return RemoteFile(path, (f"{self.url}/{path}",), sha256, 5_000, contents, also)

    def clothes(self, labels_of_train: np.ndarray = LABELS, **contents: bytes) -> IdxEntry:
        """A small Fashion-MNIST; the recorded hashes are the right contents', whatever is served."""
        served = {"images": idx(IMAGES), "labels": idx(labels_of_train)}
        files = []
        for name, right in served.items():
            (self.folder / f"{name}.gz").write_bytes(contents.get(name, gzip.compress(right, 1)))
            files.append(self.file(f"{name}.gz", hashlib.sha256(right).hexdigest(), contents=True))
        splits = MappingProxyType({"train": 6})
        return IdxEntry("clothes", "", "", "", ("a", "b", "c"), splits, MappingProxyType({"train": tuple(files)}))

    def things(self, label: int = 1, **members: bytes) -> CifarEntry:
        """A small CIFAR-100 of two superclasses and three classes; ``members`` stand in for what is right."""
        contents = {"train": cifar(RECORDS), "test": cifar(RECORDS[:2])} | members
        with tarfile.open(self.folder / "things.tar.gz", "w:gz") as file:
            for name, content in contents.items():
                member = tarfile.TarInfo(f"./things/{name}.bin")
                member.size = len(content)
                file.addfile(member, BytesIO(content))
        remote = self.file("things.tar.gz", file_digest(self.folder / "things.tar.gz"))
        names = MappingProxyType({"train": ("things/train.bin",), "test": ("things/test.bin",)})
        splits = MappingProxyType({"train": 3, "test": 2})
        classes = (("x", "y"), ("a", "b", "c"))[label]
        return CifarEntry("things", "", "", "", classes, splits, remote, names, (2, 3), label)

    def pets(self, also: tuple[str, ...] = (), **options: Any) -> FolderEntry:
        remote = self.file("pets.zip", file_digest(photos(self.folder / "pets.zip", **options)), also=also)
        splits = MappingProxyType({"train": 6, "validation": 2})
        folders = MappingProxyType({"train": "pets/train", "validation": "pets/validation"})
        pictures = MappingProxyType({"train": (3, 3), "validation": (1, 1)})
        return FolderEntry("pets", "", "", "", ("cats", "dogs"), splits, remote, folders, pictures, (8, 8))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    folder = tmp_path / "home"
    folder.mkdir()
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            asked.append(self.path)

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("CALOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CALOR_DATA", raising=False)
    monkeypatch.delenv("CALOR_OFFLINE", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Home(folder, f"http://127.0.0.1:{httpd.server_port}", asked)
        httpd.shutdown()
        thread.join()


def add(monkeypatch: pytest.MonkeyPatch, entry: Entry) -> str:
    monkeypatch.setattr(catalogue, "CATALOGUE", {**CATALOGUE, entry.name: entry})
    return entry.name


def opened(monkeypatch: pytest.MonkeyPatch, entry: Entry, **options: Any) -> NamedData:
    return load(add(monkeypatch, entry), **options)


def test_arrays_are_downloaded_once_and_come_in_their_order(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        data = opened(monkeypatch, home.clothes())
        images, labels = data.arrays("train")
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, IMAGES[..., None])
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(labels, LABELS)
    assert home.asked == ["/images.gz", "/labels.gz"]
    assert data.class_names == ("a", "b", "c")
    assert data.splits == {"train": 6}


def test_a_dataset_has_the_elements_of_the_arrays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    data = opened(monkeypatch, home.clothes(), progress=False)
    assert isinstance(data.train, Dataset)
    elements = list(data.train)
    assert len(elements) == len(data.train) == 6
    for (image, label), right_image, right_label in zip(elements, IMAGES, LABELS, strict=True):
        np.testing.assert_array_equal(image, right_image[..., None])
        assert label == right_label


def test_a_split_or_kind_that_is_not_there(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    clothes = opened(monkeypatch, home.clothes())
    with pytest.raises(UnknownNameError, match=r"no split of clothes called 'test'\. Known: train"):
        _ = clothes.test
    with pytest.raises(ArgumentError, match="clothes is arrays, not a folder"):
        clothes.folder("train")
    with pytest.raises(ArgumentError, match=r"clothes are 4x5; leave image_size=\(8, 8\) out"):
        clothes.dataset("train", image_size=(8, 8))
    pets = opened(monkeypatch, home.pets())
    with pytest.raises(ArgumentError, match="pets is a folder of pictures"):
        pets.arrays("train")
    with pytest.raises(UnknownNameError, match="no split of pets called 'test'"):
        _ = pets.test


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"'cats-and-dogs'[.] Did you mean 'cats_and_dogs'"):
        load("cats-and-dogs")


@pytest.mark.parametrize(
    "served",
    [b"<html>busy</html>", gzip.compress(idx(LABELS[::-1])), idx(LABELS)[:8]],
    ids=["page", "other labels", "cut off"],
)
def test_a_wrong_download_is_not_used(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, served: bytes
) -> None:
    with pytest.raises(DownloadError, match=r"labels\.gz"):
        opened(monkeypatch, home.clothes(labels=served))
    assert [path.name for path in (tmp_path / "cache" / "downloads").iterdir()] == ["images.gz"]


def test_another_gzip_wrapper_of_the_same_contents_is_right(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    data = opened(monkeypatch, home.clothes(labels=gzip.compress(idx(LABELS), 9, mtime=7)))
    np.testing.assert_array_equal(data.arrays("train")[1], LABELS)


def test_a_local_file_with_wrong_contents_is_named(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = home.clothes()
    (home.folder / "labels.gz").write_bytes(gzip.compress(idx(LABELS[::-1])))
    with pytest.raises(DataError, match=r"home.labels\.gz is not the file that is expected.*SHA-256"):
        opened(monkeypatch, entry, data_dir=home.folder)
    assert home.asked == []


def test_counts_that_do_not_fit_the_catalogue(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = home.clothes()
    fewer = IdxEntry("clothes", "", "", "", entry.class_names, {"train": 7}, entry.columns)
    with pytest.raises(DataError, match=r"images\.gz holds 6 examples, where the train split of clothes has 7"):
        opened(monkeypatch, fewer)


def test_a_label_without_a_class(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"labels\.gz holds the label 3, where clothes has 3 classes"):
        opened(monkeypatch, home.clothes(labels_of_train=LABELS + 1))


@pytest.mark.parametrize(("label", "right"), [(0, [0, 1, 1]), (1, [2, 0, 1])])
def test_cifar_comes_with_either_label(
    home: Home, monkeypatch: pytest.MonkeyPatch, label: int, right: list[int]
) -> None:
    data = opened(monkeypatch, home.things(label))
    images, labels = data.arrays("train")
    np.testing.assert_array_equal(images, PICTURES)
    assert images.flags.c_contiguous
    np.testing.assert_array_equal(labels, right)
    assert labels.dtype == np.int32
    assert len(data.test) == 2
    image, first = next(iter(data.test))
    np.testing.assert_array_equal(image, PICTURES[0])
    assert first == right[0]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"train": cifar(RECORDS)[:-1]}, r"things/train\.bin in .*things\.tar\.gz is cut off"),
        ({"test": cifar([(bytes([0, 3]), PICTURES[0])])}, r"things/test\.bin in .* label 3 of record 0 is not below 3"),
        ({"test": cifar(RECORDS)}, r"things\.tar\.gz holds 3 examples, where the test split of things has 2"),
    ],
    ids=["cut off", "label", "count"],
)
def test_a_cifar_archive_that_holds_something_else(
    home: Home, monkeypatch: pytest.MonkeyPatch, members: dict[str, bytes], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        opened(monkeypatch, home.things(**members))


def test_a_local_cifar_archive_with_another_hash_is_not_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = home.things()
    content = (home.folder / "things.tar.gz").read_bytes()
    for wrong in (content[:-9], content[:-9] + b"x" + content[-8:]):
        (home.folder / "things.tar.gz").write_bytes(wrong)
        with pytest.raises(
            DataError, match=r"things\.tar\.gz is not the file that is expected: its bytes have SHA-256"
        ):
            opened(monkeypatch, entry, data_dir=home.folder)


def test_the_local_folder_comes_first_and_is_never_written(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = home.pets()
    monkeypatch.setenv("CALOR_DATA", str(home.folder))
    before = sorted(home.folder.rglob("*"))
    data = opened(monkeypatch, entry)
    assert home.asked == []
    assert sorted(home.folder.rglob("*")) == before
    assert data.folder("train").is_relative_to(tmp_path / "cache" / "unpacked")


def test_what_the_local_folder_lacks_is_downloaded_into_the_cache(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CALOR_DATA", str(tmp_path))
    opened(monkeypatch, home.pets())
    assert home.asked == ["/pets.zip"]
    assert (tmp_path / "cache" / "downloads" / "pets.zip").is_file()


def test_a_chosen_folder_takes_the_downloads(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened(monkeypatch, home.pets(), data_dir=tmp_path / "mine")
    assert (tmp_path / "mine" / "pets.zip").is_file()


def test_a_local_folder_that_does_not_exist(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CALOR_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"CALOR_DATA names .*nowhere', which is not a folder"):
        opened(monkeypatch, home.pets())


def test_pictures_come_in_folders_and_datasets(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    data = opened(monkeypatch, home.pets())
    assert sorted(path.name for path in (data.folder("validation") / "cats").iterdir()) == ["cats.9.jpg"]
    assert len(data.train) == 6
    image, label = next(iter(data.validation))
    assert image.shape == (8, 8, 3)
    assert image.dtype == np.uint8
    assert label == 0
    image, _ = next(iter(data.dataset("train", image_size=(10, 12))))
    assert image.shape == (10, 12, 3)


def test_an_archive_is_unpacked_once_and_a_changed_one_anew(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    other = file_digest(photos(home.folder / "other.zip", colour=9))
    entry = home.pets(also=(other,))
    first = opened(monkeypatch, entry, data_dir=home.folder).folder("train")
    stamp = first.stat().st_mtime_ns
    assert opened(monkeypatch, entry, data_dir=home.folder).folder("train") == first
    assert first.stat().st_mtime_ns == stamp
    (home.folder / "other.zip").replace(home.folder / "pets.zip")
    second = opened(monkeypatch, entry, data_dir=home.folder).folder("train")
    assert second != first
    assert (second / "cats" / "cats.0.jpg").read_bytes() != (first / "cats" / "cats.0.jpg").read_bytes()


def test_a_local_archive_that_is_not_recorded_is_used_with_a_word(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = home.pets()
    photos(home.folder / "pets.zip", colour=5)
    with pytest.warns(CalorWarning, match=r"pets\.zip is not a recorded archive of pets") as word:
        assert len(opened(monkeypatch, entry, data_dir=home.folder).train) == 6
    assert word[0].filename == __file__


def test_a_download_that_is_not_recorded_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = home.pets(also=("a" * 64,))
    photos(home.folder / "pets.zip", colour=5)
    with pytest.raises(DownloadError, match="not the file that is expected"):
        opened(monkeypatch, entry)


def test_an_archive_with_other_counts_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DataError, match=r"train holds 2 cats, 2 dogs, where the train split of pets has 3 cats, 3 dogs"
    ):
        opened(monkeypatch, home.pets(train=2), data_dir=home.folder)
    with pytest.raises(DataError, match="train holds 0 cats, 0 dogs"):
        opened(monkeypatch, home.pets(root="elsewhere"), data_dir=home.folder)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


def escaping(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("pets/../../../escaped.jpg", b"out")


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("pets/train/cats/large.jpg", bytes(5 << 20))


@pytest.mark.filterwarnings("ignore:.*is not a recorded archive")
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (cut_off, r"pets\.zip is not a zip or tar archive, or its end is missing"),
        (escaping, r"pets\.zip holds the name .*escaped\.jpg', which leads out of its folder"),
        (bomb, r"pets\.zip unpacks to more than 4,194,304 bytes"),
    ],
)
def test_a_spoilt_local_archive_is_named(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    entry = home.pets()
    spoil(home.folder / "pets.zip")
    with pytest.raises(DataError, match=message):
        opened(monkeypatch, entry, data_dir=home.folder)
    assert list(tmp_path.rglob("escaped.jpg")) == []
    assert list((tmp_path / "cache" / "unpacked").iterdir()) == []


def test_class_folders_without_a_split_and_of_many_sizes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(home.folder / "flowers.tgz", "w:gz") as file:
        for name in ["LICENSE.txt", "roses/1.jpg", "roses/2.jpg", "daisy/1.jpg"]:
            member = tarfile.TarInfo(f"flowers/{name}")
            member.size = len(jpeg(5))
            file.addfile(member, BytesIO(jpeg(5)))
    remote = home.file("flowers.tgz", file_digest(home.folder / "flowers.tgz"))
    entry = FolderEntry(
        "flowers", "", "", "", ("daisy", "roses"), {"train": 3}, remote, {"train": "flowers"}, {"train": (1, 2)}, (8, 8)
    )
    data = opened(monkeypatch, entry)
    assert [int(label) for _, label in data.train] == [0, 1, 1]
    assert (data.folder("train") / "LICENSE.txt").is_file()
    with pytest.raises(UnknownNameError, match=r"no split of flowers called 'test'\. Known: train"):
        _ = data.test


def test_no_room_to_unpack(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "_copy", full)
    with pytest.raises(DownloadError, match=r"Cannot unpack .*pets\.zip into .*: No space left on device\. Make room"):
        opened(monkeypatch, home.pets())


def test_pictures_lost_from_the_cache_are_noticed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    data = opened(monkeypatch, home.pets())
    next((data.folder("train") / "cats").iterdir()).unlink()
    with pytest.raises(DataError, match=r"2 cats, 3 dogs.*Delete .*pets"):
        opened(monkeypatch, home.pets())


def test_offline_all_missing_files_are_named(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CALOR_OFFLINE", "1")
    entry = home.clothes()
    with pytest.raises(DownloadError, match=r"images\.gz, labels\.gz: not on this machine") as caught:
        opened(monkeypatch, entry)
    for name in ("images.gz", "labels.gz"):
        assert f"{home.url}/{name}\n    as {tmp_path / 'cache' / 'downloads' / name}" in str(caught.value)
    monkeypatch.setenv("CALOR_DATA", str(home.folder))
    assert len(opened(monkeypatch, entry).train) == 6
    assert home.asked == []


def test_files_are_fetched_and_found_without_being_read(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = add(monkeypatch, home.clothes())
    folder = tmp_path / "mine"
    before = local_files(name, data_dir=folder)
    assert [(local.path, local.here) for local in before] == [
        (folder / "images.gz", False),
        (folder / "labels.gz", False),
    ]
    assert before[0].problem() == "it is not here"
    assert home.asked == []
    fetched = fetch(name, data_dir=folder)
    assert fetched == local_files(name, data_dir=folder)
    assert [local.problem() for local in fetched] == [None, None]
    fetched[1].path.write_bytes(gzip.compress(idx(LABELS[::-1])))
    assert fetched[0].problem() is None
    assert str(fetched[1].problem()).startswith("its contents have SHA-256 ")
    assert fetch(name, data_dir=folder) == fetched
    assert home.asked == ["/images.gz", "/labels.gz"]


def test_another_recorded_archive_is_right(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    other = file_digest(photos(home.folder / "other.zip", colour=9))
    name = add(monkeypatch, home.pets(also=(other,)))
    (home.folder / "other.zip").replace(home.folder / "pets.zip")
    assert [local.problem() for local in local_files(name, data_dir=home.folder)] == [None]


def test_the_catalogue_says_what_a_user_must_know() -> None:
    assert sorted(CATALOGUE) == [
        "cats_and_dogs",
        "cifar10",
        "cifar100",
        "cifar100_coarse",
        "fashion_mnist",
        "flower_photos",
        "mnist",
    ]
    paths: dict[str, RemoteFile] = {}
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert entry.title
        assert entry.home.startswith("https://")
        assert entry.licence
        assert len(set(entry.class_names)) == len(entry.class_names)
        for file in entry.files:
            assert paths.setdefault(file.path, file) == file
            assert len(set(file.urls)) == len(file.urls)
            for url in file.urls:
                assert url.endswith("/" + file.path.rpartition("/")[2])
            for sha256 in (file.sha256, *file.also):
                assert len(bytes.fromhex(sha256)) == 32


def test_the_sizes_in_the_catalogue_fit_each_other() -> None:
    classes = {name: len(entry.class_names) for name, entry in CATALOGUE.items()}
    assert classes == {
        "fashion_mnist": 10,
        "mnist": 10,
        "cifar10": 10,
        "cifar100": 100,
        "cifar100_coarse": 20,
        "cats_and_dogs": 2,
        "flower_photos": 5,
    }
    for entry in CATALOGUE.values():
        if isinstance(entry, FolderEntry):
            assert {split: sum(counts) for split, counts in entry.pictures.items()} == entry.splits
            assert all(len(counts) == len(entry.class_names) for counts in entry.pictures.values())
            assert entry.folders.keys() == entry.splits.keys()
        if isinstance(entry, CifarEntry):
            assert entry.label_bytes[entry.label] == len(entry.class_names)
            # The format is not compressed, and pictures shrink little: the archives are about as large as the arrays.
            records = sum(entry.splits.values()) * (3_072 + len(entry.label_bytes))
            assert 0.85 * records < entry.size < records


def test_the_real_fashion_mnist(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load("fashion_mnist", data_dir=real_data)
    for split, count in data.splits.items():
        images, labels = data.arrays(split)
        assert images.shape == (count, 28, 28, 1)
        assert labels.shape == (count,)
        np.testing.assert_array_equal(np.bincount(labels), count // 10)
    # As the course shows: the first training picture is an ankle boot, so is the first test picture.
    assert data.class_names[data.arrays("train")[1][0]] == "Ankle boot"
    assert data.class_names[data.arrays("test")[1][0]] == "Ankle boot"


def test_the_real_cats_and_dogs(real_data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CALOR_CACHE", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load("cats_and_dogs", data_dir=real_data)
    assert data.class_names == ("cats", "dogs")
    assert dict(data.splits) == {"train": 2000, "validation": 1000}
    assert len(list((data.folder("validation") / "dogs").iterdir())) == 500
