"""What a run leaves behind: the model of its best epoch, its record, and pictures for people."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure

from calor.callbacks import EarlyStopping
from calor.data import load_image
from calor.models import Sequential
from calor.training.history import History
from calor.workbench.advice import advise
from calor.workbench.photos import Photos
from calor.workbench.plots import plot_curves, plot_predictions
from calor.workbench.run_folder import HISTORY, MODEL, RECORD, SPLIT, replacing
from calor.workbench.settings import Settings

Say: TypeAlias = Callable[[str], object]

SHOWN = 15
"""How many pictures of the validation part ``predictions.png`` shows."""

FILES = {
    MODEL: "the network with the weights of its best epoch",
    RECORD: "every setting, and what it ran on",
    SPLIT: "which photos are in which part",
    HISTORY: "settings and figures, epoch by epoch",
    "curves.png": "accuracy and loss, training and validation",
    "predictions.png": "pictures it never learned from, and what it takes them for",
}


@dataclass(frozen=True)
class Sample:
    """Some pictures of the validation part, in its order, to show what they are taken for."""

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    @classmethod
    def draw(cls, photos: Photos, image_size: tuple[int, int], seed: int) -> "Sample":
        """Some of the photos, the same for the same seed."""
        files, labels = photos.validation.files, photos.validation.labels
        assert files is not None
        assert labels is not None
        places = np.sort(np.random.default_rng(seed).permutation(len(files))[:SHOWN])
        images = np.stack([load_image(files[place], size=image_size) for place in places])
        return cls(images, labels[places], photos.class_names)


def write_results(
    model: Sequential, run: Path, best: EarlyStopping, sample: Sample, settings: Settings, say: Say
) -> History:
    """Write all files of a run that has ended, and say what they are; gives its record.

    Raises:
        OSError: a file cannot be written.
    """
    history = model.history
    assert history is not None
    if best.best_epoch is None:  # otherwise the model was saved then, and has that epoch's weights again
        model.save(run / MODEL)
    known = {name: value for name, value in settings.as_dict().items() if name not in history.params}
    history.params |= known | {"class_names": list(sample.class_names)}
    verdict = advise(history.verdict(), settings, run)
    history.params["verdict"] = verdict.as_dict()
    with replacing(run / HISTORY) as path:
        history.save(path)
    if history.epoch:
        _save_figure(plot_curves(history.history), run / "curves.png")
    shares = model.predict(sample.images)
    _save_figure(plot_predictions(sample.images, shares, sample.labels, sample.class_names), run / "predictions.png")

    if best.best_epoch is not None:
        place = history.epoch.index(best.best_epoch)
        accuracy, loss = (history.history[name][place] for name in ("val_accuracy", "val_loss"))
        early = f"; {best.patience} epochs without a better one ended the run" if best.stopped_epoch is not None else ""
        say(f"\nThe best epoch was {best.best_epoch + 1}: validation accuracy {accuracy:.1%}, loss {loss:.4f}{early}.")
    elif history.epoch:
        say(
            "\nThe validation loss was never a number, so no epoch was the best: training diverged. "
            "Try a smaller learning rate."
        )
    else:
        say("\nNo epoch was finished, so there are no curves.")
    if history.epoch:
        say(f"\n{verdict}\n")
    say(f"In {run}:")
    meanings = FILES if best.best_epoch is not None else FILES | {MODEL: "the network as it was at the end"}
    for name, meaning in meanings.items():
        if (run / name).exists():
            say(f"  {name:<16} {meaning}")
    return history


def _save_figure(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
