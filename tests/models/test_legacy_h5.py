"""`.h5` files, the format of Keras 2: written for real Keras, read from it, and the mistakes in them."""

import json
import warnings

import h5py
import keras
import numpy as np
import pytest

import calor
from calor.errors import CalorWarning, ModelFileError
from calor.models import legacy_h5
from calor.models.loading import load_weights
from calor.models.saving import save_weights

X = np.random.default_rng(0).normal(size=(8, 12, 12, 1)).astype(np.float32)
Y = np.arange(8) % 3


def network(library):
    made = library.layers
    return library.Sequential(
        [
            *([keras.Input((12, 12, 1))] if library is keras else [calor.Input((12, 12, 1))]),
            made.Conv2D(4, 3, activation="relu"),
            made.BatchNormalization(),
            made.MaxPooling2D(),
            made.Flatten(),
            made.Dropout(0.2),
            made.Dense(3, activation="softmax"),
        ]
    )


def trained(library, loss="sparse_categorical_crossentropy"):
    model = network(library)
    model.compile(optimizer=library.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
    model.fit(X, Y, verbose=0)
    return model


def test_there_and_back(tmp_path):
    model = trained(calor, calor.losses.SparseCategoricalCrossentropy())
    model.save(tmp_path / "model.h5")
    again = calor.load_model(tmp_path / "model.h5")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert (again.optimizer, again.loss, again.metrics) == (model.optimizer, model.loss, model.metrics)
    assert again.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


def test_real_keras_reads_it(tmp_path):
    model = trained(calor, calor.losses.SparseCategoricalCrossentropy())
    model.save(tmp_path / "model.h5")
    theirs = keras.models.load_model(tmp_path / "model.h5")
    np.testing.assert_allclose(theirs.predict(X, verbose=0), model.predict(X), atol=1e-6)
    theirs.fit(X, Y, verbose=0)


def test_real_keras_files_are_read(tmp_path):
    theirs = trained(keras)
    theirs.save(tmp_path / "model.h5")
    model = calor.load_model(tmp_path / "model.h5")
    np.testing.assert_allclose(model.predict(X), theirs.predict(X, verbose=0), atol=1e-6)
    assert model.optimizer == calor.optimizers.Adam(0.01)
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), theirs.evaluate(X, Y, verbose=0), rtol=1e-5)


def as_keras_2(file):
    """Rewrite the settings as Keras 2 wrote them."""
    config = json.loads(file.attrs["model_config"])
    first, *others = config["config"]["layers"]
    shape = first["config"].pop("batch_shape")
    for layer in (first, *others):
        layer["config"]["dtype"] = "float32"
        for key in ("kernel_initializer", "bias_initializer"):
            if key in layer["config"]:
                layer["config"][key] = {"class_name": "VarianceScaling", "config": {"scale": 1.0, "seed": None}}
        if layer["class_name"] == "BatchNormalization":
            layer["config"]["axis"] = [3]
    first["config"]["batch_input_shape"] = shape
    others[0]["config"]["batch_input_shape"] = shape
    file.attrs["model_config"] = json.dumps(config)
    loss = {
        "class_name": "SparseCategoricalCrossentropy",
        "config": {"reduction": "auto", "name": "loss", "from_logits": False},
    }
    accuracy = {"class_name": "SparseCategoricalAccuracy", "config": {"name": "accuracy", "dtype": "float32"}}
    rate = {"learning_rate": 0.01, "decay": 0.0, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-07, "amsgrad": False}
    training = {"loss": loss, "metrics": [[accuracy]], "optimizer_config": {"class_name": "adam", "config": rate}}
    file.attrs["training_config"] = json.dumps(training)


