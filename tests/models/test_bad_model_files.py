"""Model files that are damaged, changed or hostile: each gets its own message, and none does harm."""

import errno
import io
import json
import os
import struct
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import calor
from calor.errors import ModelFileError
from calor.models import archive
from calor.models.archive import CONFIG, METADATA, WEIGHTS


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write(path, contents, **changes):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in (contents | changes).items():
            file.writestr(name, data)


def with_config(path, change):
    contents = members(path)
    config = json.loads(contents[CONFIG])
    change(config)
    write(path, contents, **{CONFIG: json.dumps(config)})


def with_metadata(path, change):
    contents = members(path)
    metadata = json.loads(contents[METADATA])
    change(metadata)
    write(path, contents, **{METADATA: json.dumps(metadata)})


def with_weights(path, change):
    contents = members(path)
    buffer = io.BytesIO(contents[WEIGHTS])
    with h5py.File(buffer, "a") as file:
        change(file)
    write(path, contents, **{WEIGHTS: buffer.getvalue()})


def refused(path, message, **options):
    with pytest.raises(ModelFileError, match=message) as caught:
        calor.load_model(path, **options)
    assert os.fspath(path) in str(caught.value)


def assert_same(one, other):
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


# ---------------------------------------------------------------- damaged files


def test_no_file(tmp_path):
    refused(tmp_path / "model.keras", "no such file")


def test_folder(tmp_path):
    refused(tmp_path, "a folder")


def test_unreadable_file(saved, monkeypatch):
    def forbid(*arguments):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("pathlib.Path.open", forbid)
    refused(saved, "may not read")


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "not a model file"),
        (b"hello", "not a model file"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"PK\x03\x04", "cut short"),
    ],
)
def test_other_files(contents, message, tmp_path):
    (tmp_path / "model.keras").write_bytes(contents)
    refused(tmp_path / "model.keras", message)


def test_truncated_at_any_length(saved):
    contents = saved.read_bytes()
    for length in [*range(64), *range(64, len(contents) - 400, 997), *range(len(contents) - 400, len(contents))]:
        saved.write_bytes(contents[:length])
        refused(saved, "not a model file|damaged or cut short")


