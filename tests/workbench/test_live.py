"""The estimate before a run, and what is shown while it goes."""

import io
import math
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import calor
from calor.training.history import History
from calor.training.progress import Silent
from calor.workbench import photo_network
from calor.workbench.curves import draw
from calor.workbench.estimate import Estimate, duration, measure
from calor.workbench.live import Lines, Live, view

ESTIMATE = Estimate(0.5, 4, 1.0, 2.0, 700_000_000, 8_000_000_000)


def data(count: int = 24) -> tuple[calor.Dataset, calor.Dataset]:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)
    whole = calor.Dataset.from_arrays(images, (np.arange(count) % 2).astype(np.int32))
    return whole.shuffle(count).batch(4), whole.batch(4)


def test_a_measured_run_is_the_same_in_every_bit() -> None:
    training, validation = data()
    plain, measured = (photo_network((16, 16), 2, seed=1) for _ in range(2))
    estimate = measure(measured, training, validation, seconds=0.05)
    assert estimate is not None
    assert measured.step == 0
    assert measured.history is None
    histories = [model.fit(training, epochs=2, validation_data=validation, verbose=0) for model in (plain, measured)]
    assert histories[0].history == histories[1].history
    for one, other in zip(plain.get_weights(), measured.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert histories[1].compile_seconds == 0  # all of it was compiled for the estimate
    assert estimate.steps == 6
    assert min(estimate.step_seconds, estimate.validation_seconds, estimate.compile_seconds) > 0
    assert estimate.memory > 10**8
    assert estimate.free_memory > 0


def test_a_run_that_diverges_has_no_estimate() -> None:
    training, validation = data()
    model = photo_network((16, 16), 2, seed=1)
    weights = [np.full_like(array, np.nan) for array in model.get_weights()]
    model.set_weights(weights)
    assert measure(model, training, validation) is None
    assert model.step == 0
    display = Live(None, terminal())
    display.epoch_begins(0, 1, 4)
    assert "is measured ..." in shown(display)
    display.close()


def test_the_estimate_in_words() -> None:
    assert ESTIMATE.epoch_seconds == 3.0
    assert ESTIMATE.sentence(1).startswith("An epoch takes about 3.0 s. Memory in use: 700 MB; free: 8.0 GB.")
    assert "30 epochs at most 1 min 30 s." in ESTIMATE.sentence(30)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min"), (605, "10 min"), (3700, "1 h 2 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def run(display: Any, epochs: int = 3) -> None:
    """What ``fit`` tells of a run of three epochs."""
    display.compiled(1.5)
    for epoch in range(epochs):
        display.epoch_begins(epoch, epochs, 4)
        for step in range(1, 5):
            display.steps_done(step, {"accuracy": 0.5, "loss": 2.0 / step})
        logs = {"accuracy": 0.6, "loss": 0.5 / (epoch + 1), "val_accuracy": 0.55, "val_loss": 0.75}
        display.epoch_ends(4, 10.0, 2.0, logs)
    display.close()


def test_lines_say_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    display = Lines(ESTIMATE)
    run(display)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Compiled in 1.5 s"
    assert lines[1] == (
        "Epoch 1/3 - 4/4 - 10s 2.5s/step - accuracy: 0.6000 - loss: 0.5000 - val_accuracy: 0.5500 - val_loss: 0.7500"
        " - 20% of the time waiting for data - at most 20 s left"
    )
    assert lines[2].endswith(" - at most 10 s left")
    assert lines[3].startswith("Epoch 3/3")
    assert "left" not in lines[3]


def terminal(width: int = 120, height: int = 40) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, legacy_windows=False)


def shown(display: Live, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(display.picture())
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_the_picture_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    display = Live(ESTIMATE, terminal())
    display.epoch_begins(0, 3, 4)
    display.steps_done(1, {"accuracy": 0.5, "loss": 2.0})
    first = shown(display)
    assert "Epoch 1/3" in first
    assert "1/4 steps   accuracy: 0.5000 - loss: 2.0000" in first
    assert "at most 8.2 s left" in first  # of three epochs of three seconds, a quarter of the first is done
    assert "training" not in first
    run(display)
    display.epoch_begins(2, 3, 4)
    picture = shown(display)
    assert "20% of the time waiting for data" in picture
    assert "━━ training   ━━ validation" in picture
    assert "loss" in picture.splitlines()[1]
    assert "accuracy" in picture.splitlines()[1]
    assert any(0x2800 < ord(letter) < 0x2900 for letter in picture)
    display.close()


def test_what_has_no_room_is_left_out() -> None:
    narrow, low = Live(ESTIMATE, terminal(width=80)), Live(ESTIMATE, terminal(height=12))
    for display in (narrow, low):
        run(display)
    assert "accuracy" not in shown(narrow).splitlines()[1]
    assert "loss" in shown(narrow).splitlines()[1]
    assert "training" not in shown(low)


def test_the_lines_of_finished_epochs_stay() -> None:
    console = terminal()
    run(Live(ESTIMATE, console))
    assert isinstance(console.file, io.StringIO)
    written = console.file.getvalue()
    assert "Epoch 1/3 - 4/4 - 10s 2.5s/step" in written
    assert "at most 10 s left" in written  # below, where it moves


def test_a_run_that_goes_on_shows_its_past() -> None:
    past = History({})
    for epoch in range(2):
        past.record(epoch, {"loss": 1.0 - epoch / 2, "val_loss": 1.0}, 60.0, 0.0)
    display = Live(ESTIMATE, terminal())
    display.goes_on(past)
    display.epoch_begins(2, 5, 4)
    picture = shown(display)
    assert "━━ training" in picture
    assert "at most 3 min left" in picture
    display.close()


def test_which_view_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(view(0, ESTIMATE)) is Silent
    assert type(view(1, ESTIMATE)) is Lines  # pytest's output is no terminal
    assert type(view(2, ESTIMATE)) is Lines
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert type(view(1, ESTIMATE)) is Live
    assert type(view(2, ESTIMATE)) is Lines
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert type(view(1, ESTIMATE)) is Lines


def plain(*curves: list[float], epochs: int, width: int = 15, height: int = 2) -> list[str]:
    return [line.plain for line in draw("loss", curves, epochs, width, height)][1:]


def test_curves() -> None:
    assert plain([], [], epochs=3) == [" 1.00" + "⠀" * 10, " 0.00" + "⠀" * 10]
    assert plain([2.0], epochs=3) == [" 2.00" + "⠀" * 10, " 2.00⠁" + "⠀" * 9]  # one epoch, in the middle
    rising = plain([0.0, 1.0], epochs=2)
    assert rising[0][-1] in "⠉⠈⠁⠊⠒"
    assert rising[1][5] in "⡀⣀⣠⡠"
    half = plain([0.0, 1.0], epochs=3)
    assert half[0].endswith("⠀" * 4)  # the rest is still to come
    gap = plain([1.0, math.nan, 0.0], epochs=3)
    assert all(set(column) != {"⠀"} for column in zip(gap[0][5:], gap[1][5:], strict=True))  # bridged
    assert plain([math.inf], epochs=2) == plain([], epochs=2)


def test_both_curves_have_their_styles() -> None:
    lines = draw("loss", [[1.0, 1.0], [0.0, 0.0]], 2, 15, 2)
    assert {span.style for span in lines[1].spans} >= {"not dim cyan"}
    assert {span.style for span in lines[2].spans} >= {"not dim yellow"}
