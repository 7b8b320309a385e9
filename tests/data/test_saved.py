import json
import tempfile

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calor.data import Dataset, UnknownLengthError, saved
from calor.errors import ArgumentError, DataError


def names(folder):
    return [path.name for path in folder.iterdir()]


def flat(dataset):
    return [
        (str(jax.tree.structure(element)), [(str(leaf.dtype), leaf.shape, leaf.tolist()) for leaf in leaves])
        for element in dataset
        for leaves in [[np.asarray(leaf) for leaf in jax.tree.leaves(element)]]
    ]


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset.range(7),
        Dataset.from_arrays(np.arange(24, dtype=np.uint8).reshape(6, 2, 2), np.arange(6) % 2, np.ones(6)),
        Dataset.from_tensor_slices(
            {"a": np.arange(3, dtype=np.float16), "b": (np.array([True, False]).repeat([2, 1]), [1, 2, 3])}
        ),
        Dataset.from_arrays(jnp.arange(4, dtype=jnp.bfloat16)),
        Dataset.range(7).batch(3),
        Dataset.range(2).batch(3),
        Dataset.range(300).map(lambda x: (x, float(x))).filter(lambda x, y: x > 3).shuffle(9, seed=1),
        Dataset.from_generator(lambda: iter(range(5))).enumerate(),
        Dataset.from_batches([np.arange(4), np.arange(4), np.arange(2)]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_what_is_loaded_is_what_was_saved(dataset, compression, tmp_path):
    dataset.save(tmp_path / "data.h5", compression)
    loaded = Dataset.load(tmp_path / "data.h5")
    assert flat(loaded) == flat(dataset._elements((0,), 0))
    assert names(tmp_path) == ["data.h5"]
    assert loaded.batched is dataset.batched
    for limit in (None, 0):
        plan = (loaded if loaded.batched else loaded.batch(4)).plan(limit)
        assert plan.kind == ("resident" if limit is None else "streaming")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 3))
def test_shuffled_and_streamed_it_is_the_same_as_from_arrays(length, batch_size, seed):
    arrays = Dataset.from_arrays(np.arange(length * 3000).reshape(length, 3000), np.arange(length) % 3)
    with tempfile.TemporaryDirectory() as folder:
        arrays.save(f"{folder}/data.h5")
        loaded = Dataset.load(f"{folder}/data.h5")
        assert loaded.labels.tolist() == arrays.labels.tolist()
        runs = []
        for dataset in (arrays, loaded):
            cursor = dataset.shuffle(9, seed=seed).batch(batch_size).plan(0).start((0,))
            block = cursor.take(64)
            cursor.close()
            runs.append(block.columns[0][:, 0][block.indices[block.indices >= 0]].tolist())
        assert runs[0] == runs[1]


def test_names_and_labels_are_kept(tmp_path):
    dataset = Dataset.from_arrays(np.zeros((4, 2)), [[1], [0], [1], [1]], class_names=["cat", "dög"])
    dataset.skip(1).save(tmp_path / "data.h5")
    loaded = Dataset.load(tmp_path / "data.h5")
    assert loaded.class_names == ("cat", "dög")
    assert loaded.labels.tolist() == [0, 1, 1]
    with pytest.raises(DataError, match=r"fails on example 1 of .*data.h5: ZeroDivisionError"):
        list(loaded.map(lambda x, y: 1 // (int(y[0]) - 1)))
    for other in (Dataset.range(2), Dataset.from_arrays([1, 2], [0.5, 1]), Dataset.from_arrays([1], [[1, 2]])):
        other.save(tmp_path / "data.h5")
        assert Dataset.load(tmp_path / "data.h5").labels is None


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        (Dataset.range(3).repeat(), UnknownLengthError, "repeats for ever and cannot be saved"),
        (Dataset.range(3).take(0), DataError, "nothing to save"),
        (Dataset.from_arrays(np.zeros((3, 0))), DataError, r"nothing to keep of arrays of shape \(0,\)"),
        (Dataset.range(6).batch(4).repeat(2), DataError, r"batches of one size.*before batch\(\)"),
        (Dataset.from_batches([np.zeros(2), np.zeros(3)]), DataError, "batches of one size"),
        (
            Dataset.from_batches([np.zeros((2, 1)), np.zeros((2, 2))]),
            DataError,
            r"first is float32 \(1,\), one",
        ),
        (Dataset.from_tensor_slices({1: [1, 2]}), DataError, r"names that are strings, not \[1\]"),
    ],
)
def test_what_cannot_be_saved(dataset, error, message, tmp_path):
    with pytest.raises(error, match=message):
        dataset.save(tmp_path / "data.h5")
    assert names(tmp_path) == []


