"""Models: an architecture together with its parameters."""

from calor.models.loading import load_model
from calor.models.sequential import Sequential

__all__ = ["Sequential", "load_model"]
