"""Unpacking and reading zip and tar archives safely: in their own folder only, of bounded size, whole or not at all."""

import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from calor.errors import DataError

__all__ = ["read_members", "unpack"]

_BLOCK = 1 << 20
_MEMBERS = 1_000_000
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    LZMAError,
    EOFError,
    NotImplementedError,
    OSError,
    UnicodeError,
)


@dataclass(frozen=True)
class _Member:
    """A thing in an archive. ``kind`` is "file", "folder", or what it is that is not unpacked."""

    name: str
    kind: str
    size: int
    source: zipfile.ZipInfo | tarfile.TarInfo


def unpack(archive: Path, folder: Path, *, limit: int = 8 << 30) -> Path:
    """Unpacks a zip or tar archive (plain, gzip, bzip2 or xz) into a folder that appears only when it is whole.

    Everything is written to a temporary folder beside ``folder``, which is renamed at the end. A ``folder`` that is
    there already was made so, by this process or another, and is left as it is.

    Args:
        archive: The archive.
        folder: The folder to make. Files get ordinary permissions, whatever the archive says.
        limit: The most bytes that the unpacked files may have together.

    Returns:
        ``folder``.

    Raises:
        DataError: The archive is damaged or neither zip nor tar; it would write outside its folder (``..``, absolute
            names); it holds a link, a device, an encrypted file or a name twice; or it unpacks to more than ``limit``
            bytes. The message names the archive and the entry, and no ``folder`` is made.
        OSError: The archive cannot be read, or the disk is full or not writable.

    Example:
        >>> with tempfile.TemporaryDirectory() as place:
        ...     with zipfile.ZipFile(Path(place, "photos.zip"), "w") as file:
        ...         file.writestr("cats/cat.0.txt", "meow")
        ...     folder = unpack(Path(place, "photos.zip"), Path(place, "photos"))
        ...     (folder / "cats" / "cat.0.txt").read_text()
        'meow'
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        whole = Path(temporary, "whole")
        whole.mkdir()
        with _damage_told(archive), _opened(archive) as opened:
            _write(archive, opened, whole, limit)
        try:
            whole.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder


def read_members(archive: Path, names: Collection[str], *, limit: int = 1 << 30) -> dict[str, bytes]:
    """The contents of some files of a zip or tar archive, which is read through once; nothing is written.

    Args:
        archive: The archive.
        names: The files' names inside it, with forward slashes.
        limit: The most bytes that they may have together.

    Returns:
        The bytes of each file, by its name.

    Raises:
        DataError: The archive is damaged, neither zip nor tar, or lacks one of the files, or they have more than
            ``limit`` bytes. The message names the archive.
        OSError: The archive cannot be read.

    Example:
        >>> with tempfile.TemporaryDirectory() as place:
        ...     with zipfile.ZipFile(Path(place, "photos.zip"), "w") as file:
        ...         file.writestr("cats/cat.0.txt", "meow")
        ...     read_members(Path(place, "photos.zip"), ["cats/cat.0.txt"])
        {'cats/cat.0.txt': b'meow'}
    """
    found: dict[str, bytes] = {}
    total = 0
    with _damage_told(archive), _opened(archive) as opened:
        for member in _members(opened):
            name = str(PurePosixPath(member.name))  # without the ./ that some archives begin their names with
            if name not in names or member.kind != "file":
                continue
            total += member.size
            if total > limit:
                raise DataError(f"The files in {archive} that are needed have more than {limit:,} bytes; not read.")
            with _contents(opened, member) as source:
                content = source.read(member.size + 1)
            if len(content) != member.size:
                raise EOFError(f"{name} has not the length that the archive says")
            found[name] = content
    if missing := [name for name in names if name not in found]:
        raise DataError(f"The archive {archive} holds no file {', '.join(missing)}; it is the wrong one.")
    return found


@contextmanager
def _damage_told(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        # The disk's errors have a number; those of the gzip and bzip2 readers have none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"The archive {archive} is damaged ({error}); fetch it again.") from error


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield zipped
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tarred:
            yield tarred
            # The checksum of a compressed archive stands behind the padding at its end, and is checked when read.
            if tarred.fileobj is not None:
                tarred.fileobj.read(_BLOCK)
    else:
        raise DataError(f"{archive} is not a zip or tar archive, or its end is missing; fetch it again.")


def _members(opened: zipfile.ZipFile | tarfile.TarFile) -> Iterator[_Member]:
    if isinstance(opened, zipfile.ZipFile):
        for entry in opened.infolist():
            mode = entry.external_attr >> 16
            kind = "folder" if entry.is_dir() else "file"
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                kind = "a link" if stat.S_ISLNK(mode) else "a device"
            if entry.flag_bits & 1:
                kind = "an encrypted file"
            yield _Member(entry.filename, kind, entry.file_size, entry)
    else:
        for info in opened:
            kind = "file" if info.isreg() else "folder" if info.isdir() else "a device"
            yield _Member(info.name, "a link" if info.issym() or info.islnk() else kind, info.size, info)


def _write(archive: Path, opened: zipfile.ZipFile | tarfile.TarFile, folder: Path, limit: int) -> None:
    total = 0
    for number, member in enumerate(_members(opened), start=1):
        total += member.size
        # The sizes are the archive's own words, so they are checked here before writing and held to while writing.
        if total > limit or number > _MEMBERS:
            raise DataError(
                f"The archive {archive} unpacks to more than {limit:,} bytes or {_MEMBERS:,} entries; it is not used. "
                "Make sure that it is the file you meant."
            )
        target = folder / _relative(archive, member.name)
        if member.kind == "folder":
            target.mkdir(parents=True, exist_ok=True)
            continue
        if member.kind != "file":
            raise DataError(
                f"The archive {archive} holds {member.name!r}, {member.kind}; only files and folders are unpacked. "
                "Pack it again without it."
            )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with _contents(opened, member) as source, target.open("xb") as sink:
                _copy(source, sink, member.size)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise DataError(f"The archive {archive} holds the name {member.name!r} twice; pack it again.") from error


def _relative(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    # Backslashes and colons are separators and drives elsewhere; no archive that we fetch needs them in a name.
    if path.is_absolute() or ".." in path.parts or any(character in name for character in "\\:\0"):
        raise DataError(
            f"The archive {archive} holds the name {name!r}, which leads out of its folder; it is not unpacked. "
            "Make sure that it comes from where you meant."
        )
    return path


def _contents(opened: zipfile.ZipFile | tarfile.TarFile, member: _Member) -> IO[bytes]:
    if isinstance(opened, zipfile.ZipFile) and isinstance(member.source, zipfile.ZipInfo):
        return opened.open(member.source)
    assert isinstance(opened, tarfile.TarFile)
    assert isinstance(member.source, tarfile.TarInfo)
    source = opened.extractfile(member.source)
    assert source is not None, "a regular file of a tar archive can always be opened"
    return source


def _copy(source: IO[bytes], sink: IO[bytes], size: int) -> None:
    left = size
    while block := source.read(min(_BLOCK, left + 1)):
        left -= len(block)
        if left < 0:
            raise EOFError("an entry is longer than the archive says")
        sink.write(block)
    if left:
        raise EOFError("an entry is shorter than the archive says")
