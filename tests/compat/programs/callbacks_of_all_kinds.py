import csv, os
import numpy as np
import tensorflow as tf
from tensorflow import keras

DESIRED_ACCURACY = 0.99


class myCallback(tf.keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs={}):
        if logs.get("acc") > DESIRED_ACCURACY:
            print("\nReached 99% accuracy so cancelling training!")
            self.model.stop_training = True


class Batches(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.losses = []

    def on_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])


x = np.random.RandomState(0).normal(size=(64, 4))
y = (x.sum(axis=1) > 0).astype(int)
model = keras.Sequential(
    [keras.layers.Dense(16, activation="relu", input_dim=4), keras.layers.Dense(2, activation="softmax")]
)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.05), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
)
seen, batches = [], Batches()
history = model.fit(
    x,
    y,
    epochs=100,
    batch_size=16,
    verbose=0,
    validation_data=(x, y),
    callbacks=[
        myCallback(),
        batches,
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["val_acc"])),
        keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr * 0.99),
        keras.callbacks.EarlyStopping(monitor="val_acc", patience=30, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint("best.h5", monitor="val_acc", save_best_only=True),
        keras.callbacks.ModelCheckpoint("weights.{epoch:02d}.weights.h5", save_weights_only=True),
        keras.callbacks.CSVLogger("log.csv"),
    ],
)
epochs = len(history.epoch)
assert epochs < 100 and len(seen) == epochs and len(batches.losses) == 4 * epochs
assert "acc" in history.history or history.history.get("acc")
best = keras.models.load_model("best.h5")
assert best.evaluate(x, y, verbose=0)[1] >= max(history.history["val_accuracy"]) - 1e-6
assert os.path.exists("weights.01.weights.h5")
best.load_weights("weights.01.weights.h5")
best.load_weights("best.h5")
rows = list(csv.DictReader(open("log.csv")))
assert len(rows) == epochs and "accuracy" in rows[0]

model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
model.fit(
    x, y, epochs=2, verbose=0, callbacks=keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1)
)
print("done")
