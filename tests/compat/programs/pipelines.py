import numpy as np
import tensorflow as tf

AUTOTUNE = tf.data.experimental.AUTOTUNE
assert AUTOTUNE == tf.data.AUTOTUNE
features, labels = np.arange(20, dtype=np.float64).reshape(10, 2), np.arange(10)

dataset = tf.data.Dataset.from_tensor_slices((features, labels))
assert isinstance(dataset, tf.data.Dataset) and len(dataset) == 10 and dataset.cardinality().numpy() == 10
print(dataset.element_spec)
for x, y in dataset.take(1):
    assert x.dtype == tf.float64 and y.dtype == tf.int64 and x.shape.as_list() == [2] and int(y) == 0
    x /= 2
    assert x.numpy().tolist() == [0, 0.5]
    assert "tf.Tensor" in repr(x)
scaled = (
    dataset.map(lambda x, y: (tf.cast(x, tf.float32) / 10, tf.one_hot(y, 10)), num_parallel_calls=AUTOTUNE)
    .cache()
    .shuffle(10, seed=3, reshuffle_each_iteration=False)
    .batch(4, drop_remainder=True)
    .prefetch(buffer_size=AUTOTUNE)
)
batches = list(scaled.as_numpy_iterator())
assert len(batches) == 2 and batches[0][0].shape == (4, 2) and batches[0][1].sum() == 4
train, rest = dataset.skip(3), dataset.take(3)
assert [int(y) for x, y in rest] == [0, 1, 2] and len(list(train)) == 7
by_name = tf.data.Dataset.from_tensor_slices({"a": [1.5, 2.5], "b": [1, 2]})
assert [row["a"].numpy() for row in by_name] == [1.5, 2.5]
total = tf.constant(0.0)
for x, _ in dataset.batch(5).repeat(2):
    total += tf.reduce_sum(tf.cast(x, tf.float32))
assert float(total) == 2 * 190
image = tf.random.uniform((8, 8, 3), maxval=255, dtype=tf.int32)
small = tf.image.resize(image, (4, 4)) / 255.0
assert small.shape == (4, 4, 3) and small.dtype == tf.float32 and tf.reduce_max(small).numpy() <= 1
assert tf.expand_dims(small, 0).shape == (1, 4, 4, 3)
a = tf.constant([[1, 2], [3, 4]])
assert a.dtype == tf.int32 and tf.matmul(a, a).numpy().tolist() == [[7, 10], [15, 22]]
assert tf.argmax([0.1, 0.9]).numpy() == 1 and tf.reshape(a, [-1]).shape == (4,)
assert tf.concat([a, a], axis=0).shape == (4, 2) and tf.zeros([2, 3]).numpy().sum() == 0


def examples():
    for i in range(6):
        yield [float(i)], [2.0 * i]


generated = tf.data.Dataset.from_generator(examples)
model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=[1])])
model.compile(loss="mse", optimizer=tf.keras.optimizers.SGD(0.02))
model.fit(generated.batch(3), epochs=40, verbose=0)
assert abs(model.predict(np.array([[3.0]]))[0, 0] - 6) < 1
print("done")
