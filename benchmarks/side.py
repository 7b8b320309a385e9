"""One turn of one side: prints the seconds that a case took as JSON. Usage: side.py SIDE CASE."""

import json
import os
import sys
import time
from functools import partial

import numpy as np
from networks import BATCH, CELSIUS, FAHRENHEIT, data, network

EPOCHS = 500


def celsius(model, first):
    """Seconds of 500 epochs: of the first fit in the process, or of the second."""
    seconds = []
    for _ in range(1 if first else 2):
        start = time.perf_counter()
        model.fit(CELSIUS, FAHRENHEIT, epochs=EPOCHS, verbose=0)
        seconds.append(time.perf_counter() - start)
    return seconds[-1]


def seconds_per_step(case, fit, count):
    """Seconds of a step: an epoch of fit, after one that compiles and warms up."""
    steps = -(-count // BATCH[case])
    fit()
    start = time.perf_counter()
    fit()
    return (time.perf_counter() - start) / steps


def calor_side(case):
    if case.endswith("-first"):
        os.environ["CALOR_CACHE"] = "off"  # or the second turn would find it compiled
    import calor

    model = network(case.removesuffix("-first"), calor.layers, calor.Sequential, calor.optimizers, calor.losses)
    if case.startswith("celsius"):
        return celsius(model, case.endswith("-first"))
    x, y = data(case)
    dataset = calor.Dataset.from_arrays(x, y).cache().shuffle(len(x)).batch(BATCH[case])
    return seconds_per_step(case, lambda: model.fit(dataset, epochs=1, verbose=0), len(x))


def torch_side(case):
    import torch_side

    return torch_side.seconds_per_step(case, *data(case))


def torch_bfloat16_side(case):
    import torch_side

    return torch_side.seconds_per_step(case, *data(case), bfloat16=True)


def keras_jax_side(case):
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    model = network(case.removesuffix("-first"), keras.layers, keras.Sequential, keras.optimizers, keras.losses)
    if case.startswith("celsius"):
        return celsius(model, case.endswith("-first"))
    x, y = data(case)
    fit = partial(model.fit, x, y, batch_size=BATCH[case], epochs=1, verbose=0)
    return seconds_per_step(case, fit, len(x))


def tensorflow_side(case):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    keras = tf.keras
    model = network(case.removesuffix("-first"), keras.layers, keras.Sequential, keras.optimizers, keras.losses)
    if case.startswith("celsius"):
        return celsius(model, case.endswith("-first"))
    x, y = data(case)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(x)).batch(BATCH[case])
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    return seconds_per_step(case, lambda: model.fit(dataset, epochs=1, verbose=0), len(x))


SIDES = {
    "calor": calor_side,
    "keras-jax": keras_jax_side,
    "tensorflow": tensorflow_side,
    "torch": torch_side,
    "torch-bfloat16": torch_bfloat16_side,
}

if __name__ == "__main__":
    side, case = sys.argv[1:]
    seconds = SIDES[side](case)
    print(json.dumps({"side": side, "case": case, "seconds": float(np.float64(seconds))}))
