"""Pictures from files, as Keras' utilities read them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import calor
from calor.compat._datasets import Dataset
from calor.errors import ArgumentError, ImageError, ShapeError, UnknownNameError

__all__ = ["array_to_img", "image_dataset_from_directory", "img_to_array", "load_img"]

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
_MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
_LABEL_MODES = ("int", "binary", "categorical", None)


def load_img(
    path: Any,
    grayscale: bool = False,
    color_mode: str = "rgb",
    target_size: Sequence[int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Image.Image:
    """A picture file as a Pillow image.

    Args:
        path: the file, or one that is open for reading.
        grayscale: older for ``color_mode="grayscale"``.
        color_mode: ``"rgb"``, ``"rgba"`` or ``"grayscale"``.
        target_size: (height, width) to resize it to.
        interpolation: ``"nearest"``, ``"bilinear"``, ``"bicubic"``, ``"lanczos"``, ``"box"`` or ``"hamming"``.
        keep_aspect_ratio: cut out the middle in the proportions of ``target_size`` instead of stretching.

    Raises:
        ImageError: the file cannot be read.
        UnknownNameError: no such colour mode or interpolation.
    """
    mode = "grayscale" if grayscale else color_mode
    for kind, name, known in (("color_mode", mode, _MODES), ("interpolation", interpolation, _RESAMPLING)):
        if name not in known:
            raise UnknownNameError(kind, name, known)
    try:
        with Image.open(path if hasattr(path, "read") else Path(path)) as opened:
            image = opened.convert(_MODES[mode])
    except OSError as error:
        raise ImageError(f"The picture {path} cannot be read: {error}.") from error
    if target_size is None:
        return image
    height, width = (int(side) for side in target_size[:2])
    box = None
    if keep_aspect_ratio:
        inner_width = min(image.width, image.height * width // height)
        inner_height = min(image.height, image.width * height // width)
        left, upper = (image.width - inner_width) // 2, (image.height - inner_height) // 2
        box = (left, upper, left + inner_width, upper + inner_height)
    return image.resize((width, height), _RESAMPLING[interpolation], box=box)


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = "float32") -> np.ndarray:
    """A Pillow image, or an array, as an array of shape (height, width, channels).

    >>> img_to_array(Image.new("L", (4, 3))).shape
    (3, 4, 1)
    """
    if data_format not in (None, "channels_last"):
        raise ArgumentError("img_to_array: pictures are (height, width, channels), data_format='channels_last'.")
    array = np.array(img, dtype)
    if array.ndim not in (2, 3):
        raise ShapeError(f"A picture has the shape (height, width) or (height, width, channels), not {array.shape}.")
    return array[..., None] if array.ndim == 2 else array


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Image.Image:
    """A Pillow image of an array of shape (height, width, channels).

    Args:
        x: 1, 3 or 4 channels.
        data_format: only ``"channels_last"``.
        scale: stretch the values from 0 to 255, from the lowest to the highest.
        dtype: for Keras' sake.
    """
    array = img_to_array(x, data_format)
    if scale:
        array = array - array.min()
        array = array * (255 / array.max()) if array.max() else array
    if array.shape[-1] not in (1, 3, 4):
        raise ShapeError(f"A picture has 1, 3 or 4 channels, not {array.shape[-1]}.")
    return Image.fromarray(array.astype(np.uint8)[..., 0] if array.shape[-1] == 1 else array.astype(np.uint8))


def image_dataset_from_directory(
    directory: "str | os.PathLike[str]",
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Sequence[int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    **settings: Any,
) -> Any:
    """Pictures in class folders as a dataset of batches: float32 from 0 to 255, and labels.

    The halves that ``subset="training"`` and ``"validation"`` give with one ``seed`` have no picture in common.

    Args:
        directory: has one subfolder for each class.
        labels: ``"inferred"`` from the folders, or None for pictures alone.
        label_mode: ``"int"`` (int32), ``"binary"`` (float32, shape (batch, 1)), ``"categorical"`` (one-hot) or None.
        class_names: the subfolders in the order of their labels; by default all, sorted.
        color_mode: ``"rgb"`` or ``"grayscale"``.
        batch_size: pictures in a batch; None for single ones.
        image_size: height and width that the pictures are stretched to.
        shuffle: a new order in every pass.
        seed: fixes the order and the split.
        validation_split: the share that is held out.
        subset: ``"training"``, ``"validation"`` or ``"both"``, a pair of datasets.
        interpolation: as for ``calor.image_folder``.
        settings: ``follow_links``, ``crop_to_aspect_ratio``, ``verbose`` ...: only their defaults.

    Raises:
        ArgumentError: a split without a subset or a seed, or labels of another kind.
        DataError: the folder does not fit.
    """
    for name, value in settings.items():
        if name != "verbose" and value not in (None, False, "channels_last"):
            raise ArgumentError(f"image_dataset_from_directory: {name}={value!r} is outside what Calor covers.")
    if labels not in ("inferred", None):
        raise ArgumentError("image_dataset_from_directory: labels are 'inferred' from the folders, or None.")
    label_mode = label_mode if labels else None
    if label_mode not in _LABEL_MODES:
        raise UnknownNameError("label_mode", label_mode, [name for name in _LABEL_MODES if name])
    if bool(validation_split) != bool(subset):
        raise ArgumentError("image_dataset_from_directory: validation_split and subset belong together.")
    if subset and subset not in ("training", "validation", "both"):
        raise UnknownNameError("subset", subset, ("training", "validation", "both"))
    if subset and shuffle and seed is None:
        raise ArgumentError(
            "image_dataset_from_directory: give a seed with validation_split, so that the two subsets do not overlap; "
            "or shuffle=False."
        )
    size = (int(image_size[0]), int(image_size[1]))
    found = calor.Dataset.from_image_folder(directory, size, color_mode, interpolation, class_names)
    count = len(found)
    names = found.class_names or ()
    if label_mode == "binary" and len(names) != 2:
        raise ArgumentError(f"image_dataset_from_directory: label_mode='binary' needs 2 classes, not {len(names)}.")
    print(f"Found {count} files belonging to {len(names)} classes.")
    order = np.arange(count)
    if shuffle and subset:
        order = np.random.default_rng(seed).permutation(count)
    held_out = int((validation_split or 0) * count)
    parts = {"training": order[: count - held_out], "validation": order[count - held_out :]}
    made = []
    for part, positions in parts.items():
        if subset not in (part, "both") and not (subset is None and part == "training"):
            continue
        if subset:
            print(f"Using {len(positions)} files for {part}.")
        dataset = found.take(0) if not len(positions) else _chosen(found, positions)
        if shuffle and part == "training":
            dataset = dataset.shuffle(len(positions), seed)
        dataset = dataset.map(_labelling(label_mode, len(names)))
        made.append(Dataset(dataset if batch_size is None else dataset.batch(batch_size)))
    return tuple(made) if subset == "both" else made[0]


def _chosen(found: calor.Dataset, positions: np.ndarray) -> calor.Dataset:
    return type(found)(found._source, (), positions.astype(np.int32))


def _labelling(mode: str | None, classes: int) -> Any:
    """The function that gives pictures and labels as they were asked for."""
    import jax
    import jax.numpy as jnp

    def labelled(image: Any, label: Any) -> Any:
        pixels = jnp.asarray(image, jnp.float32)
        if mode is None:
            return pixels
        if mode == "binary":
            return pixels, jnp.asarray(label, jnp.float32)[None]
        return pixels, jax.nn.one_hot(label, classes) if mode == "categorical" else label

    return labelled
