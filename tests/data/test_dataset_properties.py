"""Any pipeline of operations against the same operations on Python lists; resident, streaming and eager agree."""

import itertools
from dataclasses import dataclass

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from calor.data import UNKNOWN, Dataset
from calor.errors import DataError

ENTROPY = (3, 5)


def whole(parts):
    """The element that a function was given in parts."""
    return parts if len(parts) > 1 else parts[0]


def double(*parts):
    return jax.tree.map(lambda leaf: leaf * 2, whole(parts))


def negate_on_host(*parts):
    return jax.tree.map(lambda leaf: -np.asarray(leaf), whole(parts))


def some(*parts):
    return jax.tree.leaves(parts)[0].sum() % 3 != 1


def some_on_host(*parts):
    return bool(np.asarray(jax.tree.leaves(parts)[-1]).sum() % 4 < 3)


def small(*parts):
    return abs(jax.tree.leaves(parts)[0]).sum() < 20


def twice_and_shifted(*parts):
    element = whole(parts)
    return Dataset.from_tensors(element).concatenate(Dataset.from_tensors(jax.tree.map(lambda leaf: leaf + 1, element)))


@dataclass
class Model:
    """A dataset as a list of elements, nested tuples of ints; or of batches, lists of elements."""

    elements: list
    batched: bool = False

    def each(self, function):
        made = [[function(e) for e in b] for b in self.elements] if self.batched else list(map(function, self.elements))
        return Model(made, self.batched)

    def where(self, predicate):
        return [e for e in self.elements if predicate(*stacked(e) if self.batched else parts(e))]


def parts(element):
    return jax.tree.map(np.int32, element) if isinstance(element, tuple) else (np.int32(element),)


def stacked(batch):
    columns = jax.tree.map(lambda *leaves: np.array(leaves, np.int32), *batch)
    return columns if isinstance(columns, tuple) else (columns,)


def deep(function):
    return lambda element: jax.tree.map(function, element)


def in_turn(inputs, cycle_length, block_length):
    """tf.data's interleave, as its documentation tells it."""
    inputs, slots, made, place = list(inputs), [None] * cycle_length, [], 0
    while inputs or any(slot is not None for slot in slots):
        if slots[place] is None and inputs:
            slots[place] = list(inputs.pop(0))
        if slots[place] is not None:
            block, slots[place] = slots[place][:block_length], slots[place][block_length:]
            made += block
            if len(block) < block_length:
                slots[place] = None
        place = (place + 1) % cycle_length
    return made


def applied(step, dataset, model):
    """The operation on the dataset and on its model."""
    name, argument = step
    single = not model.batched
    match name:
        case "double":
            return dataset.map(double), model.each(deep(lambda leaf: leaf * 2))
        case "negate_on_host":
            return dataset.map(negate_on_host), model.each(deep(lambda leaf: -leaf))
        case "filter":
            return dataset.filter(argument), Model(model.where(argument), model.batched)
        case "take_while":
            kept = itertools.takewhile(lambda e: argument(*stacked(e) if model.batched else parts(e)), model.elements)
            return dataset.take_while(argument), Model(list(kept), model.batched)
        case "take":
            return dataset.take(argument), Model(model.elements[:argument], model.batched)
        case "skip":
            return dataset.skip(argument), Model(model.elements[argument:], model.batched)
        case "repeat":
            return dataset.repeat(argument), Model(model.elements * argument, model.batched)
        case "shard":
            return dataset.shard(*argument), Model(model.elements[argument[1] :: argument[0]], model.batched)
        case "cache":
            return dataset.cache(), model
        case "shuffle":
            return dataset.shuffle(*argument), model
        case "batch" if single:
            size, drop = argument
            batches = [model.elements[start : start + size] for start in range(0, len(model.elements), size)]
            return dataset.batch(size, drop), Model([b for b in batches if len(b) == size or not drop], True)
        case "unbatch" if model.batched:
            return dataset.unbatch(), Model(list(itertools.chain(*model.elements)))
        case "enumerate" if single:
            return dataset.enumerate(argument), Model(list(enumerate(model.elements, argument)))
        case "zip" if single:
            other = [i * 10 for i in range(argument)]
            zipped = Dataset.zip(dataset, Dataset.from_arrays(np.array(other)))
            return zipped, Model(list(zip(model.elements, other, strict=False)))
        case "zip_with_itself":
            pairs = [list(zip(e, e, strict=True)) if model.batched else (e, e) for e in model.elements]
            return Dataset.zip((dataset, dataset)), Model(pairs, model.batched)
        case "concatenate":
            return dataset.concatenate(dataset.skip(1)), Model(model.elements + model.elements[1:], model.batched)
        case "interleave" if single:
            inner = [[e, jax.tree.map(lambda leaf: leaf + 1, e)] for e in model.elements]
            return dataset.interleave(twice_and_shifted, *argument), Model(in_turn(inner, *argument))
        case "flat_map" if single:
            pairs = [[e, jax.tree.map(lambda leaf: leaf + 1, e)] for e in model.elements]
            return dataset.flat_map(twice_and_shifted), Model(list(itertools.chain(*pairs)))
        case _:
            return dataset, model


