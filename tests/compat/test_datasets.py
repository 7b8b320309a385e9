"""``tf.data`` under its own names. The results are those that TensorFlow 2.21 gave for the same lines."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calor.compat import tensorflow as tf
from calor.errors import ArgumentError, DataError, NotCoveredError

Dataset = tf.data.Dataset


def shown(value: Any) -> Any:
    """An element, or a tensor, as plain numbers."""
    if isinstance(value, tuple):
        return tuple(map(shown, value))
    if isinstance(value, dict):
        return {key: shown(part) for key, part in value.items()}
    return value.numpy().tolist()


def listed(dataset: Any) -> list[Any]:
    return [shown(element) for element in dataset]


def pairs() -> Iterator[Any]:
    for i in range(3):
        yield i, [float(i)] * 2


def triangle() -> Iterator[Any]:
    for i in range(1, 4):
        yield np.arange(i)


PAIRS = [(0, [0.0, 0.0]), (1, [1.0, 1.0]), (2, [2.0, 2.0])]

RESULTS = [
    (lambda: Dataset.range(3), [0, 1, 2]),
    (lambda: Dataset.range(2, 9, 3), [2, 5, 8]),
    (lambda: Dataset.range(5, 0, -2), [5, 3, 1]),
    (lambda: Dataset.zip((Dataset.range(3), Dataset.range(10, 13))), [(0, 10), (1, 11), (2, 12)]),
    (lambda: Dataset.zip(Dataset.range(3), Dataset.range(10, 12)), [(0, 10), (1, 11)]),
    (lambda: Dataset.zip({"a": Dataset.range(2), "b": Dataset.range(2)}), [{"a": 0, "b": 0}, {"a": 1, "b": 1}]),
    (
        lambda: Dataset.zip((Dataset.range(2), (Dataset.range(2), Dataset.range(5, 9)))),
        [(0, (0, 5)), (1, (1, 6))],
    ),
    (lambda: Dataset.range(6).filter(lambda x: x % 2 == 0), [0, 2, 4]),
    (
        lambda: Dataset.from_tensor_slices(([1, 2, 3], [0, 1, 0])).filter(lambda x, y: tf.equal(y, 0)),
        [(1, 0), (3, 0)],
    ),
    (
        lambda: Dataset.range(1, 4).interleave(
            lambda x: Dataset.from_tensors(x).repeat(3), cycle_length=2, block_length=2
        ),
        [1, 1, 2, 2, 1, 2, 3, 3, 3],
    ),
    (lambda: Dataset.range(3).interleave(lambda x: Dataset.range(x), cycle_length=2), [0, 0, 1]),
    (
        lambda: Dataset.range(1, 3).interleave(
            lambda x: Dataset.from_tensor_slices([x, x * 10]), cycle_length=2, num_parallel_calls=tf.data.AUTOTUNE
        ),
        [1, 2, 10, 20],
    ),
    (lambda: Dataset.range(3).flat_map(lambda x: Dataset.range(x)), [0, 0, 1]),
    (lambda: Dataset.from_generator(pairs, output_types=(tf.int64, tf.float32)), PAIRS),
    (
        lambda: Dataset.from_generator(pairs, (tf.int32, tf.float32), (tf.TensorShape([]), tf.TensorShape([2]))),
        PAIRS,
    ),
    (
        lambda: Dataset.from_generator(pairs, output_types=(tf.int64, tf.float32), output_shapes=((), (2,))),
        PAIRS,
    ),
    (
        lambda: Dataset.from_generator(
            pairs,
            output_signature=(
                tf.TensorSpec(shape=(), dtype=tf.int32),
                tf.TensorSpec(shape=(None,), dtype=tf.float32),
            ),
        ),
        PAIRS,
    ),
    (
        lambda: Dataset.from_generator(
            lambda n: iter(range(n)), args=[3], output_signature=tf.TensorSpec((), tf.int64)
        ),
        [0, 1, 2],
    ),
    (lambda: Dataset.from_generator(lambda: iter([{"a": 1}]), output_types={"a": tf.int64}), [{"a": 1}]),
    (
        lambda: Dataset.from_generator(pairs, output_types=(tf.int64, tf.float32)).batch(2),
        [([0, 1], [[0.0, 0.0], [1.0, 1.0]]), ([2], [[2.0, 2.0]])],
    ),
    (lambda: Dataset.from_tensor_slices([7.0, 8.0]).enumerate(), [(0, 7.0), (1, 8.0)]),
    (lambda: Dataset.from_tensor_slices([7.0, 8.0]).enumerate(start=5), [(5, 7.0), (6, 8.0)]),
    (lambda: Dataset.range(2).concatenate(Dataset.range(5, 7)), [0, 1, 5, 6]),
    (lambda: Dataset.range(5).batch(2).unbatch(), [0, 1, 2, 3, 4]),
    (lambda: Dataset.from_tensor_slices([[1, 2], [3, 4]]).unbatch(), [1, 2, 3, 4]),
    (lambda: Dataset.range(7).shard(3, 1), [1, 4]),
    (lambda: Dataset.range(7).shard(num_shards=3, index=0), [0, 3, 6]),
    (lambda: Dataset.range(5).skip(3), [3, 4]),
    (lambda: Dataset.range(5).skip(-1), []),
    (lambda: Dataset.range(5).take(2), [0, 1]),
    (lambda: Dataset.range(3).take(-1), [0, 1, 2]),
    (
        lambda: Dataset.range(5).window(3, shift=1, drop_remainder=True).flat_map(lambda w: w.batch(3)),
        [[0, 1, 2], [1, 2, 3], [2, 3, 4]],
    ),
    (  # how a time series is made into examples
        lambda: (
            Dataset.range(6)
            .window(4, shift=1, drop_remainder=True)
            .flat_map(lambda w: w.batch(4))
            .map(lambda w: (w[:-1], w[-1:]))
            .batch(2)
        ),
        [([[0, 1, 2], [1, 2, 3]], [[3], [4]]), ([[2, 3, 4]], [[5]])],
    ),
    (
        lambda: Dataset.range(6).window(2).flat_map(lambda w: w.batch(2)).map(lambda w: w[0] + w[1]),
        [1, 5, 9],
    ),
    (lambda: Dataset.range(6).batch(2).batch(2), [[[0, 1], [2, 3]], [[4, 5]]]),
    (
        lambda: Dataset.from_generator(
            triangle, output_signature=tf.TensorSpec((None,), tf.int64)
        ).padded_batch(2),
        [[[0, 0], [0, 1]], [[0, 1, 2]]],
    ),
    (
        lambda: Dataset.from_generator(triangle, output_types=tf.int32, output_shapes=[None]).padded_batch(
            3, padded_shapes=[5], padding_values=-1
        ),
        [[[0, -1, -1, -1, -1], [0, 1, -1, -1, -1], [0, 1, 2, -1, -1]]],
    ),
    (
        lambda: Dataset.from_generator(
            lambda: ((np.arange(i), i) for i in (1, 3)),
            output_types=(tf.int32, tf.int32),
            output_shapes=([None], []),
        ).padded_batch(2, padded_shapes=([None], [])),
        [([[0, 0, 0], [0, 1, 2]], [1, 3])],
    ),
    (lambda: Dataset.range(4).apply(lambda d: d.filter(lambda x: x > 1)), [2, 3]),
    (lambda: Dataset.range(9).take_while(lambda x: x < 3), [0, 1, 2]),
    (lambda: Dataset.range(2).map(lambda x: {"a": x, "b": x + 1}), [{"a": 0, "b": 1}, {"a": 1, "b": 2}]),
]  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), RESULTS)
def test_elements_are_those_of_tensorflow(make: Any, expected: list[Any]) -> None:
    dataset = make()
    assert listed(dataset) == expected
    assert listed(dataset) == expected  # a second pass


def test_types_in_64_bits_are_told_as_tensorflow_has_them() -> None:
    specs = [
        (Dataset.range(3), "TensorSpec(shape=(), dtype=tf.int64, name=None)"),
        (Dataset.range(3, output_type=tf.float32), "TensorSpec(shape=(), dtype=tf.float32, name=None)"),
        (Dataset.range(3, output_type=tf.uint8), "TensorSpec(shape=(), dtype=tf.uint8, name=None)"),
        (Dataset.range(3).batch(2), "TensorSpec(shape=(None,), dtype=tf.int64, name=None)"),
        (
            Dataset.from_generator(pairs, output_types=(tf.int64, tf.float32)),
            "(TensorSpec(shape=(), dtype=tf.int64, name=None), TensorSpec(shape=(2,), dtype=tf.float32, name=None))",
        ),
        (
            Dataset.from_generator(triangle, output_signature=tf.TensorSpec((None,), tf.float64)),
            "TensorSpec(shape=(1,), dtype=tf.float64, name=None)",
        ),
        (Dataset.from_generator(triangle), "TensorSpec(shape=(1,), dtype=tf.int32, name=None)"),
    ]
    for dataset, spec in specs:
        assert str(dataset.element_spec) == spec
    both = Dataset.zip((Dataset.range(2), Dataset.from_tensor_slices([1, 2]))).enumerate()
    (number, (wide, narrow)) = next(iter(both))
    assert (number.dtype, wide.dtype, narrow.dtype) == (tf.int64, tf.int64, tf.int32)
    assert next(iter(Dataset.range(1).concatenate(Dataset.range(1)))).dtype == tf.int64


def test_numbers_of_elements() -> None:
    assert shown(Dataset.range(7).batch(2).cardinality()) == 4
    assert Dataset.range(3).repeat().cardinality() == tf.data.INFINITE_CARDINALITY
    assert Dataset.range(3).filter(lambda x: x > 0).cardinality() == tf.data.UNKNOWN_CARDINALITY
    assert Dataset.from_generator(pairs).cardinality() == tf.data.experimental.UNKNOWN_CARDINALITY
    assert shown(tf.data.experimental.cardinality(Dataset.range(3))) == 3
    assert len(Dataset.range(7).batch(3)) == 3
    with pytest.raises(TypeError, match="repeats for ever"):
        len(Dataset.range(3).repeat())


def test_windows_are_datasets() -> None:
    assert [listed(window) for window in Dataset.range(5).window(2)] == [[0, 1], [2, 3], [4]]


def test_reduce() -> None:
    assert shown(Dataset.range(5).reduce(np.int64(0), lambda state, x: state + x)) == 10
    assert shown(Dataset.range(5).reduce(tf.constant(0), lambda state, _: state + 1)) == 5
    rows = Dataset.from_tensor_slices(([1.0, 2.0], [3.0, 4.0]))
    assert shown(rows.reduce(0.0, lambda state, row: state + row[0] * row[1])) == 11


def test_numpy_iterators() -> None:
    assert [(type(x), x.tolist()) for x in Dataset.range(3).as_numpy_iterator()] == [(np.int64, i) for i in range(3)]
    assert [x.tolist() for x in Dataset.range(3).batch(2).as_numpy_iterator()] == [[0, 1], [2]]
    assert list(Dataset.from_tensor_slices({"a": [1, 2]}).as_numpy_iterator()) == [{"a": 1}, {"a": 2}]


def test_names_of_files(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(name)
    dataset = Dataset.list_files(str(tmp_path / "*.txt"), shuffle=False)
    assert [Path(name.numpy().decode()).name for name in dataset] == ["a.txt", "b.txt", "c.txt"]
    assert [Path(name.decode()).name for name in dataset.as_numpy_iterator()] == ["a.txt", "b.txt", "c.txt"]
    sizes = dataset.map(lambda name: len(Path(name).read_text()))
    assert listed(sizes) == [1, 1, 1]
    two = Dataset.list_files([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")], seed=1)
    assert sorted(Path(name.numpy().decode()).name for name in two) == ["a.txt", "b.txt"]
    with pytest.raises(DataError, match="No files match"):
        Dataset.list_files(str(tmp_path / "*.jpg"))


def test_the_one_element() -> None:
    assert shown(Dataset.from_tensors(3).get_single_element()) == 3
    assert shown(tf.data.experimental.get_single_element(Dataset.range(4).batch(4))) == [0, 1, 2, 3]
    with pytest.raises(ArgumentError, match="the dataset has several elements"):
        Dataset.range(2).get_single_element()
    with pytest.raises(ArgumentError, match="the dataset has no elements"):
        Dataset.range(2).skip(2).get_single_element()
    assert "get_single_element" in dir(Dataset)


def test_tensor_specs() -> None:
    spec = tf.TensorSpec([None, 28], tf.float32, name="x")
    assert str(spec) == "TensorSpec(shape=(None, 28), dtype=tf.float32, name='x')"
    assert str(tf.TensorSpec([2])) == "TensorSpec(shape=(2,), dtype=tf.float32, name=None)"
    assert spec.shape.as_list() == [None, 28]
    assert tf.TensorSpec([2], tf.int32) == tf.TensorSpec((2,), tf.int32)


def test_what_a_generator_declares_and_does_not_give() -> None:
    spec = (tf.TensorSpec(shape=(), dtype=tf.int32), tf.TensorSpec(shape=(3,), dtype=tf.float32))
    with pytest.raises(DataError, match=re.escape("an array of shape (2,) instead of the (3,) declared")):
        listed(Dataset.from_generator(pairs, output_signature=spec))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("bucket_by_sequence_length", "padded_batch"),
        ("choose_from_datasets", "interleave"),
        ("counter", "range"),
        ("group_by_window", "window"),
        ("ragged_batch", "padded_batch"),
        ("random", "from_tensor_slices"),
        ("rebatch", "unbatch, and batch"),
        ("rejection_resample", "class_weight"),
        ("sample_from_datasets", "concatenate, and shuffle"),
        ("scan", "reduce"),
        ("snapshot", "save"),
        ("unique", "np.unique"),
        ("with_options", "decides itself"),
    ],
)
def test_what_there_is_in_place_of_other_operations(name: str, nearest: str) -> None:
    with pytest.raises(NotCoveredError, match=rf"tf.data.Dataset.{name} is outside what Calor covers.*{nearest}"):
        getattr(Dataset, name)
    with pytest.raises(NotCoveredError, match=f"nearest thing that it has is .*{nearest}"):
        getattr(Dataset.range(3), name)


def test_mistakes_in_zip() -> None:
    with pytest.raises(ArgumentError, match="zip needs datasets, not int"):
        Dataset.zip((Dataset.range(2), 3))
    with pytest.raises(NotCoveredError, match=r"tf.strings .*path.split\(os.sep\)"):
        _ = tf.strings
