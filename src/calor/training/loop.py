"""The run itself: epochs of compiled steps, validation, callbacks, and what happens when it ends early."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import numpy as np

from calor.data import Block, Cursor, Plan
from calor.errors import DataError, NonFiniteError, about, warn
from calor.training.backup import BackupAndRestore
from calor.training.callbacks import CallbackList, Trainable
from calor.training.history import History
from calor.training.program import (
    CAPACITY,
    OUTPUT_CAPACITY,
    Carry,
    Program,
    Task,
    data_key,
    first_labels,
    padded,
    training_key,
    unpack,
)
from calor.training.progress import Display
from calor.training.sums import Place, Rows, Sums

LIVE_SECONDS = 0.1
"""How long one call of the program lasts, about, where a bar shows its progress."""

QUIET_SECONDS = 1.0
"""How long otherwise: a Ctrl-C waits for the call that is under way."""


class Host(Trainable, Protocol):
    """The model, as the loop sees it: it holds the numbers between the calls."""

    seed: int

    def carry(self) -> Carry: ...
    def publish(self, carry: Carry) -> None: ...


@dataclass
class Validation:
    """What is measured after each epoch."""

    plan: Plan
    program: Program
    steps: int | None = None
    labels: Program | None = None
    """Gives the labels of a batch, for them to be looked at before the first one of a stream counts."""


@dataclass
class Schedule:
    """Which epochs and steps a run has."""

    epochs: int
    initial_epoch: int = 0
    steps: int | None = None
    """Steps in an epoch; None: a pass over the data."""


@dataclass(slots=True)
class Piece:
    """Batches of one epoch, taken from the data; ``block`` is None where the epoch ends."""

    epoch: int
    block: Block | None
    waited: float
    """The seconds that taking them took."""


class Fit:
    """One call of ``fit``.

    Args:
        host: the model whose numbers the run changes.
        task: its pure functions.
        plan: the data, ready to be taken in blocks.
        program: the compiled steps.
        schedule: the epochs.
        callbacks: called between them.
        display: told of the progress.
        seed: fixes the order of the data and all that is random in a step.
        class_weight: a weight by class, empty for none.
        validation: measured after each epoch.
        labels: gives the labels of a batch, for those of a stream to be looked at before it is trained on.
    """

    def __init__(
        self,
        host: Host,
        task: Task,
        plan: Plan,
        program: Program,
        schedule: Schedule,
        callbacks: CallbackList,
        display: Display,
        *,
        seed: int,
        class_weight: np.ndarray,
        validation: Validation | None = None,
        labels: Program | None = None,
    ) -> None:
        self.host = host
        self.task = task
        self.plan = plan
        self.program = program
        self.schedule = schedule
        self.callbacks = callbacks
        self.display = display
        self.validation = validation
        self.seed = seed
        self.class_weight = class_weight
        self.history = History(
            {
                "epochs": schedule.epochs,
                "steps": schedule.steps,
                "batch_size": plan.batch_size,
                "seed": seed,
                "data": plan.kind,
            }
        )
        self._stepwise = callbacks.overrides("on_train_batch_begin", "on_train_batch_end")
        self._backups = [one for one in callbacks.callbacks if isinstance(one, BackupAndRestore)]
        moments = callbacks.overrides("on_epoch_begin", "on_epoch_end") or bool(self._backups)
        self._watched = validation is not None or display.live or moments
        self._clock = _Clock()
        self._before: tuple[Carry, Block, float] | None = None
        self._labels = labels if plan.kind == "streaming" else None

    def run(self) -> History:
        """Train; the model has the latest weights however this ends.

        Raises:
            NonFiniteError: the loss became NaN or infinite; the model keeps the last good weights.
            KeyboardInterrupt: after the step under way; the model keeps what was learned.
        """
        self.host.stop_training = False
        self.callbacks.call("on_train_begin", {})
        self._clock.restart()
        done = self.schedule.initial_epoch * self.schedule.steps if self.schedule.steps else 0
        # Resuming at a later epoch must find the order that the unbroken run would have: it began this many
        # steps ago, and a second fit of the same model must not repeat the first one's order.
        place = Place(int(self.host.carry().step) - done, self.schedule.initial_epoch)
        for backup in self._backups:
            place = backup.restore(self, place)
        if self.history.epoch or place.sums is not None:
            self.display.goes_on(self.history)
        cursor = self.plan.start((self.seed, place.began), int(self.host.carry().step) - place.began)
        try:
            self._epochs(cursor, place)
        except NonFiniteError:
            self.history.params["diverged"] = True
            raise
        finally:
            cursor.close()
            self.display.close()
            self.callbacks.call("on_train_end", {name: values[-1] for name, values in self.history.history.items()})
        for backup in self._backups:
            backup.ended()
        return self.history

    def _epochs(self, cursor: Cursor, place: Place) -> None:
        self._place, sums = place, place.sums
        if sums is not None:
            self.display.epoch_begins(place.epoch, self.schedule.epochs, self.schedule.steps)
        for pieces in self._calls(cursor):
            if sums is None:
                sums = self._epoch_begins(pieces[0].epoch)
            blocks = [piece.block for piece in pieces if piece.block is not None]
            rows, reason = self._call(blocks, sums)
            rows = tuple(part.astype(np.float64) for part in rows)
            done = 0  # rows
            for piece in pieces:
                if sums is None:
                    sums = self._epoch_begins(piece.epoch)
                sums.waited += piece.waited
                sums.seconds += piece.waited
                if piece.block is None:
                    if piece is pieces[-1]:
                        self._require_finite_weights(piece.epoch + 1, sums.steps)
                    if not self._epoch_ends(piece.epoch, sums):
                        return
                    sums = None
                    self._back_up(piece.epoch + 1, None)
                    continue
                count = min(len(piece.block.indices), len(rows[0]) - done)
                if count:
                    sums.add(_rows(rows, slice(done, done + count)), self._clock.step_seconds)
                done += count
                if count < len(piece.block.indices):
                    raise _not_finite(reason, piece.epoch + 1, sums.steps + 1)
                if self.display.live or self._stepwise:
                    logs = sums.logs()
                    self.display.steps_done(sums.steps, logs)
                    if self._stepwise:
                        self.callbacks.call("on_train_batch_end", sums.steps - 1, logs)
                # An epoch of a known length only: elsewhere nobody could tell its end from its middle.
                if sums.steps < (self.schedule.steps or 0) and not self.host.stop_training:
                    self._back_up(piece.epoch, sums)

    def _back_up(self, epoch: int, sums: Sums | None) -> None:
        for backup in self._backups:
            start = time.perf_counter()
            backup.offer(self, Place(self._place.began, epoch, sums))
            self._clock.leave_out(time.perf_counter() - start)

    def _calls(self, cursor: Cursor) -> Iterator[list[Piece]]:
        """The run as calls of the program: pieces of epochs, small epochs together where nobody looks between."""
        pieces: list[Piece] = []
        total, columns, room = 0, None, self._room()
        alone = self._watched or self._stepwise
        for piece in self._pieces(cursor):
            if piece.block is not None:
                steps = len(piece.block.indices)
                if total and (piece.block.columns is not columns or total + steps > room):
                    yield pieces
                    pieces, total, room = [], 0, self._room()
                total += steps
                columns = piece.block.columns
            pieces.append(piece)
            if alone or total >= room:
                yield pieces
                pieces, total, room = [], 0, self._room()
        if pieces:
            yield pieces

    def _pieces(self, cursor: Cursor) -> Iterator[Piece]:
        for epoch in range(self._place.epoch, self.schedule.epochs):
            if self.host.stop_training:  # in the epoch after which the run was cut off
                return
            done = self._place.sums.steps if epoch == self._place.epoch and self._place.sums is not None else 0
            steps, waited = self.schedule.steps, 0.0
            while steps is None or done < steps:
                room = self._room() if steps is None else min(self._room(), steps - done)
                start = time.perf_counter()
                block = cursor.take(room)
                if block is None and steps is not None:
                    block = cursor.take(room)  # an epoch of so many steps goes on with the next pass
                waited = time.perf_counter() - start
                self._clock.leave_out(waited)  # it belongs to the piece's epoch, which may not be the call's
                if block is None:
                    break
                done += len(block.indices)
                yield Piece(epoch, block, waited)
                waited = 0.0
                if self.host.stop_training:
                    break
            yield Piece(epoch, None, waited)
            if self.host.stop_training:
                return

    def _room(self) -> int:
        """How many steps the next call should take, by the time that one takes."""
        if self._stepwise or not self._clock.step_seconds:
            return 1
        seconds = LIVE_SECONDS if self.display.live else QUIET_SECONDS
        return int(min(max(seconds / self._clock.step_seconds, 1), CAPACITY))

    def _call(self, blocks: list[Block], sums: Sums) -> tuple[Rows, str]:
        """Run the batches of these blocks: a row of figures for each, fewer where the loss was not finite, and why."""
        if not blocks:
            return (), ""
        block = blocks[0] if len(blocks) == 1 else _joined(blocks)
        if self._stepwise:
            self.callbacks.call("on_train_batch_begin", sums.steps, {})
        carry, rate = self.host.carry(), self.host.learning_rate
        if self._labels is not None:
            _check_first_labels(self.task, self._labels, block, training_key(self.seed, carry.step))
            self._labels = None
        compiled = self.program.compile_seconds
        new, device_rows = self._execute(carry, block, rate, len(block.indices))
        rows = _rows(device_rows, slice(len(block.indices)))
        compiled = self.program.compile_seconds - compiled
        self._clock.lap(len(block.indices), compiled)
        if compiled:
            self.history.compile_seconds += compiled
            self.display.compiled(compiled)
        bad = np.flatnonzero(~np.isfinite(rows[0][:, 0]))
        if len(bad):
            self._back_to_good(carry, block, rate, int(bad[0]))
            return _rows(rows, slice(bad[0])), self._reason(block, carry, int(bad[0]))
        self._before = (carry, block, rate)
        self.host.publish(new)
        return rows, ""

    def _execute(self, carry: Carry, block: Block, rate: float, count: int) -> tuple[Carry, Any]:
        indices, source, _ = padded(block, CAPACITY)
        carry, rows = self.program(
            carry,
            block.columns,
            indices,
            source,
            np.int32(count),
            np.float32(rate),
            np.uint32(self.seed),
            self.class_weight,
        )
        return carry, rows

    def _back_to_good(self, carry: Carry, block: Block, rate: float, bad: int) -> None:
        """Give the model the weights of the last step whose loss was finite, by running up to it again."""
        if bad > 0:
            carry, _ = self._execute(carry, block, rate, bad - 1)
            self.host.publish(carry)
        else:
            self._undo_last_step()

    def _undo_last_step(self) -> None:
        if self._before is not None:
            carry, block, rate = self._before
            carry, _ = self._execute(carry, block, rate, len(block.indices) - 1)
            self.host.publish(carry)

    def weights_are_finite(self) -> bool:
        """Whether no weight has become NaN or infinite."""
        return all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(self.host.carry().parameters))

    def _require_finite_weights(self, epoch: int, step: int) -> None:
        """Look for what no loss shows any more before validation, callbacks and the user see it: a bad last update."""
        if self.weights_are_finite():
            return
        self._undo_last_step()
        raise NonFiniteError(
            f"The weights became NaN or infinite in epoch {epoch}, step {step}, where the loss was still finite: its "
            "gradient was not. Try a smaller learning rate; a loss or layer of your own may divide by 0 or take its "
            "root. The model keeps the last good weights.",
            epoch=epoch,
            step=step,
        )

    def _reason(self, block: Block, carry: Carry, bad: int) -> str:
        key = training_key(self.seed, carry.step + bad)
        reason = _fault_of_data(self.task, self.plan, block, bad, key)
        return reason or "The data of that step are finite, so training diverged: try a smaller learning rate."

    def _epoch_begins(self, epoch: int) -> Sums:
        self.display.epoch_begins(epoch, self.schedule.epochs, self.schedule.steps)
        self.callbacks.call("on_epoch_begin", epoch, {})
        return Sums(self.task)

    def _epoch_ends(self, epoch: int, sums: Sums) -> bool:
        """Validate, tell, record; False when the data have come to their end before the epoch did."""
        stopped = self.host.stop_training and sums.steps > 0
        short = sums.steps < (self.schedule.steps or 1) and not stopped
        if short:
            wanted = self.schedule.steps or "at least 1"
            message = f"The data ended in epoch {epoch + 1}, after {sums.steps} of {wanted} steps"
            if not sums.steps and not self.history.epoch:
                raise DataError(f"{message}: there is nothing to train on.")
            warn(f"{message}; training stops there.")
            if not sums.steps:
                return False
        begin = time.perf_counter()
        logs = sums.logs()
        self.history.params["examples"] = sums.examples
        seconds = sums.seconds
        if self.validation is not None:
            start, compiled = time.perf_counter(), self.validation.program.compile_seconds
            carry = self.host.carry()
            with about("the validation data"):
                measured = evaluate(self.validation, self.task, carry.parameters, carry.state, self.seed)
            compiled = self.validation.program.compile_seconds - compiled
            self.history.compile_seconds += compiled
            seconds += time.perf_counter() - start - compiled
            logs |= measured.logs("val_")
            self.history.params["validation_examples"] = measured.examples
        self.callbacks.call("on_epoch_end", epoch, logs)
        self.history.record(epoch, logs, seconds, sums.waited)
        self.display.epoch_ends(sums.steps, seconds, sums.waited, logs)
        self._clock.leave_out(time.perf_counter() - begin)
        return not short


class _Clock:
    """The wall time of the program's calls and what is between them; not of compilation, data and validation."""

    def __init__(self) -> None:
        self.step_seconds = 0.0
        self.restart()

    def restart(self) -> None:
        self._mark = time.perf_counter()

    def leave_out(self, seconds: float) -> None:
        self._mark += seconds

    def lap(self, steps: int, compiled: float) -> None:
        now = time.perf_counter()
        self.step_seconds = max(now - self._mark - compiled, 1e-7) / steps
        self._mark = now


