"""`.keras` files between Calor and real Keras, both ways: the same predictions, the same next training steps."""

from contextlib import nullcontext
from dataclasses import dataclass

import keras
import numpy as np
import pytest

import calor
from calor.errors import CalorWarning, ModelFileError

PICTURES = np.random.default_rng(0).uniform(0, 1, (6, 12, 12, 3)).astype("float32")
ROWS = np.random.default_rng(1).normal(size=(6, 4)).astype("float32")

# Every layer of Calor's that Keras has, by the arguments that differ from the defaults.
LAYERS = {
    "Activation": {"activation": "tanh"},
    "AveragePooling2D": {"pool_size": (2, 3), "strides": 2, "padding": "same"},
    "BatchNormalization": {"momentum": 0.8, "epsilon": 0.01, "center": False},
    "Conv2D": {
        "filters": 5,
        "kernel_size": (3, 2),
        "strides": 2,
        "padding": "same",
        "activation": "relu",
        "use_bias": False,
    },
    "Dense": {"units": 5, "activation": "sigmoid", "kernel_initializer": "he_normal"},
    "Dropout": {"rate": 0.3},
    "ELU": {"alpha": 0.5},
    "Flatten": {},
    "GlobalAveragePooling2D": {},
    "GlobalMaxPooling2D": {},
    "LeakyReLU": {"negative_slope": 0.1},
    "MaxPooling2D": {"pool_size": 3, "padding": "same"},
    "RandomBrightness": {"factor": (-0.1, 0.3), "value_range": (0, 1)},
    "RandomContrast": {"factor": (0.1, 0.3), "value_range": (0, 1)},
    "RandomErasing": {"factor": (0.2, 0.5), "scale": (0.1, 0.2), "fill_value": 0.5, "value_range": (0, 1)},
    "RandomFlip": {"mode": "vertical"},
    "RandomRotation": {"factor": (-0.1, 0.2), "fill_mode": "nearest"},
    "RandomSaturation": {"factor": (0.1, 0.3), "value_range": (0, 1)},
    "RandomShear": {"x_factor": (0.1, 0.2), "fill_mode": "constant", "fill_value": 0.5},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": (0.0, 0.2), "interpolation": "nearest"},
    "RandomZoom": {"height_factor": (-0.2, 0.1)},
    "ReLU": {"max_value": 0.5},
    "Rescaling": {"scale": 0.5, "offset": -1.0},
    "Resizing": {"height": 7, "width": 9, "interpolation": "bicubic", "antialias": True},
    "Reshape": {"target_shape": (-1, 6)},
    "Softmax": {},
}


def all_layers(package, first):
    """A model with every layer that fits into one stack of pictures and rows."""
    layers = package.layers
    return package.Sequential(
        [
            first,
            layers.Rescaling(2.0, offset=-1.0),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Conv2D(6, (2, 3), activation="elu"),
            layers.AveragePooling2D(2),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Reshape((3, -1)),
            layers.Dense(8, activation="tanh"),
            layers.Flatten(),
            layers.Dense(5),
            layers.ReLU(),
            layers.Dense(3),
            layers.Activation("softmax"),
        ]
    )


def moved(model):
    """The model with weights and running means that no initializer gives."""
    random = np.random.default_rng(2)
    model.set_weights([random.uniform(0.1, 0.5, array.shape).astype("float32") for array in model.get_weights()])
    return model


def predictions(model, inputs):
    return np.asarray(model.predict(inputs, verbose=0))


def test_table_names_every_layer_of_calor():
    assert set(LAYERS) == set(calor.layers.__all__) - {"CutMix", "Input", "Layer", "MixUp", "RandomAffine"}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_opens_in_keras_and_comes_back(name, tmp_path):
    layer = getattr(calor.layers, name)(**LAYERS[name])
    model = moved(calor.Sequential([calor.Input((12, 12, 3)), layer]))
    model.save(tmp_path / "calor.keras")
    in_keras = keras.saving.load_model(tmp_path / "calor.keras")
    np.testing.assert_allclose(predictions(in_keras, PICTURES), predictions(model, PICTURES), rtol=1e-5, atol=1e-6)
    in_keras.save(tmp_path / "keras.keras")
    again = calor.load_model(tmp_path / "keras.keras")
    np.testing.assert_array_equal(predictions(again, PICTURES), predictions(model, PICTURES))
    for argument in LAYERS[name]:
        assert getattr(again.layers[0], argument) == getattr(layer, argument), argument


@pytest.mark.parametrize("name", LAYERS)
def test_layer_of_keras_opens_in_calor(name, tmp_path):
    layer = getattr(keras.layers, name)(**LAYERS[name])
    model = moved(keras.Sequential([keras.Input((12, 12, 3)), layer]))
    model.save(tmp_path / "keras.keras")
    in_calor = calor.load_model(tmp_path / "keras.keras")
    np.testing.assert_allclose(predictions(in_calor, PICTURES), predictions(model, PICTURES), rtol=1e-5, atol=1e-6)


