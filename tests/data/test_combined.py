"""Datasets made of datasets: what stays resident, what labels and files they have, what is refused."""

from pathlib import Path

import jax
import numpy as np
import pytest

import calor
from calor.data import INFINITE, UNKNOWN, Dataset, UnknownLengthError
from calor.errors import ArgumentError, DataError


def numbers(dataset):
    return [jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), element) for element in dataset]


def pictures(count=6, start=0):
    x = np.arange(start, start + count, dtype=np.uint8)[:, None] * np.ones(4, np.uint8)
    return Dataset.from_arrays(x, np.arange(count) % 3, class_names=["a", "b", "c"])


def test_what_can_be_read_by_number_stays_resident():
    images, labels = Dataset.from_arrays(np.zeros((6, 4), np.uint8)), Dataset.from_arrays(np.arange(6) % 2)
    for dataset in (
        Dataset.zip(images, labels).shuffle(6),
        pictures().concatenate(pictures(3, 50)).shuffle(9),
        pictures().enumerate(),
        pictures().filter(lambda x, y: y > 0).shuffle(4),
        pictures().batch(4).unbatch(),
        pictures().shard(2, 1),
        pictures().shuffle(6, seed=1, reshuffle_each_iteration=False).concatenate(pictures()),
        pictures().shuffle(6, seed=1).cache().enumerate(),
        pictures().repeat().take(9).concatenate(pictures()),
    ):
        plan = dataset.batch(2).plan()
        assert plan.kind == "resident"
        assert plan.steps == len(list(dataset.batch(2)))
        columns = plan.start((1,)).take(1).columns
        assert np.uint8 in [leaf.dtype for leaf in jax.tree.leaves(columns)]


def test_what_changes_from_pass_to_pass_streams():
    for dataset in (
        Dataset.zip(pictures().shuffle(6), pictures()),
        pictures().shuffle(6, seed=1).concatenate(pictures()),
        pictures().map(lambda x, y, key: (x + jax.random.uniform(key), y)).enumerate(),
        pictures().shuffle(6).take(3).filter(lambda x, y: y > 0),
        pictures().map(lambda x, y, key: (x + jax.random.uniform(key), y)).filter(lambda x, y: y > 0),
        pictures().batch(2).map(lambda x, y: (x, y)).unbatch(),
        pictures().batch(2).shuffle(3).unbatch(),
        pictures().take_while(lambda x, y: True),
    ):
        assert dataset.batch(2).plan().kind == "streaming"
        assert len(list(dataset)) in range(1, 13)


def test_two_shuffles_in_a_zip_differ_and_change_with_the_seed():
    dataset = Dataset.zip(Dataset.range(50).shuffle(50), Dataset.range(50).shuffle(50)).batch(50)
    first, second = (next(iter(dataset)) for _ in range(2))
    assert first[0].tolist() != first[1].tolist()
    assert first[0].tolist() != second[0].tolist()
    plan = dataset.plan()
    runs = [plan.start(entropy).take(1).columns[0].tolist() for entropy in ((1,), (1,), (2,))]
    assert runs[0] == runs[1] != runs[2]


def test_labels_names_and_files_go_with_the_examples():
    dataset = pictures().filter(lambda x, y: y != 1).concatenate(pictures(2).map(lambda x, y: (x, y)))
    assert dataset.labels.tolist() == [0, 2, 0, 2, 0, 1]
    assert dataset.class_names == ("a", "b", "c")
    zipped = Dataset.zip(Dataset.from_arrays(np.zeros((4, 2))), Dataset.from_arrays([3, 1, 2]))
    assert zipped.labels.tolist() == [3, 1, 2]
    assert Dataset.zip(zipped, zipped).labels is None
    assert Dataset.zip(Dataset.range(2), Dataset.from_arrays([0.5, 1.5])).labels is None
    assert Dataset.zip({"a": Dataset.range(2)}).labels is None
    assert Dataset.range(3).concatenate(Dataset.range(2)).labels is None
    assert pictures().shuffle(3).enumerate().class_names == ("a", "b", "c")
    assert pictures().filter(lambda x, y: y == 1).batch(2).labels.tolist() == [1, 1]


