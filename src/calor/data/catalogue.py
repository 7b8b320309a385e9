"""The named data sets: what they hold, under which licence, where they come from; and loading them, verified.

A data set's files are looked for in the folder that is given, else in the one that the environment variable
CALOR_DATA names, else in the user's cache folder, into which they are downloaded when they are nowhere.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from calor._cache import cache_folder
from calor.data.archive import unpack
from calor.data.download import download, file_digest, progress_bar
from calor.data.idx import idx_digest, read_idx
from calor.data.named import NamedArrays, NamedData, NamedFolders
from calor.errors import DataError, UnknownNameError, warn

__all__ = ["CATALOGUE", "ArchiveEntry", "Entry", "IdxEntry", "RemoteFile", "load"]


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set.

    Attributes:
        path: Where it lies below the data folder, with forward slashes.
        urls: The addresses that serve it, the first one first.
        sha256: The hash of what they serve, in lower-case hexadecimal.
        limit: The most bytes that a download may have.
        also: Hashes of other files that may stand in for it in a data folder.
    """

    path: str
    urls: tuple[str, ...]
    sha256: str
    limit: int
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """What the catalogue says of a data set.

    Attributes:
        name: Its name for ``load``.
        title: What it is, in a line.
        home: The page that describes it.
        licence: The terms under which it may be used.
        class_names: The classes, in the order of their labels.
        splits: The number of examples in each split.
    """

    name: str
    title: str
    home: str
    licence: str
    class_names: tuple[str, ...]
    splits: Mapping[str, int]

    def open(self, locate: "Locate") -> NamedData:
        """Reads the data set from its files; ``locate`` gives the path of each."""
        raise NotImplementedError


Locate = Callable[[RemoteFile, Callable[[Path], str]], Path]
"""Gives the path of a file, downloaded where need be; the second argument computes the hash it is verified by."""


@dataclass(frozen=True)
class IdxEntry(Entry):
    """A data set in IDX files: images and labels of each split, with the hashes of their uncompressed bytes."""

    files: Mapping[str, tuple[RemoteFile, RemoteFile]]

    def open(self, locate: Locate) -> NamedData:
        """Reads and verifies every file."""
        columns = {}
        for split, (image_file, label_file) in self.files.items():
            paths = [locate(file, idx_digest) for file in (image_file, label_file)]
            images = read_idx(paths[0], axes=3, sha256=image_file.sha256)
            labels = read_idx(paths[1], axes=1, sha256=label_file.sha256)
            if not len(images) == len(labels) == self.splits[split]:
                raise DataError(
                    f"{paths[0]} holds {len(images):,} images and {paths[1]} {len(labels):,} labels, where the "
                    f"{split} split of {self.name} has {self.splits[split]:,}; delete them and fetch them again."
                )
            columns[split] = (images[..., np.newaxis], labels.astype(np.int32))
        return NamedArrays(self.name, self.class_names, self.splits, MappingProxyType(columns))


@dataclass(frozen=True)
class ArchiveEntry(Entry):
    """A data set in one archive of ``ROOT/SPLIT/CLASS/`` picture folders.

    Attributes:
        archive: The archive, with the hash of its bytes.
        root: The folder inside it that holds the splits.
        image_size: The height and width that its datasets have unless another is asked for.
    """

    archive: RemoteFile
    root: str
    image_size: tuple[int, int]

    def open(self, locate: Locate) -> NamedData:
        """Unpacks the archive into the cache folder, unless this very archive is there, and counts its pictures."""
        archive = locate(self.archive, file_digest)
        digest = file_digest(archive)
        if digest not in (self.archive.sha256, *self.archive.also):
            warn(
                f"{archive} is not a recorded archive of {self.name} (its SHA-256 is {digest}); it is used all the "
                "same, because its classes and counts are checked. Figures may differ from published ones."
            )
        # Under its hash, so that another archive of the same name is unpacked anew, beside this one.
        root = unpack(archive, cache_folder() / "unpacked" / f"{self.name}-{digest[:16]}") / self.root
        for split, expected in self.splits.items():
            counts = [_pictures(root / split / class_name) for class_name in self.class_names]
            if sum(counts) != expected or len(set(counts)) > 1:
                held = ", ".join(f"{count:,} {name}" for name, count in zip(self.class_names, counts, strict=True))
                raise DataError(
                    f"{root / split} holds {held}, where the {split} split of {self.name} has {expected:,} pictures, "
                    f"equally many of each class. Delete {root}; where that does not help, {archive} is the wrong file."
                )
        return NamedFolders(self.name, self.class_names, self.splits, root, self.image_size)


def _pictures(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    return sum(path.suffix.lower() in (".jpg", ".jpeg") for path in folder.iterdir())


def _fashion_mnist_file(name: str, sha256: str) -> RemoteFile:
    # The first address has no https; the hash of the contents stands in for it, as it does for every download.
    homes = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    )
    return RemoteFile(f"fashion_mnist/{name}", tuple(home + name for home in homes), sha256, limit=64 << 20)


