import os, tempfile
import numpy as np
from PIL import Image
from tensorflow.keras.models import Sequential
from tensorflow.keras.layers import Conv2D, MaxPool2D, Flatten, Dense
from tensorflow.keras.preprocessing.image import ImageDataGenerator, load_img, img_to_array, array_to_img

base = tempfile.mkdtemp()
rng = np.random.RandomState(0)
for name, colour in (("blue", 2), ("red", 0)):
    os.makedirs(os.path.join(base, name))
    for i in range(12):
        pixels = rng.randint(0, 90, (20, 30, 3)).astype("uint8")
        pixels[..., colour] += 150
        Image.fromarray(pixels).save(os.path.join(base, name, "%02d.png" % i))

img = load_img(os.path.join(base, "red", "00.png"), target_size=(16, 16))
x = img_to_array(img)
assert x.shape == (16, 16, 3) and x.dtype == np.float32
assert array_to_img(x).size == (16, 16)
datagen = ImageDataGenerator(
    rescale=1.0 / 255,
    rotation_range=40,
    width_shift_range=0.2,
    height_shift_range=0.2,
    shear_range=0.2,
    zoom_range=0.2,
    horizontal_flip=True,
    fill_mode="nearest",
    validation_split=0.25,
)
train = datagen.flow_from_directory(base, target_size=(16, 16), batch_size=6, class_mode="binary", subset="training")
val = datagen.flow_from_directory(
    base, target_size=(16, 16), batch_size=6, class_mode="binary", subset="validation", shuffle=False
)
assert train.n == train.samples == 18 and val.samples == 6 and len(train) == 3
assert train.class_indices == {"blue": 0, "red": 1} and val.filenames[0] == os.path.join("blue", "00.png")
images, labels = next(train)
assert images.shape == (6, 16, 16, 3) and labels.shape == (6,) and images.max() <= 1
assert train[0][0][0].shape == (16, 16, 3)
one_hot = datagen.flow_from_directory(base, target_size=(16, 16))
assert next(one_hot)[1].shape == (24, 2)

model = Sequential()
model.add(Conv2D(8, (3, 3), activation="relu", input_shape=(16, 16, 3)))
model.add(MaxPool2D(2, 2))
model.add(Flatten())
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="rmsprop", metrics=["acc"])
history = model.fit_generator(train, 3, 4, verbose=2, validation_data=val, validation_steps=1)
model.fit(
    train, steps_per_epoch=train.samples // train.batch_size, epochs=6, workers=4, use_multiprocessing=False, verbose=0
)
loss, acc = model.evaluate_generator(val, steps=len(val))
assert acc > 0.6, acc
assert len(history.history["acc"]) == len(history.history["val_accuracy"]) == 4
assert model.predict_generator(val).shape == (6, 1)
assert set(model.predict_classes(np.expand_dims(x, 0) / 255).ravel()) <= {0, 1}
print("done")
