"""How long a run will take and how much memory it needs, from a few steps that leave no trace."""

import resource
import sys
from dataclasses import dataclass
from time import perf_counter

import jax

from calor.data import Dataset
from calor.data.memory import available_memory
from calor.errors import NonFiniteError
from calor.models import Sequential


@dataclass(frozen=True)
class Estimate:
    """What ``measure`` gives.

    Attributes:
        step_seconds: a training step, with the waiting for its data.
        steps: of them in an epoch.
        validation_seconds: measuring the validation part once.
        compile_seconds: what compiling took, which is done now.
        memory: bytes that the process, or the accelerator, had in use at the most until now.
        free_memory: bytes that are free there.
    """

    step_seconds: float
    steps: int
    validation_seconds: float
    compile_seconds: float
    memory: int
    free_memory: int

    @property
    def epoch_seconds(self) -> float:
        """An epoch with its validation."""
        return self.steps * self.step_seconds + self.validation_seconds

    def sentence(self, epochs: int) -> str:
        """The estimate in words, for so many epochs.

        >>> Estimate(0.01, 100, 0.5, 2.0, 700_000_000, 8_000_000_000).sentence(30)
        'An epoch takes about 1.5 s, 30 epochs at most 45 s. Memory in use: 700 MB; free: 8.0 GB.'
        """
        each, all_of_them = duration(self.epoch_seconds), duration(self.epoch_seconds * epochs)
        total = f", {epochs} epochs at most {all_of_them}" if epochs > 1 else ""
        return (
            f"An epoch takes about {each}{total}. "
            f"Memory in use: {_bytes(self.memory)}; free: {_bytes(self.free_memory)}."
        )


def measure(model: Sequential, training: Dataset, validation: Dataset, *, seconds: float = 0.5) -> Estimate | None:
    """Try some steps of a run that is about to begin.

    The model is afterwards what it was before, in every bit, and what was compiled is kept for the run.

    Args:
        model: compiled.
        training: batches, as for ``fit``, of a known number.
        validation: batches to measure after each epoch.
        seconds: about how long to try; compiling, and the first step and batch, come on top.

    Returns:
        None where the loss became NaN or infinite, which the run itself will meet and tell.

    >>> import numpy as np
    >>> from calor.workbench import photo_network
    >>> data = Dataset.from_arrays(np.zeros((8, 16, 16, 3), np.uint8), np.arange(8) % 2).batch(4)
    >>> measure(photo_network((16, 16), 2, seed=0), data, data, seconds=0.1).steps
    2
    """
    before, history = model.carry(), model.history
    try:
        first = model.fit(training, epochs=1, steps_per_epoch=1, verbose=0)
        steps = training.plan().steps
        assert steps is not None
        count = min(max(int(seconds / first.epoch_seconds[0]), 1), steps)
        step_seconds = model.fit(training, epochs=1, steps_per_epoch=count, verbose=0).epoch_seconds[0] / count
        start = perf_counter()
        model.evaluate(validation, steps=1, verbose=0)
        begin = perf_counter()
        compile_seconds = first.compile_seconds + begin - start
        model.evaluate(validation, steps=1, verbose=0)
        batch_seconds = perf_counter() - begin
        batches = len(validation)
        some = min(max(int(seconds / 2 / batch_seconds), 1), batches)
        begin = perf_counter()
        model.evaluate(validation, steps=some, verbose=0)
        validation_seconds = (perf_counter() - begin) * batches / some
    except NonFiniteError:
        return None
    finally:
        model.publish(before)
        model.history = history
    return Estimate(step_seconds, steps, validation_seconds, compile_seconds, _used(), available_memory())


def _used() -> int:
    """The most memory that was in use until now: on the accelerator, or of this process."""
    on_device = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    unit = 1 if sys.platform == "darwin" else 1024
    return int(on_device or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(0.12), duration(8.25), duration(75), duration(8000)
    ('0.1 s', '8.2 s', '1 min 15 s', '2 h 13 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{round(whole / 60)} min"
    minutes = round(whole / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
