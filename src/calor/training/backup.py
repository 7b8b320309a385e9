"""Going on with a run that was cut off, to the same result as if it never had been."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from calor import __version__
from calor._arguments import integer, number
from calor.errors import ArgumentError, ModelFileError, warn
from calor.training import checkpoint
from calor.training.callbacks import Callback, CallbackList
from calor.training.history import History
from calor.training.sums import Place, Sums


class Run(Protocol):
    """A run, as far as its backup is concerned."""

    host: Any
    task: Any
    schedule: Any
    callbacks: CallbackList
    history: History
    seed: int

    def weights_are_finite(self) -> bool: ...


class BackupAndRestore(Callback):
    """Back up the whole state of a run, so that ``fit`` goes on where it stood when it was cut off.

    The first ``fit`` with an empty folder begins at the beginning. When the program was killed, the same program
    started again finds the backup, and its ``fit`` goes on from there: to the same weights and the same history, bit
    by bit, on the same machine. Weights, the optimizer's memory, steps, seed, order of the data, learning rate, history
    and what the other callbacks remember are in it. When a run has ended, its backup is removed.

    Args:
        backup_dir: a folder for this run's backups alone; made where it is missing.
        save_freq: ``"epoch"``, the default: after each epoch; a number: whenever at least that many steps were done,
            within an epoch too; False: only by ``seconds``.
        double_checkpoint: keep the backup before the last, too, in case that the last gets damaged. Default True.
        delete_checkpoint: remove the backups when the run has come to its end. Default True.
        seconds: back up within epochs, too, whenever so many seconds have passed. Default None: not.

    Raises:
        ArgumentError: an argument cannot work; in ``fit``: the backup is of another network or other data.
        ModelFileError: in ``fit``: a backup cannot be written, or all that there are are damaged.

    Warns:
        CalorWarning: the backup is damaged, and the one before it is used; another version of Calor made it; or the
            optimizer or the callbacks are others, so that the run will not be as the unbroken one.

    A file is written under a temporary name and renamed once it is on the disk, and is checked by its SHA-256 when it
    is read. Callbacks of your own that remember something should have ``get_state`` and ``set_state``.

    >>> import calor, tempfile
    >>> x, y = [[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]]
    >>> def network():
    ...     model = calor.Sequential([calor.layers.Dense(1, input_shape=[1])], seed=0)
    ...     model.compile("sgd", "mean_squared_error")
    ...     return model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep = BackupAndRestore(folder, delete_checkpoint=False)
    ...     _ = network().fit(x, y, epochs=2, callbacks=[keep], verbose=0)
    ...     history = network().fit(x, y, epochs=5, callbacks=[keep], verbose=0)
    >>> history.epoch
    [0, 1, 2, 3, 4]
    >>> history.history == network().fit(x, y, epochs=5, verbose=0).history
    True
    """

    def __init__(
        self,
        backup_dir: "str | os.PathLike[str]",
        save_freq: Any = "epoch",
        double_checkpoint: bool = True,
        delete_checkpoint: bool = True,
        *,
        seconds: float | None = None,
    ) -> None:
        if not backup_dir:
            raise ArgumentError("BackupAndRestore: backup_dir must name a folder.")
        if save_freq not in ("epoch", False):
            integer(self, "save_freq ('epoch', False, or steps)", save_freq)
        if seconds is not None:
            number(self, "seconds", seconds, least=0)
        self.backup_dir = Path(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self.seconds = seconds

    def restore(self, run: Run, place: Place) -> Place:
        """Give a run that is about to begin the state of the backup; gives where it stands then."""
        self.backup_dir.parent.mkdir(parents=True, exist_ok=True)
        self._made, self._saved_at, self._saved_step = False, time.perf_counter(), place.began
        found = checkpoint.latest(self.backup_dir)
        if found is not None:
            place = _restore(run, *found, self.backup_dir)
            self._made, self._saved_step = True, int(run.host.carry().step)
        return place

    def offer(self, run: Run, place: Place) -> None:
        """Back up, if it is time; the run stands between two steps or two epochs."""
        step, now = int(run.host.carry().step), time.perf_counter()
        due = step - self._saved_step >= self.save_freq if type(self.save_freq) is int else False
        due |= self.save_freq == "epoch" and place.sums is None
        due |= self.seconds is not None and now - self._saved_at >= self.seconds
        if not due or (place.sums is not None and not run.weights_are_finite()):
            return
        if self._made and not self.backup_dir.is_dir():
            raise ModelFileError(
                f"{self.backup_dir}, the folder of this run's backups, was removed while the run went on: "
                "nothing of it is left to go on from. Train again."
            )
        record, arrays = _state(run, place)
        checkpoint.save(self.backup_dir, record, arrays, keep=2 if self.double_checkpoint else 1)
        self._made, self._saved_at, self._saved_step = True, time.perf_counter(), step

    def ended(self) -> None:
        """The run has come to its end."""
        if self.delete_checkpoint:
            checkpoint.remove(self.backup_dir)


def _state(run: Run, place: Place) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Everything that the rest of the run depends on."""
    carry, history, sums = run.host.carry(), run.history, place.sums
    remembered = _Arrays()
    record = {
        "calor": __version__,
        "seed": run.seed,
        "step": int(carry.step),
        "began": place.began,
        "epoch": place.epoch,
        "steps": run.schedule.steps,
        "sums": None
        if sums is None
        else {
            "steps": sums.steps,
            "seconds": sums.seconds,
            "waited": sums.waited,
            "totals": remembered.taken(list(sums.totals)),
        },
        "learning_rate": None if _scheduled(run) else run.host.learning_rate,
        "stopped": run.host.stop_training,
        "optimizer": repr(run.task.optimizer),
        "history": {
            "history": history.history,
            "epoch": history.epoch,
            "params": history.params,
            "compile_seconds": history.compile_seconds,
            "epoch_seconds": history.epoch_seconds,
            "waiting_seconds": history.waiting_seconds,
        },
        "callbacks": [[type(one).__name__, remembered.taken(one.get_state())] for one in run.callbacks.callbacks],
    }
    return record, {name: _plain(leaf) for name, leaf in _leaves(carry)} | remembered.arrays


