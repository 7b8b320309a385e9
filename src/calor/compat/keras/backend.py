"""``tf.keras.backend``: what is left of it in programs that only describe models and train them."""

from calor.compat._absent import outside

__all__ = ["clear_session", "epsilon", "floatx", "image_data_format"]


def clear_session() -> None:
    """Nothing: Calor has no global graph that models pile up in."""


def epsilon() -> float:
    """The distance that probabilities keep from 0 and 1 in losses."""
    return 1e-7


def floatx() -> str:
    """The type of weights."""
    return "float32"


def image_data_format() -> str:
    """The order of the axes of pictures."""
    return "channels_last"


__getattr__ = outside(globals())
