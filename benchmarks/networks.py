"""The cases: data and networks, written with the names that Calor and Keras share."""

import gzip
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

CELSIUS = np.array([-40, -10, 0, 8, 15, 22, 38], np.float32)
FAHRENHEIT = np.array([-40, 14, 32, 46, 59, 72, 100], np.float32)


@dataclass(frozen=True)
class Case:
    """What is timed: a step of training a network, or with ``predict`` one call of its ``predict``."""

    name: str
    batch: int
    predict: bool = False
    size: int = 28
    """Height and width of the pictures, and ..."""
    kernel: int = 3
    """... of the convolutions' kernels, of the network ``grid``."""


CASES = {
    "celsius": Case("celsius", 32),
    "celsius-first": Case("celsius-first", 32),
    "dense": Case("dense", 32),
    "cnn": Case("cnn", 32),
    "cats": Case("cats", 100),
    "cats-strided": Case("cats-strided", 100),
    "grid": Case("grid", 32),
    "photos": Case("photos", 100),
    "photos-nearest": Case("photos-nearest", 100),
    "photos-augmented": Case("photos-augmented", 100),
}


def case_of(text: str) -> Case:
    """A case from its name, with settings of its own after a colon: ``cnn:batch=8``, ``cats:predict=1``.

    Raises:
        ValueError: a case or a setting that there is not.
    """
    name, _, settings = text.partition(":")
    if name not in CASES:
        raise ValueError(f"There is no case {name!r}, only {', '.join(CASES)}.")
    case = CASES[name]
    for setting in filter(None, settings.split(",")):
        key, _, value = setting.partition("=")
        if key not in ("batch", "predict", "size", "kernel") or not value.isdecimal():
            raise ValueError(f"{setting!r} is none of batch=, predict=, size= and kernel= with a number.")
        case = replace(case, **({"batch": int(value), "predict": True} if key == "predict" else {key: int(value)}))
    return case


def data(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Images, float32 in 0..1, and labels, int32."""
    generator = np.random.default_rng(0)
    if case.name.startswith(("cats", "grid")):
        size = case.size if case.name == "grid" else 150
        count = max(case.batch, min(1024, 9_000_000 // size**2) // case.batch * case.batch)
        return generator.random((count, size, size, 3), np.float32), generator.integers(0, 2, count, np.int32)
    folder = Path(os.environ.get("CALOR_DATA", "nowhere")) / "fashion_mnist"
    count = 60_000 if case.name == "dense" else max(9_600 // 32 * min(case.batch, 32), 4 * case.batch)
    if folder.is_dir():
        images = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
        x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28, 1)
        y = np.frombuffer(labels, np.uint8, offset=8)
    else:
        x = generator.integers(0, 256, (count, 28, 28, 1), np.uint8)
        y = generator.integers(0, 10, count, np.uint8)
    return x[:count].astype(np.float32) / 255, y[:count].astype(np.int32)


def network(
    name: str,
    layers: Any,
    sequential: Any,
    optimizers: Any,
    losses: Any,
    channels_first: bool = False,
    size: int = 28,
    kernel: int = 3,
) -> Any:
    """The compiled network of that name, from one library's classes; ``size`` and ``kernel`` are those of ``grid``."""
    if name.startswith("celsius"):
        model = sequential([layers.Dense(1)])
        model.build((None, 1))
        model.compile(loss="mean_squared_error", optimizer=optimizers.Adam(0.1))
        model.get_weights()  # Calor draws them when they are first needed, Keras in build
        return model
    if name == "dense":
        shape = (28, 28, 1)
        stack = [layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")]
    elif name == "cnn":
        shape = (28, 28, 1)
        stack = [
            layers.Conv2D(32, (3, 3), padding="same", activation="relu"),
            layers.MaxPooling2D((2, 2), strides=2),
            layers.Conv2D(64, (3, 3), padding="same", activation="relu"),
            layers.MaxPooling2D((2, 2), strides=2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    elif name == "grid":
        shape = (size, size, 3)
        stack = []
        for filters in (32, 64):
            stack += [layers.Conv2D(filters, kernel, padding="same", activation="relu"), layers.MaxPooling2D(2)]
        stack += [layers.Flatten(), layers.Dense(2)]
    else:
        shape = (150, 150, 3)
        stack = []
        for filters in (32, 64, 128, 128):
            if name == "cats-strided":
                stack.append(layers.Conv2D(filters, (3, 3), strides=2, activation="relu"))
            else:
                stack += [layers.Conv2D(filters, (3, 3), activation="relu"), layers.MaxPooling2D(2, 2)]
        if name == "cats-augmented":
            stack.append(layers.Dropout(0.5))
        stack += [layers.Flatten(), layers.Dense(512, activation="relu"), layers.Dense(2)]
    model = sequential(stack)
    height, width, channels = shape
    model.build((None, channels, height, width) if channels_first else (None, *shape))
    model.compile(
        optimizer="adam",
        loss=losses.SparseCategoricalCrossentropy(from_logits=name.startswith(("cats", "grid"))),
        metrics=["accuracy"],
    )
    return model