def test_names_of_files_and_places_that_cannot_be_written(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match="numbers, not names of files"):
        Dataset.list_files(tmp_path / "*.txt").save(tmp_path / "data.h5")
    with pytest.raises(DataError, match=r"cannot be saved in .*none.*data.h5"):
        Dataset.range(3).save(tmp_path / "none" / "data.h5")
    with pytest.raises(ArgumentError, match=r"compression='ZIP'\): it can be None or 'GZIP'"):
        Dataset.range(3).save(tmp_path / "data.h5", "ZIP")


def test_a_failure_leaves_the_file_that_was_there(tmp_path):
    Dataset.range(3).save(tmp_path / "data.h5")

    def failing():
        yield 1
        raise RuntimeError("the camera is gone")

    with pytest.raises(DataError, match="the camera is gone"):
        Dataset.from_generator(failing).save(tmp_path / "data.h5")
    assert [int(x) for x in Dataset.load(tmp_path / "data.h5")] == [0, 1, 2]
    assert names(tmp_path) == ["data.h5"]


def test_other_files_are_refused(tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = [1, 2, 3]
    with pytest.raises(DataError, match=r"none that dataset\.save"):
        Dataset.load(other)
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(DataError, match=r"damaged, or was not written by dataset\.save"):
        Dataset.load(tmp_path / "text.h5")
    with pytest.raises(DataError, match="is a folder, not a file"):
        Dataset.load(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        Dataset.load(tmp_path / "none.h5")
    Dataset.from_arrays([1, 2], [3, 4]).save(other)
    with h5py.File(other, "r+") as file:
        file["1"].resize(1, axis=0)
    with pytest.raises(DataError, match="tables of different lengths"):
        Dataset.load(other)
    with h5py.File(other, "r+") as file:
        file.attrs["head"] = np.bytes_(json.dumps({}).encode())
    with pytest.raises(DataError, match=r"damaged.*KeyError"):
        Dataset.load(other)


def test_a_file_that_is_cut_off_or_damaged_gives_an_error_or_what_was_saved(tmp_path):
    path, broken = tmp_path / "data.h5", tmp_path / "broken.h5"
    random = np.random.default_rng(0)
    dataset = Dataset.from_arrays(random.integers(0, 255, (40, 20), np.uint8), np.arange(40) % 5)
    dataset.save(path)
    whole, expected = path.read_bytes(), flat(dataset)
    damaged = [whole[: random.integers(len(whole))] for _ in range(40)]
    for _ in range(300):
        place = int(random.integers(len(whole)))
        damaged.append(whole[:place] + bytes([whole[place] ^ (1 << int(random.integers(8)))]) + whole[place + 1 :])
    refused = 0
    for number, content in enumerate(damaged):
        broken.write_bytes(content)
        try:
            found = flat(Dataset.load(broken))
        except DataError as error:
            refused += 1
            assert "broken.h5" in str(error)  # noqa: PT017
        else:
            assert number >= 40, "a file that was cut off was read"
            assert found == expected
    assert refused > 100


def test_rows_of_many_chunks_are_read_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr(saved, "CHUNK_BYTES", 64)
    Dataset.range(100).save(tmp_path / "data.h5")
    source = saved.SavedSource(tmp_path / "data.h5")
    for positions in ([5, 99, 5, 0, 50], [7], [], [99, 98, 97], list(range(3, 80))):
        assert source.read(np.array(positions, np.int32)).tolist() == positions
