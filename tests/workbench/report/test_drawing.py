"""Plots and pictures: valid, told in words, and safe whatever the names are."""

import base64
import io
import math
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from calor.training.history import History
from calor.workbench.report.drawing import charts
from calor.workbench.report.drawing.pictures import MAP_SIDE, SIDE, heated, picture, thumbnails
from calor.workbench.report.drawing.svg import Plot
from calor.workbench.report.evidence.abstention import abstain
from calor.workbench.report.evidence.calibration import calibrate
from calor.workbench.report.evidence.outputs import Outputs


def parsed(drawing: str) -> ElementTree.Element:
    root = ElementTree.fromstring(drawing)
    assert (root.tag, root.get("role")) == ("svg", "img")
    assert root.get("aria-label")
    for number in re.findall(r"-?\d+\.?\d*(?:e\S+)?", " ".join(part.get("d", "") for part in root.iter())):
        assert -20 < float(number) < 500
    return root


def history(**figures: list[float]) -> History:
    made = History({})
    for epoch in range(len(figures["loss"])):
        made.record(epoch, {name: values[epoch] for name, values in figures.items()}, 1.0, 0.0)
    return made


def decoded(address: str) -> Image.Image:
    kind, _, data = address.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_line_is_where_its_numbers_are_and_breaks_at_nan() -> None:
    plot = Plot((0, 10), (0, 1), "Epoch", "Loss")
    plot.line([0, 5, 7, 10], [0, 0.5, math.nan, 1], "training")
    plot.points([5, 7], [0.5, math.nan], "training")
    plot.squares([5, 7], [0.5, math.nan], "training")
    root = parsed(plot.svg("It rises."))
    assert root.get("aria-label") == "It rises."
    [line] = [part for part in root.iter("path") if part.get("class") == "line training"]
    assert line.get("d") == "M64.0 226.0L244.0 120.0M424.0 14.0"
    assert len(list(root.iter("circle"))) == len(list(root.iter("rect"))) == 1


def test_names_are_escaped() -> None:
    nasty = '</svg><script>alert("x")</script>&'
    plot = Plot((0, 1), (0, 1), nasty, nasty)
    plot.text(0.5, 0.5, nasty)
    drawing = plot.svg(nasty)
    assert "<script" not in drawing
    root = parsed(drawing)
    assert root.get("aria-label") == nasty
    assert [text.text for text in root.iter("text")].count(nasty) == 3


def test_both_curves_and_where_something_began() -> None:
    figures = {"loss": [0.9, 0.6, 0.3], "val_loss": [0.8, 0.7, 0.9], "accuracy": [0.5, 0.7, 0.9]}
    drawn = charts.curves(history(**figures), since=3, best=2)
    assert [name for name, _ in drawn] == ["Accuracy", "Loss"]
    accuracy, loss = (parsed(drawing) for _, drawing in drawn)
    assert len(list(accuracy.iter("circle"))) == len(list(loss.iter("circle"))) == len(list(loss.iter("rect"))) == 3
    assert loss.get("aria-label") == "Loss over 3 epochs: training from 0.9 to 0.3; validation from 0.8 to 0.9."
    classes = [part.get("class") for part in loss.iter("path")]
    assert {"line since", "line best", "line training", "line validation"} <= set(classes)
    assert {"line since", "line best"}.isdisjoint(
        part.get("class") for part in parsed(charts.curves(history(**figures), since=9, best=8)[1][1]).iter("path")
    )


@pytest.mark.parametrize(
    "figures",
    [
        {"loss": [0.7]},
        {"loss": [0.0, 0.0], "val_loss": [0.0, 0.0], "accuracy": [1.0, 1.0], "val_accuracy": [1.0, 1.0]},
        {"loss": [0.7, math.nan], "val_loss": [0.6, math.inf], "accuracy": [0.0, 0.0]},
        {"loss": [1e30] + [0.5] * 30},
    ],
)
def test_runs_of_all_kinds_can_be_drawn(figures: dict[str, list[float]]) -> None:
    drawn = charts.curves(history(**figures))
    assert drawn
    for _, drawing in drawn:
        parsed(drawing)


def test_no_epoch_makes_no_curve() -> None:
    assert charts.curves(History({})) == []
    assert charts.curves(history(loss=[math.nan])) == []


@pytest.mark.parametrize("photos", [50, 3000])
def test_reliability_and_coverage(photos: int, simulated: Callable[..., Outputs]) -> None:
    made = simulated(photos, sharp=2.0)
    calibration, abstention = calibrate(made), abstain(made)
    assert calibration is not None
    assert abstention is not None
    drawing = parsed(charts.reliability(calibration))
    bins = len(calibration.before.bins)
    assert bins == (2 if photos == 50 else 10)
    assert len(list(drawing.iter("circle"))) == len(list(drawing.iter("rect"))) == bins
    label = parsed(charts.risk_coverage(abstention)).get("aria-label") or ""
    assert f"answering {abstention.answered.value:.0%} of them {abstention.right.value:.1%} are" in label


def test_coverage_where_no_threshold_helps(outputs: Callable[..., Outputs]) -> None:
    labels = np.arange(60) % 2
    abstention = abstain(outputs(np.tile([0.6, 0.4], (60, 1)), labels))
    assert abstention is not None
    assert not list(parsed(charts.risk_coverage(abstention)).iter("rect"))


def test_more_photos() -> None:
    drawing = parsed(charts.learning([500, 1000, 2000], [(0.6, 0.55, 0.65), (0.7, 0.65, 0.75), (0.8, 0.76, 0.84)]))
    assert drawing.get("aria-label", "").startswith("60.0% right after 500 photos; 70.0% right after 1,000")
    assert len(list(drawing.iter("rect"))) == 3


def test_thumbnails_keep_their_proportions(tmp_path: Path) -> None:
    sizes = [(400, 200), (30, 60), (1, 300)]
    for number, size in enumerate(sizes):
        Image.new("RGB", size, "red").save(tmp_path / f"{number}.jpg")
    (tmp_path / "3.jpg").write_bytes(b"no picture")
    made = thumbnails([tmp_path / f"{number}.jpg" for number in range(5)])
    assert [decoded(address).size for address in made[:3]] == [(SIDE, SIDE // 2), (30, 60), (1, SIDE)]
    assert made[3:] == ["", ""]
    red, green, blue = decoded(made[0]).getpixel((5, 5))
    assert red > 240
    assert max(green, blue) < 20


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_with_heat(channels: int) -> None:
    pixels = np.full((40, 20, channels), 90, np.uint8)
    plain = decoded(picture(pixels))
    assert plain.size == (MAP_SIDE // 2, MAP_SIDE)
    heat = np.zeros((40, 20))
    heat[:10] = 2.0
    mixed = np.asarray(decoded(heated(pixels, heat)), int)
    assert mixed[10, 40].sum() > mixed[-10, 40].sum() + 60
    assert mixed[10, 40, 0] > mixed[10, 40, 2]  # warm
    cold = np.asarray(decoded(heated(pixels, np.zeros((40, 20)))), int)
    assert np.ptp(cold) <= 6
