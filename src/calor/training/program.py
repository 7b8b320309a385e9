"""The compiled programs of a run: many steps of training, evaluation or prediction in one call.

Each program is one loop on the device. It takes the data, a block of batches' positions in them (made by the
data floor) and how many of these batches to work through, and hands back one row of figures for each batch, so
that the host looks as often, or as seldom, as it likes with one compilation.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from calor import ops
from calor.data import Block
from calor.losses import Loss
from calor.metrics import Metric
from calor.optimizers import Optimizer

CAPACITY = 1024
"""The most batches that one call of a training or evaluation program works through."""

OUTPUT_CAPACITY = 16
"""The most batches that one call of a prediction program works through: it keeps all their outputs."""


class Carry(NamedTuple):
    """What a training step changes."""

    parameters: Any
    state: Any
    optimizer_state: Any
    step: jax.Array
    """Optimizer steps taken so far, int32."""


@dataclass(frozen=True)
class Task:
    """The pure functions that a run is made of.

    Args:
        forward: ``(parameters, state, inputs, *, training, key, mask) -> (raw outputs, state)``.
        finish: from the raw outputs (logits, where the loss is computed on logits) to the network's outputs.
        loss: computed on the raw outputs. None when only predictions are asked for.
        metrics: computed on the network's outputs.
        optimizer: None when nothing is trained.
        precision: ``"float32"`` or ``"bfloat16"``: what matrix products and convolutions multiply in.
        check: looks through labels, (examples, ...) on the host; it raises or warns where they do not fit.
    """

    forward: Callable[..., tuple[Any, Any]]
    finish: Callable[[Any], Any]
    loss: Loss | None = None
    metrics: tuple[Metric, ...] = ()
    optimizer: Optimizer | None = None
    precision: str = "float32"
    check: Callable[[np.ndarray], object] = lambda _: None


class Program:
    """A function that is compiled once for each set of argument shapes; the seconds this took are kept."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._jitted = jax.jit(function)
        self._compiled: dict[Any, Any] = {}
        self.compile_seconds = 0.0

    def __call__(self, *arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        signature = (structure, tuple((leaf.shape, leaf.dtype.name) for leaf in leaves))
        compiled = self._compiled.get(signature)
        if compiled is None:
            start = time.perf_counter()
            compiled = self._compiled[signature] = self._jitted.lower(*arguments).compile()
            self.compile_seconds += time.perf_counter() - start
        return compiled(*arguments)


def unpack(element: Any) -> tuple[Any, Any, Any]:
    """(inputs, labels, weights) of a data set's element, None for what it has not."""
    if not isinstance(element, tuple | list):
        return element, None, None
    x, y, weights = (*element, None, None)[:3]
    return x, y, weights


def _batch(transform: Callable[..., Any], columns: Any, indices: jax.Array, source: jax.Array, key: Any) -> Any:
    """The element at these positions; padding (-1) repeats the batch's first row, to be masked."""
    rows, source = (jnp.where(positions < 0, positions[0], positions) for positions in (indices, source))
    # Fused into what follows, the gather would let the number of rows in the columns change how sums are split,
    # and with it the last bits: resident and streaming data must give the same.
    gathered = lax.optimization_barrier(jax.tree.map(lambda column: column[rows], columns))
    return unpack(transform(gathered, source, key))


def training_key(seed: Any, step: Any) -> jax.Array:
    """The random key of a training step; layers fold their place into it."""
    return jax.random.fold_in(jax.random.key(seed), step)


def data_key(step_key: jax.Array) -> jax.Array:
    """The data's part of a training step's key: none of the layers' places. What nobody uses is dropped."""
    return jax.random.fold_in(step_key, 2**31 - 1)


def _loop(step: Callable[[int, Any], tuple[Any, Any, Any]], carry: Any, count: Any, capacity: int) -> tuple[Any, Any]:
    """Run ``step(i, carry) -> (carry, row, go on)`` for i below ``count``; the carry and the stacked rows."""
    step = jax.jit(step)  # traced once, for its shapes and for the loop
    row = jax.eval_shape(step, jnp.int32(0), carry)[1]
    rows = jax.tree.map(lambda leaf: jnp.zeros((capacity, *leaf.shape), leaf.dtype), row)

    def body(loop: Any) -> Any:
        i, carry, rows, _ = loop
        carry, row, going = step(i, carry)
        rows = jax.tree.map(lambda all_rows, new: lax.dynamic_update_index_in_dim(all_rows, new, i, 0), rows, row)
        return i + 1, carry, rows, going

    _, carry, rows, _ = lax.while_loop(
        lambda loop: (loop[0] < count) & loop[3], body, (jnp.int32(0), carry, rows, jnp.bool_(True))
    )
    return carry, rows


def _figures(
    task: Task, y: Any, raw: Any, losses: jax.Array, mask: jax.Array, weights: jax.Array
) -> tuple[jax.Array, ...]:
    """One row: [sum of weighted losses, examples], then each metric's sums."""
    outputs = task.finish(raw)
    measured = (metric.measure(y, outputs, mask) for metric in task.metrics)
    return jnp.stack([jnp.sum(losses * weights), jnp.sum(mask)]), *measured


def _weights(weights: Any, mask: jax.Array) -> jax.Array:
    """Each row's factor, shape (batch,), 0 for padding; given weights may have the shape (batch, 1)."""
    return mask if weights is None else mask * jnp.reshape(weights, mask.shape)


def _losses(task: Task, y: Any, raw: Any, mask: jax.Array) -> jax.Array:
    assert task.loss is not None
    # A row of padding must not reach the sum even where its loss is infinite, so select, not multiply.
    return jnp.where(mask > 0, task.loss.per_example(y, raw), 0.0)


def training_program(task: Task, transform: Callable[..., Any]) -> Program:
    """``run(carry, columns, indices, source, count, learning_rate, seed, class_weight) -> (carry, rows)``.

    Stops after the first batch whose loss is not finite. ``class_weight`` is a vector by class, empty for none.
    """
    optimizer = task.optimizer
    assert optimizer is not None

    def run(
        carry: Carry,
        columns: Any,
        indices: Any,
        source: Any,
        count: Any,
        learning_rate: Any,
        seed: Any,
        class_weight: Any,
    ) -> Any:
        def step(i: Any, carry: Carry) -> tuple[Carry, Any, jax.Array]:
            step_key = training_key(seed, carry.step)
            x, y, weights = _batch(transform, columns, indices[i], source[i], data_key(step_key))
            mask = (indices[i] >= 0).astype(jnp.float32)
            weights = _weights(weights, mask)
            if class_weight.size:
                classes = jnp.argmax(y, -1) if jnp.ndim(y) > 1 and jnp.shape(y)[-1] > 1 else jnp.reshape(y, mask.shape)
                weights = weights * class_weight[classes.astype(jnp.int32)]

            def objective(parameters: Any) -> tuple[jax.Array, Any]:
                raw, state = task.forward(parameters, carry.state, x, training=True, key=step_key, mask=mask)
                losses = _losses(task, y, raw, mask)
                row = _figures(task, y, raw, losses, mask, weights)
                return row[0][0] / jnp.sum(mask), (state, row)

            with ops.precision(task.precision):
                gradients, (state, row) = jax.grad(objective, has_aux=True)(carry.parameters)
            rate = optimizer.rate(carry.step) if callable(optimizer.learning_rate) else learning_rate
            updates, optimizer_state = optimizer.update(gradients, carry.optimizer_state, carry.parameters, rate)
            parameters = optax.apply_updates(carry.parameters, updates)
            return Carry(parameters, state, optimizer_state, carry.step + 1), row, jnp.isfinite(row[0][0])

        return _loop(step, carry, count, indices.shape[0])

    return Program(run)


def evaluation_program(task: Task, transform: Callable[..., Any]) -> Program:
    """``run(parameters, state, columns, indices, source, count, first, seed) -> rows``.

    ``first`` numbers the first batch in the pass, so that the data's random keys do not depend on how many batches
    a call works through.
    """

    def run(
        parameters: Any, state: Any, columns: Any, indices: Any, source: Any, count: Any, first: Any, seed: Any
    ) -> Any:
        def step(i: Any, carry: Any) -> tuple[Any, Any, jax.Array]:
            key = jax.random.fold_in(jax.random.key(seed), first + i)
            x, y, weights = _batch(transform, columns, indices[i], source[i], key)
            mask = (indices[i] >= 0).astype(jnp.float32)
            with ops.precision(task.precision):
                raw, _ = task.forward(parameters, state, x, training=False, key=None, mask=mask)
            losses = _losses(task, y, raw, mask)
            return carry, _figures(task, y, raw, losses, mask, _weights(weights, mask)), jnp.bool_(True)

        return _loop(step, (), count, indices.shape[0])[1]

    return Program(run)


def prediction_program(task: Task, transform: Callable[..., Any]) -> Program:
    """``run(parameters, state, columns, indices, source, count, first, seed) -> outputs (batches, batch, ...)``."""

    def run(
        parameters: Any, state: Any, columns: Any, indices: Any, source: Any, count: Any, first: Any, seed: Any
    ) -> Any:
        def step(i: Any, carry: Any) -> tuple[Any, Any, jax.Array]:
            key = jax.random.fold_in(jax.random.key(seed), first + i)
            x, _, _ = _batch(transform, columns, indices[i], source[i], key)
            with ops.precision(task.precision):
                raw, _ = task.forward(parameters, state, x, training=False, key=None, mask=None)
            return carry, task.finish(raw), jnp.bool_(True)

        return _loop(step, (), count, indices.shape[0])[1]

    return Program(run)


def label_program(transform: Callable[..., Any]) -> Program:
    """``run(columns, indices, source, key) -> labels`` of one batch; nothing but these is computed."""
    return Program(lambda columns, indices, source, key: _batch(transform, columns, indices, source, key)[1])


def first_labels(program: Program, block: Block, key: jax.Array) -> np.ndarray | None:
    """The labels of a block's first batch, by the program of ``label_program``; None where there are none."""
    labels = program(block.columns, block.indices[0], block.source[0], data_key(key))
    return None if labels is None else np.asarray(labels)


def batch_program(task: Task) -> Callable[[Any, Any, Any], jax.Array]:
    """``run(parameters, state, inputs) -> outputs``: one batch, with nothing between the call and the network."""

    def run(parameters: Any, state: Any, inputs: Any) -> jax.Array:
        with ops.precision(task.precision):
            return task.finish(task.forward(parameters, state, inputs, training=False, key=None, mask=None)[0])

    return jax.jit(run)


def padded(block: Block, capacity: int) -> tuple[np.ndarray, np.ndarray, np.int32]:
    """The block's positions, filled up to ``capacity`` batches, and how many of them are real."""
    count = len(block.indices)
    fill = np.full((capacity - count, block.indices.shape[1]), -1, np.int32)
    indices = np.concatenate([block.indices, fill])
    source = indices if block.source is block.indices else np.concatenate([block.source, fill])
    return indices, source, np.int32(count)