CATALOGUE: Mapping[str, Entry] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            IdxEntry(
                name="fashion_mnist",
                title="70,000 grey pictures of clothes, 28x28 pixels, ten classes (Zalando)",
                home="https://github.com/zalandoresearch/fashion-mnist",
                licence="MIT",
                class_names=(
                    "T-shirt/top",
                    "Trouser",
                    "Pullover",
                    "Dress",
                    "Coat",
                    "Sandal",
                    "Shirt",
                    "Sneaker",
                    "Bag",
                    "Ankle boot",
                ),
                splits=MappingProxyType({"train": 60_000, "test": 10_000}),
                files=MappingProxyType(
                    {
                        "train": (
                            _fashion_mnist_file(
                                "train-images-idx3-ubyte.gz",
                                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                            ),
                            _fashion_mnist_file(
                                "train-labels-idx1-ubyte.gz",
                                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                            ),
                        ),
                        "test": (
                            _fashion_mnist_file(
                                "t10k-images-idx3-ubyte.gz",
                                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                            ),
                            _fashion_mnist_file(
                                "t10k-labels-idx1-ubyte.gz",
                                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                            ),
                        ),
                    }
                ),
            ),
            ArchiveEntry(
                name="cats_and_dogs",
                title="3,000 photos of cats and dogs, in colour and of many sizes (Microsoft Research, Kaggle)",
                home="https://www.kaggle.com/c/dogs-vs-cats",
                licence="none is stated with the file; the rules of Kaggle's competition Dogs vs. Cats apply",
                class_names=("cats", "dogs"),
                splits=MappingProxyType({"train": 2_000, "validation": 1_000}),
                archive=RemoteFile(
                    path="cats_and_dogs_filtered.zip",
                    urls=("https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip",),
                    # Taken from the Git LFS pointer of a public copy (HubBucket-Team/depot), whose 68,606,236 bytes
                    # are the length that the address above serves. The second is another draw of such photos.
                    sha256="91af24e0be191e9380dafc8710d0933fa826ec8e51f26f85c1fddba4e8018e3f",
                    limit=128 << 20,
                    also=("a698bd7ad41d5b050117e995d389d7c3424e25b8caaeeba330151f5f6da2de65",),
                ),
                root="cats_and_dogs_filtered",
                image_size=(150, 150),
            ),
        )
    }
)
"""The data sets that ``load`` knows, by name."""


def load(name: str, *, data_dir: str | os.PathLike[str] | None = None, progress: bool = True) -> NamedData:
    """Loads a named data set, downloading it where it is not there yet.

    Args:
        name: A name in ``CATALOGUE``: "fashion_mnist" or "cats_and_dogs".
        data_dir: The folder that holds the files, or into which they are downloaded. By default they are looked for
            in the folder that the environment variable CALOR_DATA names, which is never written to, and in the cache
            folder, into which they are downloaded.
        progress: Draws a bar for downloads, on a terminal.

    Returns:
        The data set: ``class_names``, ``splits``, the datasets ``train`` and ``test`` or ``validation``; and
        ``arrays(split)`` or ``folder(split)``.

    Raises:
        UnknownNameError: There is no data set of that name.
        DataError: A file that is there is cut off or not the right one, or CALOR_DATA names no folder.
        DownloadError: A file is nowhere and cannot be fetched.

    Example:
        >>> clothes = CATALOGUE["fashion_mnist"]
        >>> clothes.class_names[9], dict(clothes.splits), clothes.licence
        ('Ankle boot', {'train': 60000, 'test': 10000}, 'MIT')
        >>> load("fashion_mist")
        Traceback (most recent call last):
        ...
        calor.errors.UnknownNameError: There is no data set called 'fashion_mist'. Did you mean 'fashion_mnist'?
    """
    if name not in CATALOGUE:
        raise UnknownNameError("data set", name, CATALOGUE)
    return _open(CATALOGUE[name], data_dir, progress)


def _open(entry: Entry, data_dir: str | os.PathLike[str] | None, progress: bool) -> NamedData:
    folders = _data_folders(data_dir)

    def locate(file: RemoteFile, digest: Callable[[Path], str]) -> Path:
        for folder in folders:
            if (folder / file.path).is_file():
                return folder / file.path
        target = folders[-1] / file.path
        if not progress:
            return download(file.urls, target, sha256=[file.sha256], digest=digest, limit=file.limit)
        with progress_bar(target.name) as advance:
            return download(file.urls, target, sha256=[file.sha256], digest=digest, limit=file.limit, progress=advance)

    return entry.open(locate)


def _data_folders(data_dir: str | os.PathLike[str] | None) -> list[Path]:
    """Where to look, in order; the last one is where downloads go."""
    if data_dir is not None:
        return [Path(data_dir)]
    downloads = cache_folder() / "downloads"
    if not (local := os.environ.get("CALOR_DATA")):
        return [downloads]
    if not Path(local).is_dir():
        raise DataError(
            f"The environment variable CALOR_DATA names {local!r}, which is not a folder; set it right or unset it."
        )
    return [Path(local), downloads]