STEPS = st.one_of(
    st.tuples(st.sampled_from(["double", "negate_on_host", "cache", "unbatch", "zip_with_itself", "flat_map"])).map(
        lambda names: (names[0], None)
    ),
    st.tuples(st.just("filter"), st.sampled_from([some, some_on_host])),
    st.tuples(st.just("take_while"), st.just(small)),
    st.tuples(st.just("take"), st.integers(0, 12)),
    st.tuples(st.just("skip"), st.integers(0, 4)),
    st.tuples(st.just("repeat"), st.integers(1, 3)),
    st.tuples(st.just("shard"), st.sampled_from([(1, 0), (2, 0), (2, 1), (3, 2)])),
    st.tuples(st.just("batch"), st.tuples(st.integers(1, 5), st.booleans())),
    st.tuples(st.just("enumerate"), st.integers(-1, 5)),
    st.tuples(st.just("zip"), st.integers(1, 9)),
    st.tuples(st.just("concatenate"), st.none()),
    st.tuples(st.just("interleave"), st.tuples(st.integers(1, 4), st.integers(1, 3))),
)
SHUFFLED_STEPS = st.one_of(
    STEPS, st.tuples(st.just("shuffle"), st.tuples(st.integers(1, 9), st.sampled_from([None, 7]), st.booleans()))
)


def built(length, steps):
    dataset = Dataset.from_arrays(np.arange(length), np.arange(length) % 3)
    model = Model([(i, i % 3) for i in range(length)])
    for step in steps:
        dataset, model = applied(step, dataset, model)
    if not model.batched:
        dataset, model = applied(("batch", (4, False)), dataset, model)
    return dataset, model


def rows(columns):
    """A batch as a list of elements."""
    leaves, structure = jax.tree.flatten(columns)
    return [jax.tree.unflatten(structure, list(map(int, row))) for row in zip(*leaves, strict=True)]


def taken(plan, count, step=0, entropy=ENTROPY, chunk=3):
    """The next ``count`` batches of a run, with None after each pass, but the last."""
    cursor = plan.start(entropy, step)
    batches, empty = [], 0
    try:
        while count and empty < 3:
            block = cursor.take(min(chunk, count))
            empty = empty + 1 if block is None else 0
            if block is None:
                batches.append(None)
                continue
            for indices, source in zip(block.indices, block.source, strict=True):
                filled, positions = (np.where(part < 0, part[0], part) for part in (indices, source))
                columns = jax.tree.map(lambda column, filled=filled: np.asarray(column)[filled], block.columns)
                made = jax.tree.map(np.asarray, plan.transform(columns, positions, jax.random.key(0)))
                batches.append(rows(jax.tree.map(lambda column, indices=indices: column[indices >= 0], made)))
                count -= 1
    finally:
        cursor.close()
    while batches and batches[-1] is None:
        batches.pop()
    return batches


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 11), st.lists(STEPS, max_size=5))
def test_any_pipeline_gives_what_python_lists_give(length, steps):
    dataset, model = built(length, steps)
    assert dataset.cardinality() in (len(model.elements), UNKNOWN)
    for _ in range(2):
        assert [rows(batch) for batch in dataset] == model.elements
    if not model.elements:
        try:
            plan = dataset.plan()
        except DataError as error:
            assert "no batches" in str(error) or "gives no elements" in str(error)  # noqa: PT017
        else:  # It streams, and only reading it can tell.
            assert taken(plan, 1) == []
        return
    twice = [*model.elements, None, *model.elements]
    for memory_limit in (1 << 20, 0):
        plan = dataset.plan(memory_limit)
        assert plan.steps in (len(model.elements), None)
        assert taken(plan, 2 * len(model.elements)) == twice


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 11), st.lists(SHUFFLED_STEPS, max_size=5), st.integers(0, 9))
def test_resident_streaming_and_eager_agree_seed_by_seed_and_resume_anywhere(length, steps, step):
    dataset, _ = built(length, steps)
    first = [rows(batch) for batch in dataset]
    if not first:
        return
    resident, streaming = dataset.plan(1 << 20), dataset.plan(0)
    assert streaming.kind == "streaming"
    assert taken(resident, len(first), entropy=(0,)) == taken(streaming, len(first), entropy=(0,)) == first
    unbroken = taken(resident, step + 4)
    assert taken(streaming, step + 4) == taken(resident, step + 4) == unbroken
    after = [batch for batch in unbroken if batch is not None][step:]
    for plan in (resident, streaming):
        assert [batch for batch in taken(plan, 4, step=step, chunk=2) if batch is not None] == after


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 11), st.lists(STEPS, max_size=4), st.integers(1, 4), st.booleans())
def test_the_union_of_all_shards_is_the_whole(length, steps, count, shuffled):
    dataset, model = built(length, steps)
    dataset = dataset.shuffle(9, seed=3, reshuffle_each_iteration=False) if shuffled else dataset
    shards = [[rows(batch) for batch in dataset.shard(count, index)] for index in range(count)]
    dealt = [batch for turn in itertools.zip_longest(*shards) for batch in turn if batch is not None]
    assert dealt == [rows(batch) for batch in dataset]
    assert sorted(dealt) == sorted(model.elements)
