"""Saving a model as a `.keras` file, Keras 3's own format.

The archive's `config.json` and `model.weights.h5` are what Keras would write for the same layers. `metadata.json`,
which Keras does not read back, has a section of Calor's own.
"""

import json
import os
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

import calor
from calor.errors import ArgumentError, CalorWarning, ModelFileError, ModelStateError
from calor.models import compile_config, legacy_h5
from calor.models.archive import CONFIG, FORMAT, METADATA, WEIGHTS, new_file, write_archive
from calor.models.compiled import Compiled
from calor.models.keras_config import encode_object
from calor.models.weights_file import Group, layer_paths, write_weights

KERAS_VERSION = "3.15.1"
"""The Keras whose format this is."""


def save_model(model: Compiled, path: "str | os.PathLike[str]") -> None:
    """Write a model, with its weights, compile settings and the optimizer's memory, as a `.keras` file.

    Real Keras 3 opens it, as far as the model is made of what Keras has; a layer or a loss of the user's own
    needs ``custom_objects`` there as here.

    Args:
        model: a built ``Sequential``.
        path: ends in `.keras`; or in `.h5`, the older format, which keeps no optimizer's memory. The file is written
            under a temporary name and renamed once it is whole.

    Raises:
        ArgumentError: another ending.
        ModelStateError: the model has no weights yet.
        ModelFileError: the file cannot be written, or a layer's settings cannot be stored; a file that was there
            before stays as it was.

    Warns:
        CalorWarning: the compile settings cannot be stored, because they hold a lambda or an Optax transformation.

    >>> import calor, tempfile
    >>> model = calor.Sequential([calor.layers.Dense(1, input_shape=[2])])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, f"{folder}/model.keras")
    ...     again = calor.load_model(f"{folder}/model.keras")
    >>> bool((again.predict([[1.0, 2.0]]) == model.predict([[1.0, 2.0]])).all())
    True
    """
    path = Path(path)
    if path.suffix != ".keras" and path.suffix not in legacy_h5.ENDINGS:
        raise ArgumentError(f"A model is saved as a .keras file: write '{path.with_suffix('.keras')}', not '{path}'.")
    if not model.built:
        raise ModelStateError(
            "The model has no weights to save yet: give the first layer input_shape=..., call build(input_shape), "
            "or fit the model."
        )
    groups = _layer_groups(model)
    config = _encode_model(model)
    if model.optimizer is not None:
        try:
            config["compile_config"] = compile_config.encode_compile(model)
        except ModelFileError as error:
            warnings.warn(
                f"'{path}' is saved without compile settings and optimizer state: {error} "
                "The loaded model predicts, and can be trained after compile().",
                CalorWarning,
                stacklevel=2,
            )
    if path.suffix in legacy_h5.ENDINGS:
        legacy_h5.write(path, KERAS_VERSION, config, config.get("compile_config"), _arrays_by_name(model))
        return
    if "compile_config" in config:
        groups.append(compile_config.optimizer_group(model))
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
        "calor": _section(model),
    }
    members = {
        METADATA: json.dumps(metadata).encode(),
        CONFIG: json.dumps(config).encode(),
        WEIGHTS: write_weights(model.name, groups),
    }
    write_archive(path, members)


def save_weights(model: Compiled, path: "str | os.PathLike[str]") -> None:
    """Write a model's weights alone, in the layout of Keras 3's `.weights.h5` files.

    Args:
        model: a built ``Sequential``.
        path: ends in `.h5`. The file is written under a temporary name and renamed once it is whole.

    Raises:
        ArgumentError: another ending.
        ModelFileError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in legacy_h5.ENDINGS:
        raise ArgumentError(f"Weights are saved as a .weights.h5 file: write '{path}.weights.h5', not '{path}'.")
    with new_file(path) as file:
        file.write(write_weights(model.name, _layer_groups(model)))


def _layer_groups(model: Compiled) -> list[Group]:
    return [
        Group(place, name, model.get_layer_weights(layer))
        for place, name, layer in zip(
            layer_paths([type(layer).__name__ for layer in model.layers]), model.layer_names, model.layers, strict=True
        )
    ]


def _arrays_by_name(model: Compiled) -> dict[str, dict[str, np.ndarray]]:
    """For each layer's name its weights by theirs: ``{"dense": {"kernel": ..., "bias": ...}}``."""
    named = {}
    for name, layer in zip(model.layer_names, model.layers, strict=True):
        arrays = model.get_layer_weights(layer)
        keys = [key for _, key in model.weight_order[name]]
        if len(keys) != len(arrays):  # a layer of the user's, with trees of arrays
            keys = [str(number) for number in range(len(arrays))]
        named[name] = dict(zip(keys, arrays, strict=True))
    return named


def _encode_model(model: Compiled) -> dict[str, Any]:
    batch_shape = [None, *(model.input_shape or ())]
    first = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": batch_shape, "dtype": "float32", "name": "input_layer"},
        "registered_name": None,
    }
    others = [
        encode_object(layer, f"layer {name!r} ({type(layer).__name__})", name=name, trainable=True, dtype="float32")
        for name, layer in zip(model.layer_names, model.layers, strict=True)
    ]
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": model.name,
            "trainable": True,
            "dtype": "float32",
            "layers": [first, *others],
            "build_input_shape": batch_shape,
        },
        "registered_name": None,
        "build_config": {"input_shape": batch_shape},
    }


def _section(model: Compiled) -> dict[str, Any]:
    compiled = model.optimizer is not None
    return {
        "format": FORMAT,
        "version": calor.__version__,
        "seed": model.seed,
        "step": model.step,
        "learning_rate": model.learning_rate if compiled else None,
        "precision": model.precision,
        "class_names": None if model.class_names is None else [str(name) for name in model.class_names],
    }
