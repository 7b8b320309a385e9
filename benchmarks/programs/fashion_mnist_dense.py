"""The course's dense network on Fashion-MNIST: 5 epochs in batches of 32, then the test set."""

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
        tf.keras.layers.Flatten(input_shape=(28, 28, 1)),
        tf.keras.layers.Dense(128, activation=tf.nn.relu),
        tf.keras.layers.Dense(10, activation=tf.nn.softmax),
    ]
)
model.compile(optimizer="adam", loss=tf.keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
model.fit(train_dataset, epochs=5, steps_per_epoch=math.ceil(num_train_examples / BATCH_SIZE))

test_loss, test_accuracy = model.evaluate(test_dataset, steps=math.ceil(num_test_examples / BATCH_SIZE))
print("Accuracy on test dataset:", test_accuracy)
for images, labels in test_dataset.take(1):
    predictions = model.predict(images.numpy())
    print(predictions.shape, np.argmax(predictions[0]), labels.numpy()[0])