def test_files_of_joined_folders(tmp_path):
    for name in ("one.txt", "three.txt"):
        (tmp_path / name).write_text(name)
    files = Dataset.list_files(str(tmp_path / "*.txt"), shuffle=False)
    assert [path.name for path in files.files] == ["one.txt", "three.txt"]
    assert [path.name for path in files.skip(1).concatenate(files).files] == ["three.txt", "one.txt", "three.txt"]
    assert [path.name for path in files.enumerate().files] == ["one.txt", "three.txt"]
    assert Dataset.range(2).enumerate().files is None


def test_a_filter_is_evaluated_once_and_where_it_is_needed():
    seen = []

    def kept(x, y):
        seen.append(int(x[0]))
        return int(y) != 1

    dataset = pictures().skip(1).filter(kept).map(lambda x, y: (1 / (int(y) - 1), y))
    assert [float(x) for x, _ in dataset] == [1.0, -1.0, 1.0]
    assert len(list(dataset)) == 3
    # One of them more often: planning tries the function on it.
    assert sorted(set(seen)) == [1, 2, 3, 4, 5]
    assert len(seen) < 10
    cached = pictures().filter(lambda x, y: y != 1).map(lambda x, y: (1 / (int(y) - 1), y)).cache().batch(2)
    assert cached.plan().kind == "resident"
    assert [x.tolist() for x, _ in cached] == [[-1.0, 1.0], [-1.0, 1.0]]
    nothing = pictures().filter(lambda x, y: int(y) > 5).map(lambda x, y: (int(y) + 1, y))
    assert list(nothing) == []
    with pytest.raises(DataError, match="or the filter left none"):
        nothing.batch(2).plan()
    assert list(pictures().repeat().filter(lambda x, y: y > 5)) == []


def test_an_endless_filter_and_shard():
    dataset = Dataset.range(5).shuffle(5, seed=2).repeat().filter(lambda x: x != 3)
    plan = dataset.batch(4).plan()
    assert plan.endless
    assert plan.kind == "resident"
    block = plan.start((0,)).take(3)
    assert [sorted(row) for row in np.asarray(block.columns)[block.indices].tolist()] == [[0, 1, 2, 4]] * 3
    assert Dataset.range(5).repeat().shard(2, 1).take(5).cardinality() == 5
    assert numbers(Dataset.range(5).repeat().shard(2, 1).take(5)) == [1, 3, 0, 2, 4]
    assert numbers(Dataset.range(5).batch(2).repeat().unbatch().take(7)) == [0, 1, 2, 3, 4, 0, 1]
    assert Dataset.range(5).batch(2).repeat().unbatch().cardinality() == INFINITE


def test_cardinalities():
    assert Dataset.zip(Dataset.range(5), Dataset.range(3).repeat()).cardinality() == 5
    assert Dataset.zip(Dataset.range(3).repeat(), Dataset.range(3).repeat()).cardinality() == INFINITE
    assert Dataset.range(3).concatenate(Dataset.range(3).repeat()).cardinality() == INFINITE
    assert Dataset.range(3).concatenate(Dataset.range(3).filter(lambda x: x > 0)).cardinality() == 5
    assert Dataset.range(3).filter(lambda x: x > 0).cardinality() == UNKNOWN
    assert Dataset.range(3).flat_map(Dataset.range).concatenate(Dataset.range(3)).cardinality() == UNKNOWN
    assert Dataset.zip(Dataset.range(3).flat_map(Dataset.range), Dataset.range(3)).cardinality() == UNKNOWN
    assert Dataset.range(10).batch(4).unbatch().cardinality() == 10
    assert Dataset.range(10).batch(4, drop_remainder=True).unbatch().cardinality() == 8
    assert Dataset.range(10).window(3, shift=2).cardinality() == 5
    assert Dataset.range(10).window(3, shift=2, drop_remainder=True).cardinality() == 4
    assert Dataset.range(10).repeat().window(3).cardinality() == INFINITE
    assert Dataset.range(10).shard(3, 2).cardinality() == 3
    with pytest.raises(UnknownLengthError, match="not known before it is read"):
        len(Dataset.range(3).filter(lambda x: x > 0))


