"""The figures of real Keras that docs/results.md shows beside Calor's, run in the peers' environment.

Usage: .venv-peers/bin/python benchmarks/reference.py NAME [--seeds 3] [--epochs N] [--backend torch] [--keep FOLDER]

With ``--backend torch`` Keras runs on PyTorch, its pictures in the order (channels, height, width): on some processors
that is faster than TensorFlow. With ``--keep`` a run on photos that is ended goes on after its last whole epoch.
"""

import argparse
import gzip
import os
import zipfile
from pathlib import Path

import numpy as np
from networks import CELSIUS, FAHRENHEIT, network

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
EPOCHS = {"celsius": 500, "dense": 5, "cnn": 10, "cats": 25, "cats-augmented": 60}


def clothes(data: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images, float32 in 0..1, and labels of a split of Fashion-MNIST."""
    images = gzip.decompress((data / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((data / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28, 1)
    return x.astype(np.float32) / 255, np.frombuffer(labels, np.uint8, offset=8).astype(np.int32)


def photos(data: Path, seed: int, augmented: bool) -> tuple:
    """The generators of the notes: training and validation photos of cats and dogs."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    folder = Path("cats_and_dogs_filtered")
    if not folder.is_dir():
        zipfile.ZipFile(data / "cats_and_dogs_filtered.zip").extractall()
    changes = {
        "rotation_range": 40,
        "width_shift_range": 0.2,
        "height_shift_range": 0.2,
        "shear_range": 0.2,
        "zoom_range": 0.2,
        "horizontal_flip": True,
    }
    settings = {"batch_size": 100, "target_size": (150, 150), "class_mode": "binary"}
    train = ImageDataGenerator(rescale=1 / 255, **(changes if augmented else {}))
    validation = ImageDataGenerator(rescale=1 / 255)
    return (
        train.flow_from_directory(folder / "train", seed=seed, **settings),
        validation.flow_from_directory(folder / "validation", shuffle=False, **settings),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=EPOCHS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--backend", choices=("tensorflow", "torch"), default="tensorflow")
    parser.add_argument("--keep", help="folder for the state after each epoch of a run on photos")
    arguments = parser.parse_args()
    name, epochs = arguments.name, arguments.epochs or EPOCHS[arguments.name]
    data = Path(os.environ["CALOR_DATA"])
    os.environ["KERAS_BACKEND"] = arguments.backend
    import keras

    channels_first = arguments.backend == "torch"
    keras.config.set_image_data_format("channels_first" if channels_first else "channels_last")
    for seed in range(arguments.seeds):
        keras.utils.set_random_seed(seed)
        model = network(name, keras.layers, keras.Sequential, keras.optimizers, keras.losses, channels_first)
        if name == "celsius":
            model.fit(CELSIUS, FAHRENHEIT, epochs=epochs, verbose=0)
            print(f"seed {seed}:", model.predict(np.array([100.0]), verbose=0), model.get_weights(), flush=True)
        elif name in ("dense", "cnn"):
            (x, y), test = (clothes(data / "fashion_mnist", split) for split in ("train", "t10k"))
            if channels_first:
                x, test = np.moveaxis(x, 3, 1), (np.moveaxis(test[0], 3, 1), test[1])
            history = model.fit(x, y, epochs=epochs, verbose=0).history
            accuracy = model.evaluate(*test, verbose=0)[1]
            print(f"seed {seed}: training {history['accuracy'][-1]:.4f}, test {accuracy:.4f}", flush=True)
        else:
            train, validation = photos(data, seed, augmented=name == "cats-augmented")
            kept = arguments.keep and keras.callbacks.BackupAndRestore(
                f"{arguments.keep}/{seed}", delete_checkpoint=False
            )
            callbacks = [kept] if kept else []
            model.fit(train, epochs=epochs, validation_data=validation, callbacks=callbacks, verbose=2)


if __name__ == "__main__":
    main()
