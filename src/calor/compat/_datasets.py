"""``tf.data.Dataset``: Calor's ``Dataset``, whose elements are tensors when Python goes through them."""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import calor
from calor.compat._absent import MissingNameError, sentence
from calor.compat._tensors import TensorShape, is_traced, tensor
from calor.errors import ArgumentError

__all__ = ["Dataset", "TensorSpec", "plain"]

_OF_DATASETS = {"apply", "flat_map", "interleave", "reduce"}
"""Methods whose functions are called with elements, or datasets, as this class gives them."""

_OWN = {"from_arrays", "from_batches", "from_image_folder", "plan"}
"""What only ``calor.Dataset`` has, not TensorFlow's."""

_MORE = ("get_single_element",)
"""What only TensorFlow's has."""


class TensorSpec:
    """Shape and type of a tensor.

    >>> TensorSpec((28, 28, 1), np.uint8)
    TensorSpec(shape=(28, 28, 1), dtype=tf.uint8, name=None)
    """

    def __init__(self, shape: Any = None, dtype: Any = np.float32, name: str | None = None) -> None:
        self.shape = None if shape is None else TensorShape(shape)
        self.dtype = np.dtype(dtype)
        self.name = name

    def __repr__(self) -> str:
        shape = None if self.shape is None else tuple(self.shape)
        return f"TensorSpec(shape={shape}, dtype=tf.{self.dtype.name}, name={self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))


