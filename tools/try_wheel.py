"""Trains a small network on the native kernels of the Calor that is installed: what a wheel must be able to do."""

import numpy as np

import calor
from calor.ops import native

assert native.available(), native.status().reason
layers = calor.layers
model = calor.Sequential(
    [
        layers.Conv2D(8, 3, activation="relu", input_shape=(16, 16, 3)),
        layers.MaxPooling2D(2),
        layers.Conv2D(8, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(1, activation="sigmoid"),
    ],
    seed=0,
)
model.compile(loss="binary_crossentropy", optimizer="adam")
x = np.random.default_rng(0).random((64, 16, 16, 3), np.float32)
losses = model.fit(x, (x.mean((1, 2, 3)) > 0.5).astype(np.float32), epochs=20, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses
print(f"Trained on {native.instruction_set()}: the loss fell from {losses[0]:.3f} to {losses[-1]:.3f}.")
