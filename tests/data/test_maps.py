from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calor.data import Dataset
from calor.errors import DataError

X = np.arange(6, dtype=np.uint8)
Y = np.arange(6) % 2


def normalise(x, y):
    return x.astype(jnp.float32) / 255, y


def noisy(x, y, key):
    return x + jax.random.uniform(key), y


def on_host(x, y):
    return np.float32(np.sqrt(np.asarray(x))), y


def source():
    return Dataset.from_arrays(X, Y)


def first_column(dataset, key=0, entropy=(0,), memory_limit=None, passes=1):
    """The first column of some passes, as a run's program would compute it; the step's key changes with each pass."""
    plan = dataset.plan(memory_limit)
    cursor = plan.start(entropy)
    values = []
    for pass_ in range(passes):
        column = []
        while (block := cursor.take(1)) is not None:
            rows = jax.tree.map(lambda c, block=block: np.asarray(c)[block.indices[0]], block.columns)
            step_key = jax.random.fold_in(jax.random.key(key), pass_)
            made = jax.jit(plan.transform)(rows, block.source[0], step_key)[0]
            column += np.asarray(made)[block.indices[0] >= 0].tolist()
        values.append(column)
    cursor.close()
    return values if passes > 1 else values[0]


def test_traced_functions_stay_in_the_program_and_bytes_stay_bytes():
    plan = source().map(normalise).batch(3).plan()
    assert plan.kind == "resident"
    assert plan.start((0,)).take(1).columns[0].dtype == np.uint8
    assert plan.spec[0].dtype == np.float32


def test_eager_elements_have_the_types_of_the_program():
    elements = list(source().map(normalise))
    assert all(x.dtype == np.float32 and y.dtype == np.int32 for x, y in elements)
    assert np.allclose([x for x, _ in elements], X / 255)
    assert all(isinstance(x, np.generic | np.ndarray) for x, _ in elements)


def test_elements_may_be_single_arrays_lists_and_dicts():
    assert [x.tolist() for x in Dataset.from_arrays([1, 2]).map(lambda x: x + 1).batch(2)] == [[2, 3]]
    pairs = list(Dataset.from_arrays([1, 2]).map(lambda x: [x, x * x]))
    assert [(int(a), int(b)) for a, b in pairs] == [(1, 1), (2, 4)]
    dataset = Dataset.from_tensor_slices({"a": [1, 2], "b": [3.0, 4.0]}).map(lambda e: e["a"] + e["b"]).batch(2)
    assert next(iter(dataset)).tolist() == [4.0, 6.0]


def test_after_batch_the_function_takes_the_batch():
    shapes = []

    def centre(x, y):
        shapes.append(x.shape)
        return x - x.mean(), y

    batches = [x.tolist() for x, _ in source().batch(3).map(centre)]
    assert batches == [[-1.0, 0.0, 1.0]] * 2
    assert set(shapes) == {(3,)}
    assert first_column(source().batch(3).map(centre)) == [-1.0, 0.0, 1.0] * 2


@pytest.mark.parametrize("memory_limit", [None, 0])
def test_functions_that_cannot_be_traced_run_on_the_host(memory_limit):
    expected = np.sqrt(X).astype(np.float32).tolist()
    dataset = source().map(lambda x, y: (x, y)).map(on_host).map(lambda x, y: (x + 1, y)).batch(4)
    plan = dataset.plan(memory_limit)
    assert plan.kind == "streaming"
    assert len(plan.transform_key) == 1
    assert np.allclose(first_column(dataset, memory_limit=memory_limit), np.add(expected, 1))
    assert np.allclose(np.concatenate([x for x, _ in dataset]), np.add(expected, 1))


def test_python_control_flow_on_values_runs_on_the_host():
    dataset = source().map(lambda x, y: (x if x > 2 else 0, y)).batch(6)
    assert dataset.plan().kind == "streaming"
    assert first_column(dataset) == [0, 0, 0, 3, 4, 5]


def test_host_functions_on_batches_see_the_real_rows_only():
    sizes = []

    def count(x, y):
        sizes.append(len(x))
        return np.full(len(x), float(np.asarray(x).sum())), y

    dataset = source().batch(4).map(count)
    expected = [6.0] * 4 + [9.0] * 2
    assert first_column(dataset) == expected
    assert 2 in sizes
    assert np.concatenate([x for x, _ in dataset]).tolist() == expected
    assert next(iter(dataset))[0].dtype == np.float32


def test_what_is_cached_runs_once_and_stays_in_memory():
    calls = []

    def slow(x, y):
        calls.append(int(x))
        return float(x) ** 2, y

    dataset = source().map(slow).cache()
    batched = dataset.map(lambda x, y: (x + 1, y)).shuffle(6).batch(4)
    plan = batched.plan()
    assert plan.kind == "resident"
    assert sorted(first_column(batched)) == (X.astype(np.float32) ** 2 + 1).tolist()
    assert len(list(dataset)) == len(list(batched)) * 3 == 6
    # The first example is what planning tries a function on that JAX cannot trace.
    assert sorted(call for call in calls if call) == [1, 2, 3, 4, 5]
    assert dataset.batch(2).plan(0).kind == "streaming"


def test_what_does_not_fit_is_not_kept():
    dataset = source().map(lambda x, y: (np.zeros(1000) + np.asarray(x), y)).cache().batch(4)
    plan = dataset.plan(10_000)
    assert plan.kind == "streaming"
    assert [row[0] for row in first_column(dataset, memory_limit=10_000)] == X.tolist()