@pytest.mark.parametrize("input_layer", [True, False])
def test_files_of_keras_2(tmp_path, input_layer):
    theirs = trained(keras)
    theirs.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        as_keras_2(file)
        if not input_layer:
            config = json.loads(file.attrs["model_config"])
            del config["config"]["layers"][0]
            config["config"].pop("build_input_shape", None)
            config["config"] = config["config"]["layers"]  # as before version 2.2.3
            file.attrs["model_config"] = json.dumps(config).encode()
    model = calor.load_model(tmp_path / "model.h5")
    np.testing.assert_allclose(model.predict(X), theirs.predict(X, verbose=0), atol=1e-6)
    assert model.optimizer == calor.optimizers.Adam(0.01)
    assert model.metrics == [calor.metrics.SparseCategoricalAccuracy(name="accuracy")]


def test_a_model_that_was_not_compiled(tmp_path):
    model = network(calor)
    model.save(tmp_path / "model.hdf5")
    assert calor.load_model(tmp_path / "model.hdf5").optimizer is None


def test_what_cannot_be_stored_is_left_out(tmp_path):
    model = network(calor)
    model.compile("sgd", lambda labels, outputs: abs(labels - outputs).mean())
    with pytest.warns(CalorWarning, match="without compile settings"):
        model.save(tmp_path / "model.h5")
    assert calor.load_model(tmp_path / "model.h5").optimizer is None


def test_a_layer_of_ones_own(tmp_path):
    class Twice(calor.layers.Layer):
        def build(self, key, input_shape):
            return {"scales": [np.full(input_shape, 2.0, np.float32), np.ones(input_shape, np.float32)]}, {}

        def apply(self, parameters, state, inputs, *, training, key):
            return inputs * parameters["scales"][0] * parameters["scales"][1], state

    model = calor.Sequential([Twice(input_shape=(3,))])
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        assert sorted(file["model_weights/twice/twice"]) == ["0", "1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.attrs.pop("model_config"), "weights without the layers"),
        (lambda file: file.attrs.modify("model_config", "{"), "no readable JSON"),
        (lambda file: file.attrs.modify("model_config", "[]"), "no dictionary"),
        (
            lambda file: file.attrs.modify("model_config", '{"class_name": "Sequential", "config": 3}'),
            "lists no layers",
        ),
        (
            lambda file: file.attrs.modify("model_config", '{"class_name": "Functional", "config": {}}'),
            "only Sequential",
        ),
        (lambda file: file["model_weights/dense"].attrs.create("weight_names", ["dense/kernel"]), "has 1 arrays"),
        (lambda file: file["model_weights/dense"].attrs.create("weight_names", ["a", "b"]), "is missing"),
        (
            lambda file: file["model_weights/dense"].attrs.create("weight_names", ["dense/bias", "dense/bias"]),
            "has shape",
        ),
        (lambda file: file.pop("model_weights"), "has 0 arrays"),
        (
            lambda file: file.attrs.create(
                "training_config",
                '{"loss": {"class_name": "MeanSquaredError", "config": 3}, "optimizer_config": {"class_name": "SGD"}}',
            ),
            "MeanSquaredError. has no settings, but 3",
        ),
    ],
)
def test_files_that_are_wrong(tmp_path, change, message):
    network(calor).save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        change(file)
    with pytest.raises(ModelFileError, match=f"model.h5' cannot be loaded.*{message}"):
        calor.load_model(tmp_path / "model.h5")


def test_compile_settings_that_only_keras_has(tmp_path):
    network(calor).save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file.attrs["training_config"] = json.dumps(
            {"loss": "mse", "optimizer_config": {"class_name": "Nadam", "config": {}}}
        )
    with pytest.warns(CalorWarning, match="Nadam"):
        assert calor.load_model(tmp_path / "model.h5").optimizer is None


