"""TensorFlow's names for what Calor does: programs written for TensorFlow, Keras and its data sets run on Calor.

``import calor.compat.tensorflow as tf`` uses them in plain code. ``calor run`` and, in a notebook, ``%load_ext calor``
let ``import tensorflow``, ``import keras`` and ``import tensorflow_datasets`` give these modules, in that process only.
A name that Calor does not have raises a ``NotCoveredError`` that says so and names the nearest thing it has.
"""

import sys

from calor.compat._stand_in import Explainer

if not any(isinstance(finder, Explainer) for finder in sys.meta_path):
    sys.meta_path.append(Explainer())
