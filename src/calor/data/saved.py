"""Datasets in a file: HDF5, one table for each array of an element, written by ``save`` and read by position.

The tables are ``0``, ``1``, ... in the order in which the attribute ``structure`` of the file names them, as JSON: a
number for a table, a list for a tuple, an object for a dict. They lie in chunks of some rows with checksums, so that
any row is found at once, and a damaged file is noticed where it is read.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np

from calor.data.source import Source, alike, numeric, size_in_bytes, spec_of, spelled
from calor.errors import ArgumentError, DataError

FORMAT = "calor dataset 1"

CHUNK_BYTES = 64 << 10
"""How large a chunk should be, about: small enough that reading single rows here and there reads little else."""


def write(
    path: str | os.PathLike[str],
    parts: Iterable[Any],
    *,
    batched: bool,
    class_names: tuple[str, ...] | None,
    compression: str | None,
) -> None:
    """Write elements to a file, which is there whole or not at all.

    Args:
        path: the file; one of that name is replaced.
        parts: columns of any number of elements each, a tree of arrays (elements, ...).
        batched: whether each of the parts is a batch, to be a batch again when it is read.
        class_names: the classes in the order of their labels, where known.
        compression: ``"GZIP"`` or None.

    Raises:
        ArgumentError: an unknown compression.
        DataError: elements of different shapes or types, or none, or names instead of numbers; batches of different
            sizes, but for the last; or the file cannot be written.
    """
    if compression not in (None, "", "GZIP"):
        raise ArgumentError(f"save(compression={compression!r}): it can be None or 'GZIP'.")
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with h5py.File(temporary, "w", libver="v110") as file:
                sizes = _fill(file, parts, "gzip" if compression else None)
                if batched and (any(size != sizes[0] for size in sizes[:-1]) or sizes[-1] > sizes[0]):
                    raise DataError(
                        "save() keeps batches of one size, of which the last may be smaller; these differ. Save the "
                        "dataset before batch()."
                    )
                batch_size = sizes[0] if batched else None
                head = {"batch_size": batch_size, "class_names": class_names, "length": sum(sizes)}
                file.attrs["format"] = np.bytes_(FORMAT)
                file.attrs["head"] = np.bytes_(json.dumps(head).encode())
            with temporary.open("rb+") as whole:
                os.fsync(whole.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # HDF5 raises both.
        raise DataError(f"The dataset cannot be saved in {path}: {error}.") from error


def _fill(file: h5py.File, parts: Iterable[Any], compression: str | None) -> list[int]:
    """Write the tables; returns the number of elements in each part."""
    tables: list[h5py.Dataset] = []
    spec: Any = None
    sizes: list[int] = []
    for columns in parts:
        here = spec_of(columns, axis=1)
        if spec is None:
            spec = here
            tables = [_table(file, str(n), leaf, compression) for n, leaf in enumerate(jax.tree.leaves(spec))]
            numbers = jax.tree.unflatten(jax.tree.structure(spec), list(range(len(tables))))
            file.attrs["structure"] = np.bytes_(json.dumps(_checked(numbers)).encode())
        elif not alike(spec, here):
            raise DataError(
                f"save() needs elements of the same shapes and types; the first is {spelled(spec)}, one after "
                f"element {sum(sizes)} is {spelled(here)}."
            )
        leaves, length = jax.tree.leaves(columns), sum(sizes)
        for table, leaf in zip(tables, leaves, strict=True):
            table.resize(length + len(leaf), axis=0)
            table[length:] = _plain(leaf)
        sizes.append(len(leaves[0]))
    if spec is None:
        raise DataError("There is nothing to save: the dataset has no elements.")
    return sizes


def _table(file: h5py.File, name: str, spec: Any, compression: str | None) -> h5py.Dataset:
    if not numeric(spec):
        raise DataError("save() keeps numbers, not names of files: map() a function over them that reads the files.")
    if spec.size == 0:
        raise DataError(f"save() has nothing to keep of arrays of shape {spec.shape}: leave them out.")
    dtype = spec.dtype
    rows = max(CHUNK_BYTES // size_in_bytes(spec), 1)
    table = file.create_dataset(
        name,
        shape=(0, *spec.shape),
        maxshape=(None, *spec.shape),
        chunks=(rows, *spec.shape),
        dtype=_plain(np.empty(0, dtype)).dtype,
        fletcher32=True,
        compression=compression,
        compression_opts=1 if compression else None,
    )
    table.attrs["dtype"] = np.bytes_(dtype.name)
    return table


def _plain(array: np.ndarray) -> np.ndarray:
    """The array in a type that HDF5 knows: bfloat16 and the like as the integers of the same bits."""
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "V" else array


def _checked(tree: Any) -> Any:
    """The structure, all of whose names must be strings, as they are in JSON."""
    if isinstance(tree, dict):
        if not all(isinstance(name, str) for name in tree):
            raise DataError(f"save() needs dicts with names that are strings, not {list(tree)}.")
        return {name: _checked(part) for name, part in tree.items()}
    return [_checked(part) for part in tree] if isinstance(tree, tuple) else tree


class SavedSource(Source):
    """The elements in a file that ``save`` wrote.

    Args:
        path: the file.

    Raises:
        DataError: it is not there, is something else, or is damaged; raised when it is opened or read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = Path(path)
        if not self.path.is_file():
            what = "is a folder, not a file" if self.path.is_dir() else "does not exist"
            raise DataError(f"{self.path} {what}: Dataset.load() reads files that dataset.save() wrote.")
        if not h5py.is_hdf5(self.path):
            raise self._damaged("no HDF5 file")
        with self._reading():
            self._file = h5py.File(self.path, "r")
            if bytes(self._file.attrs.get("format", b"")) != FORMAT.encode():
                raise DataError(f"{self.path} is an HDF5 file, but none that dataset.save() wrote.")
            head = json.loads(bytes(self._file.attrs["head"]))
            self._length = int(head["length"])
            self.batch_size: int | None = head["batch_size"]
            self.class_names = None if head["class_names"] is None else tuple(head["class_names"])
            self._tables = _tree(
                json.loads(bytes(self._file.attrs["structure"])), lambda number: self._file[str(number)]
            )
            if any(len(table) != self._length for table in jax.tree.leaves(self._tables)):
                raise ValueError("tables of different lengths")
            self._dtypes = jax.tree.map(lambda table: np.dtype(bytes(table.attrs["dtype"]).decode()), self._tables)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except DataError:
            raise
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise self._damaged(f"{type(error).__name__}: {error}") from error

    def _damaged(self, why: str) -> DataError:
        return DataError(f"{self.path} is damaged, or was not written by dataset.save(): {why}. Save it again.")

    @property
    def length(self) -> int:
        return self._length

    @cached_property
    def spec(self) -> Any:
        return jax.tree.map(
            lambda table, dtype: jax.ShapeDtypeStruct(table.shape[1:], dtype), self._tables, self._dtypes
        )

    @cached_property
    def labels(self) -> np.ndarray | None:
        tables = self._tables
        if not isinstance(tables, tuple) or len(tables) < 2 or not isinstance(tables[1], h5py.Dataset):
            return None
        if tables[1].dtype.kind not in "iub" or tables[1].size != self._length:
            return None
        return self._gather(tables[1], self._dtypes[1], np.arange(self._length)).reshape(-1)

    def read(self, positions: np.ndarray) -> Any:
        return jax.tree.map(lambda table, dtype: self._gather(table, dtype, positions), self._tables, self._dtypes)

    def _gather(self, table: h5py.Dataset, dtype: np.dtype, positions: np.ndarray) -> np.ndarray:
        """The rows at these positions; each chunk is read once."""
        rows = np.empty((len(positions), *table.shape[1:]), table.dtype)
        with self._reading():
            if not len(positions):
                pass
            elif (np.diff(positions) == 1).all():
                table.read_direct(rows, np.s_[int(positions[0]) : int(positions[-1]) + 1])
            else:
                order = np.argsort(positions, kind="stable")
                chunks = positions[order] // table.chunks[0]
                for part in np.split(order, np.flatnonzero(np.diff(chunks)) + 1):
                    start = int(positions[part[0]]) // table.chunks[0] * table.chunks[0]
                    rows[part] = table[start : start + table.chunks[0]][positions[part] - start]
        return rows.view(dtype)

    def describe(self, position: int) -> str:
        return f"example {position} of {self.path}"


def _tree(structure: Any, leaf: Callable[[int], Any]) -> Any:
    match structure:
        case list():
            return tuple(_tree(part, leaf) for part in structure)
        case dict():
            return {name: _tree(part, leaf) for name, part in structure.items()}
        case _:
            return leaf(structure)