@pytest.mark.parametrize(
    ("training", "loss", "metrics"),
    [
        ({"loss": "mse", "metrics": ["mae"]}, calor.losses.MeanSquaredError(), ["mae"]),
        ({"loss": "mse", "metrics": [["mae", "mse"]]}, calor.losses.MeanSquaredError(), ["mae", "mse"]),
        ({"loss": "mse", "metrics": None}, calor.losses.MeanSquaredError(), []),
        ({"loss": {"class_name": "MeanSquaredError", "config": {"reduction": "auto", "name": "mse"}}}, None, []),
    ],
)
def test_compile_settings_of_other_shapes(tmp_path, training, loss, metrics):
    network(calor).save(tmp_path / "model.h5")
    sgd = {"class_name": "SGD", "config": {"learning_rate": 0.5, "momentum": 0.0, "nesterov": False, "decay": 0.0}}
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file.attrs["training_config"] = json.dumps({"optimizer_config": sgd, **training})
    model = calor.load_model(tmp_path / "model.h5")
    assert model.optimizer == calor.optimizers.SGD(0.5)
    assert model.loss == (loss or calor.losses.MeanSquaredError())
    assert model.metrics == metrics


@pytest.mark.parametrize(
    "training",
    [
        {"loss": "mse", "optimizer_config": {"class_name": "Adam", "config": {"decay": 0.1, "learning_rate": 0.5}}},
        {"loss": "mse", "optimizer_config": "adam and more"},
        {"loss": "mse"},
        {"loss": {"class_name": "Hinge", "config": {}}, "optimizer_config": {"class_name": "SGD", "config": {}}},
    ],
)
def test_compile_settings_that_cannot_be_read(tmp_path, training):
    """The weights are good all the same: the model is given, not compiled, and a warning says so."""
    model = network(calor)
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file.attrs["training_config"] = json.dumps(training)
    with pytest.warns(CalorWarning, match="compile"):
        again = calor.load_model(tmp_path / "model.h5")
    assert again.optimizer is None
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_settings_that_are_too_long(tmp_path, monkeypatch):
    network(calor).save(tmp_path / "model.h5")
    monkeypatch.setattr(legacy_h5, "JSON_LIMIT", 100)
    with pytest.raises(ModelFileError, match=r"its model_config is [\d,]+ bytes long, far more than any real model's"):
        calor.load_model(tmp_path / "model.h5")


@pytest.mark.parametrize("layer", ["Dense", {"class_name": "Dense"}, {"class_name": "Dense", "config": [3]}])
def test_layers_that_are_none(tmp_path, layer):
    network(calor).save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        config = {"class_name": "Sequential", "config": {"layers": [layer]}}
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        calor.load_model(tmp_path / "model.h5")


def test_which_files_hold_a_model(tmp_path):
    model = network(calor)
    model.save(tmp_path / "model.h5")
    save_weights(model, tmp_path / "all.weights.h5")
    (tmp_path / "text.h5").write_text("model")
    found = {path.name: (legacy_h5.is_legacy(path), legacy_h5.holds_model(path)) for path in tmp_path.iterdir()}
    assert found == {"model.h5": (True, True), "all.weights.h5": (True, False), "text.h5": (False, False)}
    for nothing in (tmp_path / "none.h5", tmp_path):
        assert not legacy_h5.is_legacy(nothing)
        assert not legacy_h5.holds_model(nothing)


def test_weights_alone(tmp_path):
    model, theirs, other = trained(calor), network(keras), network(calor)
    save_weights(model, tmp_path / "all.weights.h5")
    load_weights(other, tmp_path / "all.weights.h5")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    theirs.load_weights(tmp_path / "all.weights.h5")
    np.testing.assert_allclose(theirs.predict(X, verbose=0), model.predict(X), atol=1e-6)
    with pytest.raises(calor.errors.ArgumentError, match=r"all\.weights\.h5"):
        save_weights(model, tmp_path / "all")
    with pytest.raises(ModelFileError, match="'layers/dense/vars/0' has shape"):
        load_weights(calor.Sequential([calor.layers.Dense(2, input_shape=(3,))]), tmp_path / "all.weights.h5")
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        load_weights(other, tmp_path / "none.weights.h5")


@pytest.fixture(autouse=True)
def keras_does_not_complain():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="keras")
        yield
