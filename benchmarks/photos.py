"""Photos from a folder into batches: decoded in a first pass, augmented as in the course in later ones.

Every side stretches 2,000 JPEGs to 150 × 150 pixels and gives batches of 100 as float32 in 0..1. The augmentation
turns by up to 40 degrees, shifts by a fifth, shears by up to 0.2 degrees, zooms by a fifth and flips. Each side does
that in the way its users are told to, with as many workers as cores, and keeps decoded pictures in memory where it can.

Without ``nearest``, each side resizes as it does by default: Calor and PyTorch antialiased, TensorFlow bilinear from
four pixels, Keras' generator from the nearest one. With it, all take the nearest one.
"""

import itertools
import math
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SIZE, BATCH = 150, 100
SCALE = 1 / 255
ROTATION, SHIFT, SHEAR, ZOOM = 40.0, 0.2, 0.2, 0.2


def folder() -> Path:
    """The training photos, one subfolder for each class; unpacked into the folder for temporary files once."""
    archive = Path(os.environ.get("CALOR_DATA", "nowhere")) / "cats_and_dogs_filtered.zip"
    if not archive.is_file():
        raise SystemExit(f"The photos are missing: CALOR_DATA must name a folder that has {archive.name}.")
    unpacked = Path(tempfile.gettempdir()) / f"calor-benchmark-{os.getuid()}"
    found = unpacked / "cats_and_dogs_filtered" / "train"
    if not found.is_dir():
        with zipfile.ZipFile(archive) as photos, tempfile.TemporaryDirectory(dir=unpacked.parent) as temporary:
            photos.extractall(temporary)
            shutil.copytree(temporary, unpacked, dirs_exist_ok=True)
    return found


def seconds_per_batch(passes: Callable[[], Iterator[Any]], *, augmented: bool) -> float:
    """Seconds for a batch: of the first pass, or of the passes after the first in which pictures are augmented."""
    for path in folder().rglob("*.jpg"):  # from now on every side finds the files in the system's cache
        path.read_bytes()
    if augmented:
        for _ in passes():
            pass
    batches, start = 0, time.perf_counter()
    while not batches or (augmented and time.perf_counter() - start < 3):
        for batch in passes():
            images = batch[0] if isinstance(batch, tuple | list) else batch
            assert images.shape[0] == BATCH, images.shape
            batches += 1
    return (time.perf_counter() - start) / batches


def generator_settings(*, augmented: bool) -> dict[str, Any]:
    """What the course hands to ``ImageDataGenerator``."""
    moves = {
        "rotation_range": ROTATION,
        "width_shift_range": SHIFT,
        "height_shift_range": SHIFT,
        "shear_range": SHEAR,
        "zoom_range": ZOOM,
        "horizontal_flip": True,
        "fill_mode": "nearest",
    }
    return {"rescale": SCALE, **(moves if augmented else {})}


def calor_side(*, augmented: bool, nearest: bool) -> float:
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CALOR_CACHE"] = cache  # or the second turn would find the pictures decoded
        import calor

        if augmented:
            generator = calor.data.ImageDataGenerator(**generator_settings(augmented=True))
            flow = generator.flow_from_directory(folder(), (SIZE, SIZE), batch_size=BATCH, class_mode="binary")
            batches = flow.dataset
        else:
            photos = calor.data.image_folder(
                folder(), image_size=(SIZE, SIZE), **({"interpolation": "nearest"} if nearest else {})
            )
            batches = photos.batch(BATCH).map(lambda x, y: (x * SCALE, y))
        return seconds_per_batch(lambda: iter(batches), augmented=augmented)


def keras_generator_side(*, augmented: bool, nearest: bool) -> float:
    del nearest  # it always does
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(**generator_settings(augmented=augmented))
    flow = generator.flow_from_directory(folder(), target_size=(SIZE, SIZE), batch_size=BATCH, class_mode="binary")
    return seconds_per_batch(lambda: itertools.islice(flow, len(flow)), augmented=augmented)


def tensorflow_side(*, augmented: bool, nearest: bool) -> float:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    def matrices(count: int) -> tf.Tensor:
        """Output to input coordinates, the eight numbers that TensorFlow's projective transform takes."""
        angle, shear = (tf.random.uniform((count,), -most, most) * math.pi / 180 for most in (ROTATION, SHEAR))
        right, down = (tf.random.uniform((count,), -SHIFT * SIZE, SHIFT * SIZE) for _ in range(2))
        wide, tall = (tf.random.uniform((count,), 1 - ZOOM, 1 + ZOOM) for _ in range(2))
        wide *= tf.sign(tf.random.uniform((count,), -1, 1))
        a, b = tf.cos(angle) * wide, -tf.sin(angle + shear) * tall
        c, d = tf.sin(angle) * wide, tf.cos(angle + shear) * tall
        middle = (SIZE - 1) / 2
        e, f = middle - (a + b) * middle + right, middle - (c + d) * middle + down
        zero = tf.zeros((count,))
        return tf.stack([a, b, e, c, d, f, zero, zero], axis=1)

    def augment(images: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=matrices(BATCH),
            output_shape=(SIZE, SIZE),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )

    photos = tf.keras.utils.image_dataset_from_directory(
        folder(),
        image_size=(SIZE, SIZE),
        batch_size=BATCH,
        shuffle=not augmented,
        interpolation="nearest" if nearest else "bilinear",
    )
    if augmented:
        photos = photos.cache().map(lambda x, y: (augment(x), y), num_parallel_calls=tf.data.AUTOTUNE)
    batches = photos.map(
        lambda x, y: (tf.cast(x, tf.float32) * SCALE, y), num_parallel_calls=tf.data.AUTOTUNE
    ).prefetch(tf.data.AUTOTUNE)
    return seconds_per_batch(lambda: iter(batches), augmented=augmented)


def torch_side(*, augmented: bool, nearest: bool) -> float:
    import torch
    from torchvision import datasets
    from torchvision.transforms import v2

    interpolation = v2.InterpolationMode.NEAREST if nearest else v2.InterpolationMode.BILINEAR
    resize = v2.Compose([v2.PILToTensor(), v2.Resize((SIZE, SIZE), interpolation)])
    finish = v2.ToDtype(torch.float32, scale=True)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if not augmented:
        photos: Any = datasets.ImageFolder(folder(), transform=v2.Compose([resize, finish]))
    else:
        moves = v2.RandomAffine(
            degrees=ROTATION,
            translate=(SHIFT, SHIFT),
            scale=(1 - ZOOM, 1 + ZOOM),
            shear=SHEAR,
            interpolation=v2.InterpolationMode.BILINEAR,
        )
        augment = v2.Compose([moves, v2.RandomHorizontalFlip(), finish])
        decoded = datasets.ImageFolder(folder(), transform=resize)
        photos = Augmented([decoded[place] for place in range(len(decoded))], augment)
    loader = torch.utils.data.DataLoader(
        photos, batch_size=BATCH, shuffle=augmented, num_workers=workers, persistent_workers=True
    )
    return seconds_per_batch(lambda: iter(loader), augmented=augmented)


class Augmented:
    """Decoded pictures in memory, changed anew whenever one is read: a data set in PyTorch's manner."""

    def __init__(self, examples: list[tuple[Any, int]], augment: Callable[[Any], Any]) -> None:
        self.examples, self.augment = examples, augment

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, place: int) -> tuple[Any, int]:
        image, label = self.examples[place]
        return self.augment(image), label


SIDES = {
    "calor": calor_side,
    "keras-generator": keras_generator_side,
    "tensorflow": tensorflow_side,
    "torch": torch_side,
}
