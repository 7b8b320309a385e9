"""``tf.keras.utils.get_file``: a file from the web, unpacked so that code for Keras 2 and for Keras 3 finds it."""

import hashlib
import os
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from calor._cache import cache_folder
from calor.data.archive import unpack
from calor.data.catalogue import CATALOGUE, local_files
from calor.data.download import download, progress_bar
from calor.errors import ArgumentError, DataError

__all__ = ["get_file"]

_UNVERIFIED = "unverified"


def get_file(
    fname: "str | os.PathLike[str] | None" = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str = "auto",
    cache_dir: "str | os.PathLike[str] | None" = None,
    force_download: bool = False,
) -> str:
    """Fetch a file, unless it is here already, and give its path; with ``extract`` that of what was in it.

    A broken transfer goes on where it stopped, and nothing half done bears the file's name. An address that Calor's
    catalogue of data sets knows is looked for in the folder that CALOR_DATA names first, and verified.

    What was unpacked is found by code for either Keras: with ``path = get_file("photos.zip", ..., extract=True)`` of an
    archive that holds a folder ``photos``, it is ``os.path.join(path, "photos")`` (Keras 3),
    ``os.path.join(os.path.dirname(path), "photos")`` (Keras 2) and ``pathlib.Path(path).with_suffix("")``. Where the
    file is called as the folder in it (``get_file("photos", ..., untar=True)``), ``path`` is that folder.

    Args:
        fname: the name of the file; by default the last part of ``origin``.
        origin: the address, http or https.
        untar: older for ``extract``.
        md5_hash: older for ``file_hash``.
        file_hash: the SHA-256 or MD5 that the file must have, in hexadecimal.
        cache_subdir: the folder in ``cache_dir``.
        hash_algorithm: ``"sha256"``, ``"md5"`` or ``"auto"``, by the length.
        extract: unpack a zip or tar archive.
        archive_format: for Keras' sake: the kind is found out.
        cache_dir: by default a folder of its own for each archive in Calor's cache folder.
        force_download: fetch it even if it is here.

    Raises:
        ArgumentError: no address, or a name that is a path.
        DownloadError: the file could not be fetched, or is not the one with that hash.
        DataError: the archive is damaged, or would write outside its folder.
    """
    if origin is None:
        raise ArgumentError("get_file needs origin, the address of the file.")
    name = os.fspath(fname) if fname else Path(urllib.parse.unquote(urllib.parse.urlsplit(origin).path)).name
    if not name or Path(name).name != name or name in (".", ".."):
        raise ArgumentError(f"get_file: {name!r} is no name of a file; give fname, and the folder as cache_dir.")
    unpacks = extract or untar
    folder = cache_folder() / "keras" if cache_dir is None else Path(cache_dir).expanduser().absolute()
    folder = folder / cache_subdir
    # Archives lie apart, because their name belongs to what was in them.
    target = folder / ".archives" / name if unpacks else folder / name
    if force_download:
        target.unlink(missing_ok=True)
    archive = _known(origin) if not force_download and not target.exists() else None
    if archive is None:
        archive = _fetched(origin, target, file_hash or md5_hash, "md5" if md5_hash else hash_algorithm)
    if not unpacks:
        return str(archive)
    digest = _digest("sha256")(archive)[:16]
    place = folder / f"{name}-{digest}" if cache_dir is None else folder
    return _linked(unpack(archive, place / f".{name}-{digest}"), place, name)


def _known(origin: str) -> Path | None:
    """The file of a named data set that this address serves, where it is here already."""
    for name in CATALOGUE:
        for local in local_files(name):
            if local.here and origin in local.file.urls and local.problem() is None:
                return local.path
    return None


def _fetched(origin: str, target: Path, expected: str | None, algorithm: str) -> Path:
    if algorithm == "auto":
        algorithm = "md5" if expected is not None and len(expected) == 32 else "sha256"
    if algorithm not in ("md5", "sha256"):
        raise ArgumentError(f"get_file: hash_algorithm must be 'sha256', 'md5' or 'auto', not {algorithm!r}.")
    digest = (lambda path: _UNVERIFIED) if expected is None else _digest(algorithm)
    wanted = _UNVERIFIED if expected is None else expected.lower()
    if target.exists() and digest(target) != wanted:
        target.unlink()  # another file, or an older one, as Keras fetches it anew
    if not target.exists():
        print(f"Downloading data from {origin}")
    with progress_bar(target.name) as advance:
        return download(origin, target, sha256=[wanted], digest=digest, progress=advance)


def _digest(algorithm: str) -> Callable[[Path], str]:
    def digest(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()

    return digest


def _linked(unpacked: Path, place: Path, name: str) -> str:
    """Links in ``place`` to what was unpacked: to each thing in it, and under ``name`` to all of it."""
    entries = {entry.name: entry for entry in unpacked.iterdir()}
    for link, target in {name: unpacked, **entries}.items():
        path = place / link
        if path.is_symlink() and path.readlink() == target.relative_to(place):
            continue
        try:
            path.symlink_to(target.relative_to(place))
        except FileExistsError:
            raise DataError(
                f"get_file: {path} is there already and is not from this archive; choose another cache_dir or "
                "cache_subdir, or take it away."
            ) from None
    return str(place / name)
