"""Saving and loading: what comes back, and that no failure loses the old file."""

import errno
import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import calor
from calor.errors import ArgumentError, CalorWarning, ModelFileError, ModelStateError
from calor.models.archive import CONFIG, METADATA, WEIGHTS

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(8, 2)).astype("float32")


def small(optimizer="adam", seed=7):
    model = calor.Sequential([calor.Input((3,)), calor.layers.Dense(4, "relu"), calor.layers.Dense(2)], seed=seed)
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def assert_same(one, other):
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def refused(path, message, **options):
    with pytest.raises(ModelFileError, match=message) as caught:
        calor.load_model(path, **options)
    assert os.fspath(path) in str(caught.value)


# ---------------------------------------------------------------- what comes back


def test_everything_comes_back(tmp_path):
    model = small(seed=5)
    model.name = "thermometer"
    model.class_names = ("cold", "hot")
    model.compile(calor.optimizers.Adam(0.03), "mae", metrics=["mse"], precision="bfloat16")
    model.fit(X, Y, batch_size=4, epochs=3, verbose=0)
    model.learning_rate = 0.01
    model.save(tmp_path / "model.keras")
    again = calor.load_model(tmp_path / "model.keras")
    assert_same(again, model)
    for attribute in ("name", "seed", "step", "layer_names", "input_shape", "learning_rate", "optimizer", "precision"):
        assert getattr(again, attribute) == getattr(model, attribute), attribute
    assert again.class_names == ["cold", "hot"]
    assert again.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


@pytest.mark.parametrize(
    "optimizer",
    [
        calor.optimizers.Adam(calor.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)),
        calor.optimizers.AdamW(0.01),
        calor.optimizers.SGD(0.01, momentum=0.9),
        calor.optimizers.SGD(0.01),
        calor.optimizers.RMSprop(0.01, momentum=0.3, centered=True),
    ],
    ids=repr,
)
def test_training_goes_on_as_if_never_interrupted(optimizer, tmp_path):
    whole, first = small(optimizer), small(optimizer)
    whole.fit(X, Y, batch_size=4, epochs=4, verbose=0)
    first.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    first.save(tmp_path / "model.keras")
    second = calor.load_model(tmp_path / "model.keras")
    second.fit(X, Y, batch_size=4, epochs=4, initial_epoch=2, verbose=0)
    assert_same(second, whole)


def test_training_goes_on_after_a_second_compile(tmp_path):
    models = [small(), small()]
    for model in models:
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
        model.compile(calor.optimizers.Adam(0.1), "mse")
        model.fit(X, Y, batch_size=4, verbose=0)
    models[0].save(tmp_path / "model.keras")
    models[0] = calor.load_model(tmp_path / "model.keras")
    for model in models:
        model.fit(X, Y, batch_size=4, verbose=0)
    assert_same(*models)


def test_model_that_was_never_compiled(tmp_path):
    model = calor.Sequential([calor.layers.Dense(2, input_shape=(3,))], seed=1)
    model.save(tmp_path / "model.keras")
    again = calor.load_model(tmp_path / "model.keras")
    assert_same(again, model)
    assert again.optimizer is None


def test_model_compiled_for_its_metrics_alone(tmp_path):
    model = small()
    model.compile("sgd", None, metrics=["binary_crossentropy", "mae"])
    model.save(tmp_path / "model.keras")
    again = calor.load_model(tmp_path / "model.keras")
    assert again.loss is None
    assert again.metrics == ["binary_crossentropy", calor.metrics.MeanAbsoluteError(name="mae")]


def test_files_hold_only_the_three_members_and_ordinary_permissions(saved):
    with zipfile.ZipFile(saved) as file:
        assert file.namelist() == [METADATA, CONFIG, WEIGHTS]
    (saved.parent / "plain").touch()
    assert saved.stat().st_mode == (saved.parent / "plain").stat().st_mode
    assert {file.name for file in saved.parent.iterdir()} == {"model.keras", "plain"}


def test_a_link_stays_a_link(saved):
    link = saved.with_name("link.keras")
    link.symlink_to(saved)
    model = small(seed=9)
    model.save(link)
    assert link.is_symlink()
    assert_same(calor.load_model(saved), model)