def test_an_error_names_the_example_in_its_own_source():
    def picky(x):
        if int(x) == 21:
            raise RuntimeError("not this one")
        return float(x)

    joined = Dataset.from_arrays([1, 2]).concatenate(Dataset.from_arrays([20, 21, 22]).skip(0))
    with pytest.raises(DataError, match=r"picky .* fails on example 1: RuntimeError"):
        list(joined.map(picky))
    with pytest.raises(DataError, match=r"fails on example 1: RuntimeError"):
        list(joined.enumerate().map(lambda number, x: picky(x)))
    with pytest.raises(DataError, match=r"fails on the number 21: RuntimeError"):
        list(Dataset.range(20, 25).map(picky))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Dataset.zip(), "zip needs datasets"),
        (lambda: Dataset.zip(Dataset.range(3), [1, 2, 3]), "zip needs a Dataset, not int"),
        (lambda: Dataset.range(3).concatenate([1]), "concatenate needs a Dataset, not list"),
        (lambda: Dataset.range(3).concatenate(Dataset.range(3).batch(2)), "batch both, or none"),
        (lambda: Dataset.range(3).shard(0, 0), r"shard\(num_shards=0\): it must be at least 1"),
        (lambda: Dataset.range(3).shard(3, 3), r"index=3\): the index must be below 3"),
        (lambda: Dataset.range(3).filter(3), "filter needs a function, not 3"),
        (lambda: Dataset.range(3).take_while(3), "take_while needs a function, not 3"),
        (lambda: Dataset.range(3).interleave(3), "interleave needs a function, not 3"),
        (lambda: Dataset.range(3).interleave(Dataset.range, 0), r"interleave\(cycle_length=0\)"),
        (lambda: Dataset.range(3).enumerate("a"), r"enumerate\(start='a'\)"),
        (lambda: Dataset.range(3).apply(len), "apply needs a Dataset, not int"),
        (lambda: Dataset.range(), r"Dataset.range\(\): range expected at least 1 argument"),
        (lambda: Dataset.range(0, 5, 0), r"must not be zero"),
        (lambda: Dataset.range(1 << 40), "must fit int32"),
        (lambda: Dataset.range(5).batch(2).padded_batch(2), "batched already"),
    ],
)
def test_arguments_that_cannot_work(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def test_elements_that_do_not_fit_together():
    for floats in (Dataset.from_arrays([0.5]), Dataset.from_arrays([0.5]).shuffle(1)):
        with pytest.raises(DataError, match=r"the first dataset's are int32 \(\), the other's float32"):
            list(Dataset.range(3).concatenate(floats))
    with pytest.raises(DataError, match=r"batches of different sizes, \[2, 3\]: zip the datasets, then batch"):
        list(Dataset.zip(Dataset.range(6).batch(2), Dataset.range(6).batch(3)))
    with pytest.raises(DataError, match="the elements are int32"):
        list(Dataset.range(3).unbatch())
    with pytest.raises(DataError, match=r"unbatch\(\) needs arrays of the same length"):
        list(Dataset.from_tensors((np.zeros(2), np.zeros(3))).unbatch())


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        (lambda x: (x, x), r"filter function .* must return True or False; it returned arrays of shape \(\), \(\)"),
        (lambda x: np.ones(2) * np.asarray(x), r"must return True or False; it returned arrays of shape \(2,\)"),
        (lambda x: None, "must return True or False; it returned arrays of shape none"),
        (lambda x: int(x) // 0, "filter function .* fails on the first example: ZeroDivisionError"),
    ],
)
def test_predicates_that_do_not_decide(predicate, message):
    with pytest.raises(DataError, match=message):
        list(Dataset.range(3).filter(predicate))


