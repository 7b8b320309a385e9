import itertools

import jax
import numpy as np
import pytest

from calor.data import Dataset
from calor.errors import ArgumentError, DataError


def numbers():
    for i in range(7):
        yield i, i % 2


def sizes(*lengths):
    start = 0
    for length in lengths:
        yield np.arange(start, start + length), np.zeros(length)
        start += length


def run(plan, takes, step=0, chunk=5):
    """What a run takes: for each take the real first-column values of each batch, or None."""
    cursor = plan.start((1,), step)
    taken = []
    for _ in range(takes):
        block = cursor.take(chunk)
        if block is None:
            taken.append(None)
            continue
        column = jax.tree.leaves(plan.transform(block.columns, None, None))[0]
        taken.append([np.asarray(column)[row[row >= 0]].tolist() for row in block.indices])
    cursor.close()
    return taken


def test_a_function_is_called_for_every_pass():
    plan = Dataset.from_generator(numbers).batch(3).plan()
    assert (plan.kind, plan.batch_size, plan.steps, plan.endless) == ("streaming", 3, None, False)
    batches = [[0, 1, 2], [3, 4, 5], [6]]
    assert run(plan, 4) == [batches, None, batches, None]
    assert run(plan, 4, chunk=2) == [batches[:2], batches[2:], None, batches[:2]]


def test_operations_on_elements():
    dataset = Dataset.from_generator(numbers).map(lambda x, y: (x * 10, y)).skip(1).take(4).repeat(2).batch(3)
    expected = [[10, 20, 30], [40, 10, 20], [30, 40]]
    assert [x.tolist() for x, _ in dataset] == expected
    assert run(dataset.plan(), 3) == [expected, None, expected]
    dropping = Dataset.from_generator(numbers).batch(3, drop_remainder=True)
    assert [x.tolist() for x, _ in dropping] == [[0, 1, 2], [3, 4, 5]]
    assert [int(x) for x, _ in Dataset.from_generator(numbers).map(lambda x, y: (x + 1, y))] == list(range(1, 8))


