"""What ``train`` says when the figures are no numbers."""

import math
from pathlib import Path

import pytest

import calor
from calor.workbench import draw_pictures, train, trainer


def test_a_run_whose_validation_loss_is_never_a_number_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Diverged(calor.callbacks.EarlyStopping):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            logs["val_loss"] = math.nan
            super().on_epoch_end(epoch, logs)

    monkeypatch.setattr(trainer, "EarlyStopping", Diverged)
    pictures = draw_pictures(tmp_path / "pictures", per_class=2)
    trained = train(pictures, output=tmp_path / "run", epochs=1, image_size=(16, 16), verbose=2)
    assert trained.history.epoch == [0]
    said = capsys.readouterr().out
    assert "never a number, so no epoch was the best: training diverged. Try a smaller learning rate." in said
    assert "the network as it was at the end" in said
    assert "curves.png" in said
    assert "No epoch was finished" not in said
