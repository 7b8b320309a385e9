# TensorFlow/Keras, the way of its basic classification tutorial
import tensorflow as tf
import numpy as np
import matplotlib.pyplot as plt

print(tf.__version__)
fashion_mnist = tf.keras.datasets.fashion_mnist
(train_images, train_labels), (test_images, test_labels) = fashion_mnist.load_data()
assert train_images.shape == (60000, 28, 28) and train_images.dtype == np.uint8
assert len(train_labels) == 60000 and train_labels[0] == 9 and test_images.shape == (10000, 28, 28)
train_images, train_labels = train_images[:4000] / 255.0, train_labels[:4000]
test_images, test_labels = test_images[:1000] / 255.0, test_labels[:1000]

model = tf.keras.Sequential(
    [
        tf.keras.layers.Flatten(input_shape=(28, 28)),
        tf.keras.layers.Dense(128, activation="relu"),
        tf.keras.layers.Dense(10),
    ]
)
model.compile(
    optimizer="adam", loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
)
history = model.fit(train_images, train_labels, epochs=3, validation_split=0.1)
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=2)
assert test_acc > 0.7, test_acc

probability_model = tf.keras.Sequential([model, tf.keras.layers.Softmax()])
predictions = probability_model.predict(test_images)
np.testing.assert_allclose(predictions.sum(axis=1), 1, atol=1e-5)
classes = np.argmax(model.predict(test_images), axis=1)
assert (classes == np.argmax(predictions, axis=1)).all()
assert abs((classes == test_labels).mean() - test_acc) < 1e-6
img = np.expand_dims(test_images[1], 0)
assert probability_model.predict(img).shape == (1, 10)

# the quickstart for beginners
logits = model(train_images[:1]).numpy()
probabilities = tf.nn.softmax(logits).numpy()
assert abs(probabilities.sum() - 1) < 1e-6
loss_fn = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
assert loss_fn(train_labels[:1], logits).numpy() >= 0
plt.plot(history.history["acc"], label="training")
plt.plot(history.history["val_acc"], label="validation")
plt.legend()
print("done")
