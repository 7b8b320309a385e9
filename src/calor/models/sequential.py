"""``Sequential``: a stack of layers together with its weights; compile, fit, evaluate, predict."""

import os
import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from calor import losses, metrics, optimizers
from calor.data import Dataset, Plan
from calor.errors import ArgumentError, CalorWarning, ModelStateError, ShapeError, UnknownNameError
from calor.layers import Input
from calor.models import network
from calor.models.inputs import as_dataset, as_validation, class_weights, known_labels, padded_inputs, split
from calor.models.summary import summarise
from calor.training import loop, progress
from calor.training.callbacks import Callback, CallbackList
from calor.training.history import History
from calor.training.program import Carry, Program, Task, evaluation_program, prediction_program, training_program
from calor.training.program import unpack
from calor.typing import Shape

# Steps count up from 0, so no step's random key is the one that the initial weights come from.
_INITIAL = 2**31 - 1


class Sequential:
    """A network whose layers follow one another, with its weights.

    Args:
        layers: the layers in the order of calculation, from the input to the output; an ``Input`` may come first.
            The input's shape is taken from it, from the first layer's ``input_shape``, or from the first batch.
        seed: fixes the initial weights, the order of the data, dropout and augmentation. By default a number
            drawn from the system, to be read from ``model.seed``.
        name: for ``summary`` and files.

    Attributes:
        layers: the layers; ``layer_names`` are their names.
        parameters: what training changes: a dictionary of arrays for each layer's name.
        state: what layers keep besides, such as running means; likewise.
        input_shape, output_shape: without the batch axis; None until known.
        seed: the seed.
        step: how many optimizer steps the weights have seen.
        history: the record of the latest ``fit``, also of one that was interrupted; None before.
        stop_training: a callback sets this to end the run after the epoch.

    Raises:
        ShapeError: a layer cannot work on what the one before it gives.
        ArgumentError: something in ``layers`` is no layer.

    >>> import calor
    >>> model = calor.Sequential([calor.layers.Dense(1, input_shape=[1])], seed=0)
    >>> model.compile(loss="mean_squared_error", optimizer=calor.optimizers.Adam(0.1))
    >>> celsius, fahrenheit = [-40, -10, 0, 8, 15, 22, 38], [-40, 14, 32, 46, 59, 72, 100]
    >>> history = model.fit(celsius, fahrenheit, epochs=500, verbose=0)
    >>> model.predict([100.0]).round()
    array([[211.]], dtype=float32)
    """

    def __init__(self, layers: Sequence[Any] | None = None, *, seed: int | None = None, name: str = "sequential"):
        self.name = name
        self.seed = secrets.randbelow(2**31) if seed is None else int(seed)
        self.layers: list[Any] = []
        self.step = 0
        self.stop_training = False
        self.history: History | None = None
        self.optimizer: optimizers.Optimizer | None = None
        self.optimizer_state: Any = None
        self.loss: losses.Loss | None = None
        self.metrics: list[Any] = []
        self.precision = "float32"
        self.class_names: Sequence[str] | None = None
        self._input_shape: Shape | None = None
        self._placed: list[network.Placed] = []
        self._parameters: dict[str, Any] = {}
        self._state: dict[str, Any] = {}
        self._programs: dict[Any, Program] = {}
        for layer in layers or []:
            self._append(layer)
        self._place()

    # ---------------------------------------------------------------- architecture

    def add(self, layer: Any) -> None:
        """Put a layer, or first of all an ``Input``, at the end.

        Raises:
            ShapeError: the layer cannot work on what the one before it gives.
            ArgumentError: it is no layer, or it is in the model already.
        """
        self._append(layer)
        self._place()

    def pop(self) -> Any:
        """Take the last layer away, with its weights; returns it."""
        if not self.layers:
            raise ModelStateError("There is no layer to pop: the model is empty.")
        if len(self._placed) == len(self.layers):
            last = self._placed.pop()
            self._parameters.pop(last.name, None)
            self._state.pop(last.name, None)
        self._forget_programs()
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
                "a layer is a calor.layers object, or one of yours with the methods build and apply."
            )
        if any(layer is other for other in self.layers):
            raise ArgumentError(f"Layer {layer!r} is in the model already: each place needs a layer of its own.")
        if not self.layers and self._input_shape is None and getattr(layer, "input_shape", None) is not None:
            self._input_shape = tuple(layer.input_shape)
        self.layers.append(layer)
        self._forget_programs()

    def _place(self) -> None:
        """Work out the shapes of the layers that have no place yet, as soon as the input's shape is known."""
        if self._input_shape is None:
            return
        names = list(network.unique_names(self.layers))
        for index in range(len(self._placed), len(self.layers)):
            before = self._placed[-1] if self._placed else None
            shape = before.output_shape if before else self._input_shape
            layer = self.layers[index]
            try:
                placed = network.place(names[index], layer, shape, before.name if before else None)
            except ShapeError:
                del self.layers[index:]
                raise
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
        self._input_shape = shape
        self._place()

    @property
    def built(self) -> bool:
        """Whether all shapes are known."""
        return self._input_shape is not None and bool(self.layers)

    @property
    def layer_names(self) -> list[str]:
        return list(network.unique_names(self.layers))

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

    def _require_built(self, what: str) -> None:
        if not self.layers:
            raise ModelStateError(f"{what} needs layers: the model is empty.")
        if self._input_shape is None:
            raise ModelStateError(
                f"{what} needs the shape of the input: give the first layer input_shape=..., put an Input first, "
                "call build(input_shape), or fit the model."
            )

    # ---------------------------------------------------------------- weights

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
        key = jax.random.fold_in(jax.random.key(self.seed), _INITIAL)
        for name, (parameters, state) in network.initial_values(missing, key).items():
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

    # ---------------------------------------------------------------- compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Sequence[Any] | None = None,
        *,
        precision: str = "float32",
    ) -> None:
        """Say how the model is trained and measured. The weights stay; the optimizer starts anew.

        Args:
            optimizer: a name (``"adam"``), a ``calor.optimizers`` object or an Optax transformation.
            loss: a name, a ``calor.losses`` object or a function of labels and outputs.
            metrics: names (``"accuracy"``), ``calor.metrics`` objects or functions, measured beside the loss.
            precision: ``"bfloat16"`` lets matrix products and convolutions multiply in bfloat16 with float32
                sums; weights and updates stay float32.

        Raises:
            UnknownNameError: a name is not known; the message gives the nearest.
        """
        if precision not in ("float32", "bfloat16"):
            raise ArgumentError(f"precision must be 'float32' or 'bfloat16', not {precision!r}.")
        if metrics is not None and isinstance(metrics, str):
            raise ArgumentError(f"metrics must be a list: write metrics=[{metrics!r}].")
        self.optimizer = optimizers.get(optimizer)
        self.loss = None if loss is None else losses.get(loss)
        self.metrics = list(metrics or [])
        self.precision = precision
        self.optimizer_state = None
        self._learning_rate: float | None = None
        self._forget_programs()
        if self.built:
            self._resolved_metrics()

    @property
    def learning_rate(self) -> float:
        """The learning rate of now; may be set, unless the optimizer has a schedule."""
        optimizer = self._compiled("The learning rate")
        if callable(optimizer.learning_rate):
            return float(optimizer.rate(self.step))
        return float(optimizer.learning_rate) if self._learning_rate is None else self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        if callable(self._compiled("The learning rate").learning_rate):
            raise ArgumentError("The optimizer's learning rate follows a schedule: it cannot be set as well.")
        self._learning_rate = float(rate)

    def _compiled(self, what: str) -> optimizers.Optimizer:
        if self.optimizer is None:
            raise ModelStateError(f"{what} needs a compiled model: call model.compile(optimizer=..., loss=...) first.")
        return self.optimizer

    def _resolved_metrics(self) -> tuple[metrics.Metric, ...]:
        shape = self.output_shape or ()
        return tuple(metrics.get(one, self.loss, shape) for one in self.metrics)

    def _task(self) -> Task:
        placed, finish, loss = network.without_final_activation(self._placed, self.loss)
        forward = network.forward_function(placed, self._input_shape or ())
        return Task(forward, finish, loss, self._resolved_metrics(), self.optimizer, self.precision)

    def _forget_programs(self) -> None:
        self._programs.clear()

    # ---------------------------------------------------------------- fit, evaluate, predict

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        *,
        memory_limit: int | None = None,
    ) -> History:
        """Train: as many epochs of steps, compiled into one program.

        Args:
            x: the inputs, shape (examples, ...), as an array or a list; or a ``Dataset`` of (inputs, labels) or
                (inputs, labels, weights); or a generator, or another iterable, of such batches.
            y: the labels, shape (examples, ...); None when ``x`` brings them.
            batch_size: examples a step; 32 by default. A ``Dataset`` that is batched keeps its own.
            epochs: where to stop counting epochs.
            verbose: 0 silent, 1 a live bar and a line an epoch (``"auto"`` is 1), 2 only the lines.
            callbacks: ``calor.callbacks`` objects.
            validation_split: hold out this fraction of the arrays, their last examples, for validation.
            validation_data: (inputs, labels) or a ``Dataset``, measured after every epoch.
            shuffle: a new order of the arrays in every epoch. A ``Dataset`` says itself.
            class_weight: a factor for the loss of each class's examples; 1 where not given.
            sample_weight: a factor for the loss of each example, shape (examples,).
            initial_epoch: where to start counting: a resumed run, after ``load_model``, goes on exactly as the
                unbroken one would have.
            steps_per_epoch: how many steps make an epoch; needed for data without end. By default one pass.
            validation_steps: how many batches to validate on; by default all.
            validation_batch_size: for arrays; by default ``batch_size``.
            memory_limit: bytes up to which the data are kept on the device; beyond, they stream, with the same
                results. By default half of the memory that is free.

        Returns:
            The record of the run; ``history.history`` has the figures by name, ``val_`` before those of validation.

        Raises:
            ModelStateError: the model is not compiled, or has no loss.
            ShapeError: the data do not fit the network.
            LabelError: the labels do not fit the loss or the network's output.
            NonFiniteError: the loss became NaN or infinite; the model keeps the last good weights.
        """
        self._compiled("fit")
        if epochs < 1 or not 0 <= initial_epoch:
            raise ArgumentError(f"epochs must be at least 1 and initial_epoch at least 0: {epochs}, {initial_epoch}.")
        if validation_split:
            if validation_data is not None:
                raise ArgumentError("Give validation_split or validation_data, not both.")
            (x, y, sample_weight), validation_data = split(x, y, sample_weight, validation_split)
        dataset = as_dataset(x, y, sample_weight, batch_size, shuffle=shuffle)
        validation = as_validation(validation_data, validation_batch_size or batch_size)
        plan = dataset.plan(memory_limit)
        self._prepare(plan, known_labels(plan))
        if steps_per_epoch is None and plan.endless:
            raise ArgumentError("The data repeat without end: give fit steps_per_epoch, the number of batches an epoch.")
        if self.optimizer_state is None:
            self.optimizer_state = self._compiled("fit").init(self.parameters)
        task = self._task()
        validating = None
        if validation is not None:
            validation_plan = validation.plan(memory_limit)
            self._prepare(validation_plan, known_labels(validation_plan))
            program = self._program("evaluate", evaluation_program, task, validation_plan)
            validating = loop.Validation(validation_plan, program, validation_steps)
        steps = steps_per_epoch or plan.steps
        run = loop.Fit(
            self,
            task,
            plan,
            self._program("train", training_program, task, plan),
            loop.Schedule(epochs, initial_epoch, steps),
            CallbackList(callbacks or [], self, {"epochs": epochs, "steps": steps, "batch_size": plan.batch_size}),
            progress.display(verbose),
            seed=self.seed,
            class_weight=class_weights(class_weight, self.output_shape or ()),
            validation=validating,
        )
        self.history = run.history
        return run.run()

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        *,
        return_dict: bool = False,
        memory_limit: int | None = None,
    ) -> Any:
        """The loss and the metrics on data that the model does not learn from.

        Args:
            x, y, batch_size, sample_weight, memory_limit: as for ``fit``.
            verbose: 0 silent, else a line.
            steps: how many batches; by default all.
            return_dict: give a dictionary by name instead of a list.

        Returns:
            The loss, or with metrics the list [loss, metric, ...].

        Raises:
            ModelStateError, ShapeError, LabelError: as for ``fit``.
        """
        self._compiled("evaluate")
        plan = as_dataset(x, y, sample_weight, batch_size, shuffle=False).plan(memory_limit)
        self._prepare(plan, known_labels(plan))
        if steps is None and plan.endless:
            raise ArgumentError("The data repeat without end: give evaluate steps, the number of batches.")
        task = self._task()
        job = loop.Validation(plan, self._program("evaluate", evaluation_program, task, plan), steps)
        logs = loop.evaluate(job, task, self.parameters, self.state, jax.random.key(self.seed)).logs()
        if verbose not in (0, False):
            print(progress.figures(logs), flush=True)
        if return_dict:
            return logs
        figures = [logs.pop("loss"), *logs.values()]
        return figures if len(figures) > 1 else figures[0]

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = 0,
        steps: int | None = None,
        *,
        memory_limit: int | None = None,
    ) -> np.ndarray:
        """The network's outputs, float32, shape (examples, ...), in the order of the inputs.

        Args:
            x: inputs, shape (examples, ...), as an array or a list such as ``[100.0]``; or a ``Dataset``, whose
                labels are ignored; or a generator of batches.
            batch_size: examples computed at a time; 32 by default.
            verbose: accepted for Keras' sake; nothing is printed.
            steps: how many batches; by default all.
            memory_limit: as for ``fit``.

        Raises:
            ShapeError: the data do not fit the network.

        >>> import calor
        >>> calor.Sequential([calor.layers.Dense(2, input_shape=[3])]).predict([[1, 2, 3]]).shape
        (1, 2)
        """
        dataset = padded_inputs(x, batch_size, self._input_shape)
        plan = dataset.plan(memory_limit)
        self._prepare(plan, supervised=False)
        if steps is None and plan.endless:
            raise ArgumentError("The data repeat without end: give predict steps, the number of batches.")
        task = Task(network.forward_function(self._placed, self._input_shape or ()), lambda outputs: outputs)
        task = Task(task.forward, task.finish, precision=self.precision)
        program = self._program("predict", prediction_program, task, plan)
        return loop.predict(plan, program, self.parameters, self.state, jax.random.key(self.seed), steps)

    def _prepare(self, plan: Plan, labels: np.ndarray | None = None, *, supervised: bool = True) -> None:
        """Build the model for these data if it is not yet, and see that they fit it.

        Labels that are known beforehand are checked here; wrong ones that come out of a ``map`` or a generator
        show in the loss, and the training loop looks at them then.
        """
        x, y, _ = unpack(plan.spec)
        shape = tuple(x.shape[1:])
        if self._input_shape is None:
            self.build(shape or (1,))
        self._require_built("A run")
        assert self._input_shape is not None
        if not network.fits(shape, self._input_shape):
            raise ShapeError(
                f"Layer {self._placed[0].name!r} takes inputs of shape {self._input_shape}, and the data have "
                f"{shape}. Reshape the data, or give the first layer input_shape={shape}."
            )
        if not supervised:
            return
        if self.loss is None:
            raise ModelStateError("The model has no loss: call model.compile(optimizer=..., loss=...) with one.")
        if y is None:
            raise ArgumentError("There are no labels: give y, or a Dataset whose elements are (inputs, labels).")
        if getattr(self.loss, "from_logits", False) and network.final_activation(self._placed) in ("softmax", "sigmoid"):
            warnings.warn(
                f"The last layer ends in {network.final_activation(self._placed)}, but the loss has from_logits=True: "
                "the outputs are no logits. Take the activation away or leave from_logits out.",
                CalorWarning,
                stacklevel=3,
            )
        if labels is not None:
            self.loss.check(labels, self.output_shape or ())

    def _program(self, kind: str, make: Callable[..., Program], task: Task, plan: Plan) -> Program:
        key = (kind, plan.transform_key)
        if key not in self._programs:
            self._programs[key] = make(task, plan.transform)
        return self._programs[key]

    # ---------------------------------------------------------------- what the loop sees

    def carry(self) -> Carry:
        """The numbers that training changes, as the training loop takes them."""
        return Carry(self.parameters, self.state, self.optimizer_state, jnp.int32(self.step))

    def publish(self, carry: Carry) -> None:
        """Take over the numbers that a call of the training program gave."""
        self._parameters, self._state = carry.parameters, carry.state
        self.optimizer_state = carry.optimizer_state
        self.step = int(carry.step)

    # ---------------------------------------------------------------- files

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the model, with its weights and the optimizer's state, as a ``.keras`` file.

        Real Keras 3 opens it too. Written under a temporary name and renamed.

        Raises:
            ModelFileError: the file cannot be written; one that was there before stays.
        """
        from calor.models.saving import save_model

        save_model(self, path)
