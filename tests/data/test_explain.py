import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calor.data import Dataset


def normalise(x, y):
    return x.astype(jnp.float32) / 255, y


def on_host(x, y):
    return np.asarray(x) + 1, y


def noisy(x, y, key):
    return x + jax.random.uniform(key), y


def source(count=600):
    return Dataset.from_arrays(np.zeros((count, 8), np.uint8), np.arange(count) % 10)


def explained(dataset, *arguments, **settings):
    lines = []
    dataset.explain(*arguments, print_fn=lines.append, **settings)
    return lines


def row(lines, step):
    return next(line for line in lines if line.strip().startswith(step))


def test_resident_data_and_traced_functions():
    lines = explained(source().map(normalise).shuffle(600).repeat(2).batch(32))
    assert lines[0] == "Dataset of 600 elements, (uint8 (8,), int32 ()): resident, 7.2 kB on the device"
    assert row(lines, "map normalise (test_explain.py, line").endswith("in the program")
    for step in ("shuffle(600)", "repeat(2)", "batch(32)"):
        assert row(lines, step).endswith("as numbers")
    assert lines[-1] == "Each batch: 384 bytes in, 1.2 kB out; gathered inside the program, no copies on the host"


def test_functions_on_the_host_say_why():
    lines = explained(source().map(normalise).map(on_host).map(noisy).take(100).skip(1).shard(2, 0))
    assert lines[0].endswith("streaming, as a function runs on the host in every pass")
    assert "a later step needs its results on the host" in row(lines, "map normalise")
    assert "JAX cannot trace it: TracerArrayConversionError: The numpy.ndarray conver" in row(lines, "map on_host")
    assert "in the program" in row(lines, "map noisy")
    assert "fit() does this to datasets that are not batched" in row(lines, "batch(32)")
    assert "copied 3 times on the host (read, stacked after the functions, put into a block)" in lines[-1]


def test_what_is_kept_and_what_is_too_large():
    dataset = source().map(on_host).cache().filter(lambda x, y: y > 4).batch(10)
    assert "the results are too large" in row(explained(dataset, 100), "cache")
    assert "more than the 7.0 kB that it may use" in explained(source().cache().batch(10), 7000)[0]
    assert "the order is kept" in row(explained(source().cache().batch(10)), "cache")
    lines = explained(dataset)
    assert "on the host, once" in row(lines, "map on_host")
    assert row(lines, "cache").endswith("7.2 kB")
    assert row(lines, "filter <lambda>").endswith("300 of 600 stay")


def test_datasets_of_datasets_show_their_parts():
    lines = explained(
        Dataset.zip(Dataset.range(9), source().take(5).map(normalise)).concatenate(
            Dataset.zip(Dataset.range(9), source().map(normalise))
        )
    )
    assert [line.split("  ")[0] for line in lines[4:6]] == ["concatenated:", ""]
    assert "its results are put together" in row(lines, "map normalise")
    lines = explained(Dataset.zip(source().shuffle(9), Dataset.from_generator(lambda: iter(range(9))).skip(1)).batch(2))
    assert lines[0].endswith("streaming, as its elements come one after the other")
    assert row(lines, "generator").endswith("called for every pass")
    assert row(lines, "shuffle(9)").endswith("as numbers")
    running = Dataset.from_generator(iter([1, 2])).map(float).map(lambda x: x * 2).cache().shuffle(5).batch(2)
    lines = explained(running)
    assert row(lines, "generator").endswith("it can be read once only")
    assert "on the host, 1 thread" in row(lines, "map float")
    assert row(lines, "shuffle(5)").endswith("from the next 5")
    assert row(lines, "cache").endswith("the first pass is kept in memory")
    nested = explained(Dataset.range(3).repeat().flat_map(Dataset.range).enumerate().take_while(lambda i, x: i < 9))
    assert any(line.startswith("    range") for line in nested)
    assert "batches without end" in explained(Dataset.zip(source().shuffle(3).repeat(), source().repeat()).batch(2))[0]
    assert "Dataset of 3 batches" in explained(Dataset.zip(source(6).shuffle(3), source(6)).batch(2))[0]
    assert row(explained(Dataset.from_batches([np.zeros(2)])), "generator")


@pytest.mark.parametrize(
    "dataset",
    [
        source().map(normalise).map(on_host).map(noisy).shuffle(9).batch(32),
        source().map(noisy).repeat().batch(16),
        source(3).map(on_host).cache().map(normalise).batch(2),
        Dataset.zip(source().shuffle(9), source()).filter(lambda a, b: True).batch(8),
        Dataset.from_generator(lambda: iter(range(3))).map(lambda x: int(x)).batch(2),
        Dataset.zip(source().shuffle(9), source()).take_while(lambda a, b: False).batch(8),
    ],
    ids=repr,
)
@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_measured_times_are_of_the_steps_that_take_them(dataset, seconds, monkeypatch):
    monkeypatch.setattr("calor.data.explain.MEASURED_SECONDS", seconds)
    lines = explained(dataset, measure=True)
    header = next(line for line in lines if line.startswith("Step"))
    column = header.index("ms a batch")
    rows = lines[4 : lines.index(lines[1], 4)]
    times = [float(text) for line in rows if (text := line[column : column + 10].strip())]
    assert times
    assert all(time >= 0 for time in times)
    total = float(lines[-1].removeprefix("Measured: ").split()[0])
    assert total == pytest.approx(sum(times), abs=0.01 * len(times))
