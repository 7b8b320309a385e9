"""One epoch on a folder of drawn JPEGs with little memory: prints what it took as JSON.

Usage: train_on_many.py FOLDER COUNT MEMORY_LIMIT. The pictures are drawn where the folder is empty.
"""

import io
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

import calor

SIDE = 64
PER_FOLDER = 500


def draw(folder: Path, count: int) -> None:
    """Dark and bright pictures, each a file of its own; some 500 different ones."""
    generator = np.random.default_rng(0)
    for label, name in enumerate(("bright", "dark")):
        (folder / name).mkdir(parents=True)
        encoded = []
        for _ in range(250):
            middle = 170 if label == 0 else 90
            coarse = generator.normal(middle, 40, (8, 8, 3)).clip(0, 255).astype(np.uint8)
            file = io.BytesIO()
            Image.fromarray(coarse).resize((SIDE, SIDE)).save(file, "JPEG")
            encoded.append(file.getvalue())
        for number in range(count // 2):
            (folder / name / f"{number}.jpg").write_bytes(encoded[number % len(encoded)])


def main() -> None:
    folder, count, memory_limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if not folder.exists():
        draw(folder, count)
    start = time.perf_counter()
    dataset = calor.data.image_folder(folder, image_size=(32, 32)).shuffle(count).batch(100)
    layers = [
        calor.layers.Rescaling(1 / 255, input_shape=(32, 32, 3)),
        calor.layers.Conv2D(8, 3, strides=2, activation="relu"),
        calor.layers.Flatten(),
        calor.layers.Dense(2),
    ]
    model = calor.Sequential(layers, seed=0)
    loss = calor.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    history = model.fit(dataset, epochs=2, verbose=0, memory_limit=memory_limit)
    found = {
        "data": history.params["data"],
        "examples": len(dataset) * 100,
        "accuracy": history.history["accuracy"][-1],
        "resident_set": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "first_seconds": time.perf_counter() - start - sum(history.epoch_seconds),
        "epoch_seconds": history.epoch_seconds,
        "waiting_seconds": history.waiting_seconds,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
