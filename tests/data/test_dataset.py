import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import calor.data
from calor.data import INFINITE, UNKNOWN, Dataset, UnknownLengthError
from calor.data.memory import available_memory
from calor.errors import ArgumentError, DataError


def test_types_become_those_that_jax_computes_in():
    columns = next(iter(Dataset.from_arrays(np.zeros((4, 2)), np.zeros(4, np.int64), np.ones(4)).batch(4)))
    assert [column.dtype for column in columns] == [np.float32, np.int32, np.float32]
    for dtype in (np.uint8, np.float16, bool, np.int8, jnp.bfloat16):
        assert Dataset.from_arrays(np.zeros(3, dtype)).element_spec.dtype == dtype
    assert Dataset.from_arrays(jnp.ones((2, 3))).element_spec.shape == (3,)
    assert Dataset.from_arrays([[1.5, 2.5]]).element_spec.dtype == np.float32


def test_tuples_and_dicts_of_arrays():
    dataset = Dataset.from_tensor_slices(({"a": [1, 2], "b": [[3], [4]]}, [5, 6])).batch(2)
    inputs, labels = next(iter(dataset))
    assert inputs["b"].tolist() == [[3], [4]]
    assert labels.tolist() == [5, 6]
    assert Dataset.from_arrays((1.0, 2.0)).cardinality() == 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([1, 2, 3], [1, 2]), r"different numbers of examples: 3 \(shape \(3,\)\) and 2 \(shape \(2,\)\)"),
        (([],), "empty"),
        ((5,), "not single numbers"),
        (([[1], [1, 2]],), "x is not a rectangular array"),
        (([1, 2], ["cat", "dog"]), "y must hold numbers, not <U3: turn names into integers"),
        (([None, 1],), "must hold numbers"),
        (([1 << 40],), "integers that do not fit int32: 1099511627776"),
        (((),), "no arrays|empty"),
    ],
)
def test_arrays_that_cannot_be_used(arrays, message):
    with pytest.raises(DataError, match=message):
        Dataset.from_arrays(*arrays)


def test_a_dataset_is_not_made_of_arrays_directly():
    with pytest.raises(ArgumentError, match=r"Dataset.from_arrays\(x, y\).* and not of ndarray directly"):
        Dataset(np.zeros((3, 2)), np.zeros(3))


def test_weights_need_labels():
    with pytest.raises(ArgumentError, match="sample_weight needs y"):
        Dataset.from_arrays([1], sample_weight=[1.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.batch(0), r"batch\(batch_size=0\): it must be at least 1"),
        (lambda d: d.batch(2.5), r"batch\(batch_size=2.5\): a whole number"),
        (lambda d: d.batch(2).batch(2), "batched already"),
        (lambda d: d.take(-1), r"take\(count=-1\)"),
        (lambda d: d.skip("a"), r"skip\(count='a'\)"),
        (lambda d: d.repeat(-2), r"repeat\(count=-2\)"),
        (lambda d: d.shuffle(0), r"shuffle\(buffer_size=0\)"),
        (lambda d: d.shuffle(5, seed="x"), r"shuffle\(seed='x'\)"),
        (lambda d: d.map(5), "map needs a function, not 5"),
    ],
)
def test_arguments_that_cannot_work(call, message):
    with pytest.raises(ArgumentError, match=message):
        call(Dataset.from_arrays([1, 2, 3]))


def test_length_and_cardinality():
    dataset = Dataset.from_arrays(np.arange(10))
    assert len(dataset.batch(4)) == 3
    assert len(dataset.repeat(3).batch(4, drop_remainder=True)) == 7
    assert dataset.repeat().cardinality() == dataset.repeat(-1).batch(3).skip(2).cardinality() == INFINITE
    assert len(dataset.repeat().take(25)) == 25
    assert len(dataset.repeat(0)) == 0
    with pytest.raises(UnknownLengthError, match="repeats for ever"):
        len(dataset.repeat())
    generated = Dataset.from_generator(lambda: iter(range(3)))
    assert generated.batch(2).take(1).skip(1).repeat().cardinality() == UNKNOWN
    with pytest.raises(TypeError, match="not known before"):
        len(generated)
    assert [int(x) for x in list(generated)] == [0, 1, 2]
    assert Dataset.from_generator([1, 2, 3]).repeat(2).cardinality() == 6


def test_a_dataset_is_true_and_reads_nothing_to_say_so():
    assert Dataset.from_arrays([1]).repeat()
    assert Dataset.from_generator(iter([]))


def test_the_description_is_shown():
    assert repr(Dataset.from_arrays([1]).cache().shuffle(3).batch(2)) == "<Dataset of array.cache.shuffle.batch>"
    assert Dataset.from_arrays([1]).prefetch(3).batched is False


def test_each_iteration_is_a_pass():
    dataset = Dataset.from_arrays(np.arange(50)).shuffle(50)
    first, second = ([int(x) for x in dataset] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    fixed = dataset.cache()
    assert [int(x) for x in fixed] == [int(x) for x in fixed]


def test_endless_iteration():
    dataset = Dataset.from_arrays([1, 2, 3]).map(lambda x: x * 2).repeat()
    assert [int(x) for x in itertools.islice(dataset, 7)] == [2, 4, 6, 2, 4, 6, 2]
    assert [x.tolist() for x in itertools.islice(dataset.batch(2), 2)] == [[2, 4], [6, 2]]


def test_labels_and_names():
    dataset = Dataset.from_arrays(np.zeros((3, 2)), [[2], [0], [1]], class_names=["a", "b", "c"])
    assert dataset.skip(1).batch(2).labels.tolist() == [0, 1]
    assert dataset.map(lambda x, y: (x, y)).class_names == ("a", "b", "c")
    assert dataset.files is None
    assert Dataset.from_arrays([1.0], [0.5]).labels is None
    assert Dataset.from_arrays([1.0]).labels is None
    generated = Dataset.from_generator([1])
    assert (generated.labels, generated.files, generated.class_names) == (None, None, None)
    kept = dataset.map(lambda x, y: (np.asarray(x), y)).cache()
    assert len(list(kept)) == 3
    assert kept.class_names == ("a", "b", "c")
    assert kept.labels.tolist() == [2, 0, 1]
    with pytest.raises(UnknownLengthError, match="before repeat"):
        dataset.repeat().labels  # noqa: B018


def test_the_public_names():
    assert all(getattr(calor.data, name) is not None for name in calor.data.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        calor.data.nothing  # noqa: B018


def test_available_memory(monkeypatch):
    assert available_memory() > 1 << 20
    monkeypatch.setattr("pathlib.Path.read_text", lambda path: "MemTotal: 9 kB\nMemAvailable:    1234 kB\n")
    assert available_memory() == 1234 << 10

    def missing(path):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    assert available_memory() > 1 << 20

    class Accelerator:
        def memory_stats(self):
            return {"bytes_limit": 1000, "bytes_in_use": 400}

    monkeypatch.setattr("jax.local_devices", lambda: [Accelerator()])
    assert available_memory() == 600