def test_whole_models_both_ways(tmp_path):
    ours = moved(all_layers(calor, calor.Input((12, 12, 3))))
    ours.save(tmp_path / "ours.keras")
    theirs = keras.saving.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(predictions(theirs, PICTURES), predictions(ours, PICTURES), rtol=1e-5, atol=1e-6)
    assert [layer.name for layer in theirs.layers] == ours.layer_names

    theirs = moved(all_layers(keras, keras.Input((12, 12, 3))))
    theirs.save(tmp_path / "theirs.keras")
    ours = calor.load_model(tmp_path / "theirs.keras")
    np.testing.assert_allclose(predictions(ours, PICTURES), predictions(theirs, PICTURES), rtol=1e-5, atol=1e-6)


def test_keras_model_built_by_its_first_batch(tmp_path):
    model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(1)], name="late")
    expected = predictions(model, ROWS)
    model.save(tmp_path / "late.keras")
    loaded = calor.load_model(tmp_path / "late.keras")
    assert (loaded.name, loaded.input_shape) == ("late", (4,))
    np.testing.assert_allclose(predictions(loaded, ROWS), expected, rtol=1e-5)


def test_initializer_that_calor_does_not_have_is_history(tmp_path):
    layer = keras.layers.Dense(2, kernel_initializer=keras.initializers.Orthogonal())
    model = keras.Sequential([keras.Input((4,)), layer])
    model.save(tmp_path / "model.keras")
    loaded = calor.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(predictions(loaded, ROWS), predictions(model, ROWS), rtol=1e-5)


def test_axis_counted_from_the_front(tmp_path):
    model = moved(keras.Sequential([keras.Input((12, 12, 3)), keras.layers.BatchNormalization(axis=3)]))
    model.save(tmp_path / "axis.keras")
    loaded = calor.load_model(tmp_path / "axis.keras")
    np.testing.assert_allclose(predictions(loaded, PICTURES), predictions(model, PICTURES), rtol=1e-5)


# ---------------------------------------------------------------- optimizers, losses, metrics


OPTIMIZERS = {
    "adam": ("Adam", {"learning_rate": 0.05, "beta_1": 0.8}),
    "adamw": ("AdamW", {"learning_rate": 0.05, "weight_decay": 0.1}),
    "sgd": ("SGD", {"learning_rate": 0.05}),
    "momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01}),
    "rmsprop centered": ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5, "centered": True}),
}
TARGETS = np.random.default_rng(3).normal(size=(6, 2)).astype("float32")


def small(package, optimizer):
    model = package.Sequential([package.Input((4,)), package.layers.Dense(3, "tanh"), package.layers.Dense(2)])
    model.compile(optimizer=optimizer, loss="mean_squared_error", metrics=["mae"])
    return model


def train(model, epochs):
    model.fit(ROWS, TARGETS, batch_size=6, epochs=epochs, shuffle=False, verbose=0)
    return model


def assert_train_alike(one, other):
    for mine, theirs in zip(train(one, 3).get_weights(), train(other, 3).get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_goes_on_in_keras(kind, tmp_path):
    name, settings = OPTIMIZERS[kind]
    model = train(small(calor, getattr(calor.optimizers, name)(**settings)), 4)
    model.save(tmp_path / "model.keras")
    in_keras = keras.saving.load_model(tmp_path / "model.keras")
    assert int(in_keras.optimizer.iterations) == 4
    assert_train_alike(in_keras, model)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_goes_on_in_calor(kind, tmp_path):
    name, settings = OPTIMIZERS[kind]
    model = train(small(keras, getattr(keras.optimizers, name)(**settings)), 4)
    model.save(tmp_path / "model.keras")
    in_calor = calor.load_model(tmp_path / "model.keras")
    assert in_calor.step == 4
    for key, value in settings.items():
        assert getattr(in_calor.optimizer, key) == value, key
    assert_train_alike(in_calor, model)


SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [2, 5], "values": [0.1, 0.05, 0.01]}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "alpha": 0.1}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "power": 2.0}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5}),
]


