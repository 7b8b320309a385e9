"""What the catalogue knows of a data set, and how each kind of data set is read from its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from calor._cache import cache_folder
from calor.data.archive import read_members, unpack
from calor.data.cifar import read_cifar
from calor.data.download import file_digest
from calor.data.idx import idx_digest, read_idx
from calor.data.named import NamedArrays, NamedData, NamedFolders
from calor.errors import DataError, DownloadError, warn

__all__ = ["CifarEntry", "Entry", "FolderEntry", "IdxEntry", "RemoteFile"]


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set.

    Attributes:
        path: Where it lies below the data folder, with forward slashes.
        urls: The addresses that serve it, the first one first.
        sha256: The hash of what they serve, in lower-case hexadecimal.
        size: How many bytes that is.
        contents: Whether the hash is that of the uncompressed contents, because gzip wrappers differ.
        also: Hashes of other files that may stand in for it in a data folder.
    """

    path: str
    urls: tuple[str, ...]
    sha256: str
    size: int
    contents: bool = False
    also: tuple[str, ...] = ()

    @property
    def limit(self) -> int:
        """The most bytes that a download may have: gzip wrappers differ, and error pages should be seen as such."""
        return max(2 * self.size, 1 << 20)

    def digest(self, path: Path) -> str:
        """The hash of a file on this machine, to be compared with ``sha256``."""
        return idx_digest(path) if self.contents else file_digest(path)

    def problem(self, path: Path) -> str | None:
        """What is wrong with a file on this machine; None where its hash is right."""
        found = self.digest(path)
        if found in (self.sha256, *self.also):
            return None
        what = "contents have" if self.contents else "bytes have"
        return f"its {what} SHA-256 {found}, not {self.sha256}"


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

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """All its files."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """The bytes of its files, as they are downloaded."""
        return sum(file.size for file in self.files)

    def open(self, paths: Mapping[RemoteFile, Path]) -> NamedData:
        """Reads the data set from its files, which lie at ``paths``."""
        raise NotImplementedError

    def _check_count(self, split: str, count: int, where: object) -> None:
        if count != self.splits[split]:
            raise DataError(
                f"{where} holds {count:,} examples, where the {split} split of {self.name} has "
                f"{self.splits[split]:,}; delete it and fetch it again."
            )


@dataclass(frozen=True)
class IdxEntry(Entry):
    """A data set in IDX files: images and labels of each split, with the hashes of their uncompressed bytes."""

    columns: Mapping[str, tuple[RemoteFile, RemoteFile]]

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """The images and labels of each split."""
        return tuple(file for pair in self.columns.values() for file in pair)

    def open(self, paths: Mapping[RemoteFile, Path]) -> NamedData:
        """Reads and verifies every file."""
        columns = {}
        for split, pair in self.columns.items():
            arrays = []
            for file, axes in zip(pair, (3, 1), strict=True):
                array = read_idx(paths[file], axes=axes, sha256=file.sha256)
                self._check_count(split, len(array), paths[file])
                arrays.append(array)
            images, labels = arrays
            if labels.max() >= len(self.class_names):
                raise DataError(
                    f"{paths[pair[1]]} holds the label {labels.max()}, where {self.name} has {len(self.class_names)} "
                    "classes; delete it and fetch it again."
                )
            columns[split] = (images[..., np.newaxis], labels.astype(np.int32))
        return NamedArrays(self.name, self.class_names, self.splits, MappingProxyType(columns))


@dataclass(frozen=True)
class CifarEntry(Entry):
    """A data set in one archive of CIFAR's binary files.

    Attributes:
        archive: The archive, with the hash of its bytes.
        members: The names of the files of each split inside it.
        label_bytes: How many classes each label byte of a record distinguishes.
        label: Which label byte is the label.
    """

    archive: RemoteFile
    members: Mapping[str, tuple[str, ...]]
    label_bytes: tuple[int, ...]
    label: int

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """The archive."""
        return (self.archive,)

    def open(self, paths: Mapping[RemoteFile, Path]) -> NamedData:
        """Reads the pictures straight from the archive, once its hash is right."""
        archive = paths[self.archive]
        if problem := self.archive.problem(archive):
            raise DataError(f"{archive} is not the file that is expected: {problem}; delete it and fetch it again.")
        contents = read_members(archive, [name for names in self.members.values() for name in names])
        columns = {}
        for split, names in self.members.items():
            files = {f"{name} in {archive}": contents.pop(name) for name in names}
            images, labels = read_cifar(files, classes=self.label_bytes)
            self._check_count(split, len(images), archive)
            columns[split] = (images, labels[:, self.label].copy())
        return NamedArrays(self.name, self.class_names, self.splits, MappingProxyType(columns))


@dataclass(frozen=True)
class FolderEntry(Entry):
    """A data set in one archive of picture folders, one for each class.

    Attributes:
        archive: The archive, with the hash of its bytes.
        folders: The folder inside it that holds the class folders of a split.
        pictures: How many pictures each class has, in the order of ``class_names``.
        image_size: The height and width that its datasets have unless another is asked for.
    """

    archive: RemoteFile
    folders: Mapping[str, str]
    pictures: Mapping[str, tuple[int, ...]]
    image_size: tuple[int, int]

    @property
    def files(self) -> tuple[RemoteFile, ...]:
        """The archive."""
        return (self.archive,)

    def open(self, paths: Mapping[RemoteFile, Path]) -> NamedData:
        """Unpacks the archive into the cache folder, unless this very archive is there, and counts its pictures."""
        archive = paths[self.archive]
        digest = file_digest(archive)
        if digest not in (self.archive.sha256, *self.archive.also):
            warn(
                f"{archive} is not a recorded archive of {self.name} (its SHA-256 is {digest}); it is used all the "
                "same, because its classes and counts are checked. Figures may differ from published ones."
            )
        # Under its hash, so that another archive of the same name is unpacked anew, beside this one.
        place = cache_folder() / "unpacked" / f"{self.name}-{digest[:16]}"
        try:
            # Photos hardly shrink when they are packed; what unpacks to several times its size is something else.
            unpack(archive, place, limit=4 * self.archive.limit)
        except OSError as error:
            raise DownloadError(
                f"Cannot unpack {archive} into {place}: {error.strerror or error}. Make room, or choose another folder "
                "with CALOR_CACHE."
            ) from error
        folders = {split: place / folder for split, folder in self.folders.items()}
        for split, folder in folders.items():
            counts = tuple(_pictures(folder / class_name) for class_name in self.class_names)
            if counts != self.pictures[split]:
                raise DataError(
                    f"{folder} holds {self._counted(counts)}, where the {split} split of {self.name} has "
                    f"{self._counted(self.pictures[split])}. Delete {place}; where that does not help, {archive} is "
                    "the wrong file."
                )
        return NamedFolders(self.name, self.class_names, self.splits, MappingProxyType(folders), self.image_size)

    def _counted(self, counts: tuple[int, ...]) -> str:
        return ", ".join(f"{count:,} {name}" for count, name in zip(counts, self.class_names, strict=True))


def _pictures(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    return sum(path.suffix.lower() in (".jpg", ".jpeg") for path in folder.iterdir())
