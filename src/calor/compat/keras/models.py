"""``tf.keras.models``: ``Sequential`` as programs written for Keras use it, and ``load_model``."""

import copy
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import calor
from calor.compat import _seeds
from calor.compat._absent import MissingNameError, outside, sentence
from calor.compat._datasets import plain
from calor.compat._from_keras import plain_function
from calor.compat._tensors import is_traced, tensor
from calor.compat.keras._summary import summarise
from calor.compat.keras.callbacks import Record, callers
from calor.errors import NotCoveredError
from calor.models import legacy_h5
from calor.models.loading import load_model as calor_load_model
from calor.models.loading import load_weights
from calor.models.saving import save_weights
from calor.training.history import History

__all__ = ["Sequential", "load_model"]

_WORKERS = ("max_queue_size", "workers", "use_multiprocessing")
"""Arguments about how Keras reads its data, which Calor decides itself."""


class Sequential(calor.Sequential):
    """``calor.Sequential`` with the methods and arguments that Keras' had over the years.

    Args:
        layers: the layers, or other such models, whose layers and weights are then taken over.
        trainable: only True.
        name: for ``summary`` and files.
        seed: as for ``calor.Sequential``; by default what ``tf.random.set_seed`` makes of it.

    A model inside another one is copied when it is put there: training one of the two does not change the other.

    >>> model = Sequential([calor.layers.Dense(1, input_shape=[1])])
    >>> model.compile("sgd", "mse", ["mae"])
    >>> model.fit([1.0], [2.0], verbose=0).history.keys()
    dict_keys(['mae', 'loss'])
    """

    def __init__(
        self, layers: Any = None, trainable: bool = True, name: str | None = None, *, seed: int | None = None
    ) -> None:
        if not trainable:
            raise NotCoveredError(
                "tf.keras.Sequential(trainable=False) is outside what Calor covers; "
                "the nearest thing that it has is model.set_weights after training."
            )
        super().__init__(None, seed=_seeds.next_seed() if seed is None else seed, name=name or "sequential")
        for layer in layers if isinstance(layers, list | tuple) else [] if layers is None else [layers]:
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Put a layer at the end, or all layers of another model, with copies of their weights."""
        if not isinstance(layer, calor.Sequential):
            super().add(layer)
            return
        if not self.layers and self.input_shape is None and layer.input_shape is not None:
            super().add(calor.Input(layer.input_shape))
        for inner in layer.layers:
            taken = copy.copy(inner)
            # The name that the other model chose may be taken in this one.
            object.__setattr__(taken, "name", inner.given_name)
            super().add(taken)
            if layer.built and self.built:
                self.set_layer_weights(taken, layer.get_layer_weights(inner))

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Any = None, **settings: Any) -> None:
        """Say how the model is trained and measured; see ``calor.Sequential.compile``.

        Args:
            optimizer: a name or an optimizer.
            loss: a name, a loss, or a function of labels and outputs.
            metrics: names, metrics or functions; one of them alone will do.
            settings: ``run_eagerly``, ``jit_compile`` and ``steps_per_execution`` change nothing.

        Raises:
            NotCoveredError: ``loss_weights`` or ``weighted_metrics``.
        """
        for name in ("run_eagerly", "jit_compile", "steps_per_execution", "auto_scale_loss"):
            settings.pop(name, None)
        precision = settings.pop("precision", "float32")
        _only_none("compile", settings)
        chosen = [metrics] if metrics is not None and not isinstance(metrics, list | tuple) else list(metrics or [])
        super().compile(
            optimizer, plain_function(loss), metrics=[plain_function(one) for one in chosen], precision=precision
        )

    @property
    def metrics_names(self) -> list[str]:
        """What ``evaluate`` returns: ``"loss"`` and the names of the metrics."""
        return ["loss", *(metric.name for metric in self._resolved_metrics())]

    def fit(self, x: Any = None, y: Any = None, *arguments: Any, **settings: Any) -> History:
        """Train; see ``calor.Sequential.fit``. How Keras' workers read the data is left out.

        Raises:
            NotCoveredError: ``validation_freq`` other than 1.
        """
        if settings.pop("validation_freq", 1) != 1:
            raise NotCoveredError(
                "model.fit(validation_freq=...) is outside what Calor covers; "
                "the nearest thing that it has is validation after every epoch."
            )
        _tidy(settings)
        settings["callbacks"] = callers(settings.get("callbacks"))
        validation = settings.get("validation_data")
        if validation is not None:
            settings["validation_data"] = plain(validation)
        history = super().fit(plain(x), plain(y), *arguments, **settings)
        history.history = Record(history.history)
        return history

    def evaluate(self, x: Any = None, y: Any = None, *arguments: Any, **settings: Any) -> Any:
        """The loss and the metrics; see ``calor.Sequential.evaluate``."""
        _tidy(settings)
        settings.pop("callbacks", None)
        return super().evaluate(plain(x), plain(y), *arguments, **settings)

    def predict(self, x: Any, *arguments: Any, **settings: Any) -> np.ndarray:
        """The outputs; see ``calor.Sequential.predict``."""
        _tidy(settings)
        settings.pop("callbacks", None)
        return super().predict(plain(x), *arguments, **settings)

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The outputs as a tensor; pictures are changed at random unless ``training`` is False.

        Raises:
            NotCoveredError: random numbers are to be drawn inside a ``map`` function.
        """
        changing = training is None and any(getattr(layer, "random_when_called", False) for layer in self.layers)
        if not (training or changing or is_traced(inputs)):
            return tensor(self.predict(inputs))
        outputs = inputs if is_traced(inputs) else np.asarray(inputs)
        for layer in self.layers:
            outputs = layer(outputs, training=training)
        return tensor(outputs)

    def fit_generator(self, generator: Any, *arguments: Any, **settings: Any) -> History:
        """``fit``, under the name that it had for generators; the order of the arguments is that of old."""
        names = (
            *("steps_per_epoch", "epochs", "verbose", "callbacks", "validation_data", "validation_steps"),
            *("validation_freq", "class_weight"),
        )
        return self.fit(generator, **dict(zip(names, arguments, strict=False)) | settings)

    def evaluate_generator(self, generator: Any, steps: int | None = None, **settings: Any) -> Any:
        """``evaluate``, under the name that it had for generators."""
        return self.evaluate(generator, steps=steps, **{"verbose": 0} | settings)

    def predict_generator(self, generator: Any, steps: int | None = None, **settings: Any) -> np.ndarray:
        """``predict``, under the name that it had for generators."""
        return self.predict(generator, steps=steps, **settings)

    def predict_proba(self, x: Any, batch_size: int = 32, verbose: int = 0) -> np.ndarray:
        """``predict``, under an older name."""
        return self.predict(x, batch_size=batch_size, verbose=verbose)

    def predict_classes(self, x: Any, batch_size: int = 32, verbose: int = 0) -> np.ndarray:
        """The number of the likeliest class; for one output whether it is above 0.5, int32 (examples, 1)."""
        outputs = self.predict(x, batch_size=batch_size, verbose=verbose)
        return outputs.argmax(axis=-1) if outputs.shape[-1] > 1 else (outputs > 0.5).astype("int32")

    def summary(  # type: ignore[override]
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], object] | None = None,
        **settings: Any,
    ) -> None:
        """Print Keras' table of the layers: output shapes and numbers of parameters."""
        if callable(line_length):
            line_length, print_fn = None, line_length
        self._require_built("summary")
        summarise(self.name, self._placed, print_fn or print, line_length)

    def save(self, path: "str | os.PathLike[str]", overwrite: bool = True, **settings: Any) -> None:
        """Write the model: ``.keras``, or ``.h5`` for what reads only that; other paths are made ``.keras`` files.

        Raises:
            NotCoveredError: ``save_format="tf"`` or a path without ending, TensorFlow's own format.
        """
        if settings.get("save_format") == "tf" or Path(path).suffix not in (".keras", ".h5", ".hdf5"):
            raise NotCoveredError(
                f"TensorFlow's SavedModel format, model.save({os.fspath(path)!r}), is outside what Calor covers; "
                f"the nearest thing that it has is model.save({os.fspath(Path(path).with_suffix('.keras'))!r})."
            )
        super().save(path)

    def save_weights(self, filepath: "str | os.PathLike[str]", overwrite: bool = True) -> None:
        """Write the weights alone, as a ``.h5`` file in Keras 3's layout."""
        save_weights(self, filepath)

    def load_weights(self, filepath: "str | os.PathLike[str]") -> None:
        """Take the weights of such a file, or of a whole model's."""
        path = Path(filepath)
        if path.suffix == ".keras" or legacy_h5.holds_model(path):
            self.set_weights(calor_load_model(path).get_weights())
        else:
            load_weights(self, path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise MissingNameError(sentence("model", name, dir(self)))


def _tidy(settings: dict[str, Any]) -> None:
    """Leave out how Keras' workers read the data, and make numbers of steps whole, as Keras did."""
    for name in _WORKERS:
        settings.pop(name, None)
    for name in ("steps_per_epoch", "validation_steps", "steps"):
        if isinstance(settings.get(name), float | np.floating):
            settings[name] = math.ceil(settings[name])


def _only_none(method: str, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if value is not None:
            raise NotCoveredError(
                f"model.{method}({name}=...) is outside what Calor covers; "
                f"the nearest thing that it has is model.{method} without it."
            )


def load_model(
    filepath: "str | os.PathLike[str]", custom_objects: Mapping[str, Any] | None = None, compile: bool = True, **_: Any
) -> Sequential:
    """The model in a ``.keras`` or ``.h5`` file; see ``calor.load_model``."""
    model = calor_load_model(filepath, custom_objects, model_class=Sequential)
    if not compile:
        model.optimizer = model.loss = model.optimizer_state = None
        model.metrics = []
    return model


__getattr__ = outside(globals())
