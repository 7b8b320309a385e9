"""``tf.data``."""

from calor.compat._absent import Namespace, outside
from calor.compat._datasets import Dataset
from calor.data import INFINITE, UNKNOWN

AUTOTUNE = -1
"""What ``prefetch`` and ``map`` take to decide for themselves; in Calor they always do."""

INFINITE_CARDINALITY = INFINITE
"""What ``cardinality`` gives for data without end."""

UNKNOWN_CARDINALITY = UNKNOWN
"""What ``cardinality`` gives where only reading to the end could tell."""

experimental = Namespace(
    "tf.data.experimental",
    AUTOTUNE=AUTOTUNE,
    INFINITE_CARDINALITY=INFINITE,
    UNKNOWN_CARDINALITY=UNKNOWN,
    cardinality=lambda dataset: dataset.cardinality(),
    get_single_element=lambda dataset: dataset.get_single_element(),
)

__all__ = ["AUTOTUNE", "INFINITE_CARDINALITY", "UNKNOWN_CARDINALITY", "Dataset", "experimental"]

__getattr__ = outside(globals())