def test_a_predicate_that_fails_later_names_the_element():
    dataset = Dataset.from_generator(lambda: iter(range(5))).filter(lambda x: 1 // (3 - int(x)) < 2)
    with pytest.raises(DataError, match=r"filter function .* fails on the element that comes from number 3 of"):
        list(dataset)


def test_names_of_files(tmp_path):
    for name in ("a", "bb", "ccc"):
        (tmp_path / f"{name}.txt").write_text(name)
    (tmp_path / "folder.txt").mkdir()
    files = Dataset.list_files(tmp_path / "*.txt", shuffle=False)
    assert [type(name) for name in files] == [str] * 3
    lengths = files.map(lambda name: len(Path(name).read_text()))
    assert numbers(lengths) == [1, 2, 3]
    assert lengths.cache().batch(2).plan().kind == "resident"
    assert numbers(files.filter(lambda name: "bb" in name).map(len)) == [len(str(tmp_path / "bb.txt"))]
    words = files.interleave(lambda name: Dataset.from_arrays([ord(c) for c in Path(name).read_text()]), 2)
    assert bytes(numbers(words)) == b"abbccc"
    shuffled = Dataset.list_files([tmp_path / "a.txt", str(tmp_path / "b*.txt"), str(tmp_path / "c*.txt")], seed=3)
    orders = {tuple(shuffled) for _ in range(20)}
    assert len(orders) > 1
    assert {tuple(sorted(order)) for order in orders} == {tuple(files)}
    with pytest.raises(DataError, match="names of files: map"):
        files.batch(2).plan()
    with pytest.raises(DataError, match=r"No files match 'nothing\*' or 'none'"):
        Dataset.list_files(["nothing*", "none"])


def test_functions_after_operations_that_stream():
    windows = Dataset.range(6).map(lambda x: x).batch(3).map(lambda x: x + 1).unbatch().map(lambda x: int(x) * 2)
    assert numbers(windows.batch(4)) == [[2, 4, 6, 8], [10, 12]]
    empty = Dataset.zip(Dataset.range(4).shuffle(4).take(0), Dataset.range(4)).batch(2)
    assert list(empty) == []
    with pytest.raises(DataError, match="gives no elements"):
        empty.plan()
    with pytest.raises(DataError, match="no batches"):
        Dataset.zip(Dataset.range(4).shuffle(4), Dataset.range(4)).take(0).batch(2).plan()
    with pytest.raises(DataError, match=r"are \{'a': int32 \(\)\}, the other's int32"):
        list(Dataset.from_tensor_slices({"a": [1]}).concatenate(Dataset.range(1)))


def test_a_filter_of_cached_noise_is_evaluated_once():
    noisy = Dataset.range(40).map(lambda x, key: x + jax.random.uniform(key)).cache()
    dataset = noisy.filter(lambda x: x % 1 < 0.5)
    assert [float(x) for x in dataset] == pytest.approx([float(x) for x in noisy if x % 1 < 0.5])
    assert dataset.batch(4).plan().kind == "resident"


def test_host_functions_with_keys_on_what_streams_are_fixed_by_the_run():
    def jitter(x, key):
        return float(x) + float(jax.random.uniform(key))

    plan = Dataset.range(6).take_while(lambda x: x < 4).map(jitter).batch(4).plan()
    runs = []
    for seed in (1, 1, 2):
        cursor = plan.start((seed,))
        runs.append([cursor.take(1).columns.tolist(), cursor.take(1), cursor.take(1).columns.tolist()])
        cursor.close()
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert runs[0][0] != runs[0][2]


def test_fit_trains_on_each_of_them():
    x = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    base = Dataset.from_arrays(x, 2 * x[:, 0])
    inputs, targets = Dataset.from_arrays(x), Dataset.from_arrays(2 * x[:, 0])
    histories = []
    for dataset in (
        base,
        Dataset.zip(inputs, targets),
        base.take(20).concatenate(base.skip(20)),
        base.filter(lambda x, y: x[0] < 2),
        base.enumerate().map(lambda number, element: element),
        base.take_while(lambda x, y: True),
        base.flat_map(lambda x, y: Dataset.from_tensors((x, y))),
        base.batch(8).map(lambda x, y: (x, y)).unbatch(),
    ):
        model = calor.Sequential([calor.layers.Dense(1, input_shape=[1])], seed=1)
        model.compile(optimizer="sgd", loss="mse")
        histories.append(model.fit(dataset.batch(8), epochs=2, verbose=0).history["loss"])
    assert all(np.allclose(history, histories[0], rtol=1e-5) for history in histories)
    assert histories[0][1] < histories[0][0]