def evaluate(job: Validation, task: Task, parameters: Any, state: Any, seed: int) -> Sums:
    """Measure the loss and the metrics over the data.

    Raises:
        DataError: the data hold no batch.
        LabelError: labels that do not fit the loss or the network's output.
    """
    sums = Sums(task)
    cursor = job.plan.start((0,))
    room = 1
    fault = ""
    try:
        while job.steps is None or sums.steps < job.steps:
            block = cursor.take(room if job.steps is None else min(room, job.steps - sums.steps))
            if block is None:
                break
            indices, source, count = padded(block, CAPACITY)
            start, compiling = time.perf_counter(), job.program.compile_seconds
            first = np.int32(sums.steps)
            key = jax.random.fold_in(jax.random.key(seed), first)
            if job.labels is not None and job.plan.kind == "streaming":
                _check_first_labels(task, job.labels, block, key)
            job.labels = None
            rows = job.program(parameters, state, block.columns, indices, source, count, first, np.uint32(seed))
            rows = _rows(rows, slice(int(count)))
            if not fault and len(bad := np.flatnonzero(~np.isfinite(rows[0][:, 0]))):
                fault = _fault_of_data(task, job.plan, block, int(bad[0]), key) or "The data of that batch are finite."
            elapsed = time.perf_counter() - start - (job.program.compile_seconds - compiling)
            room = int(min(max(QUIET_SECONDS * count / max(elapsed, 1e-6), 1), CAPACITY))
            sums.add(tuple(part.astype(np.float64) for part in rows))
    finally:
        cursor.close()
    if sums.steps == 0:
        raise DataError("There is nothing to evaluate: the data hold no batch.")
    if not np.isfinite(sums.totals[0][0]):
        warn(f"The loss on the data that were evaluated is NaN or infinite. {fault}".rstrip())
    return sums


