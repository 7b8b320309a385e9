"""What a network looks at, for networks that look at a known place."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calor import Sequential, layers
from calor.workbench.classify import Classifier
from calor.workbench.report.evidence.attention import attend, choose
from calor.workbench.report.evidence.mistakes import find_mistakes
from calor.workbench.report.evidence.outputs import Outputs, observe
from calor.workbench.report.evidence.photos import Photos


def looking_at(top: int, left: int, side: int = 20) -> Classifier:
    """A network that goes by how light 4 by 4 pixels are, and by nothing else."""
    model = Sequential([layers.Input((side, side, 1)), layers.Flatten(), layers.Dense(2, activation="softmax")], seed=0)
    kernel = np.zeros((side, side, 2), np.float32)
    kernel[top : top + 4, left : left + 4, 1] = 0.002
    model.set_weights([kernel.reshape(-1, 2), np.array([3.0, 0.0], np.float32)])
    return Classifier(model, ("dark", "light"), (side, side), "grayscale")


@pytest.mark.parametrize(("top", "left"), [(0, 0), (8, 12), (16, 2)])
def test_the_map_is_warm_where_the_network_looks(top: int, left: int, tmp_path: Path) -> None:
    pixels = np.zeros((20, 20), np.uint8)
    pixels[top : top + 4, left : left + 4] = 255
    Image.fromarray(pixels).save(tmp_path / "light.png")
    classifier = looking_at(top, left)
    outputs = observe(classifier, Photos((tmp_path / "light.png",), np.array([1])))
    assert outputs.right.all()
    [found] = attend(classifier, outputs, [0])
    assert found.image.shape == (20, 20, 1)
    assert found.importance.shape == (20, 20)
    assert (found.importance >= 0).all()
    here = found.importance[top : top + 4, left : left + 4]
    assert here.min() > 0
    away = np.ones((20, 20), bool)
    away[max(top - 4, 0) : top + 8, max(left - 4, 0) : left + 8] = False
    assert found.importance[away].max() == pytest.approx(0, abs=1e-5)


def test_a_photo_with_nothing_in_it_has_a_cold_map(tmp_path: Path) -> None:
    Image.new("L", (20, 20), 128).save(tmp_path / "grey.png")
    classifier = looking_at(4, 4)
    outputs = observe(classifier, Photos((tmp_path / "grey.png",), np.array([1])))
    [found] = attend(classifier, outputs, [0])
    np.testing.assert_allclose(found.importance, 0, atol=1e-6)


def test_usual_photos_of_each_class_and_the_surest_mistakes(outputs: Callable[..., Outputs]) -> None:
    confidence = np.array([0.95, 0.7, 0.8, 0.9, 0.6, 0.85, 0.99])
    predicted = np.array([0, 0, 0, 1, 1, 1, 1])
    rows = np.full((7, 3), 0.0)
    rows[np.arange(7), predicted] = confidence
    rows[np.arange(7), 2] = 1 - confidence
    made = outputs(rows, [0, 0, 0, 1, 1, 0, 0])
    mistakes = find_mistakes(made)
    assert choose(made, mistakes) == [2, 3, 1, 4, 6, 5]
    assert choose(outputs(rows, [2] * 7), []) == []
