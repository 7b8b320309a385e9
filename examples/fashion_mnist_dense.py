"""Fashion-MNIST with Dense layers: which of ten kinds of clothing is in a small grey picture?

Usage: python fashion_mnist_dense.py [EPOCHS]     (5 by default)
"""

import sys

import numpy as np

import calor
from calor.workbench.plots import plot_predictions

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
data = calor.data.load("fashion_mnist")


def normalise(images, labels):
    return images / 255, labels


train = data.train.map(normalise).cache().shuffle(data.splits["train"]).batch(32)
test = data.test.map(normalise).cache().batch(32)

model = calor.Sequential(
    [
        calor.layers.Flatten(input_shape=(28, 28, 1)),
        calor.layers.Dense(128, activation="relu"),
        calor.layers.Dense(10, activation="softmax"),
    ],
    seed=1,
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()
model.fit(train, epochs=epochs)

loss, accuracy = model.evaluate(test, verbose=0)
print(f"Accuracy on the test set: {accuracy:.4f}")

images, labels = next(iter(data.test.batch(15)))
predictions = model.predict(images / np.float32(255))
figure = plot_predictions(images, predictions, labels, data.class_names)
figure.savefig("fashion_mnist_dense.png")