@pytest.mark.parametrize(("name", "settings"), SCHEDULES)
def test_schedule_both_ways(name, settings, tmp_path):
    ours = small(calor, calor.optimizers.Adam(getattr(calor.optimizers.schedules, name)(**settings)))
    train(ours, 2).save(tmp_path / "ours.keras")
    theirs = keras.saving.load_model(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    again = calor.load_model(tmp_path / "theirs.keras")
    assert again.optimizer == ours.optimizer
    assert again.step == 2
    assert_train_alike(theirs, ours)


def test_learning_rate_of_now(tmp_path):
    model = train(small(calor, calor.optimizers.Adam(0.1)), 1)
    model.learning_rate = 0.025
    model.save(tmp_path / "model.keras")
    in_keras = keras.saving.load_model(tmp_path / "model.keras")
    assert float(in_keras.optimizer.learning_rate.numpy()) == pytest.approx(0.025)
    again = calor.load_model(tmp_path / "model.keras")
    assert (again.learning_rate, again.optimizer.learning_rate) == (0.025, 0.1)
    in_keras.optimizer.learning_rate = 0.3
    in_keras.save(tmp_path / "keras.keras")
    assert calor.load_model(tmp_path / "keras.keras").learning_rate == 0.3


def test_compiled_but_never_trained(tmp_path):
    ours, theirs = (small(package, package.optimizers.Adam(0.1)) for package in (calor, keras))
    ours.save(tmp_path / "ours.keras")
    assert_train_alike(keras.saving.load_model(tmp_path / "ours.keras"), ours)
    theirs.save(tmp_path / "theirs.keras")
    loaded = calor.load_model(tmp_path / "theirs.keras")
    assert loaded.step == 0
    assert_train_alike(loaded, theirs)


LOSSES = {
    "MeanSquaredError": ({}, ["mse", "root_mean_squared_error"], TARGETS),
    "MeanAbsoluteError": ({}, ["mean_squared_error"], TARGETS),
    "CategoricalCrossentropy": (
        {"from_logits": True},
        ["accuracy", "categorical_accuracy"],
        np.eye(2)[[0, 1, 1, 0, 1, 1]],
    ),
    "SparseCategoricalCrossentropy": ({"from_logits": True}, ["acc"], np.array([0, 1, 1, 0, 1, 1])),
    "BinaryCrossentropy": ({"from_logits": True}, ["binary_accuracy"], np.eye(2)[[0, 1, 1, 0, 1, 1]]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_metrics_both_ways(name, tmp_path):
    settings, metrics, labels = LOSSES[name]

    def evaluate(model):
        # Keras takes logits for probabilities there, and says nothing.
        told = name == "BinaryCrossentropy" and isinstance(model, calor.Sequential)
        with pytest.warns(CalorWarning, match="they are logits") if told else nullcontext():
            return model.evaluate(ROWS, labels, verbose=0, return_dict=True)

    ours = small(calor, "sgd")
    ours.compile("sgd", getattr(calor.losses, name)(**settings), metrics=metrics)
    ours.save(tmp_path / "ours.keras")
    theirs = keras.saving.load_model(tmp_path / "ours.keras")
    assert evaluate(theirs) == pytest.approx(evaluate(ours), rel=1e-4)
    theirs.save(tmp_path / "theirs.keras")
    again = calor.load_model(tmp_path / "theirs.keras")
    assert again.loss == ours.loss
    assert evaluate(again) == pytest.approx(evaluate(ours))


def test_metric_objects_both_ways(tmp_path):
    chosen = calor.metrics
    ours = small(calor, "sgd")
    objects = [chosen.AUC(num_thresholds=50), chosen.Precision(thresholds=0.4), chosen.Recall(name="found")]
    ours.compile("sgd", "binary_crossentropy", metrics=objects)
    ours.save(tmp_path / "ours.keras")
    theirs = keras.saving.load_model(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    assert calor.load_model(tmp_path / "theirs.keras").metrics == objects


def test_loss_that_keras_was_given_as_a_function(tmp_path):
    model = small(keras, "sgd")
    model.compile("sgd", keras.losses.mean_absolute_error, metrics=[keras.metrics.mean_squared_error])
    model.save(tmp_path / "model.keras")
    assert calor.load_model(tmp_path / "model.keras").loss == calor.losses.MeanAbsoluteError()


# ---------------------------------------------------------------- what Keras has and Calor has not


def keras_file(path, *layers, compile_with=None):
    model = keras.Sequential([keras.Input((12, 12, 3)), *layers])
    if compile_with:
        model.compile(**compile_with)
    model.save(path)
    return model


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: keras.layers.LayerNormalization(), "LayerNormalization, which Calor does not have"),
        (lambda: keras.layers.Lambda(keras.ops.abs), "never runs code from a file"),
        (lambda: keras.Sequential([keras.layers.Flatten()]), "a model within the model"),
        (lambda: keras.layers.Conv2D(3, 1, groups=3), "groups=3"),
        (lambda: keras.layers.Flatten(data_format="channels_first"), "channels_first"),
        (lambda: keras.layers.BatchNormalization(axis=1), "axis=1"),
        (lambda: keras.layers.ReLU(negative_slope=0.1), "negative_slope=0.1"),
        (lambda: keras.layers.Dense(2, dtype="float16"), "'float16'"),
        (lambda: keras.layers.Dense(2, activation="relu6"), "relu6"),
    ],
)
def test_keras_layer_that_calor_does_not_have(layer, message, tmp_path):
    keras_file(tmp_path / "model.keras", layer())
    with pytest.raises(ModelFileError, match=message) as caught:
        calor.load_model(tmp_path / "model.keras")
    assert "model.keras" in str(caught.value)


def test_functional_model(tmp_path):
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(1)(inputs)).save(tmp_path / "model.keras")
    with pytest.raises(ModelFileError, match=r"class 'Functional'.*keras\.Sequential"):
        calor.load_model(tmp_path / "model.keras")