def predict(plan: Plan, program: Program, parameters: Any, state: Any, seed: int, steps: int | None) -> np.ndarray:
    """The network's outputs for all the data, in order, shape (examples, ...).

    Raises:
        DataError: the data hold no batch.
    """
    outputs: list[np.ndarray] = []
    cursor = plan.start((0,))
    done = 0
    try:
        while steps is None or done < steps:
            block = cursor.take(OUTPUT_CAPACITY if steps is None else min(OUTPUT_CAPACITY, steps - done))
            if block is None:
                break
            capacity = len(block.indices) if plan.steps == len(block.indices) else OUTPUT_CAPACITY
            indices, source, count = padded(block, capacity)
            first = np.int32(done)
            given = program(parameters, state, block.columns, indices, source, count, first, np.uint32(seed))
            batches = np.asarray(given)[:count]
            outputs.append(batches.reshape(-1, *batches.shape[2:])[block.indices.ravel() >= 0])
            done += int(count)
    finally:
        cursor.close()
    if not outputs:
        raise DataError("There is nothing to predict: the data hold no batch.")
    return np.concatenate(outputs)


def _check_first_labels(task: Task, program: Program, block: Block, key: jax.Array) -> None:
    labels = first_labels(program, block, key)
    if labels is not None:
        task.check(labels)


