"""The zip archive that a `.keras` file is: a failed write leaves the old file, and reading a hostile one is safe."""

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from calor._files import advice, replacing
from calor.errors import ModelFileError

METADATA = "metadata.json"
FORMAT = 1
"""The version of Calor's section in `metadata.json`: grows when an older Calor would misread a newer file."""

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
MEMBERS = (METADATA, CONFIG, WEIGHTS)

JSON_LIMIT = 16 * 2**20
"""Bytes that one of the two JSON members may take unpacked; real ones take kilobytes."""

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def write_archive(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a new archive under a temporary name and rename it to `path` once it is whole and on the disk.

    Raises:
        ModelFileError: the file cannot be written; a file that was there before is untouched.
    """
    with new_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, contents in members.items():
            archive.writestr(name, contents)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write under a temporary name, renamed to `path` once it is whole and on the disk.

    Raises:
        ModelFileError: the file cannot be written; a file that was there before is untouched.
    """
    try:
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise ModelFileError(
            f"The model was not saved to '{path}': {advice(error)}. What was there before is unchanged."
        ) from error


def read_archive(path: Path) -> dict[str, bytes]:
    """The contents of the three members, each read in full so that its checksum is verified.

    Nothing is unpacked to the disk, and no more memory is taken than the file's own size (and `JSON_LIMIT`).

    Raises:
        ModelFileError: there is no such file, it is not an archive, it is damaged, or it holds something else.
    """
    try:
        with path.open("rb") as file:
            return _read_members(file)
    except FileNotFoundError as error:
        raise ModelFileError("there is no such file. Check the path and the working directory.") from error
    except IsADirectoryError as error:
        raise ModelFileError("it is a folder. Give the path of the .keras file itself.") from error
    except PermissionError as error:
        raise ModelFileError("you may not read it. Change its permissions, or copy it to a place of yours.") from error


def _read_members(file: BinaryIO) -> dict[str, bytes]:
    start = file.read(len(HDF5_SIGNATURE))
    if start == HDF5_SIGNATURE:
        raise ModelFileError("it is an HDF5 file (.h5), not a .keras archive.")
    if not start.startswith(b"PK"):
        raise ModelFileError(
            "it is not a model file: a .keras file is a zip archive, and this one does not start like one. "
            "Save the model again, or fetch another copy."
        )
    try:
        with zipfile.ZipFile(file) as archive:
            _check_members(archive.infolist())
            return {name: archive.read(name) for name in MEMBERS}
    except ModelFileError:
        raise
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"the archive is damaged or cut short ({error}). Fetch another copy, or save the model again."
        ) from error


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    if strange := sorted(set(names) - set(MEMBERS)):
        raise ModelFileError(
            f"it holds {strange[0]!r}, and a model file holds only {', '.join(MEMBERS)}. "
            "Files with assets, such as vocabularies, belong to layers that Calor does not have."
        )
    if missing := [name for name in MEMBERS if name not in names]:
        raise ModelFileError(
            f"it holds no {missing[0]!r}. It is no Keras 3 model file, or a part of one: save it again."
        )
    if len(names) != len(MEMBERS):
        raise ModelFileError("it holds a member twice. Save the model again.")
    for member in members:
        if member.flag_bits & 0x1:
            raise ModelFileError(
                f"its member {member.filename!r} is encrypted. Unpack it and zip it without a password."
            )
        plain = member.compress_type == zipfile.ZIP_STORED and member.file_size == member.compress_size
        # Weights that are stored as they are cannot unpack to more than the file's size.
        if member.filename == WEIGHTS and not plain:
            raise ModelFileError(
                f"its member {WEIGHTS!r} is compressed, which neither Keras nor Calor does. "
                "Unpack it and zip it again without compression (zip -0)."
            )
        if not plain and member.compress_type != zipfile.ZIP_DEFLATED:
            raise ModelFileError(f"its member {member.filename!r} is compressed in an unusual way. Zip it again.")
        if member.filename != WEIGHTS and member.file_size > JSON_LIMIT:
            raise ModelFileError(
                f"its member {member.filename!r} unpacks to {member.file_size:,} bytes, far more than any real "
                "model's. Do not trust this file."
            )
