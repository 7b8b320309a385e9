"""The compiled run: steps, epochs, metrics, callbacks, history. Knows no model class, only pure functions."""