class _Making(type):
    """Lets ``Dataset.from_tensor_slices`` and the like make a ``calor.Dataset`` and wrap it."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_") or name in _OWN or not hasattr(calor.Dataset, name):
            raise (
                AttributeError(name)
                if name.startswith("_")
                else MissingNameError(sentence("tf.data.Dataset", name, _names()))
            )
        return _wrapping(getattr(calor.Dataset, name), name, None)

    def __dir__(cls) -> list[str]:
        return _names()


class Dataset(metaclass=_Making):
    """A ``calor.Dataset`` with its operations, and elements that are tensors.

    Args:
        dataset: the dataset.
        wide: for the parts of an element the types in 64 bits that TensorFlow would keep, where Calor computes in 32:
            a tree like the elements, or None.
        windows: whether the elements are datasets, which ``flat_map`` makes elements of.

    >>> dataset = Dataset.from_tensor_slices(([1, 2, 3], [7, 8, 9])).batch(2)
    >>> for x, y in dataset.take(1):
    ...     print(x.numpy(), y.dtype)
    [1 2] int32
    """

    def __init__(self, dataset: calor.Dataset, wide: Any = None, *, windows: bool = False) -> None:
        self.dataset = dataset
        self._wide = wide
        self._windows = windows

    @staticmethod
    def from_tensor_slices(tensors: Any, name: str | None = None) -> "Dataset":
        """The rows of arrays; see ``calor.Dataset.from_tensor_slices``."""
        parts = _plain_tree(tensors)
        return Dataset(calor.Dataset.from_tensor_slices(parts), _dtypes(parts))

    @staticmethod
    def from_generator(
        generator: Any,
        output_types: Any = None,
        output_shapes: Any = None,
        args: Any = (),
        output_signature: Any = None,
        name: str | None = None,
    ) -> "Dataset":
        """The elements that Python code gives; see ``calor.Dataset.from_generator``."""
        made = calor.Dataset.from_generator(generator, output_types, output_shapes, args, output_signature)
        return Dataset(made, _declared(output_types if output_signature is None else output_signature))

    @staticmethod
    def range(*arguments: int, output_type: Any = None, name: str | None = None) -> "Dataset":
        """Whole numbers, int64 or of ``output_type``; see ``calor.Dataset.range``."""
        dataset = calor.Dataset.range(*arguments)
        if output_type is None:
            return Dataset(dataset, np.dtype(np.int64))
        kind = np.dtype(getattr(output_type, "as_numpy_dtype", output_type))
        return Dataset(dataset.map(lambda number: number.astype(_narrow(kind))), kind)

    @staticmethod
    def zip(*datasets: Any, name: str | None = None) -> "Dataset":
        """The elements of several datasets beside each other; see ``calor.Dataset.zip``."""
        tree = datasets[0] if len(datasets) == 1 else datasets
        return Dataset(calor.Dataset.zip(_leaves(lambda one: plain(one), tree)), _leaves(lambda one: one._wide, tree))

    def enumerate(self, start: int = 0, name: str | None = None) -> "Dataset":
        """(number, element), the numbers int64; see ``calor.Dataset.enumerate``."""
        return Dataset(self.dataset.enumerate(start), (np.dtype(np.int64), self._wide))

    def concatenate(self, dataset: "Dataset", name: str | None = None) -> "Dataset":
        """The elements of this dataset, then those of another; see ``calor.Dataset.concatenate``."""
        return Dataset(self.dataset.concatenate(plain(dataset)), self._wide)

    def take(self, count: int, name: str | None = None) -> "Dataset":
        """The first ``count`` elements; -1 for all."""
        return self if count == -1 else Dataset(self.dataset.take(count), self._wide)

    def skip(self, count: int, name: str | None = None) -> "Dataset":
        """All but the first ``count`` elements; -1 for none of them."""
        return Dataset(self.dataset.take(0) if count == -1 else self.dataset.skip(count), self._wide)

    def batch(self, batch_size: int, drop_remainder: bool = False, **settings: Any) -> "Dataset":
        """Elements together, ``batch_size`` at a time; of a dataset of batches, such batches together."""
        dataset = self.dataset
        if dataset.batched:
            dataset = calor.Dataset.from_generator(_again(dataset))
        return Dataset(dataset.batch(batch_size, drop_remainder), self._wide)

    def flat_map(self, map_func: Callable[..., Any], name: str | None = None) -> "Dataset":
        """The elements of the datasets that a function makes of each element; see ``calor.Dataset.flat_map``."""
        dataset = self.dataset.flat_map(_argument(map_func, "flat_map"))
        # A window that was batched whole is an element, where Calor takes what comes out of batch() for batches.
        return Dataset(calor.Dataset.from_generator(_again(dataset)) if self._windows else dataset, self._wide)

    def get_single_element(self, name: str | None = None) -> Any:
        """The one element.

        Raises:
            ArgumentError: there are none, or several.
        """
        elements = list(self.take(2))
        if len(elements) != 1:
            raise ArgumentError(f"get_single_element: the dataset has {'several' if elements else 'no'} elements.")
        return elements[0]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in _OWN or not hasattr(self.dataset, name):
            raise MissingNameError(sentence("tf.data.Dataset", name, _names()))
        value = getattr(self.dataset, name)
        return _wrapping(value, name, self._wide, windows=name == "window") if callable(value) else value

    def __iter__(self) -> Iterator[Any]:
        for element in self.dataset:
            yield _tensors(element, self._wide)

    def __len__(self) -> int:
        return len(self.dataset)

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The elements as NumPy arrays and numbers."""
        return (_each(lambda leaf, _: leaf.numpy(), element, None) for element in self)

    def cardinality(self) -> Any:
        """The number of elements, -1 without end, -2 where it is not known; a tensor."""
        return tensor(self.dataset.cardinality(), np.int64)

    def cache(self, filename: str = "", name: str | None = None) -> "Dataset":
        """Keep the elements in memory; a file's name is accepted, and no file is written."""
        return Dataset(self.dataset.cache(), self._wide)

    @property
    def element_spec(self) -> Any:
        """Shapes and types of an element, as ``TensorSpec``."""
        return _each(
            lambda leaf, dtype: TensorSpec(_open(leaf.shape, self.dataset.batched), dtype), self._spec, self._wide
        )

    @property
    def _spec(self) -> Any:
        return self.dataset.element_spec

    def __repr__(self) -> str:
        return f"<tf.data.Dataset of Calor: {self.element_spec}>"


def plain(value: Any) -> Any:
    """What Calor's own functions take: the ``calor.Dataset`` of one of these datasets, also inside a tuple."""
    if isinstance(value, Dataset):
        return value.dataset
    return type(value)(map(plain, value)) if isinstance(value, tuple) and type(value) is tuple else value


def _names() -> list[str]:
    return [*(name for name in dir(calor.Dataset) if not name.startswith("_") and name not in _OWN), *_MORE]


