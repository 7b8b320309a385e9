import math

import numpy as np
import pytest
from PIL import Image

import calor
from calor.data import Dataset, ImageDataGenerator
from calor.errors import ArgumentError


@pytest.fixture
def photos(tmp_path):
    """Red cats and blue dogs: 10 of each for training, 4 for validation."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 10), ("validation", 4)):
        for name, channel in (("cats", 0), ("dogs", 2)):
            for number in range(count):
                picture = generator.integers(0, 100, (12, 12, 3), np.uint8)
                picture[..., channel] += 120
                path = tmp_path / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(path)
    return tmp_path


def made(outputs=2, loss="sparse_categorical_crossentropy", seed=5):
    activation = "sigmoid" if outputs == 1 else "softmax"
    layers = [calor.layers.Flatten(input_shape=(8, 8, 3)), calor.layers.Dense(outputs, activation=activation)]
    model = calor.Sequential(layers, seed=seed)
    model.compile(optimizer=calor.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
    return model


def flow(folder, settings=None, **arguments):
    arguments = {"target_size": (8, 8), "batch_size": 6, "class_mode": "binary"} | arguments
    return ImageDataGenerator(rescale=1 / 255, **settings or {}).flow_from_directory(folder, **arguments)


def equivalent(folder, seed):
    dataset = Dataset.from_image_folder(folder, (8, 8), interpolation="nearest").map(lambda x, y: (x / 255, y))
    return dataset.shuffle(len(dataset), seed=seed).batch(6) if seed is not None else dataset.batch(6)


def losses(history, name="loss"):
    return pytest.approx(history.history[name], rel=1e-5)


def test_training_on_a_folder_is_training_on_its_dataset(photos):
    """Loss for loss, with the numbers of steps as the notes give them and without."""
    train, validation = photos / "train", photos / "validation"
    expected = made().fit(equivalent(train, 3), epochs=3, validation_data=equivalent(validation, None), verbose=0)
    steps = {"steps_per_epoch": math.ceil(20 / 6), "validation_steps": math.ceil(8 / 6)}
    for given in ({}, steps):
        iterator, held_out = flow(train, seed=3), flow(validation, shuffle=False)
        received = made().fit(iterator, epochs=3, validation_data=held_out, verbose=0, **given)
        assert received.history["loss"] == losses(expected)
        assert received.history["val_loss"] == losses(expected, "val_loss")
        assert received.history["accuracy"] == expected.history["accuracy"]
        assert iterator.total_batches_seen == 0  # No batch was made in Python.


def test_class_modes_train_with_their_losses(photos):
    sparse = made().fit(flow(photos / "train", seed=1, class_mode="sparse"), epochs=2, verbose=0)
    one_hot = made(loss="categorical_crossentropy").fit(
        flow(photos / "train", seed=1, class_mode="categorical"), epochs=2, verbose=0
    )
    assert one_hot.history["loss"] == losses(sparse)
    binary = made(1, "binary_crossentropy").fit(flow(photos / "train", seed=1), epochs=2, verbose=0)
    assert binary.history["loss"][1] < binary.history["loss"][0]
    with pytest.raises(ArgumentError, match="There are no labels"):
        made().fit(flow(photos / "train", class_mode=None), verbose=0)
    with pytest.raises(ArgumentError, match="DirectoryIterator data bring their labels"):
        made().fit(flow(photos / "train"), np.zeros(20), verbose=0)


def test_evaluate_and_predict_keep_the_order_of_the_files(photos):
    model = made()
    model.fit(flow(photos / "train", seed=0), epochs=15, verbose=0)
    iterator = flow(photos / "validation", shuffle=False, batch_size=3)
    predicted = model.predict(iterator)
    batches = np.concatenate([iterator[i][0] for i in range(3)])
    np.testing.assert_allclose(predicted, model.predict(batches), rtol=1e-4)
    assert (predicted.argmax(axis=1) == iterator.classes).all()
    assert model.predict(flow(photos / "validation", class_mode=None, shuffle=False)) == pytest.approx(
        predicted, rel=1e-4
    )
    loss, accuracy = model.evaluate(iterator, verbose=0)
    assert accuracy == 1
    assert loss == pytest.approx(model.evaluate(batches, iterator.classes, verbose=0)[0], rel=1e-4)
    assert model.predict(iterator, steps=1).shape == (3, 2)


def test_augmented_training_repeats_itself_seed_for_seed(photos):
    settings = {"rotation_range": 40, "zoom_range": 0.2, "horizontal_flip": True}

    def run(seed, model_seed=5):
        return (
            made(seed=model_seed).fit(flow(photos / "train", settings, seed=seed), epochs=3, verbose=0).history["loss"]
        )

    assert run(1) == run(1)
    assert run(1) != run(2)
    plain = made().fit(flow(photos / "train", seed=1), epochs=3, verbose=0).history["loss"]
    assert run(1) != plain
    memory_limit = made()
    streamed = memory_limit.fit(flow(photos / "train", settings, seed=1), epochs=3, verbose=0, memory_limit=0)
    assert streamed.history["loss"] == pytest.approx(run(1), rel=1e-6)


def test_one_program_for_equal_generators(photos):
    model = made()
    model.fit(flow(photos / "train", {"zoom_range": 0.2}), verbose=0)
    again = model.fit(flow(photos / "train", {"zoom_range": 0.2}), verbose=0)
    assert again.compile_seconds == 0


def test_functions_that_run_on_the_host_train_too(photos):
    def flatten_dark(image):
        image[image < 50] = 0
        return image

    settings = {"preprocessing_function": flatten_dark, "horizontal_flip": True}
    history = made().fit(flow(photos / "train", settings, seed=0), epochs=4, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_saved_pictures_of_a_run(photos, tmp_path):
    iterator = flow(photos / "train", save_to_dir=tmp_path / "seen", shuffle=False)
    made().fit(iterator, epochs=1, verbose=0)
    assert iterator.total_batches_seen == 4
    assert len(list((tmp_path / "seen").iterdir())) == 20


def test_weights_count(photos):
    x = np.random.default_rng(0).uniform(0, 255, (12, 8, 8, 3)).astype(np.float32)
    y, weights = np.arange(12) % 2, np.linspace(0, 2, 12)
    iterator = ImageDataGenerator(rescale=1 / 255).flow(x, y, sample_weight=weights, shuffle=False, batch_size=4)
    expected = made().fit(x / 255, y, sample_weight=weights, shuffle=False, batch_size=4, epochs=2, verbose=0)
    assert made().fit(iterator, epochs=2, verbose=0).history["loss"] == losses(expected)
