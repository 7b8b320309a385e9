"""``Sequential``: a stack of layers together with its weights; compile, fit, evaluate, predict."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from calor._arguments import integer
from calor.data import Dataset, Plan
from calor.errors import ArgumentError, ModelStateError, ShapeError, about
from calor.models import fusion, network, plausibility
from calor.models.compiled import Compiled
from calor.models.inputs import (
    BATCH_SIZE,
    as_dataset,
    as_validation,
    class_weights,
    guessing,
    in_order,
    is_array,
    known_labels,
    padded_array,
    split,
)
from calor.models.remedies import remedies
from calor.models.saving import save_model
from calor.training import loop, progress
from calor.training.callbacks import Callback, CallbackList
from calor.training.history import History
from calor.training.program import (
    Carry,
    Program,
    Task,
    batch_program,
    evaluation_program,
    first_labels,
    label_program,
    prediction_program,
    training_key,
    training_program,
    unpack,
)
from calor.typing import Shape


class Sequential(Compiled):
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
        input_shape: without the batch axis; None until known.
        output_shape: likewise.
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
        self.stop_training = False
        self.history: History | None = None
        self._programs: dict[Any, Any] = {}
        super().__init__(layers, seed, name)

    def _changed(self) -> None:
        super()._changed()
        self._programs.clear()

    def _task(self) -> Task:
        placed, finish, loss = network.without_final_activation(self._placed, self.loss)
        forward = fusion.forward_function(placed, self._input_shape or ())
        metrics = self._resolved_metrics()
        return Task(forward, finish, loss, metrics, self.optimizer, self.precision, self._check_labels)

    def _forward_task(self) -> Task:
        forward = fusion.forward_function(self._placed, self._input_shape or ())
        return Task(forward, lambda outputs: outputs, precision=self.precision)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[Callback] | Callback | None = None,
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
                (inputs, labels, weights), or what ``ImageDataGenerator`` flows; or a generator, or another iterable, of
                such batches.
            y: the labels, shape (examples, ...); None when ``x`` brings them.
            batch_size: examples a step; 32 by default. A ``Dataset`` that is batched keeps its own.
            epochs: where to stop counting epochs.
            verbose: 0 silent, 1 a live bar and a line an epoch (``"auto"`` is 1), 2 only the lines.
            callbacks: ``calor.callbacks`` objects, or one.
            validation_split: hold out this fraction of the arrays, their last examples, for validation.
            validation_data: (inputs, labels) or (inputs, labels, weights), a ``Dataset`` or a generator of batches,
                measured after every epoch. Of a generator the batches are kept, for every epoch to see the same.
            shuffle: a new order of the arrays in every epoch. A ``Dataset`` says itself.
            class_weight: a factor for the loss of each class's examples; 1 where not given.
            sample_weight: a factor for the loss of each example, shape (examples,) or (examples, 1).
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
            ArgumentError: an argument, or a combination of them, makes no sense; the message says why.
            DataError: the data are empty or no numbers, or their lengths differ.
            ModelStateError: the model is not compiled, or has no loss.
            ShapeError: the data do not fit the network.
            LabelError: the labels do not fit the loss or the network's output.
            NonFiniteError: the loss became NaN or infinite; the model keeps the last good weights.
        """
        self._compiled("fit")
        epochs, initial_epoch = integer(self, "epochs", epochs), integer(self, "initial_epoch", initial_epoch, least=0)
        steps_per_epoch = self._steps("steps_per_epoch", steps_per_epoch)
        validation_steps = self._steps("validation_steps", validation_steps)
        if validation_split:
            if validation_data is not None:
                raise ArgumentError("Give validation_split or validation_data, not both.")
            (x, y, sample_weight), validation_data = split(x, y, sample_weight, validation_split)
            plausibility.check_held_out(self.loss, y, validation_data[1] if len(validation_data) > 1 else None)
        batches = steps_per_epoch and steps_per_epoch * epochs
        dataset = as_dataset(x, y, sample_weight, batch_size, shuffle=shuffle, batches=batches)
        plan = dataset.plan(memory_limit)
        labels = known_labels(plan)
        self._prepare(plan, labels)
        if labels is not None and plan.steps:
            plausibility.check_order(self.loss, in_order(plan, labels), plan.batch_size)
        if steps_per_epoch is None and plan.endless:
            raise ArgumentError(
                "The data repeat without end: give fit steps_per_epoch, the number of batches an epoch."
            )
        if self.optimizer_state is None:
            self.optimizer_state = self._compiled("fit").init(self.parameters)
        task = self._task()
        validating = None
        if validation_data is not None:
            size = validation_batch_size or batch_size
            validation, validation_steps = as_validation(validation_data, size, validation_steps)
            validation_plan = validation.plan(memory_limit)
            if validation_steps is None and validation_plan.endless:
                raise ArgumentError(
                    "The validation data repeat without end: give fit validation_steps, the number of batches."
                )
            with about("the validation data"):
                labels = known_labels(validation_plan)
                self._prepare(validation_plan, labels)
            program = self._program("evaluate", evaluation_program, task, validation_plan)
            validating = loop.Validation(
                validation_plan, program, validation_steps, self._label_program(validation_plan)
            )
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
            labels=self._label_program(plan),
        )
        run.history.params |= guessing(labels, self.output_shape or ())
        run.history.params["tried"] = remedies(self.layers, plan, run.callbacks.callbacks)
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
            x: as for ``fit``.
            y: as for ``fit``.
            batch_size: as for ``fit``.
            verbose: 0 silent, else a line.
            sample_weight: as for ``fit``.
            steps: how many batches; by default all.
            return_dict: give a dictionary by name instead of a list.
            memory_limit: as for ``fit``.

        Returns:
            The loss, or with metrics the list [loss, metric, ...].

        Raises:
            ModelStateError, ShapeError, LabelError: as for ``fit``.
        """
        self._compiled("evaluate")
        steps = self._steps("steps", steps)
        plan = as_dataset(x, y, sample_weight, batch_size, shuffle=False, batches=steps).plan(memory_limit)
        self._prepare(plan, known_labels(plan))
        if steps is None and plan.endless:
            raise ArgumentError("The data repeat without end: give evaluate steps, the number of batches.")
        task = self._task()
        program = self._program("evaluate", evaluation_program, task, plan)
        job = loop.Validation(plan, program, steps, self._label_program(plan))
        logs = loop.evaluate(job, task, self.parameters, self.state, self.seed).logs()
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
        steps = self._steps("steps", steps)
        if is_array(x):
            filled, size = padded_array(x, self._input_shape)
            if steps is None and len(filled) <= (batch_size or BATCH_SIZE):
                self._prepare_inputs(filled.shape[1:])
                program = self._programs.get("batch")
                if program is None:
                    program = self._programs["batch"] = batch_program(self._forward_task())
                return np.array(program(self.parameters, self.state, filled))[:size]
            dataset = Dataset.from_arrays(filled).take(size).batch(min(batch_size or BATCH_SIZE, len(filled)))
        else:
            dataset = as_dataset(x, None, None, batch_size, shuffle=False, batches=steps)
        plan = dataset.plan(memory_limit)
        self._prepare(plan, supervised=False)
        if steps is None and plan.endless:
            raise ArgumentError("The data repeat without end: give predict steps, the number of batches.")
        program = self._program("predict", prediction_program, self._forward_task(), plan)
        return loop.predict(plan, program, self.parameters, self.state, self.seed, steps)

    def _steps(self, name: str, steps: int | None) -> int | None:
        return None if steps is None else integer(self, name, steps)

    def _prepare(self, plan: Plan, labels: np.ndarray | None = None, *, supervised: bool = True) -> None:
        """Build the model for these data if it is not yet, and see that they fit it.

        Labels that are known beforehand are checked here, of those that a ``map`` makes a batch. The training loop
        looks at the first batch of a stream. Wrong ones that come later show in the loss.
        """
        x, y, weights = unpack(plan.spec)
        for what, part in (("inputs", x), ("labels", y if supervised else None)):
            if part is not None and not hasattr(part, "shape"):
                raise ArgumentError(
                    f"The {what} must be one array, and are a {type(part).__name__}: "
                    "map the Dataset to elements (inputs, labels)."
                )
        self._prepare_inputs(tuple(x.shape[1:]))
        if not supervised:
            return
        if self.loss is None:
            raise ModelStateError("The model has no loss: call model.compile(optimizer=..., loss=...) with one.")
        if y is None:
            raise ArgumentError("There are no labels: give y, or a Dataset whose elements are (inputs, labels).")
        if weights is not None and weights.shape[1:] not in ((), (1,)):
            raise ShapeError(
                "Sample weights are one number for each example, shape (examples,), and these have the shape "
                f"(examples, {', '.join(map(str, weights.shape[1:]))})."
            )
        plausibility.check_end(self._placed, self.loss, self._resolved_metrics())
        if labels is None and plan.kind == "resident":
            block = plan.start((0,)).take(1)
            labels = None if block is None else first_labels(self._label_program(plan), block, training_key(0, 0))
        if labels is not None:
            self._check_labels(labels)

    def _prepare_inputs(self, shape: Shape) -> None:
        """Build the model for examples of this shape if it is not yet, and see that they fit it."""
        if self._input_shape is None:
            self.build(shape or (1,))
        self._require_built("A run")
        plausibility.check_channels(self._placed)
        assert self._input_shape is not None
        if not network.fits(shape, self._input_shape):
            if len(shape) < len(self._input_shape):
                advice = "If this is one example, give it as x[None]; otherwise reshape the data."
            elif plausibility.channels_first(shape, self._input_shape):
                advice = "The channels come last here: np.moveaxis(x, 1, -1)."
            else:
                advice = f"Reshape the data, or give the first layer input_shape={shape}."
            raise ShapeError(
                f"Layer {self._placed[0].name!r} takes inputs of shape {self._input_shape}, and the data have "
                f"{shape}. {advice}"
            )

    def _check_labels(self, labels: np.ndarray) -> None:
        """See that labels fit the loss, the metrics and the network, before these are trained on them."""
        assert self.loss is not None
        shape = self.output_shape or ()
        self.loss.check(labels, shape)
        for metric in self._resolved_metrics():
            metric.check(labels, shape)
        plausibility.check_reach(self._placed, self.loss, labels)

    def _program(self, kind: str, make: Callable[..., Program], task: Task | None, plan: Plan) -> Program:
        key = (kind, plan.transform_key)
        if key not in self._programs:
            self._programs[key] = make(task, plan.transform)
        return self._programs[key]

    def _label_program(self, plan: Plan) -> Program:
        return self._program("labels", lambda _, transform: label_program(transform), None, plan)

    def carry(self) -> Carry:
        """The numbers that training changes, as the training loop takes them."""
        return Carry(self.parameters, self.state, self.optimizer_state, jnp.int32(self.step))

    def publish(self, carry: Carry) -> None:
        """Take over the numbers that a call of the training program gave."""
        self._parameters, self._state = carry.parameters, carry.state
        self.optimizer_state = carry.optimizer_state
        self.step = int(carry.step)

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the model, with its weights and the optimizer's state, as a ``.keras`` file.

        A ``.h5`` file is the older format, without that state. Real Keras 3 opens both. They are written under a
        temporary name and renamed.

        Raises:
            ModelFileError: the file cannot be written; one that was there before stays.
        """
        save_model(self, path)
