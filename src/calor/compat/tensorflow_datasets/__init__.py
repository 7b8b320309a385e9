"""``tensorflow_datasets``: Calor's named data sets, loaded in the words and the order of TensorFlow Datasets."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from calor.compat._absent import outside
from calor.compat._datasets import Dataset, TensorSpec
from calor.compat._tensors import tensor
from calor.compat._version import standing_for
from calor.data.catalogue import CATALOGUE
from calor.data.catalogue import load as load_named
from calor.data.named import NamedData
from calor.errors import ArgumentError, UnknownNameError

__version__ = standing_for("4.9.10")


class ClassLabel:
    """The classes: their names, and which number is which."""

    dtype = np.dtype("int64")
    shape = ()

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.num_classes = len(names)

    def int2str(self, number: int) -> str:
        """The name of a class."""
        return self.names[int(number)]

    def str2int(self, name: str) -> int:
        """The number of a class."""
        return self.names.index(name)

    def __repr__(self) -> str:
        return f"ClassLabel(shape=(), dtype=int64, num_classes={self.num_classes})"


class Image(TensorSpec):
    """The pictures: their shape, and uint8."""

    def __repr__(self) -> str:
        return f"Image(shape={tuple(self.shape or ())}, dtype=uint8)"


class FeaturesDict(dict):
    """What an example has, by name."""

    @property
    def shape(self) -> dict[str, Any]:
        """The shapes by name."""
        return {name: feature.shape for name, feature in self.items()}


class SplitInfo:
    """A split: its name and how many examples it has."""

    def __init__(self, name: str, num_examples: int) -> None:
        self.name = name
        self.num_examples = num_examples

    def __repr__(self) -> str:
        return f"<SplitInfo num_examples={self.num_examples}>"


class DatasetInfo:
    """What is known of a data set.

    Attributes:
        name: its name.
        description: a line about it.
        homepage: the page that describes it.
        features: ``features["label"].names``, ``features["image"].shape``.
        splits: ``splits["train"].num_examples``.
        supervised_keys: what ``as_supervised`` makes of an example.
    """

    supervised_keys = ("image", "label")

    def __init__(self, data: NamedData) -> None:
        entry = CATALOGUE[data.name]
        self.name = data.name
        self.description = entry.title
        self.homepage = entry.home
        shape = data.arrays("train")[0].shape[1:]
        self.features = FeaturesDict(image=Image(shape, np.uint8), label=ClassLabel(list(data.class_names)))
        self.splits = _Splits({name: SplitInfo(name, count) for name, count in data.splits.items()})

    def __repr__(self) -> str:
        return (
            f"DatasetInfo(\n    name='{self.name}',\n    description='{self.description}',\n"
            f"    homepage='{self.homepage}',\n    features={dict(self.features)},\n"
            f"    supervised_keys={self.supervised_keys},\n    splits={dict(self.splits)},\n)"
        )


class _Splits(dict):
    """The splits by name; ``splits["train[:80%]"]`` is one, too."""

    def __missing__(self, name: str) -> SplitInfo:
        sizes = {key: split.num_examples for key, split in self.items()}
        return SplitInfo(name, sum(len(numbers) for _, numbers in _parts(name, sizes)))

    @property
    def total_num_examples(self) -> int:
        """All examples together."""
        return sum(split.num_examples for split in self.values())


def load(
    name: str,
    *,
    split: Any = None,
    data_dir: "str | os.PathLike[str] | None" = None,
    batch_size: int | None = None,
    shuffle_files: bool = False,
    download: bool = True,
    as_supervised: bool = False,
    with_info: bool = False,
    **settings: Any,
) -> Any:
    """Load a named data set.

    Args:
        name: ``"fashion_mnist"``, or another of Calor's catalogue that is arrays; a version behind a colon is left out.
        split: ``"train"``, ``"train[:80%]"``, ``"train[1000:]"``, ``"train+test"``, a list of such; by default all, as
            a dictionary.
        data_dir: for TensorFlow Datasets' sake: where its own files lie. Calor's are where CALOR_DATA says.
        batch_size: put so many together; -1 for all, as tensors.
        shuffle_files: an order of files; Calor's data sets have one.
        download: for TensorFlow Datasets' sake: what is missing is downloaded.
        as_supervised: (image, label) instead of a dictionary of both.
        with_info: give (dataset, information).
        settings: ``try_gcs`` and the like change nothing.

    Returns:
        Images uint8 with an axis of channels, labels int64, in the order in which TensorFlow Datasets keeps them: that
        of the MD5 of split and number. With ``with_info`` a pair.

    Raises:
        UnknownNameError: there is no such data set or split.
        ArgumentError: the split is not written as above, or the data set is a folder of pictures.
    """
    data = load_named(name.partition(":")[0].partition("/")[0])
    made = _tree(
        lambda one: _read(data, one, batch_size, as_supervised), dict.fromkeys(data.splits) if split is None else split
    )
    return (made, DatasetInfo(data)) if with_info else made


def _tree(function: Any, split: Any) -> Any:
    if isinstance(split, dict):
        return {name: function(name) for name in split}
    return type(split)(map(function, split)) if isinstance(split, tuple | list) else function(split)


def _read(data: NamedData, split: str, batch_size: int | None, as_supervised: bool) -> Any:
    parts = [
        (*data.arrays(name), order(name, data.splits[name])[numbers]) for name, numbers in _parts(split, data.splits)
    ]
    images = np.concatenate([images[chosen] for images, _, chosen in parts])
    labels = np.concatenate([labels[chosen] for _, labels, chosen in parts]).astype(np.int64)
    element: Any = (images, labels) if as_supervised else {"image": images, "label": labels}
    if batch_size == -1:
        return tuple(map(tensor, element)) if as_supervised else {key: tensor(part) for key, part in element.items()}
    dataset = Dataset.from_tensor_slices(element)
    return dataset if batch_size is None else dataset.batch(batch_size)


def order(split: str, count: int) -> np.ndarray:
    """The numbers of a split's examples in the order of their MD5, salted with the split's name.

    >>> order("test", 4).tolist()
    [1, 3, 2, 0]
    """
    salt = hashlib.md5(split.encode(), usedforsecurity=False)

    def key(number: int) -> bytes:
        made = salt.copy()
        made.update(str(number).encode())
        return made.digest()

    return np.array(sorted(range(count), key=key), np.int64)


_SLICE = re.compile(r"(\w+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")


def _parts(split: Any, sizes: Mapping[str, int]) -> Iterator[tuple[str, range]]:
    """The splits that ``split`` names, each with the range of numbers in it."""
    for text in str(split).split("+"):
        found = _SLICE.fullmatch(text.strip())
        if found is None:
            raise ArgumentError(f"The split {split!r} is not written as 'train', 'train[:80%]' or 'train[1000:2000]'.")
        name, start, stop = found.groups()
        names = list(sizes) if name == "all" else [name]
        for one in names:
            if one not in sizes:
                raise UnknownNameError("split", one, sizes)
            count = sizes[one]
            yield one, range(count)[slice(_place(start, count, 0), _place(stop, count, count))]


def _place(text: str | None, count: int, default: int) -> int:
    if text is None:
        return default
    return round(count * int(text[:-1]) / 100) if text.endswith("%") else int(text)


def as_numpy(dataset: Any) -> Any:
    """The same with NumPy arrays: an iterable for a dataset, arrays for tensors, through lists and dictionaries."""
    if isinstance(dataset, Dataset):
        return _NumPy(dataset)
    if isinstance(dataset, dict):
        return {key: as_numpy(part) for key, part in dataset.items()}
    if isinstance(dataset, tuple | list):
        return type(dataset)(map(as_numpy, dataset))
    return dataset.numpy() if hasattr(dataset, "numpy") else dataset


class _NumPy:
    """A dataset whose elements are NumPy arrays and numbers, to go through as often as one likes."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def __iter__(self) -> Iterator[Any]:
        return self._dataset.as_numpy_iterator()

    def __len__(self) -> int:
        return len(self._dataset)


class _Builder:
    """A data set before it is read."""

    def __init__(self, name: str) -> None:
        self._data = load_named(name.partition(":")[0])
        self.name = self._data.name
        self.info = DatasetInfo(self._data)

    def download_and_prepare(self, **settings: Any) -> None:
        """Nothing: it is here."""

    def as_dataset(
        self, split: Any = None, batch_size: int | None = None, as_supervised: bool = False, **_: Any
    ) -> Any:
        """As ``load``."""
        return load(self.name, split=split, batch_size=batch_size, as_supervised=as_supervised)


def builder(name: str, **settings: Any) -> _Builder:
    """A data set's information, and a method that gives its examples."""
    return _Builder(name)


def list_builders(**settings: Any) -> list[str]:
    """The names that ``load`` knows."""
    return sorted(CATALOGUE)


def disable_progress_bar() -> None:
    """Nothing: bars are drawn for downloads alone, on a terminal."""


enable_progress_bar = disable_progress_bar

__all__ = [
    *("as_numpy", "builder", "disable_progress_bar", "enable_progress_bar", "list_builders", "load"),
]

__getattr__ = outside(globals())
