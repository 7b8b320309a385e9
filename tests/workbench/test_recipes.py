"""Recipes: which network, how long, what the pictures go through; each trains, whatever the pictures' size."""

import jax
import numpy as np
import pytest

from calor.data import Dataset
from calor.errors import ArgumentError, UnknownNameError
from calor.layers.augmentation import RandomAffine
from calor.optimizers import Adam, AdamW
from calor.workbench import RECIPES, recipes


def pictures(count: int, shape: tuple[int, ...], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures whose classes differ in brightness, which any network finds."""
    labels = np.arange(count) % classes
    noise = np.random.default_rng(0).integers(0, 60, (count, *shape))
    return (noise + 180 * labels[:, None, None, None] // (classes - 1)).astype(np.uint8), labels


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 31, 3), (28, 28, 1), (64, 48, 3)])
def test_every_recipe_takes_pictures_of_any_size(name: str, shape: tuple[int, int, int]) -> None:
    model = recipes.get(name).training(shape, classes=3, examples=100).model(seed=0)
    shares = model.predict(np.zeros((2, *shape), np.uint8))
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns(name: str) -> None:
    images, labels = pictures(48, (16, 16, 3), 3)
    training = recipes.get(name).training((16, 16, 3), classes=3, examples=48, epochs=30)
    model = training.model(seed=0)
    history = model.fit(training.batches(Dataset.from_arrays(images, labels)), epochs=30, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]


def test_the_notes_network_is_theirs() -> None:
    training = recipes.get("notes").training((150, 150, 3), classes=2, examples=2000)
    model = training.model(seed=0)
    names = [type(layer).__name__ for layer in model.layers]
    assert names == ["Rescaling", *["Conv2D", "MaxPooling2D"] * 4, "Dropout", "Flatten", "Dense", "Dense"]
    assert model.count_params() == 3_453_634  # what the notes' own summary says
    assert (training.batch_size, model.optimizer) == (100, Adam(1e-3))
    plain = recipes.get("notes-plain").training((150, 150, 3), classes=2, examples=2000)
    assert "Dropout" not in [type(layer).__name__ for layer in plain.model(seed=0).layers]
    batches = plain.batches(Dataset.from_arrays(*pictures(4, (150, 150, 3), 2)))
    assert next(iter(batches))[0].dtype == np.uint8


def test_the_default_recipe_runs_on_the_fused_kernels(capsys: pytest.CaptureFixture[str]) -> None:
    model = recipes.get("default").training((96, 96, 3), classes=2, examples=2000).model(seed=0)
    assert [type(layer).__name__ for layer in model.layers].count("Conv2D") == 5
    model.explain()
    text = capsys.readouterr().out
    assert text.count("conv2d") >= 5
    assert text.count("max_pooling2d") >= 5


def test_the_rate_climbs_and_falls_to_zero() -> None:
    training = recipes.get("default").training((96, 96, 3), classes=2, examples=2000)
    optimizer = training.model(seed=0).optimizer
    assert isinstance(optimizer, AdamW)
    total = training.epochs * training.steps
    rates = [float(optimizer.rate(step)) for step in (0, total // 20, total // 2, total)]
    assert rates == pytest.approx([1e-4, 2e-3, 1.08e-3, 0], abs=1e-5)


@pytest.mark.parametrize(
    ("examples", "epochs", "batch_size", "steps"),
    [
        (2000, 100, 50, 40),
        (60_000, 10, 50, 1200),
        (40, 100, 8, 5),
        (3, 100, 3, 1),
        (51, 100, 9, 6),
        (8000, 25, 50, 160),
    ],
)
def test_epochs_and_batches_follow_the_number_of_pictures(
    examples: int, epochs: int, batch_size: int, steps: int
) -> None:
    training = recipes.get("default").training((96, 96, 3), classes=2, examples=examples)
    assert (training.epochs, training.batch_size, training.steps) == (epochs, batch_size, steps)


def test_what_is_given_goes_before_the_recipe() -> None:
    given = {"epochs": 7, "batch_size": 3, "learning_rate": 0.5, "patience": 2}
    training = recipes.get("notes").training((32, 32, 3), classes=2, examples=20, augment=False, **given)
    assert {name: getattr(training, name) for name in given} == given
    assert training.model(seed=0).learning_rate == 0.5
    assert training.with_learning_rate(0.25).model(seed=0).learning_rate == 0.25


def test_pictures_are_varied_unless_told_otherwise() -> None:
    images, labels = pictures(8, (32, 32, 3), 2)
    data = Dataset.from_arrays(images, labels)
    training = recipes.get("default").training((32, 32, 3), classes=2, examples=8)
    varied = training.batches(data)
    assert varied.element_spec[0].dtype == np.float32
    same = recipes.get("default").training((32, 32, 3), classes=2, examples=8, augment=False).batches(data)
    batch, shown = next(iter(same))
    assert batch.dtype == np.uint8
    assert sorted(np.asarray(shown).tolist()) == sorted(labels.tolist())


def test_short_runs_vary_less_or_not_at_all() -> None:
    full = recipes.get("default").variation
    notes = recipes.get("notes").variation
    assert full is not None
    assert notes is not None
    assert full.weakened(50) is full
    assert full.weakened(100) is full
    assert full.weakened(7) is None
    half = full.weakened(25)
    assert half is not None
    assert half.affine.zoom == pytest.approx((0.85, 1.05))
    assert half.affine.width_shift == pytest.approx((-0.05, 0.05))
    assert (half.affine.horizontal_flip, half.colour) == (True, 0.1)
    assert notes.weakened(1) is notes
    training = recipes.get("default").training((8, 8, 1), classes=2, examples=8, epochs=7)
    assert next(iter(training.batches(Dataset.from_arrays(*pictures(8, (8, 8, 1), 2)))))[0].dtype == np.uint8


def test_short_runs_have_no_dropout() -> None:
    def has_dropout(name: str, epochs: int, side: int = 64) -> bool:
        training = recipes.get(name).training((side, side, 3), classes=2, examples=8, epochs=epochs)
        return "Dropout" in [type(layer).__name__ for layer in training.model(seed=0).layers]

    assert [has_dropout("default", 7), has_dropout("default", 8)] == [False, True]
    assert [has_dropout("default", 7, 28), has_dropout("default", 8, 28)] == [False, True]
    # The notes' network is the notes', however short the run.
    assert has_dropout("notes", 1)
    assert has_dropout("quick", 1)


def test_small_pictures_have_a_network_of_their_own() -> None:
    default = recipes.get("default")
    assert default.of_size(48, 60) is default
    assert default.of_size(60, 47).name == "default"
    small = default.training((28, 28, 1), classes=10, examples=60_000)
    assert (small.epochs, small.learning_rate) == (20, 5e-3)
    names = [type(layer).__name__ for layer in small.model(seed=0).layers]
    assert names[-6:] == ["Flatten", "Dropout", "Dense", "BatchNormalization", "Dropout", "Dense"]
    assert small.recipe.variation is not None
    assert small.recipe.variation.affine.horizontal_flip
    assert small.recipe.variation.affine.rotation == (0, 0)
    assert recipes.get("quick").of_size(28, 28) is recipes.get("quick")


def test_grey_pictures_stay_in_range() -> None:
    vary = recipes.Variation(RandomAffine(), 0.2)
    images, labels = pictures(64, (8, 8, 1), 2)
    changed, same = vary(images, labels, jax.random.key(0))
    assert changed.shape == images.shape
    assert same is labels
    assert 0 <= changed.min() < changed.max() <= 255
    assert np.abs(np.asarray(changed) - images).max() > 5


def test_small_pictures_are_not_made_larger() -> None:
    assert recipes.get("default").sizes((200, 60)) == [(96, 60)]
    assert recipes.get("default").sizes((4, 4)) == [(8, 8)]
    assert recipes.get("default").sizes() == [(96, 96)]
    assert recipes.get("default").sizes((60, 60), timed=True) == [(48, 48), (60, 60)]
    assert recipes.get("notes").sizes((28, 28), timed=True) == [(28, 28)]


def test_wrong_names_and_numbers_are_told() -> None:
    with pytest.raises(UnknownNameError, match=r"no recipe called 'defualt'.*'default'"):
        recipes.get("defualt")
    recipe = recipes.get("default")
    with pytest.raises(ArgumentError, match=r"height, width and channels, not \(28, 28\)"):
        recipe.training((28, 28), classes=10, examples=100)
    with pytest.raises(ArgumentError, match="Recipe 'default': classes must be a whole number from 2 up, not 1"):
        recipe.training((28, 28, 1), classes=1, examples=100)
    with pytest.raises(ArgumentError, match="examples must be"):
        recipe.training((28, 28, 1), classes=2, examples=0)
    with pytest.raises(ArgumentError, match="learning_rate must be a number at least 0"):
        recipe.training((28, 28, 1), classes=2, examples=9, learning_rate=-1.0)
