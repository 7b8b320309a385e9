"""The named data sets on this machine: finding their files, downloading what is missing, and loading them.

A file is looked for in the folder that is given, else in the one that the environment variable CALOR_DATA names, else
in the user's cache folder, into which it is downloaded when it is nowhere. In each of these folders it has the same
path, which ``local_files`` shows: ``mnist/train-images-idx3-ubyte.gz``, ``cifar-10-binary.tar.gz``, and so on.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from calor._cache import cache_folder
from calor.data.download import download, progress_bar, require_online
from calor.data.entry import Entry, RemoteFile
from calor.data.known import CATALOGUE
from calor.data.named import NamedData
from calor.errors import DataError, UnknownNameError

__all__ = ["CATALOGUE", "LocalFile", "fetch", "load", "local_files"]


@dataclass(frozen=True)
class LocalFile:
    """A data set's file on this machine.

    Attributes:
        file: Which one it is.
        path: Where it lies, or where a download puts it.
        here: Whether it is there.
    """

    file: RemoteFile
    path: Path
    here: bool

    def problem(self) -> str | None:
        """Reads the file and says what is wrong with it: "it is not here", or its hash; None when it is right."""
        return self.file.problem(self.path) if self.here else "it is not here"


def load(name: str, *, data_dir: str | os.PathLike[str] | None = None, progress: bool = True) -> NamedData:
    """Loads a named data set, downloading it where it is not there yet.

    Args:
        name: A name in ``CATALOGUE``: "fashion_mnist", "mnist", "cifar10", "cifar100", "cifar100_coarse" (the same
            pictures, with the superclasses as labels), "cats_and_dogs" or "flower_photos" (which has no split but
            "train").
        data_dir: The folder that holds the files, or into which they are downloaded. By default they are looked for
            in the folder that the environment variable CALOR_DATA names, which is never written to, and in the cache
            folder, into which they are downloaded. With the environment variable CALOR_OFFLINE=1 nothing is.
        progress: Draws a bar for downloads, on a terminal.

    Returns:
        The data set: ``class_names``, ``splits``, the datasets ``train`` and ``test`` or ``validation``; and
        ``arrays(split)`` or ``folder(split)``.

    Raises:
        UnknownNameError: There is no data set of that name.
        DataError: A file that is there is cut off or not the right one, or CALOR_DATA names no folder.
        DownloadError: A file is nowhere and cannot be fetched, or its archive cannot be unpacked for want of room.

    Example:
        >>> clothes = CATALOGUE["fashion_mnist"]
        >>> clothes.class_names[9], dict(clothes.splits), clothes.licence
        ('Ankle boot', {'train': 60000, 'test': 10000}, 'MIT')
        >>> load("fashion_mist")
        Traceback (most recent call last):
        ...
        calor.errors.UnknownNameError: There is no data set called 'fashion_mist'. Did you mean 'fashion_mnist'?
    """
    paths = {local.file: local.path for local in fetch(name, data_dir=data_dir, progress=progress)}
    return _entry(name).open(paths)


def fetch(name: str, *, data_dir: str | os.PathLike[str] | None = None, progress: bool = True) -> tuple[LocalFile, ...]:
    """Downloads the files of a named data set that are not on this machine yet, each verified by its hash.

    Args:
        name: A name in ``CATALOGUE``.
        data_dir: As in ``load``.
        progress: Draws a bar for downloads, on a terminal.

    Returns:
        All files of the data set. Those that were there before are not looked into; see ``LocalFile.problem``.

    Raises:
        UnknownNameError: There is no data set of that name.
        DataError: CALOR_DATA names no folder.
        DownloadError: A file is nowhere and cannot be fetched.
    """
    files = local_files(name, data_dir=data_dir)
    require_online({local.path: local.file.urls[0] for local in files if not local.here})
    for local in files:
        if not local.here:
            _download(local.file, local.path, progress)
    return tuple(LocalFile(local.file, local.path, True) for local in files)


def local_files(name: str, *, data_dir: str | os.PathLike[str] | None = None) -> tuple[LocalFile, ...]:
    """Where the files of a named data set are on this machine, or would be; nothing is read or downloaded.

    Args:
        name: A name in ``CATALOGUE``.
        data_dir: As in ``load``.

    Raises:
        UnknownNameError: There is no data set of that name.
        DataError: CALOR_DATA names no folder.

    Example:
        >>> [local.path.as_posix() for local in local_files("cifar10", data_dir="data")]
        ['data/cifar-10-binary.tar.gz']
    """
    folders = _data_folders(data_dir)
    files = []
    for file in _entry(name).files:
        places = [folder / file.path for folder in folders]
        found = next((place for place in places if place.is_file()), None)
        # Downloads go into the last folder.
        files.append(LocalFile(file, found or places[-1], found is not None))
    return tuple(files)


def _entry(name: str) -> Entry:
    if name not in CATALOGUE:
        raise UnknownNameError("data set", name, CATALOGUE)
    return CATALOGUE[name]


def _download(file: RemoteFile, target: Path, progress: bool) -> None:
    if not progress:
        download(file.urls, target, sha256=[file.sha256], digest=file.digest, limit=file.limit)
        return
    with progress_bar(target.name) as advance:
        download(file.urls, target, sha256=[file.sha256], digest=file.digest, limit=file.limit, progress=advance)


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
