"""``tf.image``: what ``map`` functions do to pictures, of shape (height, width, channels) or a batch of them."""

from typing import Any

from calor.compat._absent import outside
from calor.compat._tensors import function_of_arrays, is_traced, tensor
from calor.errors import UnknownNameError

_METHODS = {"bilinear": "linear", "bicubic": "cubic", "nearest": "nearest", "lanczos3": "lanczos3"}


def resize(
    images: Any, size: Any, method: str = "bilinear", preserve_aspect_ratio: bool = False, antialias: bool = False
) -> Any:
    """Pictures in another size, float32 unless by ``"nearest"``.

    Args:
        images: (height, width, channels) or (batch, height, width, channels).
        size: the new height and width.
        method: ``"bilinear"``, ``"bicubic"``, ``"nearest"`` or ``"lanczos3"``.
        preserve_aspect_ratio: only False.
        antialias: whether to average over what is left out when pictures become smaller.
    """
    import jax
    import numpy as np

    if method not in _METHODS:
        raise UnknownNameError("method of tf.image.resize", method, _METHODS)
    if preserve_aspect_ratio:
        raise outside({"__name__": "calor.compat.tensorflow.image"})("resize(preserve_aspect_ratio=True)")
    traced = is_traced(images)
    array = images if traced else np.asarray(images)
    array = array if method == "nearest" else array.astype(np.float32)
    shape = (*array.shape[:-3], int(size[0]), int(size[1]), array.shape[-1])
    resized = jax.image.resize(array, shape, _METHODS[method], antialias=antialias)
    return resized if traced else tensor(resized)


@function_of_arrays
def flip_left_right(np: Any, image: Any) -> Any:
    """Mirrored."""
    return np.flip(image, -2)


@function_of_arrays
def flip_up_down(np: Any, image: Any) -> Any:
    """Upside down."""
    return np.flip(image, -3)


@function_of_arrays
def rgb_to_grayscale(np: Any, images: Any) -> Any:
    """Grey pictures: the weighted mean of red, green and blue (ITU-R BT.601)."""
    grey = np.sum(np.asarray(images) * np.asarray([0.2989, 0.5870, 0.1140], "float32"), -1, keepdims=True)
    return grey.astype(images.dtype)


@function_of_arrays
def grayscale_to_rgb(np: Any, images: Any) -> Any:
    """Grey pictures with three channels."""
    return np.repeat(images, 3, -1)


@function_of_arrays
def convert_image_dtype(np: Any, image: Any, dtype: Any) -> Any:
    """From whole numbers to floats between 0 and 1, or back, or only another type."""
    image, kind = np.asarray(image), np.dtype(dtype)
    if image.dtype.kind == "u" and kind.kind == "f":
        return image.astype(kind) / np.iinfo(image.dtype).max
    if image.dtype.kind == "f" and kind.kind == "u":
        return (image * (np.iinfo(kind).max + 0.5)).astype(kind)
    return image.astype(kind)


__all__ = [
    *("convert_image_dtype", "flip_left_right", "flip_up_down", "grayscale_to_rgb", "resize", "rgb_to_grayscale"),
]

__getattr__ = outside(globals())
