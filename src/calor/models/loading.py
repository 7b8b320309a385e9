"""Loading a model from a `.keras` or `.h5` file, of Calor or Keras. A file is data, never code, and is not trusted."""

import json
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar, overload

import jax
import jax.numpy as jnp
import numpy as np

import calor
from calor.errors import CalorError, CalorWarning, ModelFileError
from calor.layers import Input
from calor.models import compile_config, legacy_h5, network
from calor.models.archive import CONFIG, FORMAT, METADATA, WEIGHTS, read_archive
from calor.models.keras_config import Decoder, UnsupportedError, check_policy
from calor.models.sequential import Sequential
from calor.models.weights_file import OPTIMIZER, WeightsFile, layer_paths
from calor.typing import Shape

Model = TypeVar("Model", bound=Sequential)


@overload
def load_model(path: "str | os.PathLike[str]", custom_objects: Mapping[str, Any] | None = None) -> Sequential: ...
@overload
def load_model(
    path: "str | os.PathLike[str]", custom_objects: Mapping[str, Any] | None = None, *, model_class: type[Model]
) -> Model: ...
def load_model(
    path: "str | os.PathLike[str]",
    custom_objects: Mapping[str, Any] | None = None,
    *,
    model_class: type[Any] = Sequential,
) -> Any:
    """Read a model from a file that Calor or Keras wrote: `.keras`, or the older `.h5`.

    Nothing in the file is run or imported: it can hold wrong numbers, but no code.

    Args:
        path: the file.
        custom_objects: your own layer classes, losses, metrics and functions by name, where the model has some:
            ``{"Scale": Scale}``.
        model_class: a subclass of ``Sequential`` to make the model an object of.

    Returns:
        The model with its weights, compiled as it was, ready to predict or to train on.

    Raises:
        ModelFileError: the file cannot be read, is damaged, was changed, comes from a newer Calor, or holds something
            that Calor does not have; the message names the file, what is wrong and what to do.

    Warns:
        CalorWarning: something that matters in training only was left out.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     calor.Sequential([calor.layers.Dense(1, input_shape=[2])]).save(f"{folder}/model.keras")
    ...     load_model(f"{folder}/model.keras").output_shape
    (1,)
    """
    try:
        model, remarks = _load(Path(path), custom_objects or {}, model_class)
    except ModelFileError as error:
        raise ModelFileError(f"'{os.fspath(path)}' cannot be loaded: {error}") from error.__cause__
    if remarks:
        warnings.warn(f"'{os.fspath(path)}': {'; '.join(remarks)}.", CalorWarning, stacklevel=2)
    return model


def _load(path: Path, custom_objects: Mapping[str, Any], model_class: type[Model]) -> tuple[Model, list[str]]:
    if legacy_h5.is_legacy(path):
        return _load_legacy(path, custom_objects, model_class)
    members = read_archive(path)
    section = _calor_section(_parse(members[METADATA], METADATA))
    config = _parse(members[CONFIG], CONFIG)
    decoder = Decoder(custom_objects)
    model = _architecture(config, section, decoder, model_class)
    weights = WeightsFile(members[WEIGHTS])
    _take_weights(model, weights)
    if config.get("compile_config"):
        precision = section.get("precision", "float32")
        compile_config.restore_compile(model, config["compile_config"], decoder, weights, precision)
    model.class_names = section.get("class_names")
    model.step = section.get("step", model.step)
    if model.optimizer is not None and not callable(model.optimizer.learning_rate) and section.get("learning_rate"):
        model.learning_rate = section["learning_rate"]
    return model, decoder.remarks


def load_weights(model: Sequential, path: "str | os.PathLike[str]") -> None:
    """Give a model the weights in a `.weights.h5` file that Calor or Keras 3 wrote for the same layers.

    Raises:
        ModelFileError: the file cannot be read, or its arrays are those of other layers.
    """
    try:
        _take_weights(model, WeightsFile(Path(path).read_bytes()))
    except (ModelFileError, OSError) as error:
        raise ModelFileError(f"'{os.fspath(path)}' cannot be loaded: {error}") from error


def _take_weights(model: Sequential, weights: WeightsFile) -> None:
    expected = {
        f"{place}/vars/{index}": shape
        for place, one in zip(layer_paths([type(layer).__name__ for layer in model.layers]), model._placed, strict=True)
        for index, shape in enumerate(_shapes(one))
    }
    weights.check("layers/", expected)
    if elsewhere := [at for at in weights.paths() if not at.startswith(("layers/", f"{OPTIMIZER}/"))]:
        raise ModelFileError(
            f"its array '{elsewhere[0]}' belongs to no layer. Build the model from Calor's layers alone, without "
            "weights of its own, and save it again."
        )
    _set_weights(model, iter([weights.read(at) for at in expected]))


def _load_legacy(path: Path, custom_objects: Mapping[str, Any], model_class: type[Model]) -> tuple[Model, list[str]]:
    file = legacy_h5.read(path)
    decoder = Decoder(custom_objects)
    model = _architecture(file.config, {}, decoder, model_class)
    arrays = []
    for one in model._placed:
        paths, shapes = file.names.get(one.name, ()), _shapes(one)
        if len(paths) != len(shapes):
            raise ModelFileError(
                f"its layer {one.name!r} has {len(paths)} arrays, and the configuration asks for {len(shapes)}. "
                "The two do not belong together: save the model again."
            )
        arrays += [file.weights.read_checked(at, shape) for at, shape in zip(paths, shapes, strict=True)]
    _set_weights(model, iter(arrays))
    if file.compile_config is not None:
        compile_config.restore_compile(model, file.compile_config, decoder, file.weights, "float32")
    return model, decoder.remarks


