"""The names of this package: those that are there, and what is said of those that are not."""

import importlib
import pkgutil
import re

import keras
import pytest

import calor.compat
from calor.compat import _stand_in
from calor.compat import tensorflow as tf
from calor.errors import ArgumentError, NotCoveredError, UnknownNameError

MODULES = [
    module.name
    for module in pkgutil.walk_packages(calor.compat.__path__, "calor.compat.")
    if not any(part.startswith("_") for part in module.name.split("."))
]


@pytest.mark.parametrize("name", MODULES)
def test_every_name_is_there(name: str) -> None:
    module = importlib.import_module(name)
    for one in module.__all__:
        assert getattr(module, one) is not None
        assert one in dir(module) or not hasattr(module, "__path__")


@pytest.mark.parametrize(
    "room", ["activations", "callbacks", "initializers", "layers", "losses", "metrics", "optimizers"]
)
def test_keras_has_every_name_or_had_it(room: str) -> None:
    """What is offered under Keras' name is Keras', or was in its second version."""
    older = {"Convolution2D", "experimental", "legacy", "swish", "he_normal", "InputLayer"}
    ours = set(importlib.import_module(f"calor.compat.keras.{room}").__all__)
    theirs = importlib.import_module(f"keras.{room}")
    lost = {name for name in ours - older if not hasattr(theirs, name)}
    assert lost <= {"mse", "mae", "MSE", "MAE", "bce"} | {name for name in lost if room == "initializers"}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "tf.GradientTape",
            "tf.GradientTape is outside what Calor covers; the nearest thing that it has is model.compile",
        ),
        ("tf.keras.layers.Dens", "the nearest thing that it has is tf.keras.layers.Dense."),
        ("tf.keras.layers.LSTM(8)", "tf.keras.layers.LSTM is outside"),
        (
            "tf.data.experimental.zzz",
            "of tf.data.experimental it has AUTOTUNE, INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, cardinality, ",
        ),
        ("tf.data.Dataset.zzz", "tf.data.Dataset.zzz is outside"),
        ("tf.data.Dataset.from_tensor_slices([1]).zzz", "tf.data.Dataset.zzz is outside"),
        ("tf.data.Dataset.plan", "tf.data.Dataset.plan is outside"),
        (
            "tf.keras.Sequential().train_on_batch",
            "model.train_on_batch is outside what Calor covers; the nearest thing",
        ),
        ("tf.keras.Sequential(trainable=False)", "trainable=False"),
        ("tf.keras.callbacks.ModelCheckpoint('x', save_freq=10)", "save_freq=10"),
        ("tf.keras.layers.Dense(2, kernel_regularizer='l2')", "AdamW"),
        ("tf.keras.layers.Conv2D(2, 3, groups=2)", "groups=2"),
        ("tf.keras.layers.Dense(2, dtype='float64')", "float32 weights"),
        ("tf.keras.layers.Dense(2, trainable=False)", "layers that all train"),
        ("tf.keras.optimizers.Adam(clipnorm=1.0)", "clipnorm=1.0"),
        ("tf.image.resize([[[1.0]]], (2, 2), preserve_aspect_ratio=True)", "preserve_aspect_ratio"),
    ],
)
def test_what_is_outside(expression: str, message: str) -> None:
    with pytest.raises(NotCoveredError, match=re.escape(message)) as raised:
        eval(expression)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "statement",
    [
        "from calor.compat.keras.layers import LSTM",
        "from calor.compat.keras import Model",
        "import calor.compat.keras.applications",
        "from calor.compat.tensorflow.keras.applications.vgg16 import VGG16",
    ],
)
def test_imports_of_what_is_outside(statement: str) -> None:
    with pytest.raises(ImportError, match="is outside what Calor covers") as raised:
        exec(statement)
    assert isinstance(raised.value, NotCoveredError)


def test_absent_names_can_be_asked_for() -> None:
    assert not hasattr(tf, "contrib")
    assert getattr(tf.keras.Sequential(), "_something", None) is None
    assert not hasattr(tf.data.experimental, "_private")
    with pytest.raises(AttributeError, match="no attribute '__wrapped__'"):
        tf.__wrapped__  # noqa: B018


def test_arguments_that_nobody_has() -> None:
    with pytest.raises(
        UnknownNameError, match=r"argument of tf.keras.layers.Dense called 'unit'. Did you mean 'units'"
    ):
        tf.keras.layers.Dense(unit=2)
    with pytest.raises(ArgumentError, match="without a name"):
        tf.keras.layers.Dropout(0.5, None)


def test_subclasses() -> None:
    with pytest.raises(NotCoveredError, match=r"subclass of tf.keras.layers.Dense"):

        class Mine(tf.keras.layers.Dense):
            pass

    with pytest.raises(NotCoveredError, match="on_test_end"):

        class Tests(tf.keras.callbacks.Callback):
            def on_test_end(self, logs=None):
                pass


def test_the_stand_in_gives_back_what_was_there() -> None:
    with _stand_in.standing_in():
        assert _stand_in.activate() == []
        import keras as ours
        import tensorflow.keras.layers as layers
        import tensorflow.python.keras
        from tensorflow.keras.layers import Dense

        assert ours.layers.Dense is Dense is layers.Dense is tf.keras.layers.Dense
        assert ours.layers.__spec__.name == "calor.compat.keras.layers"
        assert tensorflow.keras is ours is tensorflow.python.keras
        with pytest.raises(ImportError, match="tensorflow_hub is outside"):
            import tensorflow_hub  # noqa: F401
    import keras as theirs

    assert theirs is keras
