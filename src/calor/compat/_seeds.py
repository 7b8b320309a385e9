"""``tf.random.set_seed``: one number from which every model that is made afterwards gets its seed."""

import numpy as np

_generator: np.random.Generator | None = None


def set_seed(seed: int) -> None:
    """Fix the seeds of the models, and the random tensors, that are made from now on."""
    global _generator
    _generator = np.random.default_rng(abs(int(seed)))


def generator() -> np.random.Generator:
    """The source of random numbers; not fixed before ``set_seed``."""
    return np.random.default_rng() if _generator is None else _generator


def next_seed() -> int | None:
    """A model's seed; None, which is a new one each time, before ``set_seed``."""
    return None if _generator is None else int(_generator.integers(2**31))