def _fault_of_data(task: Task, plan: Plan, block: Block, bad: int, key: jax.Array) -> str:
    """What is wrong with the data of a block's batch whose loss is not finite; nothing where that is not their fault.

    Raises:
        LabelError: the labels do not fit the loss or the network's output.
    """
    positions = block.indices[bad][block.indices[bad] >= 0]
    source = block.source[bad][block.indices[bad] >= 0]
    gathered = jax.tree.map(lambda column: np.asarray(column[positions]), block.columns)
    element = jax.jit(plan.transform)(gathered, source, data_key(key))
    for name, part in zip(("inputs", "labels", "sample weights"), unpack(element), strict=True):
        values = np.asarray(part if part is not None else 0.0, np.float32)
        broken = ~np.isfinite(values)
        if broken.any():
            where = source[np.flatnonzero(broken.reshape(len(values), -1).any(axis=1))[:5]]
            return f"The {name} contain NaN or infinity: example {', '.join(map(str, where))}. Clean the data."
        if name == "labels" and part is not None:
            task.check(np.asarray(part))
    return ""


def _rows(rows: Any, which: slice) -> Rows:
    return tuple(np.asarray(part)[which] for part in rows)


def _joined(blocks: list[Block]) -> Block:
    indices = np.concatenate([block.indices for block in blocks])
    resident = all(block.source is block.indices for block in blocks)
    source = indices if resident else np.concatenate([block.source for block in blocks])
    return Block(blocks[0].columns, indices, source)


def _not_finite(reason: str, epoch: int, step: int) -> NonFiniteError:
    return NonFiniteError(
        f"The loss became NaN or infinite in epoch {epoch}, step {step}. {reason} "
        "The model keeps the last good weights.",
        epoch=epoch,
        step=step,
    )