def test_functions_that_cannot_be_traced():
    dataset = Dataset.from_generator(numbers).map(lambda x, y: (int(x) + 1, y)).map(lambda x, y: (x * 2, y)).batch(4)
    assert run(dataset.plan(), 1) == [[[2, 4, 6, 8], [10, 12, 14]]]
    whole = Dataset.from_batches([([1, 2], [0, 0]), ([3], [0])]).map(lambda x, y: (np.asarray(x) + 1, y))
    assert run(whole.plan(), 2) == [[[2, 3], [4]], None]
    broken = Dataset.from_generator(numbers).map(lambda x, y: (1 // (5 - int(x)), y)).batch(2)
    with pytest.raises(DataError, match="fails on element 5 of the generator: ZeroDivisionError"):
        list(broken)


def test_random_functions_on_the_host_are_fixed_by_the_run():
    def jitter(x, y, key):
        return float(x) + float(jax.random.uniform(key)), y

    plan = Dataset.from_generator(numbers).map(jitter).batch(4).plan()
    first = run(plan, 3)
    assert run(plan, 3) == first
    assert first[0] != first[2]
    whole = Dataset.from_generator(numbers).batch(4).map(lambda x, y, key: (np.asarray(x) + jitter(0, 0, key)[0], y))
    assert run(whole.plan(), 1) == run(whole.plan(), 1)


def test_shuffle_draws_from_a_window():
    dataset = Dataset.from_generator(lambda: iter(range(100))).shuffle(10).batch(100)
    first, ended, second = run(dataset.plan(), 3)
    assert ended is None
    assert sorted(first[0]) == sorted(second[0]) == list(range(100))
    assert first != second
    assert all(place > value - 10 for place, value in enumerate(first[0]))
    fixed = Dataset.from_generator(lambda: iter(range(100))).shuffle(10, 3, False).batch(100)
    first, _, second = run(fixed.plan(), 3)
    assert first == second


def test_cache_reads_once():
    reads = []

    def counted():
        reads.append(1)
        yield from range(3)

    dataset = Dataset.from_generator(counted).cache().batch(2)
    assert run(dataset.plan(), 3) == [[[0, 1], [2]], None, [[0, 1], [2]]]
    assert len(reads) == 1
    once = Dataset.from_generator(iter([1, 2])).cache().repeat(2)
    assert [int(x) for x in once] == [1, 2, 1, 2]


def test_a_running_generator_is_read_once_and_ends_for_good():
    plan = Dataset.from_batches(sizes(2, 2, 1)).plan()
    assert plan.batch_size == 2
    assert run(plan, 4) == [[[0, 1], [2, 3], [4]], None, None, None]
    generator = sizes(2)
    list(generator)
    with pytest.raises(DataError, match=r"gives no elements\. It can be read once only"):
        Dataset.from_batches(generator).plan()
    assert [int(x) for x in Dataset.from_generator(iter([5, 6])).repeat()] == [5, 6]


def test_an_endless_generator_streams_on():
    plan = Dataset.from_batches(np.full(2, i) for i in itertools.count()).plan()
    assert run(plan, 2, chunk=3) == [[[0, 0], [1, 1], [2, 2]], [[3, 3], [4, 4], [5, 5]]]


def test_batches_may_differ_in_size():
    plan = Dataset.from_batches(lambda: sizes(3, 2, 5, 3, 1)).plan()
    assert plan.batch_size == 3
    assert run(plan, 2) == [[[0, 1, 2], [3, 4], [5, 6, 7, 8, 9], [10, 11, 12], [13]], None]
    eager = Dataset.from_batches(lambda: sizes(3, 2, 5)).map(lambda x, y: (x + 1, y))
    assert [x.tolist() for x, _ in eager] == [[1, 2, 3], [4, 5], [6, 7, 8, 9, 10]]


def test_columns_keep_their_shapes_and_grow_only_when_they_must():
    cursor = Dataset.from_batches(lambda: sizes(*[4] * 8, 3, *[4] * 6, 6, *[4] * 3)).plan().start((0,))
    blocks = list(iter(lambda: cursor.take(8), None))
    cursor.close()
    assert [block.columns[0].shape for block in blocks] == [(32,), (48,), (48,)]
    assert [block.indices.shape for block in blocks] == [(8, 4), (8, 6), (3, 6)]
    assert blocks[2].source[0].tolist() == [65, 66, 67, 68, -1, -1]


def test_sequences_have_a_length_and_are_told_of_the_end_of_a_pass():
    class Photos:
        ended = 0

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return np.full((2, 4), index), np.zeros(2)

        def on_epoch_end(self):
            self.ended += 1

    photos = Photos()
    dataset = Dataset.from_batches(photos)
    plan = dataset.plan()
    assert (len(dataset), plan.steps, plan.batch_size) == (3, 3, 2)
    assert [len(batches) for batches in run(plan, 1)] == [3]
    assert photos.ended == 1
    assert Dataset.from_batches(photos).repeat().plan().endless


def test_a_run_resumes_where_it_stopped():
    plan = Dataset.from_generator(numbers).shuffle(3).batch(2).plan()
    unbroken = [batch for take in run(plan, 6) if take is not None for batch in take]
    for step in range(9):
        resumed = [batch for take in run(plan, 6, step=step) if take is not None for batch in take]
        assert resumed[:3] == unbroken[step : step + 3]


def test_weights_that_are_none_are_left_out():
    element = next(iter(Dataset.from_batches([(np.ones((2, 3)), np.ones(2), None)])))
    assert len(element) == 2
    assert next(iter(Dataset.from_batches([(np.ones((2, 3)),)]))).shape == (2, 3)
    assert Dataset.from_batches([[np.ones((2, 3)), np.ones(2)]]).element_spec[1].shape == (2,)


def test_what_gives_no_elements_or_bad_ones():
    for wrong in (5, {"a": [1]}):
        with pytest.raises(ArgumentError, match="must come from a generator, a function that returns one, or a sequ"):
            Dataset.from_generator(wrong)
    with pytest.raises(DataError, match="gives no elements"):
        list(Dataset.from_generator([]))
    with pytest.raises(DataError, match=r"different lengths or none: \[\(2,\), \(3,\)\]"):
        list(Dataset.from_batches([([1, 2], [1, 2, 3])]))
    with pytest.raises(DataError, match="different lengths or none"):
        list(Dataset.from_batches([np.float32(1)]))
    with pytest.raises(DataError, match="must hold numbers"):
        list(Dataset.from_generator(["cat"]))
    with pytest.raises(DataError, match="same shape to be batched"):
        list(Dataset.from_generator([[1], [1, 2]]).batch(2))
    with pytest.raises(DataError, match="same shapes in every batch"):
        run(Dataset.from_batches([np.ones((1, 2)), np.ones((1, 3))]).plan(), 2)
    with pytest.raises(DataError, match="not batched"):
        Dataset.from_generator([1, 2]).plan()


def test_an_error_in_the_generator_reaches_the_run():
    def failing():
        yield np.ones(2)
        raise RuntimeError("the camera is gone")

    cursor = Dataset.from_batches(failing).plan().start((0,))
    with pytest.raises(RuntimeError, match="the camera is gone"):
        list(iter(lambda: cursor.take(1), None))
    cursor.close()