def _shapes(one: network.Placed) -> list[Shape]:
    trees = {"parameters": one.parameters, "state": one.state}
    return [tuple(leaf.shape) for kind, key in one.order for leaf in jax.tree.leaves(trees[kind][key])]


def _set_weights(model: Sequential, arrays: Iterator[np.ndarray]) -> None:
    """As ``model.set_weights``, but without computing initial values first."""
    parameters: dict[str, Any] = {}
    state: dict[str, Any] = {}
    for one in model._placed:
        parameters[one.name], state[one.name] = {}, {}
        for kind, key in one.order:
            template, target = (one.parameters, parameters) if kind == "parameters" else (one.state, state)
            target[one.name][key] = jax.tree.map(lambda leaf: jnp.asarray(next(arrays), leaf.dtype), template[key])
    model.parameters, model.state = parameters, state


def _parse(contents: bytes, member: str) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no number that a configuration can have")

    def finite(text: str) -> float:
        value = float(text)
        return value if math.isfinite(value) else refuse(text)

    try:
        parsed = json.loads(contents, parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"its '{member}' is no readable JSON ({error}). Save the model again.") from error
    if not isinstance(parsed, dict):
        raise ModelFileError(f"its '{member}' is no dictionary. Save the model again.")
    return parsed


_SECTION: dict[str, Callable[[Any], bool]] = {
    "seed": lambda value: isinstance(value, int) and 0 <= value < 2**32,
    "step": lambda value: isinstance(value, int) and 0 <= value < 2**31,
    "learning_rate": lambda value: value is None or (isinstance(value, int | float) and value >= 0),
    "precision": lambda value: value in ("float32", "bfloat16"),
    "class_names": lambda value: (
        value is None or (isinstance(value, list) and all(isinstance(name, str) for name in value))
    ),
}


def _calor_section(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Calor's part of the metadata; empty for a file that Keras wrote."""
    section = metadata.get("calor", {"format": FORMAT})
    if not isinstance(section, dict) or not isinstance(section.get("format"), int) or section["format"] < 1:
        raise ModelFileError(f"its '{METADATA}' has a section 'calor' without a format number. Save the model again.")
    if section["format"] > FORMAT:
        raise ModelFileError(
            f"it has format {section['format']}, written by Calor {section.get('version')}, and this is Calor "
            f"{calor.__version__}, which reads formats up to {FORMAT}. Install a newer Calor."
        )
    for key, is_sound in _SECTION.items():
        if key in section and not is_sound(section[key]):
            raise ModelFileError(
                f"its '{METADATA}' says {key}={section[key]!r}, which cannot be. Save the model again."
            )
    return section


def _architecture(
    config: Mapping[str, Any], section: Mapping[str, Any], decoder: Decoder, model_class: type[Model]
) -> Model:
    """The model without its weights: nothing of their size is allocated."""
    if config.get("class_name") != "Sequential":
        raise UnsupportedError(
            f"it holds a model of the class {config.get('class_name')!r}, and Calor has only Sequential, a plain stack "
            "of layers. If it is one, put the same layers into a keras.Sequential and save that."
        )
    inner = config.get("config")
    if not isinstance(inner, dict) or not isinstance(inner.get("layers"), list) or not inner["layers"]:
        raise ModelFileError("its configuration lists no layers. Save the model again.")
    described = inner["layers"]
    shape = inner.get("build_input_shape")
    if isinstance(described[0], dict) and described[0].get("class_name") == "InputLayer":
        first = described[0].get("config")
        shape = first.get("batch_shape") if isinstance(first, dict) else None
        described = described[1:]
    layers = [_layer(one, index, decoder) for index, one in enumerate(described)]
    try:
        name = str(inner.get("name") or "sequential")
        return model_class([Input(_input_shape(shape)), *layers], seed=section.get("seed"), name=name)
    except ModelFileError:
        raise
    except CalorError as error:
        raise ModelFileError(f"its layers do not fit together. {error}") from error


def _layer(described: Any, index: int, decoder: Decoder) -> Any:
    config = described.get("config") if isinstance(described, dict) else None
    if not isinstance(config, dict):
        raise ModelFileError(f"its layer {index} is not described as Keras describes layers. Save the model again.")
    name = config.get("name")
    if not isinstance(name, str) or not name:
        raise ModelFileError(f"its layer {index} is called {name!r}, which is no name. Save the model again.")
    where = f"its layer {name!r}"
    check_policy(config, where)
    return decoder.decode_layer(described, where, name)


def _input_shape(batch_shape: Any) -> Shape:
    if batch_shape is None:
        raise ModelFileError("it was saved before it had weights. Build the model in Keras, and save it again.")
    if not isinstance(batch_shape, list) or len(batch_shape) < 1:
        raise ModelFileError(f"its input has the shape {batch_shape!r}, which is none. Save the model again.")
    if None in batch_shape[1:]:
        raise UnsupportedError(
            f"its input has the shape {batch_shape}, which leaves sizes open, and Calor needs them. "
            "Give the keras.Input a size for each axis but the batch, and save it again."
        )
    return tuple(batch_shape[1:])
