import calor.compat.tensorflow as tf
from calor.compat.tensorflow.keras.layers import Dense
from calor.compat.keras import Sequential
import calor.compat.tensorflow_datasets as tfds

tf.random.set_seed(3)
model = tf.keras.Sequential([Dense(1, input_shape=[1])])
assert isinstance(model, Sequential) and tfds.__name__ == "calor.compat.tensorflow_datasets"
model.compile(loss="mean_squared_error", optimizer=tf.keras.optimizers.Adam(0.1))
history = model.fit([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], epochs=300, verbose=False)
assert abs(model.predict([10.0])[0][0] - 20) < 1
print("done")
