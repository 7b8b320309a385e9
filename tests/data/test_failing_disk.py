"""Files and disks that fail in the middle: what changes while a model trains, read errors, a full file system.

For read errors, a small library in C, loaded before the system's own, answers reads of some files with an input/output
error, as the kernel does where a disk has a bad block. Such programs run in processes of their own.
"""

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import calor
from calor.errors import CalorWarning, ImageError

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

// Whether the disk is broken where this file lies: its name has BROKEN in it, and the file BROKEN_SINCE is there.
static int broken(int file) {
  const char *part = getenv("BROKEN"), *since = getenv("BROKEN_SINCE");
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return part && strstr(path, part) && (!since || access(since, F_OK) == 0);
}

#define NEXT(name) ((typeof(name) *)dlsym(RTLD_NEXT, #name))
#define FAIL return errno = EIO, -1

ssize_t read(int file, void *to, size_t size) {
  if (broken(file)) FAIL;
  return NEXT(read)(file, to, size);
}
ssize_t pread64(int file, void *to, size_t size, off64_t at) {
  if (broken(file)) FAIL;
  return NEXT(pread64)(file, to, size, at);
}
ssize_t preadv64(int file, const struct iovec *to, int count, off64_t at) {
  if (broken(file)) FAIL;
  return NEXT(preadv64)(file, to, count, at);
}
ssize_t preadv64v2(int file, const struct iovec *to, int count, off64_t at, int flags) {
  if (broken(file)) FAIL;
  return NEXT(preadv64v2)(file, to, count, at, flags);
}
"""

BEGINNING = """
import pathlib, sys, warnings
import numpy as np
from calor.data import Dataset, pixel_cache
pixel_cache.LEAST = 0  # keep the pixels of a few files, too
pixel_cache.SPARE = 0
photos, since = map(pathlib.Path, sys.argv[1:])
warnings.showwarning = lambda message, *_: print("WARNED", message)
def opened():
    return Dataset.from_image_folder(photos, (3, 4), progress=False)
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four pictures each of two classes; each has one grey level, ten times its number."""
    for number in range(8):
        file = tmp_path / "photos" / ("cats" if number < 4 else "dogs") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 12, 3), 10 * number, np.uint8)).save(file)
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("read errors are made by a small library for Linux, and there is no C compiler for it here")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    library = folder / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "shim.c", "-ldl"], check=True)
    return library


@pytest.fixture
def run(photos: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs a program on the photos and a new cache, and gives what it printed."""

    def program(code: str, **environment: object) -> str:
        settings = {"CALOR_CACHE": tmp_path / "cache"} | environment
        done = subprocess.run(
            [sys.executable, "-c", BEGINNING + textwrap.dedent(code), photos, tmp_path / "since"],
            env=os.environ | {name: str(value) for name, value in settings.items()},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return program


def test_a_picture_that_the_disk_does_not_give_is_left_out_by_name_and_tried_again(
    run: Callable[..., str], shim: Path, photos: Path, tmp_path: Path
) -> None:
    code = "print([int(x.mean()) for x, _ in opened()])"
    said = run(code, LD_PRELOAD=shim, BROKEN="dogs/5.png")
    assert f"{photos}/dogs/5.png is damaged or cannot be read: [Errno 5] Input/output error" in said
    assert str([10 * number for number in range(8) if number != 5]) in said
    # A disk that failed once may work the next time: the picture is not remembered as unusable.
    assert not list(tmp_path.glob("cache/pictures/*.pixels"))
    assert "WARNED" not in run(code)


def test_a_disk_that_fails_in_a_later_pass_ends_the_run_with_the_name(
    run: Callable[..., str], shim: Path, photos: Path, tmp_path: Path
) -> None:
    said = run(
        """
        cursor = opened().batch(2).plan(memory_limit=0).start((0,))
        while cursor.take(1) is not None:
            pass
        since.touch()
        try:
            for _ in range(40):
                cursor.take(1)
        except Exception as error:
            print(type(error).__name__, error)
        """,
        LD_PRELOAD=shim,
        BROKEN="cats/2.png",
        BROKEN_SINCE=tmp_path / "since",
        CALOR_CACHE="off",
    )
    assert said.startswith("ImageError 1 picture cannot be read")
    assert f"{photos}/cats/2.png" in said
    assert "Input/output error" in said


@pytest.mark.parametrize("broken", ["reading", "opening"])
def test_a_cache_that_the_disk_does_not_give_is_told_and_the_pictures_are_decoded(
    run: Callable[..., str], shim: Path, tmp_path: Path, broken: str
) -> None:
    run("list(opened())")
    assert len(list(tmp_path.glob("cache/pictures/*.pixels"))) == 1
    said = run(
        f"""
        if {broken == "opening"}:
            since.touch()
        cursor = opened().batch(8).plan(memory_limit=0).start((0,))
        since.touch()
        for _ in range(10):
            block = cursor.take(1)
            if block is not None:
                print(np.asarray(block.columns[0])[:8, 0, 0, 0].tolist())
        """,
        LD_PRELOAD=shim,
        BROKEN=".pixels",
        BROKEN_SINCE=tmp_path / "since",
    )
    assert "are damaged: " in said
    assert "Input/output error" in said or "it cannot be read" in said
    rows = {line for line in said.splitlines() if line.startswith("[")}
    assert rows == {str([10 * number for number in range(8)])}


def test_a_file_system_that_is_full_keeps_nothing_and_the_work_goes_on(
    run: Callable[..., str], photos: Path, tmp_path: Path
) -> None:
    said = run(
        """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # or the system would end the program
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        print(len(list(opened())))
        """
    )
    assert f"{photos}: the decoded pictures cannot be kept in {tmp_path / 'cache'}" in said
    assert "File too large" in said
    assert said.endswith("8\n")
    assert not list((tmp_path / "cache" / "pictures").iterdir())


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-30])


