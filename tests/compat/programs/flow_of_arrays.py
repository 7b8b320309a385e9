import numpy as np
import tensorflow.keras as keras
from tensorflow.keras import layers, models, optimizers

x_train = np.random.RandomState(1).rand(40, 8, 8, 3) * 255
y_train = (x_train.mean(axis=(1, 2, 3)) > 127).astype("int64")
datagen = keras.preprocessing.image.ImageDataGenerator(
    featurewise_center=True, featurewise_std_normalization=True, horizontal_flip=True
)
datagen.fit(x_train)
for X_batch, y_batch in datagen.flow(x_train, y_train, batch_size=9):
    assert X_batch.shape == (9, 8, 8, 3) and y_batch.shape == (9,)
    break
model = models.Sequential([layers.GlobalAveragePooling2D(input_shape=(8, 8, 3)), layers.Dense(2)])
model.compile(
    optimizer=optimizers.RMSprop(lr=1e-2),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics="accuracy",
)
flow = datagen.flow(x_train, keras.utils.to_categorical(y_train), batch_size=10)
try:
    model.fit(flow, epochs=1)
except ValueError as error:
    assert "categorical_crossentropy" in str(error)
model.compile(
    "adam",
    loss=keras.losses.CategoricalCrossentropy(from_logits=True),
    metrics=["accuracy", keras.metrics.AUC(name="auc")],
)
model.fit(flow, steps_per_epoch=len(x_train) / 10, epochs=2)
assert model.metrics_names == ["loss", "accuracy", "auc"]


class Batches(keras.utils.Sequence):
    def __init__(self, x, y, batch_size):
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size

    def __len__(self):
        return int(np.ceil(len(self.x) / self.batch_size))

    def __getitem__(self, index):
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.x[rows], self.y[rows]


model.fit(Batches(x_train, keras.utils.to_categorical(y_train), 16), epochs=1, verbose=2)


def forever():
    while True:
        yield x_train[:8], keras.utils.to_categorical(y_train[:8], 2)


history = model.fit(forever(), steps_per_epoch=3, epochs=2, verbose=0)
assert len(history.history["loss"]) == 2
print("done")