def test_open_sizes(tmp_path):
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()])
    model.save(tmp_path / "model.keras")
    with pytest.raises(ModelFileError, match="leaves sizes open"):
        calor.load_model(tmp_path / "model.keras")


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_keras_model_without_weights(tmp_path):
    keras.Sequential([keras.layers.Dense(1)]).save(tmp_path / "model.keras")
    with pytest.raises(ModelFileError, match="before it had weights"):
        calor.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: keras.layers.Dense(2, kernel_regularizer="l2"), "kernel_regularizer"),
        (lambda: keras.layers.Dense(2, kernel_constraint="non_neg"), "kernel_constraint"),
        (lambda: keras.layers.Dense(2, trainable=False), "trainable"),
        (lambda: keras.layers.Dropout(0.5, noise_shape=(6, 1, 1, 3)), "noise_shape"),
    ],
)
def test_what_matters_in_training_only_is_left_out_with_a_warning(layer, message, tmp_path):
    compiled = {"optimizer": "adam", "loss": "mse"}
    model = keras_file(tmp_path / "model.keras", layer(), keras.layers.Dense(1), compile_with=compiled)
    with pytest.warns(CalorWarning, match=f"{message}.*will not act in training"):
        loaded = calor.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(predictions(loaded, PICTURES), predictions(model, PICTURES), rtol=1e-5, atol=1e-6)
    assert loaded.optimizer == calor.optimizers.Adam()


@pytest.mark.parametrize(
    ("compiled", "message"),
    [
        (lambda: {"optimizer": "adagrad", "loss": "mse"}, "Adagrad"),
        (lambda: {"optimizer": keras.optimizers.Adam(amsgrad=True), "loss": "mse"}, "amsgrad=True"),
        (lambda: {"optimizer": keras.optimizers.SGD(clipnorm=1.0), "loss": "mse"}, "clipnorm=1.0"),
        (lambda: {"optimizer": "sgd", "loss": "huber"}, "huber"),
        (lambda: {"optimizer": "sgd", "loss": keras.losses.MeanSquaredError(reduction="sum")}, "reduction='sum'"),
        (lambda: {"optimizer": "sgd", "loss": ["mse"]}, "several losses"),
        (lambda: {"optimizer": "sgd", "loss": "mse", "loss_weights": 2.0}, "loss_weights"),
    ],
)
def test_compile_settings_that_calor_does_not_have(compiled, message, tmp_path):
    model = keras_file(tmp_path / "model.keras", keras.layers.Dense(2), compile_with=compiled())
    with pytest.warns(CalorWarning, match=f"{message}.*call compile"):
        loaded = calor.load_model(tmp_path / "model.keras")
    assert loaded.optimizer is None
    np.testing.assert_allclose(predictions(loaded, PICTURES), predictions(model, PICTURES), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("compiled", "kept"),
    [
        (lambda: {"metrics": ["mae", "poisson"]}, ["mae"]),
        (lambda: {"metrics": ["mae", keras.metrics.CosineSimilarity()]}, ["mae"]),
        (lambda: {"metrics": ["mae"], "weighted_metrics": ["mse"]}, []),
    ],
)
def test_metrics_that_calor_does_not_have(compiled, kept, tmp_path):
    keras_file(tmp_path / "model.keras", keras.layers.Dense(2), compile_with={"loss": "mse"} | compiled())
    with pytest.warns(CalorWarning, match="left out"):
        assert calor.load_model(tmp_path / "model.keras").metrics == kept


# ---------------------------------------------------------------- what Calor has and Keras has not


@dataclass(frozen=True, eq=False)
class Twice(calor.layers.Layer):
    factor: float = 2.0

    def apply(self, parameters, state, inputs, *, training, key):
        return inputs * self.factor, state


@keras.saving.register_keras_serializable("calor", "Twice")
class KerasTwice(keras.layers.Layer):
    def __init__(self, factor, **others):
        super().__init__(**others)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor


def test_layer_of_the_users_own_opens_in_keras_beside_a_class_of_that_name(tmp_path):
    model = calor.Sequential([calor.Input((4,)), Twice(3.0), calor.layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    in_keras = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(predictions(in_keras, ROWS), predictions(model, ROWS), rtol=1e-5, atol=1e-6)
