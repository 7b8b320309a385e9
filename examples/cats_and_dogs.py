"""Cats and dogs, without any means against overfitting: watch the curves part.

Usage: python cats_and_dogs.py [EPOCHS]     (25 by default)
"""

import sys

import calor
from calor.workbench.plots import plot_curves

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 25
data = calor.data.load("cats_and_dogs")  # 2,000 photos to train on, 1,000 to validate, resized to 150 x 150

train = data.train.shuffle(data.splits["train"]).batch(100)
validation = data.validation.batch(100)

model = calor.Sequential(
    [
        calor.layers.Rescaling(1 / 255, input_shape=(150, 150, 3)),
        calor.layers.Conv2D(32, (3, 3), activation="relu"),
        calor.layers.MaxPooling2D(2, 2),
        calor.layers.Conv2D(64, (3, 3), activation="relu"),
        calor.layers.MaxPooling2D(2, 2),
        calor.layers.Conv2D(128, (3, 3), activation="relu"),
        calor.layers.MaxPooling2D(2, 2),
        calor.layers.Conv2D(128, (3, 3), activation="relu"),
        calor.layers.MaxPooling2D(2, 2),
        calor.layers.Flatten(),
        calor.layers.Dense(512, activation="relu"),
        calor.layers.Dense(2),
    ],
    seed=1,
)
model.compile(
    optimizer="adam",
    loss=calor.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.summary()
history = model.fit(train, epochs=epochs, validation_data=validation)
plot_curves(history.history).savefig("cats_and_dogs.png")
