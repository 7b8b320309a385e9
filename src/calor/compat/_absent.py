"""What Calor does not have of TensorFlow, said in one sentence: the name, and the nearest thing that it has."""

import difflib
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from calor.errors import NotCoveredError

__all__ = ["MissingModuleError", "MissingNameError", "Namespace", "outside", "public_name", "sentence"]


class MissingNameError(NotCoveredError, AttributeError):
    """An attribute that Calor does not have, so that ``hasattr`` is False."""


class MissingModuleError(NotCoveredError, ImportError):
    """A module, or a name in a ``from`` import, that Calor does not have."""


_PUBLIC = {
    "calor.compat.tensorflow_datasets": "tfds",
    "calor.compat.tensorflow": "tf",
    "calor.compat.keras": "tf.keras",
}

_STACK = "tf.keras.Sequential, a plain stack of layers"
_OWN_LAYER = "calor.layers.Layer, for layers of your own"
_TRAINING = "model.compile and model.fit, which train as one compiled program"
_PICTURES = "tf.keras.layers.Conv2D"
_WEIGHT_DECAY = "tf.keras.optimizers.AdamW(weight_decay=...)"

NEAREST: Mapping[str, str] = {
    "Conv1D": _PICTURES,
    "Conv2DTranspose": _PICTURES,
    "Conv3D": _PICTURES,
    "DepthwiseConv2D": _PICTURES,
    "SeparableConv2D": _PICTURES,
    "Functional": _STACK,
    "Model": _STACK,
    "clone_model": _STACK,
    "model_from_json": "tf.keras.models.load_model",
    "Add": _STACK,
    "Concatenate": _STACK,
    "concatenate": _STACK,
    "Layer": _OWN_LAYER,
    "Lambda": f"tf.keras.layers.Activation(function), or {_OWN_LAYER}",
    "GRU": "tf.keras.layers.Dense",
    "LSTM": "tf.keras.layers.Dense",
    "SimpleRNN": "tf.keras.layers.Dense",
    "Embedding": "tf.keras.layers.Dense on one-hot inputs (tf.one_hot)",
    "LayerNormalization": "tf.keras.layers.BatchNormalization",
    "Normalization": "tf.keras.layers.Rescaling or tf.keras.layers.BatchNormalization",
    "RandomCrop": "tf.keras.layers.RandomTranslation",
    "Resizing": "the argument image_size or target_size of what reads the pictures",
    "SpatialDropout2D": "tf.keras.layers.Dropout",
    "GradientTape": _TRAINING,
    "Variable": _TRAINING,
    "function": _TRAINING,
    "train_on_batch": "model.fit",
    "test_on_batch": "model.evaluate",
    "predict_on_batch": "model.predict",
    "to_json": "model.save",
    "get_config": "model.save",
    "applications": _STACK,
    "regularizers": _WEIGHT_DECAY,
    "constraints": _WEIGHT_DECAY,
    "TensorBoard": "tf.keras.callbacks.CSVLogger",
    "plot_model": "model.summary() or model.explain()",
    "model_to_dot": "model.summary() or model.explain()",
    "mixed_precision": "calor's model.compile(precision='bfloat16')",
    "distribute": "one device",
    "estimator": _STACK,
    "feature_column": "arrays of numbers",
    "lite": "model.save, which writes a .keras file",
    "saved_model": "model.save, which writes a .keras file",
    "Session": "eager arrays, which need none",
    "placeholder": "eager arrays, which need none",
    "io": "tf.keras.utils.load_img and tf.keras.utils.image_dataset_from_directory",
    "strings": "Python's own strings, which names of files are here: path.split(os.sep)[-2]",
    "Options": "what Calor decides itself",
    "with_options": "what Calor decides itself",
    "bucket_by_sequence_length": "tf.data.Dataset.padded_batch",
    "choose_from_datasets": "tf.data.Dataset.interleave",
    "counter": "tf.data.Dataset.range",
    "group_by_window": "tf.data.Dataset.window",
    "random": "tf.data.Dataset.from_tensor_slices of random numbers",
    "rebatch": "tf.data.Dataset.unbatch, and batch after it",
    "rejection_resample": "model.fit(class_weight=...)",
    "sample_from_datasets": "tf.data.Dataset.concatenate, and shuffle after it",
    "scan": "tf.data.Dataset.reduce",
    "snapshot": "tf.data.Dataset.save, and tf.data.Dataset.load",
    "unique": "np.unique before the dataset is made",
    "show_examples": "matplotlib's imshow",
    "Nadam": "tf.keras.optimizers.Adam",
    "Adamax": "tf.keras.optimizers.Adam",
    "Adagrad": "tf.keras.optimizers.RMSprop",
    "Adadelta": "tf.keras.optimizers.RMSprop",
    "Ftrl": "tf.keras.optimizers.SGD",
    "cifar10": "tf.keras.datasets.fashion_mnist",
    "imdb": "tf.keras.datasets.fashion_mnist",
    "Accuracy": "metrics=['accuracy'], which the loss and the output make the right one",
    "Mean": "metrics=['accuracy'] in model.compile",
}
"""What to look at instead, where no similar name says it."""


_MANY = 20
"""How many names a sentence can list."""


def public_name(module: str) -> str:
    """How users write the name of a module of this package.

    >>> public_name("calor.compat.keras.layers")
    'tf.keras.layers'
    """
    for prefix, public in _PUBLIC.items():
        if module == prefix or module.startswith(prefix + "."):
            return public + module[len(prefix) :]
    return module


def sentence(owner: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that ``owner`` does not have in Calor.

    >>> sentence("tf.keras.layers", "Dens", ["Dense"])
    'tf.keras.layers.Dens is outside what Calor covers; the nearest thing that it has is tf.keras.layers.Dense.'
    """
    names = sorted(one for one in known if not one.startswith("_"))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    if name in NEAREST:
        nearest = f"the nearest thing that it has is {NEAREST[name]}"
    elif near:
        nearest = f"the nearest thing that it has is {owner}.{near[0]}"
    elif len(names) > _MANY:
        nearest = f"dir({owner}) lists what it has"
    else:
        nearest = f"of {owner} it has {', '.join(names) or 'nothing'}"
    return f"{owner}.{name} is outside what Calor covers; {nearest}."


def outside(space: dict[str, Any], rooms: Sequence[str] | Mapping[str, str] = ()) -> Callable[[str], Any]:
    """A ``__getattr__`` for a module: loads its submodules when they are used, and explains what is not there.

    Args:
        space: the module's ``globals()``. It gets an empty ``__path__`` where it has none, which makes Python ask the
            ``Explainer`` about names in ``from`` imports.
        rooms: its submodules: their names, or a mapping from names to the modules that they are.
    """
    module = space["__name__"]
    space.setdefault("__path__", [])
    homes = rooms if isinstance(rooms, Mapping) else {room: f"{module}.{room}" for room in rooms}

    def __getattr__(name: str) -> Any:
        if name in homes:
            space[name] = importlib.import_module(homes[name])
            return space[name]
        if name.startswith("_"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        raise MissingNameError(sentence(public_name(module), name, names_of(space) | set(homes)))

    space["__dir__"] = lambda: sorted(names_of(space) | set(homes))
    return __getattr__


def names_of(space: Mapping[str, Any]) -> set[str]:
    """The names that a module offers: what it lists in ``__all__``."""
    return set(space.get("__all__", ()))


class Namespace:
    """A part of TensorFlow that is too small for a module: ``tf.data.experimental``, say."""

    def __init__(self, public: str, **names: Any) -> None:
        self._public = public
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise MissingNameError(sentence(self._public, name, self.__dict__))
