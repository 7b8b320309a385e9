import jax
import numpy as np
import pytest

from calor.data import Dataset
from calor.errors import ArgumentError, DataError


def lists(dataset):
    return [jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), element) for element in dataset]


def test_interleave_takes_blocks_in_turn_as_tf_data_documents_it():
    dataset = Dataset.range(1, 6).interleave(
        lambda x: Dataset.from_tensors(x).repeat(6), cycle_length=2, block_length=4
    )
    assert lists(dataset) == [*[1] * 4, *[2] * 4, 1, 1, 2, 2, *[3] * 4, *[4] * 4, 3, 3, 4, 4, *[5] * 6]
    assert sorted(lists(Dataset.range(6).interleave(Dataset.range))) == sorted(n for m in range(6) for n in range(m))


def test_inner_datasets_may_be_batched_and_random():
    batches = Dataset.range(2, 5).flat_map(lambda n: Dataset.range(n).batch(2))
    assert batches.batched
    assert lists(batches) == [[0, 1], [0, 1], [2], [0, 1], [2, 3]]
    with pytest.raises(ArgumentError, match="batched already"):
        list(batches.batch(2))
    with pytest.raises(ArgumentError, match="batched already"):
        list(Dataset.range(2, 5).flat_map(lambda n: Dataset.range(n).batch(2)).batch(2))
    assert lists(batches.unbatch().batch(3)) == [[0, 1, 0], [1, 2, 0], [1, 2, 3]]
    shuffled = Dataset.range(2).flat_map(lambda n: Dataset.range(30).shuffle(30)).batch(30)
    first, second = lists(shuffled)
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second
    assert lists(shuffled) != [first, second]
    assert not Dataset.range(0).flat_map(Dataset.range).batched
    assert lists(Dataset.range(0).flat_map(Dataset.range)) == []


def test_functions_that_make_no_dataset():
    with pytest.raises(DataError, match=r"flat_map function .* must return a Dataset, and returned 0"):
        list(Dataset.range(3).flat_map(int))
    with pytest.raises(DataError, match=r"interleave function .* fails on element 0: ZeroDivisionError"):
        list(Dataset.range(3).interleave(lambda x: 1 // int(x)))


def test_a_running_generator_goes_on_behind_what_was_looked_at():
    zipped = Dataset.zip(Dataset.from_generator(iter([1, 2, 3])), Dataset.range(10)).batch(2)
    assert zipped.element_spec[0].shape == (2,)
    assert lists(zipped) == [([1, 2], [0, 1]), ([3], [2])]
    assert lists(Dataset.from_generator(iter([1, 2])).enumerate().cache().repeat(2)) == [(0, 1), (1, 2)] * 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((3,), [[0, 1, 2], [3, 4, 5], [6]]),
        ((3, 2), [[0, 1, 2], [2, 3, 4], [4, 5, 6], [6]]),
        ((2, 5), [[0, 1], [5, 6]]),
        ((2, 1, 3), [[0, 3], [1, 4], [2, 5], [3, 6], [4], [5], [6]]),
        ((3, 1, 2, True), [[0, 2, 4], [1, 3, 5], [2, 4, 6]]),
        ((9, 9, 1, True), []),
    ],
)
def test_windows(arguments, expected):
    size = arguments[0]
    assert lists(Dataset.range(7).window(*arguments).flat_map(lambda window: window.batch(size))) == expected


def test_windows_of_several_arrays_are_datasets_each():
    windows = Dataset.from_arrays([1, 2, 3], [4, 5, 6]).window(2, shift=1, drop_remainder=True)
    made = windows.flat_map(lambda x, y: Dataset.zip(x.batch(2), y.batch(2)))
    assert lists(made) == [([1, 2], [4, 5]), ([2, 3], [5, 6])]
    assert [lists(x) for x, _ in windows] == [[1, 2], [2, 3]]
    with pytest.raises(ArgumentError, match=r"windows, which are datasets themselves: .* flat_map"):
        list(windows.take(1))


def test_reduce_apply_and_numpy():
    assert Dataset.range(4).reduce((0, 1), lambda state, x: (state[0] + x, state[1] * 2)) == (6, 16)
    assert lists(Dataset.range(4).apply(lambda dataset: dataset.batch(3)).as_numpy_iterator()) == [[0, 1, 2], [3]]


def test_caches_of_different_functions_on_one_generator_are_apart():
    generated = Dataset.from_generator(lambda: iter(range(3)))
    tens, hundreds = (generated.map(lambda x, by=by: int(x) * by).cache() for by in (10, 100))
    assert lists(tens) == lists(tens) == [0, 10, 20]
    assert lists(hundreds) == lists(hundreds) == [0, 100, 200]


def test_a_cached_shuffle_depends_on_the_seed():
    dataset = Dataset.from_generator(lambda: iter(range(50))).shuffle(50).cache().batch(50)
    plan = dataset.plan()

    def order(seed):
        cursor = plan.start((seed,))
        passes = [cursor.take(1).columns.tolist(), cursor.take(1), cursor.take(1).columns.tolist()]
        cursor.close()
        assert passes[0] == passes[2]
        return passes[0]

    assert order(1) == order(1) != order(2)


def test_a_resumed_run_leaves_whole_passes_out():
    reads = []

    def read(x):
        reads.append(int(x))
        return float(x)

    dataset = Dataset.zip(Dataset.range(6).shuffle(6), Dataset.range(6)).map(lambda x, y: (read(x), y)).batch(2)
    cursor = dataset.plan().start((1,), step=300)
    cursor.take(1)
    cursor.close()
    assert len(reads) < 60
