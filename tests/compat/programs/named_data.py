import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

(train, valid, test), info = tfds.load(
    "fashion_mnist", split=["train[:80%]", "train[80%:]", "test"], as_supervised=True, with_info=True
)
assert (len(train), len(valid), len(test)) == (48000, 12000, 10000)
assert info.splits["train[:10%]"].num_examples == 6000 and info.splits.total_num_examples == 70000
label = info.features["label"]
assert label.num_classes == 10 and label.int2str(9) == "Ankle boot" and label.str2int("Bag") == 8
assert info.features["image"].shape == (28, 28, 1)
images, labels = tfds.as_numpy(tfds.load("fashion_mnist", split="test", batch_size=-1, as_supervised=True))
assert images.shape == (10000, 28, 28, 1) and images.dtype == np.uint8 and labels.dtype == np.int64
assert (np.bincount(labels) == 1000).all()
for image, one in test.take(3):
    assert image.dtype == tf.uint8 and one.dtype == tf.int64
example = next(iter(tfds.load("fashion_mnist", split="train")))
assert set(example) == {"image", "label"} and example["image"].shape == (28, 28, 1)
assert (example["image"].numpy() == next(iter(train))[0].numpy()).all()
for row in tfds.as_numpy(tfds.load("fashion_mnist", split="test[:5]")):
    assert isinstance(row["image"], np.ndarray)
builder = tfds.builder("fashion_mnist")
builder.download_and_prepare()
assert len(builder.as_dataset(split="test[-7:]")) == 7 and "fashion_mnist" in tfds.list_builders()


def normalize_img(image, label):
    return tf.cast(image, tf.float32) / 255.0, label


ds = test.map(normalize_img, num_parallel_calls=tf.data.AUTOTUNE).cache().batch(128).prefetch(tf.data.AUTOTUNE)
model = tf.keras.models.Sequential([tf.keras.layers.Flatten(input_shape=(28, 28)), tf.keras.layers.Dense(10)])
try:
    model.fit(ds, epochs=1)
except RuntimeError as error:
    assert "compile" in str(error)
print("done")
