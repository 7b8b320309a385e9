"""One turn of one side: prints the seconds that a case took as JSON. Usage: side.py SIDE CASE."""

import json
import os
import resource
import sys
import time
from functools import partial

import numpy as np
from networks import CELSIUS, FAHRENHEIT, case_of, data, network

EPOCHS = 500
PREDICT_SECONDS = 2.0


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
    steps = -(-count // case.batch)
    fit()
    start = time.perf_counter()
    fit()
    return (time.perf_counter() - start) / steps


def seconds_per_call(predict, x):
    """The median of the seconds that a call takes, once it is compiled and warm."""
    for _ in range(3):
        predict(x)
    seconds, begin = [], time.perf_counter()
    while time.perf_counter() - begin < PREDICT_SECONDS:
        start = time.perf_counter()
        predict(x)
        seconds.append(time.perf_counter() - start)
    return np.median(seconds)


def keras_like(case, library):
    """The network of a case in the words that Calor and Keras share."""
    return network(
        case.name,
        library.layers,
        library.Sequential,
        library.optimizers,
        library.losses,
        size=case.size,
        kernel=case.kernel,
    )


def calor_side(case):
    if case.name.endswith("-first"):
        os.environ["CALOR_CACHE"] = "off"  # or the second turn would find it compiled
    import calor

    model = keras_like(case, calor)
    if case.name.startswith("celsius"):
        return celsius(model, case.name.endswith("-first"))
    x, y = data(case)
    if case.predict:
        return seconds_per_call(partial(model.predict, batch_size=case.batch, verbose=0), x[: case.batch])
    dataset = calor.Dataset.from_arrays(x, y).cache().shuffle(len(x)).batch(case.batch)
    return seconds_per_step(case, lambda: model.fit(dataset, epochs=1, verbose=0), len(x))


def torch_side(case, *, bfloat16=False):
    import torch_side

    x, y = data(case)
    if case.predict:
        return seconds_per_call(torch_side.predictor(case, bfloat16=bfloat16), x[: case.batch])
    return torch_side.seconds_per_step(case, x, y, bfloat16=bfloat16)


def onnx_side(case):
    import onnx_side

    x, _ = data(case)
    pictures = np.ascontiguousarray(np.moveaxis(x[: case.batch], 3, 1))
    return seconds_per_call(onnx_side.predictor(case.name, x.shape[1:]), pictures)


def keras_jax_side(case):
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    model = keras_like(case, keras)
    if case.name.startswith("celsius"):
        return celsius(model, case.name.endswith("-first"))
    x, y = data(case)
    if case.predict:
        return seconds_per_call(partial(model.predict, batch_size=case.batch, verbose=0), x[: case.batch])
    fit = partial(model.fit, x, y, batch_size=case.batch, epochs=1, verbose=0)
    return seconds_per_step(case, fit, len(x))


def tensorflow_side(case):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    model = keras_like(case, tf.keras)
    if case.name.startswith("celsius"):
        return celsius(model, case.name.endswith("-first"))
    x, y = data(case)
    if case.predict:
        return seconds_per_call(partial(model.predict, batch_size=case.batch, verbose=0), x[: case.batch])
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(x)).batch(case.batch)
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    return seconds_per_step(case, lambda: model.fit(dataset, epochs=1, verbose=0), len(x))


SIDES = {
    "calor": calor_side,
    "keras-jax": keras_jax_side,
    "tensorflow": tensorflow_side,
    "torch": torch_side,
    "torch-bfloat16": partial(torch_side, bfloat16=True),
    "onnx": onnx_side,
}

if __name__ == "__main__":
    side, case = sys.argv[1:]
    if case.startswith("photos"):
        import photos

        seconds = photos.SIDES[side](augmented=case.endswith("augmented"), nearest=case.endswith("nearest"))
    else:
        seconds = SIDES[side](case_of(case))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"side": side, "case": case, "seconds": float(np.float64(seconds)), "memory": memory}))
