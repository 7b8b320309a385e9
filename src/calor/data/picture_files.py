"""Pictures in files that are listed one by one, with what belongs to them, as a source of data."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from calor.data.images import Decoding
from calor.data.picture_store import PictureStore
from calor.data.room import Room
from calor.data.source import Source, spec_of
from calor.errors import ImageError


class PictureSource(Source):
    """Pictures that are listed file by file, each with its labels: (uint8 picture, column, ...).

    They are decoded once, at the first need, and kept in memory where they fit, and in the cache folder. A file that
    cannot be read is an error, as it belongs to a row of the columns.

    Args:
        folder: where the files lie.
        names: theirs, relative to the folder, or absolute.
        how: size, colours and interpolation.
        columns: what belongs to the pictures, arrays of shape (files, ...).
        selection: what tells this list of files from others of the same folder.
        classes: the class of each, (files,) int32, where they have one.
        class_names: the classes in the order of these numbers.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        how: Decoding,
        columns: tuple[np.ndarray, ...],
        *,
        selection: tuple[str, ...],
        classes: np.ndarray | None = None,
        class_names: Iterable[str] | None = None,
    ) -> None:
        super().__init__()
        self.class_names = None if class_names is None else tuple(class_names)
        self._place = folder, names, how, selection
        self._columns = columns
        self._classes = classes
        self._store = self._new_store()

    @property
    def length(self) -> int:
        return len(self._store.files)

    @property
    def spec(self) -> Any:
        return jax.ShapeDtypeStruct(self._store.shape, np.uint8), *spec_of(self._columns, axis=1)

    @property
    def labels(self) -> np.ndarray | None:
        return self._classes

    @property
    def files(self) -> Sequence[Path]:
        return self._store.files

    def describe(self, position: int) -> str:
        return str(self._store.files[position])

    def prepare(self, memory_limit: int) -> None:
        fits = self.nbytes <= memory_limit
        self._store.find_out(keep=fits)
        try:
            self._store.check()
        except ImageError:
            self._store = self._new_store()  # The files may be mended before the next attempt.
            raise
        if fits:
            self._store.keep()

    def pixels(self, positions: np.ndarray) -> np.ndarray:
        """The pictures at these positions, uint8 (pictures, height, width, channels).

        Only these are decoded, where the pixels are not kept.

        Raises:
            ImageError: files cannot be read.
        """
        self._store.recall()
        return self._store.read(positions)

    def read(self, positions: np.ndarray) -> Any:
        return self.pixels(positions), *(column[positions] for column in self._columns)

    def read_into(self, room: Room, positions: np.ndarray) -> Any:
        self._store.recall()
        return self._store.read(positions, room), *(column[positions] for column in self._columns)

    def on_device(self) -> Any:
        if self._device is None:
            # The pixels are our own and never change, so the device may share their memory.
            self._device = jax.device_put((self._store.keep(), *self._columns))
        return self._device

    def _new_store(self) -> PictureStore:
        folder, names, how, selection = self._place
        return PictureStore(
            folder,
            names,
            how,
            selection=selection,
            progress=True,
            when_unreadable="take such files away. (Dataset.from_image_folder leaves them out by itself.)",
        )
