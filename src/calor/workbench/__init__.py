"""The job from a folder of photos to a classifier: pictures in, a run folder with model and plots out."""

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "RECIPES": "recipes",
    "CheckUp": "checkup",
    "Classifier": "classify",
    "Compared": "comparison",
    "Comparison": "comparison",
    "Difference": "comparison",
    "Evaluation": "classify",
    "Part": "split",
    "Prediction": "classify",
    "Recipe": "recipes",
    "Reproduction": "reproduction",
    "Settings": "settings",
    "Split": "split",
    "Trained": "trainer",
    "Training": "recipes",
    "Trials": "trials",
    "Unsealed": "sealed",
    "check": "checkup",
    "compare": "comparison",
    "draw_pictures": "demo",
    "evaluate": "classify",
    "find_learning_rate": "rate_finder",
    "load_classifier": "classify",
    "open_sealed": "sealed",
    "photo_network": "recipes",
    "plot_comparison": "plots",
    "plot_curves": "plots",
    "plot_predictions": "plots",
    "predict": "classify",
    "reproduce": "reproduction",
    "resume": "trainer",
    "split_folder": "prepare",
    "train": "trainer",
    "try_recipes": "trials",
}

__all__ = [
    "RECIPES",
    "CheckUp",
    "Classifier",
    "Compared",
    "Comparison",
    "Difference",
    "Evaluation",
    "Part",
    "Prediction",
    "Recipe",
    "Reproduction",
    "Settings",
    "Split",
    "Trained",
    "Training",
    "Trials",
    "Unsealed",
    "check",
    "compare",
    "draw_pictures",
    "evaluate",
    "find_learning_rate",
    "load_classifier",
    "open_sealed",
    "photo_network",
    "plot_comparison",
    "plot_curves",
    "plot_predictions",
    "predict",
    "reproduce",
    "resume",
    "split_folder",
    "train",
    "try_recipes",
]

if TYPE_CHECKING:
    from calor.workbench.checkup import CheckUp, check
    from calor.workbench.classify import Classifier, Evaluation, Prediction, evaluate, load_classifier, predict
    from calor.workbench.comparison import Compared, Comparison, Difference, compare
    from calor.workbench.demo import draw_pictures
    from calor.workbench.plots import plot_comparison, plot_curves, plot_predictions
    from calor.workbench.prepare import split_folder
    from calor.workbench.rate_finder import find_learning_rate
    from calor.workbench.recipes import RECIPES, Recipe, Training, photo_network
    from calor.workbench.reproduction import Reproduction, reproduce
    from calor.workbench.sealed import Unsealed, open_sealed
    from calor.workbench.settings import Settings
    from calor.workbench.split import Part, Split
    from calor.workbench.trainer import Trained, resume, train
    from calor.workbench.trials import Trials, try_recipes


def __getattr__(name: str) -> Any:
    # Late, so that predicting need not wait for Matplotlib.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = getattr(importlib.import_module(f"calor.workbench.{_HOME[name]}"), name)
    return globals()[name]
