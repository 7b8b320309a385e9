"""The learning rate range test: the rate that it finds, what it says, and that nothing is left of it."""

from pathlib import Path

import numpy as np
import pytest

import calor
from calor import optimizers
from calor.data import Dataset
from calor.errors import ArgumentError, LabelError, ModelStateError
from calor.workbench import find_learning_rate, rate_finder, recipes


@pytest.fixture(scope="module")
def clusters() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    middles = random.normal(size=(3, 8))
    return (middles[labels] + 1.5 * random.normal(size=(300, 8))).astype(np.float32), labels


def classifier(optimizer: object = "adam", scale: float = 1.0) -> calor.Sequential:
    model = calor.Sequential(
        [
            calor.layers.Input((8,)),
            calor.layers.Rescaling(scale),
            calor.layers.Dense(16, activation="relu"),
            calor.layers.Dense(3, activation="softmax"),
        ],
        seed=0,
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_the_suggested_rate_trains_better_than_ones_far_from_it(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    test = find_learning_rate(classifier(), *clusters, batch_size=30)
    assert test.suggested is not None
    assert "a tenth" in test.reason

    def loss(rate: float) -> float:
        model = classifier(optimizers.Adam(rate))
        return float(model.fit(*clusters, batch_size=30, epochs=5, verbose=0).history["loss"][-1])

    assert loss(test.suggested) < 0.7 * min(loss(test.suggested / 300), loss(test.suggested * 300))


def test_the_rates_grow_evenly_to_the_end(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    test = find_learning_rate(classifier(), *clusters, lowest=1e-5, highest=1e-4, steps=40)
    assert test.rates[[0, -1]] == pytest.approx([1e-5, 1e-4])
    np.testing.assert_allclose(test.rates[1:] / test.rates[:-1], 10 ** (1 / 39))
    # The same, step by step: the losses are those of training with these rates.
    model = classifier(optimizers.Adam(optimizers.schedules.ExponentialDecay(1e-5, 39, 10.0)))
    history = model.fit(*clusters, epochs=40, steps_per_epoch=1, verbose=0)
    np.testing.assert_allclose(test.losses, history.history["loss"], rtol=1e-6)


@pytest.mark.parametrize("optimizer", [optimizers.Adam(0.01), optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 9))])
def test_the_model_is_left_as_it_was(optimizer: optimizers.Optimizer, clusters: tuple[np.ndarray, np.ndarray]) -> None:
    def trained(between: bool) -> tuple[calor.Sequential, list[float]]:
        model = classifier(optimizer)
        model.fit(*clusters, epochs=2, verbose=0)
        if not callable(optimizer.learning_rate):
            model.learning_rate = 0.005
        if between:
            history = model.history
            find_learning_rate(model, *clusters, steps=30)
            assert model.history is history
            assert model.step == 20
        return model, model.fit(*clusters, epochs=2, verbose=0).history["loss"]

    tested, losses = trained(between=True)
    untouched, same = trained(between=False)
    assert losses == same
    assert tested.learning_rate == untouched.learning_rate
    for one, other in zip(tested.get_weights(), untouched.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_model_is_left_as_it_was_after_an_error(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    model = classifier()
    before = model.get_weights()
    with pytest.raises(LabelError):
        find_learning_rate(model, clusters[0], clusters[1] + 3)
    assert isinstance(model.optimizer, optimizers.Adam)
    assert model.optimizer.learning_rate == 0.001
    assert model.metrics == ["accuracy"]
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_ends_early_when_the_loss_explodes(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    test = find_learning_rate(classifier(optimizers.SGD()), *clusters, highest=1e6, steps=120)
    assert 20 < len(test.losses) < 120
    assert np.isfinite(test.losses).all()
    assert test.suggested is not None
    assert "and rose from a rate of" in test.reason


def test_inputs_of_a_wild_scale_are_told(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    test = find_learning_rate(classifier(optimizers.SGD(), scale=1e30), *clusters)
    assert test.suggested is None
    assert "look at the scale of the inputs" in test.reason


def test_labels_of_chance_give_no_rate(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    labels = np.random.default_rng(1).integers(0, 3, 300)
    test = find_learning_rate(classifier(), clusters[0], labels, lowest=1e-9, highest=1e-7, batch_size=16)
    assert test.suggested is None
    assert "neither fell nor rose by more than chance" in test.reason
    assert len(test.plot().axes[0].lines) == 2


def test_a_noisy_loss_that_hardly_falls_gives_the_edge_before_it_rises() -> None:
    # As with photos: ups and downs from batch to batch are as large as what is learned in so few steps.
    rates = np.geomspace(1e-6, 1, 150)
    for seed in range(20):
        random = np.random.default_rng(seed)
        losses = 0.8 - 0.05 * (rates > 1e-5) + 20 * np.maximum(rates - 0.03, 0) + 0.1 * random.normal(size=150)
        test = rate_finder.judge(rates, losses)
        assert test.suggested is not None
        assert 0.001 < test.suggested < 0.004


def test_a_loss_that_still_falls_at_the_highest_rate_is_told(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    test = find_learning_rate(classifier(), *clusters, lowest=1e-5, highest=1e-3)
    assert test.suggested == pytest.approx(1e-4, rel=0.3)
    assert "did not rise up to the highest rate" in test.reason


def test_the_plot_shows_the_losses_and_the_suggestion() -> None:
    rates = np.geomspace(1e-4, 1, 60)
    test = rate_finder.judge(rates, (np.log10(rates) + 2) ** 2 + 1)
    axes = test.plot().axes[0]
    assert axes.get_xscale() == "log"
    assert [line.get_label() for line in axes.lines] == [
        "Loss of each step",
        "Smoothed",
        f"Suggested: {test.suggested:g}",
    ]
    low, high = axes.get_ylim()
    assert low < test.smoothed.min() < test.smoothed[0] < high


def test_find_rate_puts_the_rate_into_the_training(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3)).astype(np.uint8)
    images[::2] //= 3
    data = Dataset.from_arrays(images, np.arange(40) % 2)
    training = recipes.get("default").training((16, 16, 3), classes=2, examples=40)
    said: list[str] = []
    found = rate_finder.find_rate(training, data, tmp_path, 0, said.append)
    assert found.learning_rate != training.learning_rate
    assert found.with_learning_rate(training.learning_rate) == training
    assert f"{found.learning_rate:.1e}" in said[-1]
    assert (tmp_path / rate_finder.PLOT).read_bytes().startswith(b"\x89PNG")


def test_without_a_suggestion_the_training_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates, losses = np.geomspace(1e-4, 1, 60), np.ones(60)
    monkeypatch.setattr(rate_finder, "find_learning_rate", lambda *_: rate_finder.judge(rates, losses))
    training = recipes.get("quick").training((16, 16, 3), classes=2, examples=40)
    data = Dataset.from_arrays(np.zeros((40, 16, 16, 3), np.uint8), np.arange(40) % 2)
    assert rate_finder.find_rate(training, data, tmp_path, 0, lambda _: None) is training


def test_wrong_arguments_are_told(clusters: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ArgumentError, match="steps must be a whole number from 20 up, not 5"):
        find_learning_rate(classifier(), *clusters, steps=5)
    with pytest.raises(ArgumentError, match=r"lowest must be above 0 and below highest, not 0.1 and 0.01"):
        find_learning_rate(classifier(), *clusters, lowest=0.1, highest=0.01)
    with pytest.raises(ModelStateError, match="needs a compiled model"):
        find_learning_rate(calor.Sequential([calor.layers.Dense(1)]), *clusters)
    model = calor.Sequential([calor.layers.Dense(3)])
    model.compile("adam", "mse")
    with pytest.raises(ModelStateError, match="input shape is known"):
        find_learning_rate(model, *clusters)