def _restore(run: Run, record: Mapping[str, Any], arrays: dict[str, np.ndarray], folder: Path) -> Place:
    template = run.host.carry()
    expected = dict(_leaves(template))
    _check_same(run, record, {name: array for name, array in arrays.items() if "/" in name}, expected, folder)
    leaves = [_like(arrays[name], leaf) for name, leaf in expected.items()]
    carry = jax.tree.unflatten(jax.tree.structure(_without_step(template)), leaves)
    run.host.publish(carry._replace(step=jnp.int32(record["step"])))
    run.seed = run.host.seed = record["seed"]
    if record["learning_rate"] is not None and not _scheduled(run):
        run.host.learning_rate = record["learning_rate"]
    run.host.stop_training = record["stopped"]
    past = record["history"]
    run.history.params = past["params"] | run.history.params | {"seed": run.seed}
    for name in ("history", "epoch", "compile_seconds", "epoch_seconds", "waiting_seconds"):
        setattr(run.history, name, past[name])
    for one, (_, state) in zip(run.callbacks.callbacks, record["callbacks"], strict=False):
        one.set_state(_given(state, arrays))
    sums = record["sums"]
    if sums is not None:
        totals = tuple(_given(sums["totals"], arrays))
        sums = Sums(run.task, totals, sums["steps"], sums["seconds"], sums["waited"])
    return Place(record["began"], record["epoch"], sums)


def _check_same(
    run: Run, record: Mapping[str, Any], arrays: Mapping[str, Any], expected: Mapping[str, Any], folder: Path
) -> None:
    """Refuse what is not the same run, and warn of what may make it end otherwise."""
    there, here = ({name: tuple(_plain(leaf).shape) for name, leaf in leaves.items()} for leaves in (arrays, expected))
    if there != here:
        name = next(name for name in there | here if there.get(name) != here.get(name))
        raise ArgumentError(
            f"The backup in {folder} is of another network or optimizer: its {name} has the shape "
            f"{there.get(name, '(none)')}, this one's {here.get(name, '(none)')}. Give backup_dir another folder, or "
            "remove that one to begin anew."
        )
    if record["steps"] != run.schedule.steps:
        raise ArgumentError(
            f"The backup in {folder} is of a run with {record['steps']} steps an epoch, and this one has "
            f"{run.schedule.steps}: the data or the batch size are others. Give backup_dir another folder, or remove "
            "that one to begin anew."
        )
    others = []
    if record["calor"] != __version__:
        others.append(f"it was made by Calor {record['calor']}, and this is {__version__}")
    # The names of objects that have no settings hold their place in memory.
    if record["optimizer"] != (mine := repr(run.task.optimizer)) and " at 0x" not in mine:
        others.append(f"its optimizer was {record['optimizer']}, and this one is {mine}")
    if (theirs := [name for name, _ in record["callbacks"]]) != (
        ours := [type(one).__name__ for one in run.callbacks.callbacks]
    ):
        others.append(f"its callbacks were {', '.join(theirs)}, and these are {', '.join(ours)}")
    if others:
        warn(f"The backup in {folder}: {'; '.join(others)}. The run may not end as the unbroken one would have.")


def _scheduled(run: Run) -> bool:
    return callable(getattr(run.task.optimizer, "learning_rate", None))


def _leaves(carry: Any) -> list[tuple[str, Any]]:
    """All numbers that a step changes but the step's, by names with a slash."""
    found = jax.tree.leaves_with_path(_without_step(carry))
    return [("carry/" + jax.tree_util.keystr(path), leaf) for path, leaf in found]


def _without_step(carry: Any) -> Any:
    return carry._replace(step=None)


def _plain(leaf: Any) -> np.ndarray:
    """As an array of a type that NumPy itself knows."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    array = np.asarray(leaf)
    return array.view(f"u{array.itemsize}") if array.dtype.kind == "V" else array  # bfloat16 and the like


def _like(array: np.ndarray, leaf: Any) -> Any:
    """The inverse of ``_plain``."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
    return jnp.asarray(array.view(leaf.dtype) if np.dtype(leaf.dtype).kind == "V" else array, leaf.dtype)


class _Arrays:
    """Takes the arrays out of what callbacks remember, so that the rest is JSON."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def taken(self, value: Any) -> Any:
        if isinstance(value, np.ndarray | jax.Array):
            name = f"array{len(self.arrays)}"
            self.arrays[name] = np.asarray(value)
            return {"array": name}
        if isinstance(value, Mapping):
            return {key: self.taken(one) for key, one in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self.taken(one) for one in value]
        return value


def _given(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The inverse of ``_Arrays.taken``."""
    if isinstance(value, Mapping):
        if set(value) == {"array"}:
            return arrays[value["array"]]
        return {key: _given(one, arrays) for key, one in value.items()}
    return [_given(one, arrays) for one in value] if isinstance(value, list) else value
