"""The cache of decoded pictures: found again, never wrong, limited, and never in the way."""

import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import calor
from calor.data import Dataset, images, pixel_cache
from calor.errors import ArgumentError, CalorWarning, DataError, ImageError

pytestmark = pytest.mark.usefixtures("cache")

SIZE = (3, 4)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures each of two classes, and one that is damaged."""
    random = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(3):
            pixels = random.integers(0, 255, (9, 12, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    (tmp_path / "photos" / "cats" / "bad.png").write_text("I am a letter.")
    return tmp_path / "photos"


def read(
    photos: Path, memory_limit: int | None = None, warned: str | None = r"bad\.png is not", **settings: Any
) -> Any:
    """All pixels and labels of a new dataset, with exactly one warning."""
    dataset = Dataset.from_image_folder(photos, SIZE, **settings).batch(2)
    with pytest.warns(CalorWarning, match=warned) as caught:
        plan = dataset.plan(memory_limit)
    assert len(caught) == 1
    return columns(plan)


def prepared(photos: Path, memory_limit: int = 0) -> Any:
    """The source of a new dataset that knows its usable files; streaming, unless there is a limit."""
    source: Any = Dataset.from_image_folder(photos, SIZE)._source
    with pytest.warns(CalorWarning, match=r"bad\.png"):
        source.prepare(memory_limit)
    return source


def columns(plan: Any) -> tuple[np.ndarray, np.ndarray]:
    cursor = plan.start((0,))
    block = cursor.take(9)
    cursor.close()
    indices = block.indices[block.indices >= 0]
    return np.asarray(block.columns[0])[indices], np.asarray(block.columns[1])[indices]


def only_file(cache: Path) -> Path:
    (file,) = cache.iterdir()
    return file


@pytest.mark.parametrize("memory_limit", [None, 0])
def test_a_second_start_decodes_nothing_and_names_the_unusable_again(
    photos: Path, cache: Path, decoded: list[str], memory_limit: int | None
) -> None:
    first = read(photos, memory_limit)
    assert sorted(decoded) == ["0.png", "0.png", "1.png", "1.png", "2.png", "2.png", "bad.png"]
    decoded.clear()
    second = read(photos, memory_limit)
    assert decoded == []
    for ours, theirs in zip(first, second, strict=True):
        assert (ours == theirs).all()
    expected = [
        images.load_image(photos / name / f"{number}.png", SIZE) for name in ("cats", "dogs") for number in range(3)
    ]
    assert (second[0] == np.stack(expected)).all()
    assert second[1].tolist() == [0, 0, 0, 1, 1, 1]
    assert cache.stat().st_mode & 0o777 == 0o700
    assert only_file(cache).stat().st_mode & 0o777 == 0o600


def test_what_does_not_fit_in_memory_is_read_from_the_cache_in_any_order(
    photos: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_cache, "_RUN", 80)  # bytes: two pictures
    source = prepared(photos)
    for file in photos.rglob("?.png"):
        file.unlink()
    decoded.clear()
    pixels = source.read(np.array([5, 0, 1, 2, 3, 3]))[0]
    assert decoded == []
    assert len({picture.tobytes() for picture in pixels}) == 5
    assert (pixels[4] == pixels[5]).all()
    assert (source.read(np.arange(6))[0][[5, 0, 1, 2, 3, 3]] == pixels).all()
    assert source.read(np.array([], np.int32))[0].shape == (0, *SIZE, 3)


@pytest.mark.parametrize(
    "settings",
    [
        {"image_size": (4, 4)},
        {"color_mode": "grayscale"},
        {"interpolation": "nearest"},
        {"resize": "crop"},
        {"resize": "pad"},
        {"resize": "pad", "fill_value": 9},
        {"class_names": ["dogs", "cats"]},
    ],
)
def test_other_settings_are_kept_apart(photos: Path, cache: Path, decoded: list[str], settings: dict[str, Any]) -> None:
    read(photos)
    decoded.clear()
    for expected in (7, 0):
        dataset = Dataset.from_image_folder(photos, **({"image_size": SIZE} | settings))
        with pytest.warns(CalorWarning):
            found = [image for image, _ in dataset]
        assert len(decoded) == expected
        decoded.clear()
    how = {name: value for name, value in settings.items() if name not in ("class_names", "image_size")}
    for image, file in zip(found, dataset.files or (), strict=True):
        assert (image == images.load_image(file, settings.get("image_size", SIZE), **how)).all()
    assert len(list(cache.iterdir())) == 2


def rewritten(file: Path) -> None:
    Image.new("RGB", (9, 9), "red").save(file)


def same_size_and_time(file: Path) -> None:
    """Another picture that has as many bytes, put where the old one was with its time of change."""
    before = file.stat()
    pixels = np.asarray(Image.open(file))
    Image.fromarray(255 - pixels).save(file)
    with file.open("ab") as opened:
        opened.write(bytes(max(before.st_size - file.stat().st_size, 0)))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [rewritten, same_size_and_time, Path.unlink, lambda file: file.rename(file.with_name("3.png"))],
    ids=["rewritten", "same size and time", "deleted", "renamed"],
)
def test_a_changed_folder_is_decoded_again_and_its_old_pixels_make_way(
    photos: Path, cache: Path, decoded: list[str], change: Callable[[Path], object]
) -> None:
    read(photos)
    before = only_file(cache).read_bytes()
    time.sleep(0.02)  # the clock of a file system ticks slowly
    change(photos / "dogs" / "1.png")
    decoded.clear()
    pixels, labels = read(photos)
    assert len(decoded) == len(labels) + 1
    files = [*sorted((photos / "cats").glob("?.png")), *sorted((photos / "dogs").glob("?.png"))]
    assert (pixels == np.stack([images.load_image(file, SIZE) for file in files])).all()
    assert only_file(cache).read_bytes() != before


def test_the_decoder_counts(photos: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    read(photos)
    decoded.clear()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**7)
    read(photos)
    assert len(decoded) == 7


def damages(whole: bytes) -> Iterator[bytes]:
    """The file cut off at every length, with a flipped bit in every byte, too long, too short, with a wrong count."""
    for length in range(len(whole)):
        yield whole[:length]
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        yield bytes(damaged)
    yield whole + b"\0"
    yield whole[:1] + whole[2:]
    yield whole.replace(b'"pictures": ', b'"pictures":9')


def test_any_damage_to_the_file_is_found(cache: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 1, 2, 3)
    request = pixel_cache.Request(Path("/photos"), "settings", ("a", "b"), "fingerprint", (1, 2, 3))
    with pixel_cache.Writer(request, 2) as writer:
        writer.add(pixels)
        assert writer.finish({2: " is bad."}) is not None
    file = only_file(cache)
    whole = file.read_bytes()
    for damaged in damages(whole):
        file.write_bytes(damaged)
        with pytest.warns(CalorWarning, match=r"\.pixels are damaged: .* They are removed, and decoded again"):
            assert found(request) is None
        assert not file.exists()
    file.write_bytes(whole)
    kept = found(request)
    assert kept is not None
    assert (kept[0] == pixels).all()
    assert kept[1] == {2: " is bad."}


def found(request: pixel_cache.Request) -> tuple[np.ndarray, dict[int, str]] | None:
    """All pixels and problems that are kept."""
    kept = pixel_cache.find(request)
    if kept is None:
        return None
    try:
        return kept.read(np.arange(len(kept))), kept.problems
    except pixel_cache.Damaged as error:
        kept.discard(error)
        return None


def test_a_damaged_file_is_told_and_written_again(photos: Path, cache: Path) -> None:
    expected = read(photos)[0]
    file = only_file(cache)
    whole = file.read_bytes()
    for damaged in list(damages(whole))[::60]:
        file.write_bytes(damaged)
        assert damage_is_told(photos, expected)
        assert file.read_bytes() == whole


def damage_is_told(photos: Path, expected: np.ndarray) -> bool:
    """Whether a new start warns once that the cache is damaged, and has the right pixels all the same."""
    source: Any = Dataset.from_image_folder(photos, SIZE)._source
    with pytest.warns(CalorWarning) as caught:
        source.prepare(1 << 30)
    pixels = source.read(np.arange(6))[0]
    told = [str(warning.message) for warning in caught]
    return (pixels == expected).all() and len(told) == 2 and "are damaged: " in told[0] and "bad.png" in told[1]


@pytest.mark.parametrize("damage", ["flipped", "cut off", "unreadable"])
def test_damage_while_streaming_is_told_once_and_the_files_are_decoded(
    photos: Path, cache: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    expected = read(photos)[0]
    source = prepared(photos)
    file = only_file(cache)
    if damage == "unreadable":

        def failing(*_: object) -> int:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "preadv", failing)
    else:
        whole = bytearray(file.read_bytes())
        whole[5 * 36 + 7] ^= 1
        file.write_bytes(whole if damage == "flipped" else whole[:200])
    decoded.clear()
    if damage == "flipped":  # the last picture only
        assert (source.read(np.arange(5))[0] == expected[:5]).all()
    with pytest.warns(CalorWarning, match="checksum is wrong|is cut off|cannot be read: Input/output error"):
        again = source.read(np.arange(6))[0]
    assert (again == expected).all()
    assert (source.read(np.arange(6))[0] == expected).all()
    assert len(decoded) == 12
    assert not file.exists()


def test_of_two_processes_the_newer_file_stays_when_the_older_is_found_damaged(photos: Path, cache: Path) -> None:
    read(photos)
    source = prepared(photos)
    file = only_file(cache)
    whole = file.read_bytes()
    file.write_bytes(bytes(len(whole)))  # the one that is open
    other = file.with_name("other")
    other.write_bytes(whole)
    other.replace(file)
    with pytest.warns(CalorWarning, match="damaged"):
        source.read(np.arange(6))
    assert file.read_bytes() == whole


def test_without_a_cache_a_file_that_changes_while_streaming_is_named(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALOR_CACHE", "off")
    source = prepared(photos)
    (photos / "dogs" / "2.png").chmod(0o600)  # changes nothing in the picture
    assert len(source.read(np.arange(6))[0]) == 6
    rewritten(photos / "dogs" / "1.png")
    with pytest.raises(ImageError, match=r"dogs/1\.png has changed since it was first read. Start again"):
        source.read(np.arange(6))
    (photos / "dogs" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match=r"dogs/0\.png is"):
        source.read(np.array([3]))


def test_nothing_is_kept_of_small_folders_or_where_the_user_says_so(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_cache, "LEAST", sum(file.stat().st_size for file in photos.rglob("*.png")) + 1)
    read(photos)
    monkeypatch.setattr(pixel_cache, "LEAST", 0)
    with monkeypatch.context() as patch:
        patch.setenv("CALOR_CACHE", "off")
        read(photos)
    monkeypatch.setattr(pixel_cache, "fcntl", None)  # as on Windows
    read(photos)
    assert not cache.exists()


def test_what_fails_for_once_is_not_kept_as_unusable(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def failing(path: Path, *arguments: Any, **settings: Any) -> Any:
        if path.name == "1.png":
            raise OSError(errno.EIO, "Input/output error")
        return opened(path, *arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", failing)
        assert len(read(photos, warned="Input/output error")[0]) == 4
    assert list(cache.iterdir()) == []
    assert len(read(photos)[0]) == 6


def test_a_class_without_usable_pictures_is_known_again(photos: Path, decoded: list[str]) -> None:
    for file in (photos / "dogs").iterdir():
        file.write_text("letter")
    for expected in (7, 0):
        with pytest.raises(DataError, match=r"no usable picture: 'dogs'. .*dogs/0\.png is not a picture"):
            len(Dataset.from_image_folder(photos, SIZE))
        assert len(decoded) == expected
        decoded.clear()


def test_messages_name_files_as_they_are_given_now(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(photos)
    monkeypatch.chdir(photos.parent)
    read(Path("photos"), warned=r"\n  photos/cats/bad\.png is not a picture")


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


MAKE_FILE = tempfile.NamedTemporaryFile


def full_file(**how: Any) -> Any:
    """A file that can be made, but not written to."""
    with MAKE_FILE(**how) as file:
        return FullFile(Path(file.name).open("wb", buffering=0))


class FullFile:
    def __init__(self, file: Any) -> None:
        self.name = file.name
        self.fileno = file.fileno
        self.close = file.close
        self.write = full_disk


@pytest.mark.parametrize("memory_limit", [None, 0])
@pytest.mark.parametrize("failing", ["write", "fsync", "no room", "mkdir", "others", "permission"])
def test_a_cache_that_cannot_be_written_is_told_and_the_work_goes_on(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, failing: str, memory_limit: int | None
) -> None:
    reason = "No space left on device"
    with monkeypatch.context() as patch:
        if failing == "write":
            patch.setattr(pixel_cache.tempfile, "NamedTemporaryFile", full_file)
        elif failing == "fsync":
            patch.setattr(os, "fsync", full_disk)
        elif failing == "no room":
            patch.setattr(pixel_cache.shutil, "disk_usage", lambda _: Usage)
            reason = r"the disk has 0\.0 GB left, and 0\.0 GB are needed"
        elif failing == "mkdir":
            cache.parent.write_text("a file")
            reason = "File exists|Not a directory"
        elif failing == "others":
            cache.mkdir(parents=True)
            cache.chmod(0o777)
            reason = "Others can write to it"
        elif failing == "permission":
            patch.setattr(os, "access", lambda *_: False)
            reason = "Permission denied"
        dataset = Dataset.from_image_folder(photos, SIZE).batch(2)
        with pytest.warns(CalorWarning) as caught:
            plan = dataset.plan(memory_limit)
        assert len(caught) == 2
        assert re.search(rf"cannot be kept in \S+: ({reason})\. .*CALOR_CACHE=off", str(caught[0].message))
        assert columns(plan)[1].tolist() == [0, 0, 0, 1, 1, 1]
    assert not cache.is_dir() or list(cache.iterdir()) == []


class Usage:
    free = 1000


def test_the_limit_makes_room_and_refuses_what_is_larger(
    photos: Path, cache: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for age, mode in enumerate(["nearest", "area", "lanczos"]):
        read(photos, interpolation=mode)
        newest = max(cache.iterdir(), key=lambda file: file.stat().st_ctime_ns)
        os.utime(newest, (1e9 - age, 1e9 - age))
    size = newest.stat().st_size
    read(photos, interpolation="lanczos")  # used again; "area" is the oldest now
    decoded.clear()
    monkeypatch.setenv("CALOR_CACHE_LIMIT", f"{3 * size} B")
    read(photos, interpolation="bicubic")
    assert len(decoded) == 7
    decoded.clear()
    assert len(list(cache.iterdir())) == 3
    for mode in ("nearest", "lanczos", "bicubic"):
        read(photos, interpolation=mode)
    assert decoded == []
    monkeypatch.setenv("CALOR_CACHE_LIMIT", "100")
    with pytest.warns(CalorWarning) as caught:
        assert len(Dataset.from_image_folder(photos, SIZE)) == 6
    assert "are not kept, and will be decoded again: they have 0.0 GB" in str(caught[0].message)
    assert len(list(cache.iterdir())) == 3


def test_limits_in_words(monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    for text, expected in {
        "": 10**10,
        "5": 5,
        "2.5 GB": 25 * 10**8,
        "3k": 3000,
        "1tb": 10**12,
        " 7 MB ": 7 * 10**6,
    }.items():
        monkeypatch.setenv("CALOR_CACHE_LIMIT", text)
        assert pixel_cache.cache_limit() == expected
    monkeypatch.setenv("CALOR_CACHE_LIMIT", "much")
    with pytest.raises(ArgumentError, match=r"CALOR_CACHE_LIMIT='much': write bytes, or a size such as 500 MB"):
        len(Dataset.from_image_folder(photos, SIZE))


PROGRAM = """
import sys, time
from calor.data import Dataset, images, pixel_cache
import calor.data.picture_store

