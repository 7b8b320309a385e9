"""Fashion-MNIST with a convolutional network: two pairs of convolution and pooling before the Dense layers.

Usage: python fashion_mnist_cnn.py [EPOCHS]     (10 by default)
"""

import sys

import calor
from calor.workbench.plots import plot_curves

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
data = calor.data.load("fashion_mnist")


def normalise(images, labels):
    return images / 255, labels


train = data.train.map(normalise).cache().shuffle(data.splits["train"]).batch(32)
test = data.test.map(normalise).cache().batch(32)

model = calor.Sequential(
    [
        calor.layers.Conv2D(32, (3, 3), padding="same", activation="relu", input_shape=(28, 28, 1)),
        calor.layers.MaxPooling2D((2, 2), strides=2),
        calor.layers.Conv2D(64, (3, 3), padding="same", activation="relu"),
        calor.layers.MaxPooling2D((2, 2), strides=2),
        calor.layers.Flatten(),
        calor.layers.Dense(128, activation="relu"),
        calor.layers.Dense(10, activation="softmax"),
    ],
    seed=1,
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()
history = model.fit(train, epochs=epochs, validation_data=test)

loss, accuracy = model.evaluate(test, verbose=0)
print(f"Accuracy on the training set: {history.history['accuracy'][-1]:.4f}, on the test set: {accuracy:.4f}")
plot_curves(history.history).savefig("fashion_mnist_cnn.png")
