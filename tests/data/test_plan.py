"""Plans against Python lists: resident, streaming and eager give the same, cut and resumed anywhere."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calor.data import Dataset
from calor.errors import DataError

ENTROPY = (3, 5)


def double(x, y):
    return x * 2, y


def negate_on_host(x, y):
    return -np.asarray(x), np.asarray(y)


def batches(plan, count, step=0, chunk=3, entropy=ENTROPY, limit=1000):
    """The first ``count`` batches of a run as lists of (x, y), with None after each pass."""
    cursor = plan.start(entropy, step)
    taken = []
    try:
        while sum(batch is not None for batch in taken) < count and len(taken) < limit:
            block = cursor.take(chunk)
            if block is None:
                taken.append(None)
                continue
            assert 0 < len(block.indices) <= chunk
            for indices, source in zip(block.indices, block.source, strict=True):
                assert indices.dtype == np.int32
                assert indices.shape == source.shape == (plan.batch_size,)
                assert ((indices < 0) == (source < 0)).all()
                rows = np.where(indices < 0, indices[0], indices)
                columns = jax.tree.map(lambda column, rows=rows: np.asarray(column)[rows], block.columns)
                key = jax.random.key(0)
                x, y = jax.tree.map(np.asarray, plan.transform(columns, np.where(source < 0, source[0], source), key))
                real = indices >= 0
                taken.append([(int(a), int(b)) for a, b in zip(x[real], y[real], strict=True)])
    finally:
        cursor.close()
    kept, left = [], count
    for batch in taken:
        if left == 0 and batch is not None:
            break
        kept.append(batch)
        left -= batch is not None
    while kept and kept[-1] is None:
        kept.pop()
    return kept


def eager(dataset, count):
    return [[(int(a), int(b)) for a, b in zip(x, y, strict=True)] for x, y in itertools.islice(iter(dataset), count)]


class Lists:
    """The same operations on Python lists; an element after batch is a list of elements."""

    def __init__(self, elements):
        self.elements = elements
        self.batched = False

    def apply(self, name, argument):
        if name == "take":
            self.elements = self.elements[:argument]
        elif name == "skip":
            self.elements = self.elements[argument:]
        elif name == "repeat":
            self.elements = self.elements * argument
        elif name == "batch":
            size, drop = argument
            parts = [self.elements[start : start + size] for start in range(0, len(self.elements), size)]
            self.elements = [part for part in parts if len(part) == size or not drop]
            self.batched = True
        elif name == "map":
            each = {double: lambda x, y: (2 * x, y), negate_on_host: lambda x, y: (-x, y)}[argument]
            self.elements = [[each(*e) for e in es] if self.batched else each(*es) for es in self.elements]


def described(dataset, name, argument):
    match name:
        case "batch":
            return dataset.batch(*argument)
        case "cache":
            return dataset.cache()
        case "prefetch":
            return dataset.prefetch(argument)
        case _:
            return getattr(dataset, name)(argument)


STEPS = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 12)),
    st.tuples(st.just("skip"), st.integers(0, 4)),
    st.tuples(st.just("repeat"), st.integers(1, 3)),
    st.tuples(st.just("map"), st.sampled_from([double, negate_on_host])),
    st.tuples(st.just("cache"), st.none()),
    st.tuples(st.just("prefetch"), st.just(2)),
)
SHUFFLED_STEPS = st.one_of(STEPS, st.tuples(st.just("shuffle"), st.integers(1, 20)))
BATCH = st.tuples(st.just("batch"), st.tuples(st.integers(1, 5), st.booleans()))


def chain(steps):
    return st.tuples(st.lists(steps, max_size=3), BATCH, st.lists(steps, max_size=3)).map(
        lambda parts: [*parts[0], parts[1], *parts[2]]
    )


def source(length):
    return Dataset.from_arrays(np.arange(length), np.arange(length) % 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 13), chain(STEPS))
def test_any_chain_gives_what_python_lists_give(length, operations):
    lists = Lists([(i, i % 3) for i in range(length)])
    dataset = source(length)
    for name, argument in operations:
        lists.apply(name, argument)
        dataset = described(dataset, name, argument)
    assert len(dataset) == len(lists.elements)
    assert eager(dataset, 1000) == lists.elements
    if not lists.elements:
        with pytest.raises(DataError, match="no batches"):
            dataset.plan()
        return
    twice = [*lists.elements, None, *lists.elements]
    for memory_limit in (1 << 20, 0):
        plan = dataset.plan(memory_limit)
        assert plan.steps == len(lists.elements)
        assert batches(plan, 2 * plan.steps) == twice


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 13), chain(SHUFFLED_STEPS), st.integers(0, 30), st.booleans())
def test_resident_and_streaming_agree_and_resume_anywhere(length, operations, step, endless):
    dataset = source(length)
    for name, argument in operations:
        dataset = described(dataset, name, argument)
    if len(dataset) == 0:
        return
    dataset = dataset.repeat() if endless else dataset
    resident, streaming = dataset.plan(1 << 20), dataset.plan(0)
    assert streaming.kind == "streaming"
    count = step + 5
    whole = batches(resident, count)
    assert batches(streaming, count) == whole
    unbroken = [batch for batch in whole if batch is not None][step:]
    for plan in (resident, streaming):
        assert [batch for batch in batches(plan, 5, step=step, chunk=2) if batch is not None] == unbroken
    assert (None in whole) is (not endless and resident.steps < count)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 5))
def test_a_shuffle_permutes_every_pass(length, batch_size, seed):
    plan = source(length).shuffle(length).batch(batch_size).plan()
    taken = batches(plan, 3 * plan.steps, entropy=(seed,))
    passes = [
        list(itertools.chain(*group)) for is_end, group in itertools.groupby(taken, lambda b: b is None) if not is_end
    ]
    assert len(passes) == 3
    assert all(sorted(each) == [(i, i % 3) for i in range(length)] for each in passes)
    assert length < 10 or passes[0] != passes[1] != passes[2]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5))
def test_the_first_eager_pass_is_the_first_pass_of_a_run_without_entropy(length, batch_size):
    dataset = source(length).map(double).shuffle(length).batch(batch_size)
    plan = dataset.plan()
    assert eager(dataset, 100) == batches(plan, plan.steps, entropy=(0,))


def test_the_notes_pipeline_is_endless_and_resident():
    dataset = source(10).map(double).cache().repeat().shuffle(10).batch(4)
    plan = dataset.plan()
    assert (plan.kind, plan.batch_size, plan.steps, plan.endless) == ("resident", 4, None, True)
    taken = batches(plan, 10)
    flat = list(itertools.chain(*taken))
    assert len(flat) == 40
    assert all(sorted(flat[s : s + 10]) == [(2 * i, i % 3) for i in range(10)] for s in range(0, 40, 10))


def test_resident_columns_are_the_same_device_arrays_at_every_take_and_keep_their_type():
    dataset = Dataset.from_arrays(np.arange(12, dtype=np.uint8), np.arange(12)).map(lambda x, y: (x / 255, y)).batch(5)
    plan = dataset.plan()
    first, second = plan.start((0,)), plan.start((1,))
    blocks = [first.take(1), first.take(2), second.take(1)]
    assert all(block.columns is blocks[0].columns for block in blocks)
    assert isinstance(blocks[0].columns[0], jax.Array)
    assert blocks[0].columns[0].dtype == np.uint8
    assert plan.spec[0] == jax.ShapeDtypeStruct((5,), np.float32)
    assert blocks[0].source is blocks[0].indices


def test_changing_the_users_array_does_not_change_the_data_of_a_run():
    x = np.arange(64, dtype=np.float32)
    plan = Dataset.from_arrays(x).batch(64).plan()
    block = plan.start((0,)).take(1)
    x[:] = 0
    assert block.columns.tolist() == list(range(64))


def test_streaming_blocks_have_the_same_shapes_at_every_take():
    plan = Dataset.from_arrays(np.zeros((700, 1000), np.float32)).batch(8).plan(0)
    cursor = plan.start((0,))
    blocks = list(itertools.takewhile(lambda block: block is not None, iter(lambda: cursor.take(4), 0)))
    cursor.close()
    assert sum(len(block.indices) for block in blocks) == plan.steps == 88
    assert {block.columns.shape for block in blocks} == {(32 * 8, 1000)}
    assert isinstance(blocks[0].columns, np.ndarray)
    assert blocks[-1].indices[-1].tolist() == [184, 185, 186, 187, -1, -1, -1, -1]
    assert blocks[-1].source[-1].tolist() == [696, 697, 698, 699, -1, -1, -1, -1]


def test_too_little_memory_makes_the_data_stream():
    dataset = source(100).batch(10)
    assert dataset.plan(800).kind == "resident"
    assert dataset.plan(799).kind == "streaming"


def test_plans_of_the_same_functions_have_the_same_key():
    def other(x, y):
        return x, y

    key = source(5).map(double).batch(2).plan().transform_key
    assert key == source(9).map(double).shuffle(3).batch(3).plan(0).transform_key
    assert hash(key) == hash(source(5).map(double).batch(2).plan().transform_key)
    assert key != source(5).map(other).batch(2).plan().transform_key
    assert key != source(5).batch(2).map(double).plan().transform_key
    assert source(5).batch(2).plan().transform_key == ()


def test_entropy_may_be_negative():
    plan = source(50).shuffle(50).batch(50).plan()
    orders = [batches(plan, 1, entropy=entropy)[0] for entropy in ((-1, 2), (1, 2))]
    assert orders[0] != orders[1]


def test_a_dataset_without_batches_is_refused():
    with pytest.raises(DataError, match=r"not batched.*batch\(32\)"):
        source(5).plan()
    with pytest.raises(DataError, match=r"no batches.*drop_remainder"):
        source(5).batch(6, drop_remainder=True).plan()
