import jax
import numpy as np
import pytest

from calor.data import Dataset
from calor.errors import ArgumentError, DataError


def pairs():
    for i in range(3):
        yield i, [i, i * i]


@pytest.mark.parametrize(
    "declared",
    [
        {"output_types": ("int32", "float32")},
        {"output_types": (np.int32, np.float32), "output_shapes": ((), (None,))},
        {"output_types": ("int32", "float32"), "output_shapes": (None, [2])},
        {"output_signature": (jax.ShapeDtypeStruct((), "int32"), jax.ShapeDtypeStruct((2,), "float32"))},
    ],
)
def test_elements_become_what_is_declared(declared):
    first, second = list(Dataset.from_generator(pairs, **declared).batch(2))
    assert first[0].dtype == np.int32
    assert first[1].dtype == np.float32
    assert second[1].tolist() == [[2.0, 4.0]]


def test_signatures_of_tensorflow_are_understood():
    class Type:
        as_numpy_dtype = np.uint8

    class Shape:
        def __init__(self, sizes):
            self.rank = None if sizes is None else len(sizes)
            self.sizes = sizes

        def __iter__(self):
            return iter(self.sizes)

    class TensorSpec:
        dtype = Type()

        def __init__(self, sizes):
            self.shape = Shape(sizes)

    for sizes in (None, (None,), (2,)):
        dataset = Dataset.from_generator([[1, 2], [3, 4]], output_signature=TensorSpec(sizes))
        assert [x.dtype for x in dataset] == [np.uint8, np.uint8]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"output_types": "int32", "output_signature": jax.ShapeDtypeStruct((), "int32")}, "not both"),
        ({"output_shapes": (2,)}, "needs output_types too"),
        ({"output_types": ("int32", "int32"), "output_shapes": ((),)}, "2 output_types and 1 output_shapes"),
        ({"output_types": "letters"}, "'letters' is no type of numbers"),
        ({"output_signature": (5,)}, r"needs shapes and types, such as jax.ShapeDtypeStruct.*not 5"),
    ],
)
def test_what_is_no_signature(declared, message):
    with pytest.raises(ArgumentError, match=message):
        Dataset.from_generator(pairs, **declared)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"output_types": "int32"}, "instead of int32"),
        ({"output_types": ("int32", "int32", "int32")}, "not as output_signature says"),
        ({"output_types": ("int32", "int32"), "output_shapes": ((), (3,))}, r"shape \(2,\) instead of the \(3,\) decl"),
        ({"output_types": ("int32", "int32"), "output_shapes": ((), ())}, r"shape \(2,\) instead of the \(\) decl"),
    ],
)
def test_elements_that_are_not_as_declared(declared, message):
    with pytest.raises(DataError, match=message):
        list(Dataset.from_generator(pairs, **declared))


def test_arguments_of_the_function():
    assert [int(x) for x in Dataset.from_generator(range, args=(2, 5))] == [2, 3, 4]
    with pytest.raises(ArgumentError, match=r"args=...\) needs a function to call, not \[1\]"):
        Dataset.from_generator([1], args=(3,))
