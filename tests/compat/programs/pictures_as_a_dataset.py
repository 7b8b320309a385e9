import os, pathlib, tempfile
import numpy as np
import PIL.Image
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

data_dir = pathlib.Path(tempfile.mkdtemp())
rng = np.random.RandomState(0)
for label, name in enumerate(["daisy", "rose", "tulip"]):
    (data_dir / name).mkdir()
    for i in range(8):
        pixels = rng.randint(0, 60, (24, 24, 3)).astype("uint8")
        pixels[..., label] += 180
        PIL.Image.fromarray(pixels).save(data_dir / name / f"{i}.jpg")
print(len(list(data_dir.glob("*/*.jpg"))))

settings = dict(validation_split=0.25, seed=123, image_size=(20, 20), batch_size=6)
train_ds = tf.keras.utils.image_dataset_from_directory(data_dir, subset="training", **settings)
val_ds = tf.keras.preprocessing.image_dataset_from_directory(data_dir, subset="validation", **settings)
class_names = train_ds.class_names
assert class_names == ["daisy", "rose", "tulip"] or list(class_names) == ["daisy", "rose", "tulip"]
for images, labels in train_ds.take(1):
    assert images.shape == (6, 20, 20, 3) and images.dtype == tf.float32 and labels.dtype == tf.int32
    assert images[0].numpy().astype("uint8").max() > 100 and class_names[labels[0]] in class_names
normalization_layer = layers.Rescaling(1.0 / 255)
normalized = train_ds.map(lambda x, y: (normalization_layer(x), y))
image_batch, _ = next(iter(normalized))
assert np.max(image_batch[0]) <= 1
AUTOTUNE = tf.data.AUTOTUNE
train_ds = train_ds.cache().shuffle(1000).prefetch(buffer_size=AUTOTUNE)
val_ds = val_ds.cache().prefetch(buffer_size=AUTOTUNE)

data_augmentation = keras.Sequential(
    [
        layers.RandomFlip("horizontal", input_shape=(20, 20, 3)),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.1),
    ]
)
augmented = data_augmentation(images)
assert augmented[0].numpy().shape == (20, 20, 3) and not np.array_equal(augmented, images)
model = keras.Sequential(
    [
        data_augmentation,
        layers.experimental.preprocessing.Rescaling(1.0 / 255),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(len(class_names)),
    ]
)
model.compile(
    optimizer="adam", loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
)
model.summary()
history = model.fit(train_ds, validation_data=val_ds, epochs=8)
img = tf.keras.utils.load_img(data_dir / "rose" / "0.jpg", target_size=(20, 20))
img_array = tf.expand_dims(tf.keras.utils.img_to_array(img), 0)
score = tf.nn.softmax(model.predict(img_array)[0])
print("{} with {:.2f} percent".format(class_names[np.argmax(score)], 100 * np.max(score)))
assert abs(np.sum(score) - 1) < 1e-5 and class_names[np.argmax(score)] == "rose"
print("done")
