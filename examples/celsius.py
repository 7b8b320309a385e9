"""Celsius to Fahrenheit: one Dense layer learns the formula from seven examples.

Usage: python celsius.py [EPOCHS]     (500 by default; 1200 reach the exact answer)
"""

import sys

import matplotlib.pyplot as plt

import calor

celsius = [-40, -10, 0, 8, 15, 22, 38]
fahrenheit = [-40, 14, 32, 46, 59, 72, 100]
epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 500

layer = calor.layers.Dense(units=1, input_shape=[1])
model = calor.Sequential([layer], seed=1)
model.compile(loss="mean_squared_error", optimizer=calor.optimizers.Adam(0.1))
history = model.fit(celsius, fahrenheit, epochs=epochs, verbose=0)

weight, bias = layer.get_weights()
print(f"100 °C is {model.predict([100.0])[0, 0]:.2f} °F (exactly: 212)")
print(f"The layer learned: F = {weight[0, 0]:.3f} * C + {bias[0]:.2f} (exactly: 1.8 * C + 32)")

plt.plot(history.history["loss"])
plt.xlabel("Epoch")
plt.ylabel("Loss")
plt.yscale("log")
plt.savefig("celsius.png")
