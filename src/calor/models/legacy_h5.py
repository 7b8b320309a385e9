"""Models in one `.h5` file, the format of Keras 2, which Keras 3 still reads and writes.

The file's attribute `model_config` is the JSON of the layers, and `training_config` that of the compile settings. A
layer's arrays lie in `model_weights/<layer's name>`, whose attribute `weight_names` lists them in order. The memory of
the optimizer is not kept: `.keras` files have it.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from calor.errors import ModelFileError
from calor.models.archive import HDF5_SIGNATURE, JSON_LIMIT, new_file
from calor.models.weights_file import WeightsFile

ENDINGS = (".h5", ".hdf5")

_WEIGHTS = "model_weights"


@dataclass(frozen=True)
class LegacyModel:
    """What a file holds.

    Attributes:
        config: the model's configuration, as in a `.keras` file.
        compile_config: likewise; None where the model was not compiled.
        weights: all arrays.
        names: for each layer's name the paths of its arrays, in order.
    """

    config: dict[str, Any]
    compile_config: dict[str, Any] | None
    weights: WeightsFile
    names: Mapping[str, Sequence[str]]


def is_legacy(path: Path) -> bool:
    """Whether a file is one, by its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except OSError:
        return False


def holds_model(path: Path) -> bool:
    """Whether a file is one that holds a model, and not weights alone."""
    if not is_legacy(path):
        return False
    with h5py.File(path, "r") as file:
        return "model_config" in file.attrs


def write(
    path: Path,
    keras_version: str,
    config: Mapping[str, Any],
    compile_config: Mapping[str, Any] | None,
    layers: Mapping[str, Mapping[str, np.ndarray]],
) -> None:
    """Write a file under a temporary name and rename it.

    Args:
        path: where to.
        keras_version: the Keras whose format this is.
        config: the model's configuration, as in a `.keras` file.
        compile_config: likewise; None to leave it out.
        layers: for each layer's name its arrays by name.

    Raises:
        ModelFileError: it cannot be written.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        weights = file.create_group(_WEIGHTS)
        for group in (file, weights):
            group.attrs["keras_version"] = keras_version
            group.attrs["backend"] = "jax"
        file.attrs["model_config"] = json.dumps({"class_name": config["class_name"], "config": config["config"]})
        if compile_config is not None:
            file.attrs["training_config"] = json.dumps(
                {**compile_config, "optimizer_config": compile_config["optimizer"]}
            )
        weights.attrs["layer_names"] = np.array(list(layers), dtype="S")
        for name, arrays in layers.items():
            layer = weights.create_group(name)
            layer.attrs["weight_names"] = np.array([f"{name}/{key}" for key in arrays], dtype="S")
            for key, array in arrays.items():
                layer[f"{name}/{key}"] = array
        weights.create_group("top_level_model_weights").attrs["weight_names"] = np.array([], dtype="S1")
    with new_file(path) as out:
        out.write(buffer.getbuffer())


def read(path: Path) -> LegacyModel:
    """What a file holds; nothing in it is run.

    Raises:
        ModelFileError: it is damaged, holds no model, or is not to be trusted.
    """
    contents = path.read_bytes()
    weights = WeightsFile(contents)
    with h5py.File(io.BytesIO(contents), "r") as file:
        if "model_config" not in file.attrs:
            raise ModelFileError(
                "it holds weights without the layers that they belong to. Build the model and call load_weights, or "
                "save all of it in Keras with model.save."
            )
        config = _parse(file.attrs["model_config"], "model_config")
        compiled = _parse(file.attrs["training_config"], "training_config") if "training_config" in file.attrs else None
        groups = file.get(_WEIGHTS)
        names = {
            name: [f"{_WEIGHTS}/{name}/{_text(one)}" for one in group.attrs.get("weight_names", ())]
            for name, group in (groups.items() if isinstance(groups, h5py.Group) else ())
        }
    return LegacyModel(_modern(config), _modern_compile(compiled), weights, names)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _parse(value: Any, attribute: str) -> dict[str, Any]:
    text = _text(value)
    if len(text) > JSON_LIMIT:
        raise ModelFileError(f"its {attribute} is {len(text):,} bytes long, far more than any real model's.")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"its {attribute} is no readable JSON ({error}). Save the model again.") from error
    if not isinstance(parsed, dict):
        raise ModelFileError(f"its {attribute} is no dictionary. Save the model again.")
    return parsed


def _modern(config: dict[str, Any]) -> dict[str, Any]:
    """A model's configuration as Keras 3 writes it in `.keras` files."""
    inner = config.get("config")
    if isinstance(inner, list):  # before Keras 2.2.3 a Sequential's configuration was the list itself
        inner = {"layers": inner}
    if not isinstance(inner, dict) or not isinstance(inner.get("layers"), list):
        return config
    layers = [_modern_layer(layer) for layer in inner["layers"]]
    shape = inner.get("build_input_shape")
    for layer in layers[:2]:  # an InputLayer, and what was the first layer before there were such
        if isinstance(layer, dict) and isinstance(layer.get("config"), dict):
            shape = layer["config"].pop("batch_input_shape", None) or shape
            if layer.get("class_name") == "InputLayer":
                layer["config"].setdefault("batch_shape", shape)
    return {**config, "config": {**inner, "layers": layers, "build_input_shape": shape}}


def _modern_layer(layer: Any) -> Any:
    if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
        return layer
    settings = dict(layer["config"])
    if settings.get("axis") == [3]:  # the last axis of pictures, which batch normalisation counted from the front
        settings["axis"] = -1
    return {"module": "keras.layers", "registered_name": None, **layer, "config": settings}


def _modern_compile(config: dict[str, Any] | None) -> dict[str, Any] | None:
    if config is None:
        return None
    optimizer = config.get("optimizer_config")
    if isinstance(optimizer, dict) and isinstance(optimizer.get("config"), dict):
        settings = {key: value for key, value in optimizer["config"].items() if key != "decay" or value}
        name = str(optimizer.get("class_name"))
        optimizer = {"module": "keras.optimizers", "registered_name": None, **optimizer}
        # Keras 2 wrote some names in lower case, and whether a rate was decayed by hand.
        optimizer |= {"class_name": {"adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop"}.get(name, name)}
        optimizer |= {"config": settings}
    loss = config.get("loss")
    if isinstance(loss, dict) and "class_name" in loss:
        loss = {"module": "keras.losses", "registered_name": None, **loss}
        if isinstance(loss.get("config"), dict):
            kept = {key: value for key, value in loss["config"].items() if (key, value) != ("reduction", "auto")}
            loss = {**loss, "config": kept}
    metrics = config.get("metrics")
    if isinstance(metrics, list) and len(metrics) == 1 and isinstance(metrics[0], list):
        metrics = metrics[0]  # one list for each output
    if isinstance(metrics, list):
        metrics = [
            {"module": "keras.metrics", "registered_name": None, **one} if isinstance(one, dict) else one
            for one in metrics
        ]
    return {**config, "optimizer": optimizer, "loss": loss, "metrics": metrics}