@given(st.data())
def test_flipped_bit_is_noticed_or_changes_nothing(trained, data):
    model, good = trained
    contents = bytearray(good.read_bytes())
    contents[data.draw(st.integers(0, len(contents) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = good.with_name("flipped.keras")
    path.write_bytes(contents)
    try:
        loaded = calor.load_model(path)
    except ModelFileError:
        return
    assert_same(loaded, model)


def test_flipped_bit_in_the_weights(saved):
    contents = saved.read_bytes()
    value = np.float32(calor.load_model(saved).get_weights()[0][0, 0]).tobytes()
    at = contents.index(value)
    saved.write_bytes(contents[:at] + bytes([contents[at] ^ 1]) + contents[at + 1 :])
    refused(saved, "Bad CRC-32")


def test_flipped_bit_in_the_metadata(saved):
    contents = saved.read_bytes()
    saved.write_bytes(contents.replace(b"keras_version", b"keras_versioo", 1))
    refused(saved, "Bad CRC-32")


def test_member_is_missing(saved):
    contents = members(saved)
    del contents[CONFIG]
    write(saved, contents)
    refused(saved, "no 'config.json'")


@pytest.mark.parametrize("name", ["../../evil.py", "/etc/passwd", "assets/vocabulary.txt"])
def test_member_that_does_not_belong(name, saved):
    write(saved, members(saved), **{name: b""})
    refused(saved, "it holds '.*', and a model file holds only")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_member_twice(saved):
    with zipfile.ZipFile(saved, "a") as file:
        file.writestr(CONFIG, b"{}")
    refused(saved, "twice")


def test_encrypted_member(saved):
    contents = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as file:
        start = file.start_dir
    contents[start + 8] |= 1
    saved.write_bytes(contents)
    refused(saved, "encrypted")


def test_compressed_weights_are_not_unpacked(saved):
    with zipfile.ZipFile(saved) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in (contents | {WEIGHTS: bytes(100 * 2**20)}).items():
            file.writestr(name, data)
    refused(saved, "compressed, which neither")


def test_compressed_configuration_is_fine_up_to_a_limit(saved, monkeypatch):
    contents = members(saved)
    with zipfile.ZipFile(saved, "w") as file:
        for name, data in contents.items():
            file.writestr(name, data, zipfile.ZIP_STORED if name == WEIGHTS else zipfile.ZIP_DEFLATED)
    calor.load_model(saved)
    monkeypatch.setattr(archive, "JSON_LIMIT", 1000)
    refused(saved, "far more than any real")


def test_unusual_compression(saved):
    contents = members(saved)
    with zipfile.ZipFile(saved, "w") as file:
        for name, data in contents.items():
            file.writestr(name, data, zipfile.ZIP_BZIP2 if name == CONFIG else zipfile.ZIP_STORED)
    refused(saved, "compressed in an unusual way")


# ---------------------------------------------------------------- changed configurations


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "no readable JSON"),
        (b"\xff\xfe", "no readable JSON"),
        (b"[" * 100_000, "no readable JSON"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": 1e999}', "1e999 is no number"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "no readable JSON"),
        (b"[]", "no dictionary"),
        (b"{}", "class None"),
    ],
)
def test_configuration_that_is_none(text, message, saved):
    write(saved, members(saved), **{CONFIG: text})
    refused(saved, message)


def layer(index, **changes):
    def change(config):
        config["config"]["layers"][index]["config"].update(changes)

    return change


def described(index, **changes):
    def change(config):
        config["config"]["layers"][index].update(changes)

    return change


def compiled(part, **changes):
    def change(config):
        config["compile_config"][part]["config"].update(changes)

    return change


def replaced(*path, value):
    def change(config):
        *parents, last = path
        for key in parents:
            config = config[key]
        config[last] = value

    return change


LIST = ("config", "layers")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (layer(1, units=-4), r"units must be a whole number from 1 .*layer 'dense' \(Dense\)"),
        (layer(1, units=True), "units must be a whole number"),
        (layer(1, units="4"), "units must be a whole number"),
        (layer(1, units=None), "cannot be made from its settings"),
        (layer(1, units={"class_name": "function"}), "units must be a whole number"),
        (layer(1, units=5), r"shape \(3, 4\), and the configuration asks for \(3, 5\)"),
        (layer(1, units=10**12), r"asks for \(3, 1000000000000\)|fit together"),
        (layer(1, units=10**30), "fit together|asks for"),
        (layer(1, use_bias=False), "'layers/dense/vars/1' belongs to no layer"),
        (layer(1, name=""), "which is no name"),
        (layer(1, name="dense_1"), "Two layers are called"),
        (layer(1, dtype="float16"), "'float16'"),
        (layer(1, lora_rank=4), "lora_rank=4"),
        (layer(1, activation="relux"), "no activation called 'relux'"),
        (layer(1, activation={"class_name": "function", "config": 3}), "by 3, which is no text"),
        (layer(1, activation={"class_name": "__lambda__", "config": {}}), "never runs code"),
        (layer(1, activation={"class_name": "function", "config": "system", "module": "os"}), "data, not code"),
        (layer(0, batch_shape=[None, 4]), r"shape \(3, 4\), and the configuration asks for \(4, 4\)"),
        (layer(0, batch_shape=[None, -3]), "fit together"),
        (layer(0, batch_shape=[None, None]), "leaves sizes open"),
        (layer(0, batch_shape=7), "the shape 7"),
        (layer(0, batch_shape=None), "before it had weights"),
        (described(1, class_name="Popen", module="subprocess"), "data, not code"),
        (described(1, class_name="Dense", module="calor.layers"), "not Calor's"),
        (described(1, class_name="load_model", module="keras.models"), "which Calor does not have"),
        (described(1, class_name="Lambda"), "never runs code"),
        (described(1, class_name="Adam"), "Adam, which Calor does not have"),
        (described(1, class_name=["Dense"]), "not described as Keras"),
        (described(1, module=["keras.layers"]), "no text"),
        (described(1, config=None), "layer 0 is not described"),
        (replaced(*LIST, 1, value="Dense"), "layer 0 is not described"),
        (replaced(*LIST, value=[]), "lists no layers"),
        (replaced(*LIST, value={}), "lists no layers"),
        (replaced("config", value=[]), "lists no layers"),
        (replaced("compile_config", value=[1]), "no dictionary"),
        (compiled("optimizer", beta_1=7), "beta_1 must be"),
        (compiled("optimizer", learning_rate=-1), "learning_rate must be"),
        (replaced("compile_config", "optimizer", "config", value=[]), "has no settings"),
        (compiled("optimizer", epsilon="x"), "epsilon"),
    ],
)
def test_changed_configuration(change, message, saved):
    with_config(saved, change)
    refused(saved, message)


def test_configuration_cannot_make_us_allocate(saved):
    """An input of a petabyte is refused by the shapes alone."""
    with_config(saved, layer(0, batch_shape=[None, 10**12]))
    refused(saved, "asks for|fit together")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced("calor", "format", value=99), r"format 99.*Install a newer Calor"),
        (replaced("calor", "format", value="1"), "without a format number"),
        (replaced("calor", value=[]), "without a format number"),
        (replaced("calor", "seed", value="x"), "seed='x'"),
        (replaced("calor", "step", value=-1), "step=-1"),
        (replaced("calor", "learning_rate", value=-1), "learning_rate=-1"),
        (replaced("calor", "precision", value="float8"), "precision='float8'"),
        (replaced("calor", "class_names", value=[1]), r"class_names=\[1\]"),
    ],
)
def test_changed_metadata(change, message, saved):
    with_metadata(saved, change)
    refused(saved, message)


# ---------------------------------------------------------------- changed weights


def put(path, value, **options):
    def change(file):
        if path in file:
            del file[path]
        file.create_dataset(path, data=value, **options)

    return change


def gone(path):
    def change(file):
        del file[path]

    return change


def linked(link):
    def change(file):
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = link

    return change


