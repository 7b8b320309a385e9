"""Cats and dogs with augmentation and dropout: new pictures in every epoch, and the curves stay together.

Usage: python cats_and_dogs_augmented.py [EPOCHS]     (60 by default)
"""

import sys

import calor
from calor.workbench.plots import plot_curves

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 60
data = calor.data.load("cats_and_dogs")  # 2,000 photos to train on, 1,000 to validate, resized to 150 x 150

train = data.train.shuffle(data.splits["train"]).batch(100)
validation = data.validation.batch(100)

model = calor.Sequential(
    [
        calor.layers.Rescaling(1 / 255, input_shape=(150, 150, 3)),
        calor.layers.RandomAffine(
            rotation=40, width_shift=0.2, height_shift=0.2, shear=0.2, zoom=0.2, horizontal_flip=True
        ),
        calor.layers.Conv2D(32, (3, 3), activation="relu"),
        calor.layers.MaxPooling2D(2, 2),
        calor.layers.Conv2D(64, (3, 3), activation="relu"),
        calor.layers.MaxPooling2D(2, 2),
        calor.layers.Conv2D(128, (3, 3), activation="relu"),
        calor.layers.MaxPooling2D(2, 2),
        calor.layers.Conv2D(128, (3, 3), activation="relu"),
        calor.layers.MaxPooling2D(2, 2),
        calor.layers.Dropout(0.5),
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
plot_curves(history.history).savefig("cats_and_dogs_augmented.png")
