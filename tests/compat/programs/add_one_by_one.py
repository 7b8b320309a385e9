"""Keras before it was part of TensorFlow: add, to_categorical, lr and decay, numbers of evaluate by place."""

from __future__ import print_function
import numpy as np
import keras
from keras.models import Sequential
from keras.layers import Dense, Dropout, Flatten, Activation
from keras.layers import Conv2D, MaxPooling2D
from keras.optimizers import SGD
from keras.utils import np_utils
from keras import backend as K

batch_size = 16
num_classes = 3
rng = np.random.RandomState(0)
x_train = rng.rand(60, 12, 12)
y_train = rng.randint(0, 3, 60)
x_train[y_train == 1, :, :6] += 2
x_train[y_train == 2, 6:] += 2

if K.image_data_format() == "channels_first":
    x_train = x_train.reshape(x_train.shape[0], 1, 12, 12)
else:
    x_train = x_train.reshape(x_train.shape[0], 12, 12, 1)
    input_shape = (12, 12, 1)
x_train = x_train.astype("float32")
y_train = keras.utils.to_categorical(y_train, num_classes)
assert (y_train == np_utils.to_categorical(y_train.argmax(1))).all()

model = Sequential()
model.add(Conv2D(8, kernel_size=(3, 3), activation="relu", input_shape=input_shape))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Dropout(0.25))
model.add(Flatten())
model.add(Dense(16, kernel_initializer="he_normal"))
model.add(Activation("relu"))
model.add(Dense(num_classes, activation="softmax"))
sgd = SGD(lr=0.05, decay=1e-6, momentum=0.9, nesterov=True)
model.compile(loss=keras.losses.categorical_crossentropy, optimizer=sgd, metrics=["accuracy"])
model.summary()
history = model.fit(x_train, y_train, batch_size=batch_size, epochs=15, verbose=0, validation_data=(x_train, y_train))
score = model.evaluate(x_train, y_train, verbose=0)
print("Test loss:", score[0])
print("Test accuracy:", score[1])
assert score[1] > 0.8
assert model.predict_classes(x_train).shape == (60,)
assert history.history["val_acc"][-1] == history.history["val_accuracy"][-1] == score[1]
K.clear_session()
print("done")
