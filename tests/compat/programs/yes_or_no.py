import numpy as np, tensorflow as tf
from tensorflow.keras.layers import *
from tensorflow.keras import Sequential

tf.keras.utils.set_random_seed(7)
x = np.random.normal(size=(80, 3))
y = x[:, 0] > 0
m = Sequential([Dense(8, input_shape=(3,)), LeakyReLU(alpha=0.1), Dense(1, activation=tf.keras.activations.sigmoid)])
m.compile(
    tf.keras.optimizers.Adam(3e-2),
    loss=tf.keras.losses.BinaryCrossentropy(),
    metrics=[tf.keras.metrics.BinaryAccuracy("acc"), tf.keras.metrics.Precision(), tf.keras.metrics.Recall()],
)
h = m.fit(x, y.astype(int), epochs=30, batch_size=16, class_weight={0: 1.0, 1: 2.0}, verbose=False)
results = dict(zip(m.metrics_names, m.evaluate(x, y, verbose=0)))
assert results["acc"] > 0.9 and h.history["accuracy"][-1] == h.history["acc"][-1], results
labels = (m.predict(x) > 0.5).astype("int32")
assert (labels == m.predict_classes(x)).all() and (m.predict_proba(x) == m.predict(x)).all()
# numbers to predict
r = Sequential()
r.add(tf.keras.Input(shape=(3,)))
r.add(Dense(1))
r.compile(optimizer="rmsprop", loss=tf.keras.losses.mse, metrics=["mae", "mse"])
r.fit(tf.constant(x), x[:, 1] * 2, epochs=2, verbose=0, sample_weight=np.ones(80))
assert list(r.history.history) == ["loss", "mae", "mse"] or set(r.history.history) == {"loss", "mae", "mse"}
assert [w.shape for w in r.get_weights()] == [(3, 1), (1,)] and r.layers[0].get_weights()[0].shape == (3, 1)
assert tf.keras.utils.normalize([[3.0, 4.0]]).tolist() == [[0.6, 0.8]]
print("done")
