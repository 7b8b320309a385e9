"""The job from a folder of photos to a classifier: pictures in, a run folder with model and plots out."""

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "CheckUp": "checkup",
    "Classifier": "classify",
    "Evaluation": "classify",
    "Part": "split",
    "Prediction": "classify",
    "Reproduction": "reproduction",
    "Settings": "settings",
    "Split": "split",
    "Trained": "trainer",
    "Unsealed": "sealed",
    "check": "checkup",
    "draw_pictures": "demo",
    "evaluate": "classify",
    "load_classifier": "classify",
    "open_sealed": "sealed",
    "photo_network": "network",
    "plot_curves": "plots",
    "plot_predictions": "plots",
    "predict": "classify",
    "reproduce": "reproduction",
    "resume": "trainer",
    "split_folder": "prepare",
    "train": "trainer",
}

__all__ = [
    "CheckUp",
    "Classifier",
    "Evaluation",
    "Part",
    "Prediction",
    "Reproduction",
    "Settings",
    "Split",
    "Trained",
    "Unsealed",
    "check",
    "draw_pictures",
    "evaluate",
    "load_classifier",
    "open_sealed",
    "photo_network",
    "plot_curves",
    "plot_predictions",
    "predict",
    "reproduce",
    "resume",
    "split_folder",
    "train",
]

if TYPE_CHECKING:
    from calor.workbench.checkup import CheckUp, check
    from calor.workbench.classify import Classifier, Evaluation, Prediction, evaluate, load_classifier, predict
    from calor.workbench.demo import draw_pictures
    from calor.workbench.network import photo_network
    from calor.workbench.plots import plot_curves, plot_predictions
    from calor.workbench.prepare import split_folder
    from calor.workbench.reproduction import Reproduction, reproduce
    from calor.workbench.sealed import Unsealed, open_sealed
    from calor.workbench.settings import Settings
    from calor.workbench.split import Part, Split
    from calor.workbench.trainer import Trained, resume, train


def __getattr__(name: str) -> Any:
    # Late, so that predicting need not wait for Matplotlib.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = getattr(importlib.import_module(f"calor.workbench.{_HOME[name]}"), name)
    return globals()[name]
