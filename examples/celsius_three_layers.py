"""Celsius to Fahrenheit with three Dense layers: the same answer, from weights that look nothing like the formula.

Usage: python celsius_three_layers.py [EPOCHS]     (500 by default)
"""

import sys

import matplotlib.pyplot as plt

import calor

celsius = [-40, -10, 0, 8, 15, 22, 38]
fahrenheit = [-40, 14, 32, 46, 59, 72, 100]
epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 500

layers = [
    calor.layers.Dense(units=4, input_shape=[1]),
    calor.layers.Dense(units=4),
    calor.layers.Dense(units=1),
]
model = calor.Sequential(layers, seed=1)
model.compile(loss="mean_squared_error", optimizer=calor.optimizers.Adam(0.1))
history = model.fit(celsius, fahrenheit, epochs=epochs, verbose=0)

print(f"100 °C is {model.predict([100.0])[0, 0]:.2f} °F (exactly: 212)")
for number, layer in enumerate(layers):
    print(f"Layer {number}: {layer.get_weights()}")

plt.plot(history.history["loss"])
plt.xlabel("Epoch")
plt.ylabel("Loss")
plt.yscale("log")
plt.savefig("celsius_three_layers.png")
