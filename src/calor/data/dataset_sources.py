"""Where a dataset's examples come from: the class methods that make a ``Dataset`` of arrays, files or Python code."""

import functools
import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np

from calor.data.combined import FileNames, Numbers
from calor.data.dataset_steps import DatasetSteps
from calor.data.feed import GeneratorFeed
from calor.data.folder import FolderSource
from calor.data.images import Decoding, checked_size
from calor.data.operations import Batch
from calor.data.reading_bar import Progress
from calor.data.saved import SavedSource
from calor.data.signature import signature_of
from calor.data.source import ArraySource, as_array, as_arrays
from calor.errors import ArgumentError, DataError


class DatasetSources(DatasetSteps):
    """The part of ``Dataset`` that makes one."""

    @classmethod
    def from_arrays(
        cls, x: Any, y: Any = None, sample_weight: Any = None, *, class_names: Sequence[str] | None = None
    ) -> Self:
        """The rows of arrays.

        Args:
            x: inputs, shape (examples, ...). float64 becomes float32, int64 becomes int32.
            y: labels or targets, shape (examples, ...). Without them the elements are single arrays.
            sample_weight: shape (examples,): how much each example counts.
            class_names: the classes in the order of their labels, for reports.

        Raises:
            DataError: the arrays differ in length, are empty, ragged, or hold no numbers.
        """
        if y is None and sample_weight is not None:
            raise ArgumentError("sample_weight needs y: weights belong to examples with labels.")
        parts = {"x": x, "y": y, "sample_weight": sample_weight}
        arrays = tuple(_arrays(part, name) for name, part in parts.items() if part is not None)
        return cls(ArraySource(arrays if y is not None else arrays[0], class_names=class_names))

    @classmethod
    def from_tensor_slices(cls, tensors: Any) -> Self:
        """The rows of arrays, or of a tuple of arrays of the same length; tf.data's name for it.

        Raises:
            DataError: as in ``from_arrays``.

        >>> from calor.data import Dataset
        >>> [(int(x), int(y)) for x, y in Dataset.from_tensor_slices(([1, 2], [3, 4]))]
        [(1, 3), (2, 4)]
        """
        return cls(ArraySource(_arrays(tensors, "tensors")))

    @classmethod
    def from_image_folder(
        cls,
        directory: str | os.PathLike[str],
        image_size: tuple[int, int] = (150, 150),
        color_mode: str = "rgb",
        interpolation: str = "bilinear",
        class_names: Sequence[str] | None = None,
        *,
        resize: str = "stretch",
        fill_value: int = 0,
        progress: Progress | bool = True,
    ) -> Self:
        """Pictures in a folder that has one subfolder for each class.

        Elements are (image, label): uint8 (height, width, channels) and int32, sorted by class and file name.
        JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read as ``load_image`` describes. Files that cannot be read are left
        out, and one warning names them; which they are is found out at the first use, by decoding all files on all
        cores. Folders inside the class folders are not looked into.

        The decoded pixels of a folder with 4 MB of files or more are kept in ``pictures`` in the cache folder
        (``~/.cache/calor``, or what CALOR_CACHE names; CALOR_CACHE=off keeps nothing), so that the next start, and
        every pass over more pixels than memory has room for, decodes nothing. They are decoded again when a file has
        changed, or the cache is damaged. At most 10 GB are kept, or what CALOR_CACHE_LIMIT says (``20 GB``); what was
        not used for the longest time goes first. ``calor cache`` lists and clears it.

        Args:
            directory: the folder.
            image_size: height and width in pixels that all pictures get.
            color_mode: ``"rgb"``, ``"grayscale"``, or ``"rgba"``, whose fourth channel is the opacity.
            interpolation: ``"bilinear"`` (antialiased), ``"bicubic"``, ``"lanczos"``, ``"area"`` or ``"nearest"``.
            class_names: the subfolders to read, in the order of their labels; by default all, sorted by name.
            resize: how pictures of other proportions get that size: ``"stretch"``, ``"pad"`` (all of it, in a frame)
                or ``"crop"`` (the middle).
            fill_value: the grey level of the frame, 0 (black) to 255.
            progress: True draws a bar with images per second on standard error while files are decoded, where a
                person looks and it takes more than a second; False draws none; a function is called as
                ``progress(done, total)``.

        Raises:
            DataError: there is no such folder, or not at least two class folders that have pictures. It is raised
                at the first use where none of a class's files can be read.
            ArgumentError: a size, colour mode, interpolation, resize mode or fill value that does not exist.
        """
        return cls(
            FolderSource(
                directory,
                Decoding(checked_size(image_size), color_mode, interpolation, resize, fill_value),
                class_names=class_names,
                progress=progress,
            )
        )

    @classmethod
    def from_tensors(cls, tensors: Any) -> Self:
        """One element: the arrays as they are.

        >>> from calor.data import Dataset
        >>> [x.tolist() for x in Dataset.from_tensors([1, 2, 3])]
        [[1, 2, 3]]
        """
        return cls(ArraySource(jax.tree.map(lambda array: array[np.newaxis], _arrays(tensors, "tensors"))))

    @classmethod
    def range(cls, *arguments: int) -> Self:
        """The whole numbers that Python's ``range`` of the same arguments gives, as int32.

        Raises:
            ArgumentError: other than one to three whole numbers, a step of 0, or numbers that do not fit int32.

        >>> from calor.data import Dataset
        >>> [int(x) for x in Dataset.range(2, 11, 3)]
        [2, 5, 8]
        """
        try:
            numbers = range(*arguments)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"Dataset.range{arguments}: {error}.") from None
        if any(not -(1 << 31) <= number < 1 << 31 for number in (*numbers[:1], *numbers[-1:])):
            raise ArgumentError(f"Dataset.range{arguments}: the numbers must fit int32, -2**31 to 2**31 - 1.")
        return cls(Numbers(numbers))

    @classmethod
    def list_files(
        cls,
        file_pattern: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        shuffle: bool = True,
        seed: int | None = None,
    ) -> Self:
        """The names of files, to be read by a function in ``map`` or ``interleave``; it runs on the host.

        Names are Python strings, where tf.data has bytes. They are found now, once.

        Args:
            file_pattern: a name with ``*``, ``?``, ``[...]``, or ``**`` for any folders, or a list of such. Hidden
                files are matched by patterns only that begin with a dot.
            shuffle: a new order in every pass, as in tf.data; False for the order of the names.
            seed: fixes the orders.

        Raises:
            DataError: no files match.

        >>> from calor.data import Dataset
        >>> Dataset.list_files("photos/*.jpg")
        Traceback (most recent call last):
        calor.errors.DataError: No files match 'photos/*.jpg'.
        """
        patterns = [file_pattern] if isinstance(file_pattern, str | os.PathLike) else list(file_pattern)
        found = {path for pattern in patterns for path in glob.glob(os.fspath(pattern), recursive=True)}  # noqa: PTH207
        names = sorted(path for path in found if Path(path).is_file())
        if not names:
            raise DataError(f"No files match {' or '.join(repr(os.fspath(pattern)) for pattern in patterns)}.")
        dataset = cls(FileNames(names))
        return dataset.shuffle(len(names), seed) if shuffle else dataset

    @classmethod
    def from_generator(
        cls,
        generator: Any,
        output_types: Any = None,
        output_shapes: Any = None,
        args: Sequence[Any] = (),
        output_signature: Any = None,
    ) -> Self:
        """Elements that Python code gives one after the other.

        Args:
            generator: a function that returns an iterable (it is called for every pass), an iterable, or a sequence.
                An iterator, such as a generator that runs already, can be read once only.
            output_types: a type, or a tree of types, to convert the arrays of each element to; by default they are
                taken as they come.
            output_shapes: a shape, or a tree of shapes, that the arrays must have; None in it for any size.
            args: what to call the function with.
            output_signature: types and shapes in one, instead: a ``jax.ShapeDtypeStruct``, or whatever else has a
                ``shape`` and a ``dtype``, or a tree of them.

        Raises:
            ArgumentError: the generator is none of these, or the types are no types.
            DataError: when it is read: there are no elements, or they are not as declared.

        >>> from calor.data import Dataset
        >>> def squares(count):
        ...     for i in range(count):
        ...         yield i, i * i
        >>> dataset = Dataset.from_generator(squares, args=[3], output_types=("int32", "float32"))
        >>> [y.tolist() for x, y in dataset.batch(2)]
        [[0.0, 1.0], [4.0]]
        """
        if len(args):
            if not callable(generator):
                raise ArgumentError(f"from_generator(args=...) needs a function to call, not {generator!r:.80}.")
            generator = functools.partial(generator, *args)
        signature = signature_of(output_signature, output_types, output_shapes)
        return cls(GeneratorFeed(generator, batched=False, signature=signature))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The dataset that ``save`` wrote. It stays in memory where it fits, and is read by number otherwise.

        Raises:
            DataError: the file is not there, was not written by ``save``, or is damaged; where its tables are
                damaged, when they are read.
        """
        source = SavedSource(path)
        return cls(source, () if source.batch_size is None else (Batch(source.batch_size, False),))

    @classmethod
    def from_batches(cls, generator: Any) -> Self:
        """Batches that Python code gives one after the other, as Keras' generators and ``Sequence`` classes do.

        Args:
            generator: as in ``from_generator``, but of batches: arrays with a leading axis (batch,), which may
                differ from batch to batch.
        """
        return cls(GeneratorFeed(generator, batched=True))


def _arrays(part: Any, name: str) -> Any:
    """Arrays from a tuple or dict of them, or from one of whatever NumPy understands."""
    if isinstance(part, dict) or (isinstance(part, tuple) and not all(isinstance(item, int | float) for item in part)):
        return as_arrays(part, name)
    return as_array(part, name)