def alias(file):
    file["layers/dense/again"] = file["layers"]


def enormous(file):
    """As small a file as can be for an array of a petabyte."""
    del file["layers/dense/vars/0"]
    space = h5py.h5s.create_simple((10**9, 10**6))
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_layout(h5py.h5d.CONTIGUOUS)
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    h5py.h5d.create(file["layers/dense/vars"].id, b"0", h5py.h5t.IEEE_F32LE, space, settings)


KERNEL = "layers/dense/vars/0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (gone(KERNEL), f"'{KERNEL}', shape .* is missing"),
        (gone("layers/dense_1"), "missing"),
        (gone("optimizer/vars/3"), r"'optimizer/vars/\d+'.*missing"),
        (put("layers/dense/vars/2", np.zeros(3, "float32")), "belongs to no layer"),
        (put("layers/dense_7/vars/0", np.zeros(3, "float32")), "belongs to no layer"),
        (put("extra/vars/0", np.zeros(3, "float32")), "belongs to no layer"),
        (put(KERNEL, np.zeros((4, 3), "float32")), r"shape \(4, 3\)"),
        (put("optimizer/vars/2", np.zeros((4, 3), "float32")), r"'optimizer/vars/2' has shape \(4, 3\)"),
        (put(KERNEL, np.zeros((3, 4), "float64")), "float64"),
        (put(KERNEL, np.array([b"text"] * 12).reshape(3, 4)), "of type"),
        (put(KERNEL, np.zeros((3, 4), "float32"), chunks=(3, 4)), "not stored as plain"),
        (put(KERNEL, np.zeros((3, 4), "float32"), compression="gzip"), "not stored as plain"),
        (put(KERNEL, h5py.Empty("f")), "not stored as plain"),
        (put(KERNEL, np.zeros((3, 4), "float32"), external=[("secret.bin", 0, 48)]), "not stored as plain"),
        (linked(h5py.ExternalLink("other.h5", "/x")), "a link"),
        (linked(h5py.SoftLink("/layers/dense_1/vars/0")), "a link"),
        (linked(np.dtype("float32")), "no array"),
        (alias, "under two names"),
        (enormous, "which is not what is stored"),
        (put("optimizer/vars/0", np.int32(-3)), "cannot be"),
        (put("optimizer/vars/0", np.float32(3)), "cannot be"),
        (put("optimizer/vars/1", np.float32("nan")), "learning rate is nan"),
    ],
)
def test_changed_weights(change, message, saved, monkeypatch):
    monkeypatch.chdir(saved.parent)
    with_weights(saved, change)
    refused(saved, message)


@pytest.mark.parametrize("contents", [b"", b"hello", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_weights_that_are_none(contents, saved):
    write(saved, members(saved), **{WEIGHTS: contents})
    refused(saved, "no readable HDF5")


def test_truncated_weights_in_a_sound_archive(saved):
    contents = members(saved)
    write(saved, contents, **{WEIGHTS: contents[WEIGHTS][:-3000]})
    refused(saved, "HDF5|cannot be read|not what is stored")


def test_array_that_lies_beyond_the_end_of_the_file(saved):
    contents = members(saved)
    with h5py.File(io.BytesIO(contents[WEIGHTS])) as file:
        address = struct.pack("<Q", file[KERNEL].id.get_offset())
    moved = contents[WEIGHTS].replace(address, struct.pack("<Q", 10**9))
    write(saved, contents, **{WEIGHTS: moved})
    refused(saved, "cannot be read|no readable HDF5")


def test_arrays_that_lie_upon_one_another(saved):
    """A small file could ask for any amount of memory if its arrays could share their bytes."""
    contents, buffer = members(saved), io.BytesIO()
    with h5py.File(buffer, "w") as file:
        arrays = [file.create_dataset(f"layers/dense/vars/{index}", data=np.zeros(10_000, "f4")) for index in (0, 1)]
        first, second = (struct.pack("<Q", array.id.get_offset()) for array in arrays)
    whole = buffer.getvalue()
    ends = struct.pack("<Q", len(whole)), struct.pack("<Q", len(whole) - 40_000)
    shared = whole[:-40_000].replace(second, first).replace(*ends)
    write(saved, contents, **{WEIGHTS: shared})
    refused(saved, "upon one another")


def test_file_without_optimizer_arrays_starts_the_optimizer_anew(saved):
    with_weights(saved, gone("optimizer"))
    loaded = calor.load_model(saved)
    assert loaded.optimizer == calor.optimizers.Adam()
    assert loaded.optimizer_state is None


def test_random_generator_of_old_keras_files_is_passed_over(saved):
    with_weights(saved, put("layers/dense/seed_generator/vars/0", np.zeros(2, "uint32")))
    calor.load_model(saved)


def test_local_header_says_something_else_than_the_directory(saved):
    contents = bytearray(saved.read_bytes())
    name_length = struct.unpack_from("<H", contents, 26)[0]
    contents[30 : 30 + name_length] = b"x" * name_length
    saved.write_bytes(contents)
    refused(saved, "damaged")