def _leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree of a function of the datasets in a tree."""
    if isinstance(tree, dict):
        return {key: _leaves(function, part) for key, part in tree.items()}
    if isinstance(tree, tuple | list):
        return tuple(_leaves(function, part) for part in tree)
    if not isinstance(tree, Dataset):
        raise ArgumentError(f"zip needs datasets, not {type(tree).__name__}.")
    return function(tree)


def _again(dataset: calor.Dataset) -> Callable[[], Iterator[Any]]:
    """A function that goes through a dataset."""
    return lambda: iter(dataset)


def _declared(tree: Any) -> Any:
    """The types in 64 bits in what ``from_generator`` is told of its elements."""
    if isinstance(tree, dict):
        return {key: _declared(part) for key, part in tree.items()}
    if isinstance(tree, tuple | list):
        return tuple(map(_declared, tree))
    if tree is None:
        return None
    kind = getattr(tree, "dtype", tree)
    kind = np.dtype(getattr(kind, "as_numpy_dtype", kind))
    return None if _narrow(kind) == kind else kind


def _narrow(kind: np.dtype) -> np.dtype:
    """The type in 32 bits that Calor computes in, for one in 64."""
    return np.dtype(f"{kind.name[:-2]}32") if kind.itemsize == 8 and kind.kind in "iuf" else kind


def _wrapping(method: Callable[..., Any], name: str, wide: Any, *, windows: bool = False) -> Callable[..., Any]:
    """A method of ``calor.Dataset`` that takes and gives datasets of this module."""

    @functools.wraps(method)
    def call(*arguments: Any, **settings: Any) -> Any:
        settings.pop("name", None)
        given = [_argument(one, name) for one in arguments]
        result = method(*given, **{key: _argument(one, name) for key, one in settings.items()})
        return _wrapped(result, wide, windows=windows)

    return call


def _argument(value: Any, method: str) -> Any:
    if isinstance(value, tuple | list) and any(isinstance(one, Dataset) for one in value):
        return type(value)(map(plain, value))
    if method in _OF_DATASETS and callable(value) and not isinstance(value, Dataset):

        @functools.wraps(value)
        def call(*arguments: Any) -> Any:
            return plain(value(*(_tensors(_wrapped(one, None), None) for one in arguments)))

        return call
    return plain(value)


def _wrapped(value: Any, wide: Any, *, windows: bool = False) -> Any:
    if isinstance(value, calor.Dataset):
        return Dataset(value, wide, windows=windows)
    return type(value)(_wrapped(one, wide, windows=windows) for one in value) if type(value) is tuple else value


def _each(function: Callable[[Any, Any], Any], tree: Any, wide: Any) -> Any:
    """The tree of a function of its arrays, each with the type that it is to have."""
    if isinstance(tree, tuple | list):
        types = wide if isinstance(wide, tuple) and len(wide) == len(tree) else [None] * len(tree)
        return tuple(_each(function, part, kind) for part, kind in zip(tree, types, strict=True))
    if isinstance(tree, dict):
        named = wide if isinstance(wide, dict) else {}
        return {key: _each(function, part, named.get(key)) for key, part in tree.items()}
    if isinstance(tree, calor.Dataset):
        return Dataset(tree, wide)
    if isinstance(tree, str):  # the name of a file
        return function(np.array(os.fsencode(tree)), None)
    if not hasattr(tree, "dtype"):
        return tree
    narrowed = isinstance(wide, np.dtype) and tree.dtype == _narrow(wide)
    return function(tree, wide if narrowed else tree.dtype)


def _tensors(element: Any, wide: Any) -> Any:
    return _each(lambda leaf, dtype: leaf if is_traced(leaf) else tensor(leaf, dtype), element, wide)


def _dtypes(tree: Any) -> Any:
    """The types in 64 bits in a tree of arrays."""
    if isinstance(tree, tuple):
        return tuple(map(_dtypes, tree))
    if isinstance(tree, dict):
        return {key: _dtypes(part) for key, part in tree.items()}
    return None if _narrow(tree.dtype) == tree.dtype else tree.dtype


def _plain_tree(tree: Any) -> Any:
    """NumPy arrays in the tree that TensorFlow makes of it: numbers in lists are arrays, and floats 32 bits wide."""
    if isinstance(tree, dict):
        return {key: _plain_tree(part) for key, part in tree.items()}
    if isinstance(tree, tuple) and not all(isinstance(one, int | float) for one in tree):
        return tuple(map(_plain_tree, tree))
    array = np.asarray(tree)
    if hasattr(tree, "dtype"):
        return array
    return array.astype({"f": np.float32, "i": np.int32}.get(array.dtype.kind, array.dtype))


def _open(shape: Any, batched: bool) -> tuple[Any, ...]:
    """The shape with the number of examples left open, as TensorFlow's batches have it."""
    return (None, *shape[1:]) if batched else tuple(shape)