def test_path_may_be_text_or_a_path(saved):
    assert_same(calor.load_model(str(saved)), calor.load_model(Path(saved)))


# ---------------------------------------------------------------- layers, losses and functions of the user's own


class Scale(calor.layers.Layer):
    def build(self, key, input_shape):
        return {"mu": jnp.full(input_shape[-1], 2.0)}, {"seen": jnp.int32(0)}

    def apply(self, parameters, state, inputs, *, training, key):
        return inputs * parameters["mu"], {"seen": state["seen"] + training}


@dataclass(frozen=True, eq=False)
class Power(calor.layers.Layer):
    exponents: tuple[float, ...]
    activation: object = None

    def apply(self, parameters, state, inputs, *, training, key):
        return self.activation(jnp.abs(inputs) ** jnp.array(self.exponents)), state


class Plain:
    def __init__(self, shift, **others):
        self.settings = {"shift": shift, "labels": {"one": np.float32(0.5), "more": [True, None]}}

    def get_config(self):
        return self.settings

    def build(self, key, input_shape):
        return {"both": {"a": jnp.ones(input_shape), "b": jnp.zeros(input_shape)}}, {}

    def apply(self, parameters, state, inputs, *, training, key):
        return inputs * parameters["both"]["a"] + parameters["both"]["b"] + self.settings["shift"], state


class Forgetful(calor.layers.Layer):
    def __init__(self, size):
        super().__init__()

    def apply(self, parameters, state, inputs, *, training, key):
        return inputs, state


def doubled(x):
    return 2 * x


def worst(labels, outputs):
    return jnp.max(jnp.abs(labels - outputs), axis=-1)


OWN = {"Scale": Scale, "Power": Power, "Plain": Plain, "doubled": doubled, "worst": worst}


def own_model():
    layers = [Scale(), Power((1.0, 2.0, 0.5), doubled, name="powers"), Plain(0.25), calor.layers.Dense(2)]
    model = calor.Sequential([calor.Input((3,)), *layers], seed=0)
    model.compile("adam", worst, metrics=[worst])
    return model


def test_own_layers_come_back_with_custom_objects(tmp_path):
    model = own_model()
    model.fit(X, Y, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = calor.load_model(tmp_path / "model.keras", OWN)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert int(again.state["scale"]["seen"]) == 2
    assert again.layers[2].settings["labels"] == {"one": 0.5, "more": [True, None]}
    for one in (model, again):
        one.fit(X, Y, epochs=2, verbose=0)
    assert_same(again, model)


def test_layer_that_keras_does_not_have_needs_nothing(tmp_path):
    layer = calor.layers.RandomAffine(rotation=10, zoom=0.1, horizontal_flip=True)
    calor.Sequential([calor.Input((8, 8, 3)), layer]).save(tmp_path / "model.keras")
    again = calor.load_model(tmp_path / "model.keras").layers[0]
    assert type(again) is calor.layers.RandomAffine
    assert (again.rotation, again.zoom, again.horizontal_flip) == ((-10.0, 10.0), (0.9, 1.1), True)


def test_own_layer_without_its_class(tmp_path):
    own_model().save(tmp_path / "model.keras")
    refused(tmp_path / "model.keras", r"'scale' is of the class 'Scale'.*custom_objects=\{'Scale': Scale\}")
    refused(tmp_path / "model.keras", "function 'doubled'", custom_objects={"Scale": Scale, "Power": Power})


def test_own_loss_without_its_function_still_predicts(tmp_path):
    model = calor.Sequential([calor.layers.Dense(2, input_shape=(3,))])
    model.compile("adam", worst)
    model.save(tmp_path / "model.keras")
    with pytest.warns(CalorWarning, match=r"function 'worst'.*custom_objects.*call compile"):
        again = calor.load_model(tmp_path / "model.keras")
    assert_same(again, model)


@dataclass(frozen=True)
class Lion(calor.optimizers.Optimizer):
    learning_rate: float = 0.01

    def transformation(self, learning_rate):
        return optax.lion(learning_rate)


def test_own_optimizer_keeps_its_memory(tmp_path):
    model = small(Lion())
    model.fit(X, Y, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = calor.load_model(tmp_path / "model.keras", {"Lion": Lion})
    for one in (model, again):
        one.fit(X, Y, epochs=2, verbose=0)
    assert_same(again, model)


@pytest.mark.parametrize(
    ("optimizer", "loss"), [(optax.sgd(0.1), "mse"), ("adam", lambda labels, outputs: (labels - outputs) ** 2)]
)
def test_compile_settings_that_no_file_holds(optimizer, loss, tmp_path):
    model = calor.Sequential([calor.layers.Dense(2, input_shape=(3,))])
    model.compile(optimizer, loss)
    with pytest.warns(CalorWarning, match=r"model\.keras' is saved without compile settings"):
        model.save(tmp_path / "model.keras")
    assert_same(calor.load_model(tmp_path / "model.keras"), model)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (calor.layers.Activation(lambda x: x), r"layer 'activation' .*Write the function with def"),
        (Forgetful(3), "does not keep its argument 'size'"),
        (Plain(float("nan")), "setting nan"),
        (Plain(np.ones(3)), "cannot hold"),
    ],
)
def test_layer_that_no_file_holds(layer, message, tmp_path):
    (tmp_path / "model.keras").write_text("old")
    with pytest.raises(ModelFileError, match=message):
        calor.Sequential([calor.Input((3,)), layer]).save(tmp_path / "model.keras")
    assert (tmp_path / "model.keras").read_text() == "old"


