"""``tf.data``."""

from calor.compat._absent import Namespace, outside
from calor.compat._datasets import Dataset

AUTOTUNE = -1
"""What ``prefetch`` and ``map`` take to decide for themselves; in Calor they always do."""

experimental = Namespace("tf.data.experimental", AUTOTUNE=AUTOTUNE, cardinality=lambda dataset: dataset.cardinality())

__all__ = ["AUTOTUNE", "Dataset", "experimental"]

__getattr__ = outside(globals())
