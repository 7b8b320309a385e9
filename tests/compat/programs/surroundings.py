import logging
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
import keras
from tensorflow.keras import backend as K

assert tf.__version__.startswith("2") and int(tf.__version__.split(".")[0]) >= 2
assert tuple(map(int, keras.__version__.split(".")[:2])) >= (2, 4) and tf.keras.__version__ == keras.__version__
print("Num GPUs Available:", len(tf.config.list_physical_devices("GPU")))
for gpu in tf.config.experimental.list_physical_devices("GPU"):
    tf.config.experimental.set_memory_growth(gpu, True)
assert tf.config.list_physical_devices("CPU")[0].device_type == "CPU"
assert isinstance(tf.test.is_gpu_available(), bool) and isinstance(tf.test.gpu_device_name(), str)
tf.get_logger().setLevel(logging.ERROR)
tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
tf.autograph.set_verbosity(0)
assert tf.executing_eagerly() and K.floatx() == "float32" and K.epsilon() == 1e-7


def weights():
    K.clear_session()
    tf.random.set_seed(42)
    np.random.seed(42)
    model = keras.models.Sequential(
        [keras.layers.Dense(2, input_shape=(3,), kernel_initializer=keras.initializers.glorot_uniform(seed=1))]
    )
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    return model.get_weights()[0]


assert (weights() == weights()).all()
assert not hasattr(tf, "contrib") and getattr(tf.keras, "applications", None) is None
for name in ("Model", "applications"):
    try:
        getattr(tf.keras, name)
    except AttributeError as error:
        assert "outside what Calor covers" in str(error)
try:
    from tensorflow.keras.applications import MobileNetV2
except ImportError as error:
    assert str(error).startswith("tf.keras.applications is outside"), error
try:
    import tensorflow_hub as hub
except ImportError as error:
    assert "tensorflow_hub is outside" in str(error)
try:
    inputs = keras.Input(shape=(3,))
    keras.layers.Dense(4)(inputs)
except Exception as error:
    assert "functional API" in str(error)
print("done")
