"""The two pictures of a run."""

import io

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from PIL import Image

from calor.errors import ArgumentError
from calor.training.history import History
from calor.workbench import plot_curves, plot_predictions

HISTORY = {
    "accuracy": [0.5, 0.75, 0.9],
    "loss": [1.0, 0.5, 0.25],
    "val_accuracy": [0.4, 0.7, 0.8],
    "val_loss": [1.1, 0.6, 0.5],
    "learning_rate": [0.1, 0.1, 0.1],
}


def _drawn(figure: Figure) -> np.ndarray:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB"))


def test_curves_show_every_figure_beside_its_validation() -> None:
    figure = plot_curves(HISTORY, title="Flowers")
    accuracy, loss = figure.axes
    assert (accuracy.get_title(), loss.get_title()) == ("Accuracy", "Loss")
    for axes, name in ((accuracy, "accuracy"), (loss, "loss")):
        training, validation = axes.get_lines()
        np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3])
        np.testing.assert_array_equal(training.get_ydata(), HISTORY[name])
        np.testing.assert_array_equal(validation.get_ydata(), HISTORY[f"val_{name}"])
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Training", "Validation"]
    assert figure.get_suptitle() == "Flowers"


def test_curves_of_what_fit_returned() -> None:
    history = History({})
    history.history = {"loss": [0.5, 0.25]}
    (loss,) = plot_curves(history).axes
    np.testing.assert_array_equal(loss.get_lines()[0].get_ydata(), [0.5, 0.25])


def test_curves_of_one_epoch_are_visible() -> None:
    figure = plot_curves({"loss": [0.5]})
    blue = (_drawn(figure) == (31, 119, 180)).all(axis=-1)
    assert blue.any()


def test_curves_need_an_epoch() -> None:
    with pytest.raises(ArgumentError, match="the history is empty"):
        plot_curves({"loss": [], "val_loss": []})


def test_predictions_are_blue_where_right_and_red_where_wrong() -> None:
    images = np.zeros((4, 8, 8, 3), np.uint8)
    shares = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2]])
    figure = plot_predictions(images, shares, [0, 2, 2, 1], ["cat", "dog", "owl"])
    pictures, bars = figure.axes[::2], figure.axes[1::2]
    assert [axes.get_title() for axes in pictures] == [
        "cat 70% (cat)",
        "dog 60% (owl)",
        "owl 60% (owl)",
        "cat 50% (dog)",
    ]
    colours = [axes.title.get_color() for axes in pictures]
    assert [same_color(colour, "tab:blue") for colour in colours] == [True, False, True, False]
    assert [bar.get_width() for bar in bars[1].patches] == pytest.approx([0.1, 0.6, 0.3])
    for bar, colour in zip(bars[1].patches, ("0.55", "tab:red", "tab:blue"), strict=True):
        assert same_color(bar.get_facecolor(), colour)
    assert _drawn(figure).size


def test_predictions_of_grey_pictures_and_many_classes() -> None:
    shares = np.full((1, 20), 0.05)
    figure = plot_predictions(np.zeros((1, 8, 8, 1)), shares, [3], [str(number) for number in range(20)])
    assert len(figure.axes[1].patches) == 20
    assert _drawn(figure).size


def test_predictions_need_a_picture() -> None:
    with pytest.raises(ArgumentError, match="no pictures"):
        plot_predictions(np.zeros((0, 8, 8, 3)), np.zeros((0, 2)), [], ["a", "b"])