def test_keys_are_new_for_each_element_step_and_map():
    dataset = source().map(noisy).map(noisy).batch(6)
    noise = np.subtract(first_column(dataset, key=1, passes=2), X)
    assert len(set(noise.round(5).ravel().tolist())) == 12
    assert noise.min() > 0
    assert np.subtract(first_column(dataset, key=1, passes=2), X).tolist() == noise.tolist()
    assert first_column(dataset, key=2) != first_column(dataset, key=1)
    twice = source().map(noisy).batch(6)
    assert len(set(np.subtract([x for x, _ in twice], X).ravel().round(5).tolist())) == 6


def test_a_cached_random_map_is_the_same_in_every_pass_and_order():
    dataset = source().map(noisy).cache()
    fixed = first_column(dataset.batch(6), key=1)
    assert first_column(dataset.batch(4), key=2, passes=2) == [fixed, fixed]
    assert sorted(first_column(dataset.shuffle(6).batch(6), key=2)) == fixed
    assert [float(x) for x, _ in dataset] == pytest.approx(fixed)
    assert first_column(dataset.batch(6), key=5, memory_limit=0) == fixed


def test_after_batch_the_key_is_one_for_the_batch():
    noise = np.subtract(first_column(source().batch(3).map(noisy)), X).round(5)
    assert len(set(noise.tolist())) == 1
    cached = source().batch(3).map(noisy).cache()
    fixed = first_column(cached, key=1)
    assert len(set(np.subtract(fixed, X).round(5).tolist())) == 2
    assert first_column(cached, key=2) == fixed


def test_host_functions_get_keys_that_the_run_fixes():
    def jitter(x, y, key):
        return float(x) + float(jax.random.uniform(key)), y

    dataset = source().map(noisy).map(jitter).batch(4)
    noise = [first_column(dataset, entropy=(seed,), passes=2) for seed in (1, 1, 2)]
    assert noise[0] == noise[1]
    assert noise[0] != noise[2]
    assert noise[0][0] != noise[0][1]
    cursor = dataset.plan().start((1,), step=2)
    block = cursor.take(1)
    cursor.close()
    assert block.columns[0][block.indices[0]].tolist() == noise[0][1][:4]
    cached = source().map(jitter).cache().batch(6)
    assert first_column(cached, entropy=(1,)) == first_column(cached, entropy=(2,))


def test_callables_without_a_hash_work():
    @dataclass
    class Scale:
        by: float

        def __call__(self, x, y):
            return x * self.by, y

    scale = Scale(2.0)
    plans = [source().map(scale).batch(3).plan() for _ in range(2)]
    assert plans[0].transform_key == plans[1].transform_key
    assert plans[0].transform_key != source().map(Scale(2.0)).batch(3).plan().transform_key
    assert first_column(source().map(scale).batch(6)) == (X * 2.0).tolist()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x, r"lambda> \(.*test_maps.py, line \d+\) fails on the first example: TypeError: .*2 were given"),
        (lambda x, y: (jnp.dot(jnp.ones((2, 3)), jnp.ones(2)), y), "fails on the first example: TypeError"),
        (lambda x, y: (x.nothing, y), "AttributeError"),
        (lambda x, y: None, "returned nothing: let it return the new element"),
        (lambda x, y: print(end=str(int(x) * 0)[:0]), "returned nothing"),
        (lambda x, y: (str(x), y), "must hold numbers"),
        (lambda x, y: ("cat", int(y)), "must hold numbers"),
    ],
)
def test_mistakes_in_functions_are_named_when_planned(function, message):
    with pytest.raises(DataError, match=message):
        source().map(function).batch(2).plan()
    with pytest.raises(DataError, match=message):
        list(source().map(function))


@pytest.mark.parametrize("function", [lambda x, y: (x[:1], y), lambda x, y: (np.asarray(x)[:1], y)])
def test_a_batch_must_keep_its_rows(function):
    with pytest.raises(DataError, match=r"as many rows as it was given, 3; it returned arrays of shape \(1,\), \(3,\)"):
        source().batch(3).map(function).plan()


def test_a_failure_in_the_middle_names_the_example():
    def picky(x, y):
        if x == 4:
            raise RuntimeError("not this one")
        return x, y

    dataset = source().map(picky).batch(2)
    with pytest.raises(DataError, match=r"picky .* fails on example 4: RuntimeError: not this one"):
        first_column(dataset)
    with pytest.raises(DataError, match="fails on example 4"):
        list(dataset)
    with pytest.raises(DataError, match="fails on example 4"):
        dataset = source().map(picky).cache().batch(2).plan()


@pytest.mark.parametrize("batch_size", [6, 3])
def test_shapes_that_differ_are_refused(batch_size, monkeypatch):
    dataset = source().map(lambda x, y: (np.zeros(1 + int(x) // 3), y))
    with pytest.raises(DataError, match="must give arrays of the same shapes for all examples"):
        first_column(dataset.batch(batch_size), memory_limit=0)
    for at_once in (256, 3):
        monkeypatch.setattr("calor.data.pipeline.AT_ONCE", at_once)
        with pytest.raises(DataError, match="must give arrays of the same shapes"):
            dataset.cache().batch(2).plan()


def test_functions_written_in_c():
    assert [float(x) for x in Dataset.from_arrays([1.0, -2.0]).map(np.abs)] == [1.0, 2.0]
    assert [int(x) for x in Dataset.from_arrays([1, 5], [4, 2]).map(max)] == [4, 5]
