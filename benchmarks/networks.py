"""The cases: data and networks, written with the names that Calor and Keras share."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np

CELSIUS = np.array([-40, -10, 0, 8, 15, 22, 38], np.float32)
FAHRENHEIT = np.array([-40, 14, 32, 46, 59, 72, 100], np.float32)

BATCH = {"dense": 32, "cnn": 32, "cats": 100, "cats-strided": 100}


def data(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Images, float32 in 0..1, and labels, int32."""
    generator = np.random.default_rng(0)
    if case.startswith("cats"):
        return generator.random((400, 150, 150, 3), np.float32), generator.integers(0, 2, 400, np.int32)
    folder = Path(os.environ.get("CALOR_DATA", "nowhere")) / "fashion_mnist"
    count = 60_000 if case == "dense" else 9_600
    if folder.is_dir():
        images = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
        x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28, 1)
        y = np.frombuffer(labels, np.uint8, offset=8)
    else:
        x = generator.integers(0, 256, (count, 28, 28, 1), np.uint8)
        y = generator.integers(0, 10, count, np.uint8)
    return x[:count].astype(np.float32) / 255, y[:count].astype(np.int32)


def network(case: str, layers: Any, sequential: Any, optimizers: Any, losses: Any, channels_first: bool = False) -> Any:
    """The compiled network of a case, from one library's classes."""
    if case == "celsius":
        model = sequential([layers.Dense(1)])
        model.build((None, 1))
        model.compile(loss="mean_squared_error", optimizer=optimizers.Adam(0.1))
        model.get_weights()  # Calor draws them when they are first needed, Keras in build
        return model
    if case == "dense":
        shape = (28, 28, 1)
        stack = [layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")]
    elif case == "cnn":
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
    else:
        shape = (150, 150, 3)
        stack = []
        for filters in (32, 64, 128, 128):
            if case == "cats-strided":
                stack.append(layers.Conv2D(filters, (3, 3), strides=2, activation="relu"))
            else:
                stack += [layers.Conv2D(filters, (3, 3), activation="relu"), layers.MaxPooling2D(2, 2)]
        if case == "cats-augmented":
            stack.append(layers.Dropout(0.5))
        stack += [layers.Flatten(), layers.Dense(512, activation="relu"), layers.Dense(2)]
    model = sequential(stack)
    height, width, channels = shape
    model.build((None, channels, height, width) if channels_first else (None, *shape))
    model.compile(
        optimizer="adam",
        loss=losses.SparseCategoricalCrossentropy(from_logits=case.startswith("cats")),
        metrics=["accuracy"],
    )
    return model