# ---------------------------------------------------------------- writing that fails


def failing(code):
    def fail(*arguments, **options):
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(
    ("place", "code", "message"),
    [
        ("os.fsync", errno.ENOSPC, "no room left"),
        ("os.fsync", errno.EDQUOT, "quota"),
        ("pathlib.Path.replace", errno.EACCES, "may not write"),
        ("pathlib.Path.open", errno.EROFS, "read-only"),
        ("os.fsync", errno.EIO, "Input/output error"),
    ],
)
def test_failure_to_write_keeps_the_old_file(place, code, message, saved, monkeypatch):
    before = saved.read_bytes()
    model = calor.load_model(saved)
    with monkeypatch.context() as patch:
        patch.setattr(place, failing(code))
        with pytest.raises(ModelFileError, match=f"model.keras': .*{message}.*unchanged"):
            model.save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


class FullDisk(io.FileIO):
    """Takes 3,000 bytes."""

    def write(self, data):
        if self.tell() + len(data) > 3000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_disk_that_fills_up_half_way(saved, monkeypatch):
    before = saved.read_bytes()
    model = calor.load_model(saved)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.open", lambda path, mode: FullDisk(path, mode))
        with pytest.raises(ModelFileError, match="no room left on the disk"):
            model.save(saved)
    assert (saved.read_bytes(), list(saved.parent.iterdir())) == (before, [saved])


def test_interrupted_writing_leaves_nothing_behind(saved, monkeypatch):
    before = saved.read_bytes()

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "writestr", interrupt)
    with pytest.raises(KeyboardInterrupt):
        small().save(saved)
    assert (saved.read_bytes(), list(saved.parent.iterdir())) == (before, [saved])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/model.keras", "does not exist"),
        ("file/model.keras", "is a file"),
        ("folder.keras", "there is a folder"),
    ],
)
def test_places_that_cannot_be_written(name, message, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(ModelFileError, match=message):
        small().save(tmp_path / name)


def test_name_too_long(tmp_path):
    with pytest.raises(ModelFileError, match="too long"):
        small().save(tmp_path / ("x" * 300 + ".keras"))


def test_other_endings(tmp_path):
    with pytest.raises(ArgumentError, match=r"write '.*model\.keras'"):
        small().save(tmp_path / "model.onnx")


def test_model_without_weights(tmp_path):
    with pytest.raises(ModelStateError, match="no weights to save"):
        calor.Sequential([calor.layers.Dense(1)]).save(tmp_path / "model.keras")
