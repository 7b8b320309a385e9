"""The course's convolutional network on Fashion-MNIST; 1 epoch of its 10."""

import math

import numpy as np
import tensorflow as tf

BATCH_SIZE = 32


def normalize(images, labels):
    images = tf.cast(images, tf.float32)
    images /= 255
    return images, labels


# The course has tensorflow_datasets here, and draws some of the pictures with Matplotlib.
(train_images, train_labels), (test_images, test_labels) = tf.keras.datasets.fashion_mnist.load_data()
train_dataset = tf.data.Dataset.from_tensor_slices((train_images[..., np.newaxis], train_labels))
test_dataset = tf.data.Dataset.from_tensor_slices((test_images[..., np.newaxis], test_labels))
num_train_examples, num_test_examples = len(train_images), len(test_images)

train_dataset = train_dataset.map(normalize).cache().repeat().shuffle(num_train_examples).batch(BATCH_SIZE)
test_dataset = test_dataset.map(normalize).cache().batch(BATCH_SIZE)

model = tf.keras.Sequential(
    [
        tf.keras.layers.Conv2D(32, (3, 3), padding="same", activation=tf.nn.relu, input_shape=(28, 28, 1)),
        tf.keras.layers.MaxPooling2D((2, 2), strides=2),
        tf.keras.layers.Conv2D(64, (3, 3), padding="same", activation=tf.nn.relu),
        tf.keras.layers.MaxPooling2D((2, 2), strides=2),
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(128, activation=tf.nn.relu),
        tf.keras.layers.Dense(10, activation=tf.nn.softmax),
    ]
)
model.compile(optimizer="adam", loss=tf.keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
model.fit(train_dataset, epochs=1, steps_per_epoch=math.ceil(num_train_examples / BATCH_SIZE))

test_loss, test_accuracy = model.evaluate(test_dataset, steps=math.ceil(num_test_examples / BATCH_SIZE))
print("Accuracy on test dataset:", test_accuracy)
