"""A stack of layers together with its weights: architecture, shapes, names, initial values."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from calor._arguments import described
from calor.errors import ArgumentError, ModelStateError, ShapeError, UnknownNameError
from calor.layers import Input
from calor.models import fusion, network
from calor.models.summary import summarise
from calor.typing import Shape


class Stack:
    """Layers in the order of calculation, and the numbers that they compute with.

    ``Sequential`` is this and what trains it; its docstring tells the arguments.
    """

    def __init__(self, layers: Sequence[Any] | None, seed: int | None, name: str) -> None:
        self.name = name
        self.seed = secrets.randbelow(2**31) if seed is None else int(seed)
        if not 0 <= self.seed < 2**32:
            raise ArgumentError(f"seed must lie between 0 and 2**32 - 1, not {seed}.")
        self.layers: list[Any] = []
        self._input_shape: Shape | None = None
        self._placed: list[network.Placed] = []
        self._parameters: dict[str, Any] = {}
        self._state: dict[str, Any] = {}
        if not isinstance(layers, list | tuple | None):
            raise ArgumentError(f"The layers must be a list: write Sequential([...]), not {type(layers).__name__}.")
        for layer in layers or []:
            self._append(layer)
        self._place()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {', '.join(self.layer_names) or 'no layers'}>"

    @property
    def layer_names(self) -> list[str]:
        return list(network.unique_names(self.layers))

    def _changed(self) -> None:
        """Called when the layers have changed; what was compiled for them is no longer right."""

    def add(self, layer: Any) -> None:
        """Put a layer, or first of all an ``Input``, at the end.

        Raises:
            ShapeError: the layer cannot work on what the one before it gives.
            ArgumentError: it is no layer, or it is in the model already.
        """
        count, shape = len(self.layers), self._input_shape
        self._append(layer)
        try:
            self._place()
        except Exception:
            del self.layers[count:]
            self._input_shape = shape
            raise

    def pop(self) -> Any:
        """Take the last layer away, with its weights; returns it."""
        if not self.layers:
            raise ModelStateError("There is no layer to pop: the model is empty.")
        if len(self._placed) == len(self.layers):
            last = self._placed.pop()
            self._parameters.pop(last.name, None)
            self._state.pop(last.name, None)
        self._changed()
        return self.layers.pop()

    def _append(self, layer: Any) -> None:
        if isinstance(layer, Input):
            if self.layers or self._input_shape is not None:
                raise ArgumentError("Input belongs at the front: it gives the shape of the model's input.")
            self._input_shape = tuple(layer.shape)
            return
        if isinstance(layer, type):
            raise ArgumentError(f"{layer.__name__} is a class: write {layer.__name__}(...) to make a layer of it.")
        if not (callable(getattr(layer, "build", None)) and callable(getattr(layer, "apply", None))):
            raise ArgumentError(
                f"Layer {len(self.layers)} is {layer!r}, and that is no layer: "
                "a layer is a calor.layers object, or one of yours with the methods build(key, input_shape) and "
                "apply(parameters, state, inputs, *, training, key)."
            )
        if any(layer is other for other in self.layers):
            raise ArgumentError(f"Layer {described(layer)} is in the model already: each place needs its own.")
        if not self.layers and self._input_shape is None and getattr(layer, "input_shape", None) is not None:
            self._input_shape = tuple(Input(layer.input_shape).shape)
        self.layers.append(layer)
        self._changed()

    def _place(self) -> None:
        """Work out the shapes of the layers that have no place yet, as soon as the input's shape is known."""
        if self._input_shape is None:
            return
        names = list(network.unique_names(self.layers))
        for index in range(len(self._placed), len(self.layers)):
            before = self._placed[-1] if self._placed else None
            shape = before.output_shape if before else self._input_shape
            layer = self.layers[index]
            placed = network.place(names[index], layer, shape, before.name if before else None)
            self._placed.append(placed)
            if hasattr(layer, "joined"):
                layer.joined(self, names[index])

    def build(self, input_shape: Sequence[int]) -> None:
        """Fix the shape of one input, without the batch axis (a leading None is taken for it), and so all shapes.

        Raises:
            ShapeError: a layer cannot work on it, or the model is built for another one.
        """
        shape = tuple(input_shape[1:] if len(input_shape) and input_shape[0] is None else input_shape)
        if self._input_shape is not None and self._input_shape != shape:
            raise ShapeError(f"The model is built for inputs of shape {self._input_shape}, not {shape}.")
        before = self._input_shape
        self._input_shape = shape
        try:
            self._place()
        except Exception:
            self._input_shape = before
            self._placed.clear()
            raise

    @property
    def built(self) -> bool:
        """Whether all shapes are known."""
        return self._input_shape is not None and bool(self.layers)

    @property
    def input_shape(self) -> Shape | None:
        return self._input_shape

    @property
    def output_shape(self) -> Shape | None:
        return self._placed[-1].output_shape if self._placed else self._input_shape

    @property
    def weight_order(self) -> dict[str, list[tuple[str, str]]]:
        """For each layer's name its weights, as (``"parameters"`` or ``"state"``, key), in ``get_weights``' order."""
        return {one.name: list(one.order) for one in self._placed}

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """The layer of that name, or at that place.

        Raises:
            UnknownNameError: there is none of that name.
            ArgumentError: neither or both given, or no such place.
        """
        if (name is None) == (index is None):
            raise ArgumentError("get_layer takes a name or an index.")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ArgumentError(f"There is no layer {index}: the model has {len(self.layers)}.")
            return self.layers[index]
        names = self.layer_names
        if name not in names:
            raise UnknownNameError("layer", name, names)
        return self.layers[names.index(name)]

    def count_params(self) -> int:
        """How many weights the model has."""
        self._require_built("count_params")
        return sum(one.count for one in self._placed)

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print a table of the layers with their output shapes and numbers of weights.

        >>> import calor
        >>> calor.Sequential([calor.layers.Dense(4, input_shape=[3])], name="small").summary()
        Model: small
        ────────────────────────────────────
        Layer (type)   Output shape  Weights
        ────────────────────────────────────
        dense (Dense)  (None, 4)          16
        ────────────────────────────────────
        Total weights: 16 (64 B)
        """
        self._require_built("summary")
        summarise(self.name, self._placed, print_fn)

    def explain(self, print_fn: Callable[[str], object] = print) -> None:
        """Print which layers run together as one operation, on what, and why not on something faster.

        >>> import calor
        >>> model = calor.Sequential([calor.layers.Dense(4, activation="relu", input_shape=[3])], name="small")
        >>> model.explain()
        Model: small
        ─────────────────────────────────────────────
        Layers  Operation                     Runs on
        ─────────────────────────────────────────────
        dense   matrix product + bias + ReLU  XLA
        ─────────────────────────────────────────────
        """
        self._require_built("explain")
        fusion.explain(self.name, self._placed, print_fn)

    def _require_built(self, what: str) -> None:
        if not self.layers:
            raise ModelStateError(f"{what} needs layers: the model is empty.")
        if self._input_shape is None:
            raise ModelStateError(
                f"{what} needs the shape of the input: give the first layer input_shape=..., put an Input first, "
                "call build(input_shape), or fit the model."
            )

    @property
    def parameters(self) -> dict[str, Any]:
        self._initialise()
        return self._parameters

    @parameters.setter
    def parameters(self, values: dict[str, Any]) -> None:
        self._parameters = values

    @property
    def state(self) -> dict[str, Any]:
        self._initialise()
        return self._state

    @state.setter
    def state(self, values: dict[str, Any]) -> None:
        self._state = values

    def _initialise(self) -> None:
        """Give initial weights to the layers that have none yet."""
        self._require_built("A model with weights")
        missing = [(index, one) for index, one in enumerate(self._placed) if one.name not in self._parameters]
        if not missing:
            return
        for name, (parameters, state) in network.initial_values(missing, self.seed).items():
            self._parameters[name] = parameters
            self._state[name] = state

    def get_weights(self) -> list[np.ndarray]:
        """All weights as NumPy arrays, layer by layer: kernel and bias, and so on."""
        self._initialise()
        return [array for one in self._placed for array in self._weights_of(one)]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights; ``weights`` has the order and shapes of ``get_weights``.

        Raises:
            ShapeError: another number of arrays, or another shape.
        """
        self._initialise()
        self._replace(self._placed, weights)

    def get_layer_weights(self, layer: Any) -> list[np.ndarray]:
        """One layer's weights; what ``layer.get_weights()`` asks for."""
        self._initialise()
        return self._weights_of(self._place_of(layer))

    def set_layer_weights(self, layer: Any, weights: Sequence[Any]) -> None:
        """Replace one layer's weights; what ``layer.set_weights(...)`` asks for."""
        self._initialise()
        self._replace([self._place_of(layer)], weights)

    def _place_of(self, layer: Any) -> network.Placed:
        for one in self._placed:
            if one.layer is layer:
                return one
        raise ModelStateError(f"Layer {layer!r} is no longer in this model.")

    def _weights_of(self, one: network.Placed) -> list[np.ndarray]:
        trees = {"parameters": self._parameters[one.name], "state": self._state[one.name]}
        return [np.array(leaf) for kind, key in one.order for leaf in jax.tree.leaves(trees[kind][key])]

    def _replace(self, placed: Sequence[network.Placed], weights: Sequence[Any]) -> None:
        slots = [
            (one, kind, key, leaf)
            for one in placed
            for kind, key in one.order
            for leaf in jax.tree.leaves({"parameters": one.parameters, "state": one.state}[kind][key])
        ]
        if len(slots) != len(weights):
            raise ShapeError(f"set_weights needs {len(slots)} arrays and received {len(weights)}.")
        arrays = []
        for (one, _, key, leaf), value in zip(slots, weights, strict=True):
            array = jnp.asarray(value, leaf.dtype)
            if array.shape != leaf.shape:
                raise ShapeError(f"Layer {one.name!r}: {key} has shape {leaf.shape} and received {array.shape}.")
            arrays.append(array)
        values = iter(arrays)
        # New dictionaries: a run under way may still hold the old ones.
        new = {"parameters": dict(self._parameters), "state": dict(self._state)}
        for one in placed:
            for kind, key in one.order:
                tree = {"parameters": one.parameters, "state": one.state}[kind][key]
                filled = jax.tree.unflatten(jax.tree.structure(tree), [next(values) for _ in jax.tree.leaves(tree)])
                new[kind][one.name] = {**new[kind][one.name], key: filled}
        self._parameters, self._state = new["parameters"], new["state"]