def replaced(file: Path) -> None:
    Image.new("RGB", (9, 12), "red").save(file)


def trained(photos: Path, change: Callable[[Path], object] | None) -> list[float]:
    """The losses of eight epochs that stream; the last picture changes after the first."""

    class Changing(calor.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            if epoch == 0 and change is not None:
                change(photos / "dogs" / "7.png")

    model = calor.Sequential([calor.layers.Flatten(input_shape=(3, 4, 3)), calor.layers.Dense(2)], seed=0)
    model.compile("sgd", calor.losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = calor.data.image_folder(photos, (3, 4), progress=False).shuffle(8, seed=0).batch(4)
    rescaled = batches.map(lambda x, y: (x / 255, y))
    history = model.fit(rescaled, epochs=8, verbose=0, memory_limit=0, callbacks=[Changing()])
    return history.history["loss"]


@pytest.mark.parametrize("change", [Path.unlink, truncated, replaced])
def test_a_file_that_changes_while_training_from_the_cache_changes_nothing(
    photos: Path, cache: Path, change: Callable[[Path], object]
) -> None:
    unbroken = trained(photos, None)
    assert trained(photos, change) == unbroken


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Path.unlink, "does not exist"),
        (truncated, "is cut off|is damaged"),
        (replaced, "has changed since it was first read"),
    ],
)
def test_a_file_that_changes_while_training_without_a_cache_ends_the_run_with_its_name(
    photos: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object], reason: str
) -> None:
    monkeypatch.setenv("CALOR_CACHE", "off")
    # More passes than are read ahead: the change comes in one of the next.
    with pytest.raises(ImageError, match=rf"dogs/7\.png ({reason})"):
        trained(photos, change)


def test_one_corrupt_file_in_a_hundred_is_left_out_by_name(tmp_path: Path, cache: Path) -> None:
    for number in range(200):
        file = tmp_path / "photos" / ("cats" if number < 100 else "dogs") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), number).save(file)
    for name in ("cats/7.png", "dogs/150.png"):
        truncated(tmp_path / "photos" / name)
    for _ in range(2):  # decoded, then from the cache
        with pytest.warns(CalorWarning, match="2 files that cannot be used were skipped") as caught:
            levels = [x[0, 0, 0] for x, _ in calor.data.image_folder(tmp_path / "photos", (4, 4), progress=False)]
        assert all(name in str(caught[0].message) for name in ("cats/7.png is", "dogs/150.png is"))
        assert sorted(levels) == [number for number in range(200) if number not in (7, 150)]
