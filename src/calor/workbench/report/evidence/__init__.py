"""The figures of a report, computed from a model, its history and the photos."""
