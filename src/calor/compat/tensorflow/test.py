"""``tf.test``: whether there is a GPU."""

from typing import Any

from calor.compat._absent import outside
from calor.compat.tensorflow.config import list_physical_devices


def is_gpu_available(*_: Any, **__: Any) -> bool:
    """Whether there is one."""
    return bool(list_physical_devices("GPU"))


def gpu_device_name() -> str:
    """The name of the first GPU; empty without one."""
    return "/device:GPU:0" if is_gpu_available() else ""


def is_built_with_cuda() -> bool:
    """Whether JAX can use a GPU here."""
    return is_gpu_available()


__all__ = ["gpu_device_name", "is_built_with_cuda", "is_gpu_available"]

__getattr__ = outside(globals())