pixel_cache.LEAST = 0
calor.data.picture_store.CHUNK = 1

def progress(done, total):
    print(done, flush=True)
    if done == {stop_at}:
        time.sleep(60)

import warnings
warnings.simplefilter("ignore")
dataset = Dataset.from_image_folder({photos!r}, (3, 4), progress=progress)
print("sum", sum(int(image.sum()) for image, _ in dataset), flush=True)
"""


def program(photos: Path, stop_at: int = 0) -> "subprocess.Popen[str]":
    code = textwrap.dedent(PROGRAM).format(photos=str(photos), stop_at=stop_at)
    environment = os.environ | {"PYTHONPATH": str(Path(calor.__file__).parents[1])}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


def test_a_killed_process_leaves_a_temporary_file_that_the_next_one_removes(photos: Path, cache: Path) -> None:
    with program(photos, stop_at=5) as killed:
        assert killed.stdout is not None
        for line in killed.stdout:
            if line == "5\n":
                break
        left = only_file(cache)
        assert left.suffix == ".part"
        assert pixel_cache.clear() == 0  # it is being written
        assert left.exists()
        killed.send_signal(signal.SIGKILL)
    assert left.exists()
    pixels = read(photos)[0]
    assert only_file(cache).suffix == ".pixels"
    assert len(pixels) == 6


def test_two_processes_at_once_and_what_they_leave_is_whole(photos: Path, cache: Path, decoded: list[str]) -> None:
    with program(photos) as one, program(photos) as other:
        outputs = [process.communicate()[0].splitlines()[-1] for process in (one, other)]
    pixels = read(photos)[0]
    assert decoded == []
    assert outputs == [f"sum {pixels.sum()}"] * 2
    assert only_file(cache).suffix == ".pixels"


def test_old_leftovers_go_where_files_cannot_be_locked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(pixel_cache.fcntl, "flock", full_disk)
    for name, age in (("new.part", 0), ("old.part", 2 * 24 * 3600)):
        (cache / name).write_bytes(bytes(10))
        os.utime(cache / name, (time.time() - age,) * 2)
    assert pixel_cache.clear() == 10
    assert only_file(cache).name == "new.part"


def test_an_interrupted_scan_leaves_nothing(photos: Path, cache: Path) -> None:
    def interrupted(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    dataset = Dataset.from_image_folder(photos, SIZE, progress=interrupted)
    with pytest.raises(KeyboardInterrupt):
        len(dataset)
    assert list(cache.iterdir()) == []


def test_entries_and_clearing(photos: Path, cache: Path) -> None:
    assert pixel_cache.entries() == []
    assert pixel_cache.clear() == 0
    read(photos)
    read(photos, resize="pad", color_mode="grayscale")
    old, new = sorted(cache.iterdir(), key=lambda file: file.stat().st_ctime_ns)
    os.utime(old, (1e9, 1e9))
    first, second = pixel_cache.entries()
    assert (first.file, second.file) == (old, new)
    assert first.used == 1e9
    assert Path(first.folder) == photos
    assert first.pictures == 6
    assert first.size == old.stat().st_size
    assert first.settings == "3 × 4, rgb, bilinear, stretch"
    assert second.settings == "3 × 4, grayscale, bilinear, pad on 0"
    (cache / "x.pixels").write_bytes(bytes(50))
    (cache / "y.part").write_bytes(bytes(5))
    assert [entry.settings for entry in pixel_cache.entries()][2:] == ["damaged", "unfinished"]
    assert pixel_cache.clear(before=2e9 - 1e9 / 2) == first.size + 5
    assert sorted(file.name for file in cache.iterdir()) == sorted([new.name, "x.pixels"])
    assert pixel_cache.clear() == second.size + 50
    assert list(cache.iterdir()) == []
