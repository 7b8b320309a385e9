import os, tempfile
import numpy as np
import tensorflow as tf
from tensorflow.keras.models import load_model, Sequential
from tensorflow.keras.layers import Dense, BatchNormalization, InputLayer

folder = tempfile.mkdtemp()
model = Sequential([InputLayer(input_shape=(5,)), Dense(8, "relu"), BatchNormalization(), Dense(1)])
model.compile("adam", "mse", ["mae"])
x, y = np.random.rand(32, 5), np.random.rand(32)
model.fit(x, y, epochs=2, verbose=0)
before = model.predict(x)
for name in ("model.h5", "model.keras"):
    path = os.path.join(folder, name)
    model.save(path)
    again = load_model(path)
    np.testing.assert_allclose(again.predict(x), before, atol=1e-6)
    assert isinstance(again, Sequential) and isinstance(again.layers[0], Dense)
    np.testing.assert_allclose(again.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-5)
    again.fit(x, y, verbose=0)
    plain = tf.keras.models.load_model(path, compile=False)
    assert plain.optimizer is None
model.save_weights(os.path.join(folder, "w.weights.h5"))
other = Sequential([InputLayer(input_shape=(5,)), Dense(8, "relu"), BatchNormalization(), Dense(1)])
other.load_weights(os.path.join(folder, "w.weights.h5"))
np.testing.assert_allclose(other.predict(x), before, atol=1e-6)
other.load_weights(os.path.join(folder, "model.keras"))
other.set_weights(model.get_weights())
assert other.layers[-1].get_weights()[0].shape == (8, 1)
try:
    model.save(os.path.join(folder, "saved_model"))
except Exception as error:
    assert "SavedModel" in str(error), error
print("done")
