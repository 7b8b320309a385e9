"""The pictures of a run, its curves and a grid of predictions; and the curves of several, one over the other."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from calor.errors import ArgumentError
from calor.training.history import History

RIGHT, WRONG, OTHER = "tab:blue", "tab:red", "0.55"
MARKERS = "osD^vPX"


def plot_curves(history: Mapping[str, Sequence[float]] | History, *, title: str = "") -> Figure:
    """Accuracy and loss over the epochs, training and validation together in one plot each.

    Args:
        history: what ``fit`` returned, or figures by name as its ``history`` has them; a plot for each that has
            values.
        title: above both.

    Returns:
        A Matplotlib figure; save it with ``figure.savefig(path)``.

    Raises:
        ArgumentError: there is no epoch in it.

    >>> figure = plot_curves({"loss": [2.3, 1.1], "val_loss": [2.0, 1.5]})
    >>> [axes.get_title() for axes in figure.axes]
    ['Loss']
    """
    if isinstance(history, History):
        history = history.history
    names = [name for name in history if not name.startswith("val_") and name != "learning_rate" and history[name]]
    if not names:
        raise ArgumentError("There are no epochs to plot: the history is empty.")
    names.sort(key="loss".__eq__)  # the loss last, as the notes have it
    figure = Figure(figsize=(5.5 * len(names), 4.2), layout="constrained")
    if title:
        figure.suptitle(title)
    for place, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), place + 1)
        label = name.replace("_", " ").capitalize()
        for key, which, colour in ((name, "Training", "tab:blue"), (f"val_{name}", "Validation", "tab:orange")):
            values = history.get(key, [])
            if values:
                # One epoch makes a point, which a line alone would not show.
                axes.plot(range(1, len(values) + 1), values, color=colour, label=which, marker="o", markersize=3)
        axes.set_title(label)
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        if "accuracy" in name:
            axes.set_ylim(top=1.02)
        axes.legend(loc="lower right" if "accuracy" in name else "best")
    return figure


def plot_comparison(histories: Mapping[str, History]) -> Figure:
    """The curves of several runs, one over the other: validation in full, training dotted, a ring at each best epoch.

    Args:
        histories: the records of the runs, by name.

    Returns:
        A Matplotlib figure with a plot for the accuracy and one for the loss, where the runs have such.

    Raises:
        ArgumentError: there is no epoch in them.

    >>> one, other = History({}), History({})
    >>> one.record(0, {"loss": 2.3, "val_loss": 2.0}, 1.0, 0.0)
    >>> other.record(0, {"loss": 2.2, "val_loss": 1.9}, 1.0, 0.0)
    >>> [axes.get_title() for axes in plot_comparison({"small": one, "large": other}).axes]
    ['Loss']
    """
    names = [name for name in ("accuracy", "loss") if any(one.history.get(name) for one in histories.values())]
    if not names:
        raise ArgumentError("There are no epochs to plot: the histories are empty.")
    figure = Figure(figsize=(5.5 * len(names), 4.6), layout="constrained")
    lines: list[Line2D] = []
    for place, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), place + 1)
        lines = []
        for number, (run, record) in enumerate(histories.items()):
            colour = f"C{number % 10}"
            held_out, learned = (record.history.get(key, []) for key in (f"val_{name}", name))
            axes.plot([epoch + 1 for epoch in record.epoch[: len(learned)]], learned, color=colour, ls=":", lw=1)
            epochs = [epoch + 1 for epoch in record.epoch[: len(held_out)]]
            lines += axes.plot(epochs, held_out, color=colour, label=run, marker=MARKERS[number % 7], markersize=3)
            losses = np.asarray(record.history.get("val_loss", []))
            if held_out and np.isfinite(losses).any():
                best = int(np.nanargmin(losses))
                axes.plot(epochs[best], held_out[best], color=colour, marker="o", markersize=10, fillstyle="none")
        axes.set_title(name.capitalize())
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        if name == "accuracy":
            axes.set_ylim(top=1.02)
    keys = [Line2D([], [], color=OTHER, ls=ls, label=label) for ls, label in (("-", "Validation"), (":", "Training"))]
    keys.append(Line2D([], [], color=OTHER, ls="", marker="o", markersize=10, fillstyle="none", label="Best epoch"))
    figure.axes[0].legend(handles=keys)
    figure.legend(handles=lines, loc="outside lower center", ncols=4, frameon=False)
    return figure


def plot_predictions(
    images: np.ndarray,
    probabilities: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    class_names: Sequence[str],
    *,
    columns: int = 3,
) -> Figure:
    """A grid of pictures, each with its predicted class, confidence and true class, and its probabilities as bars.

    Right predictions are blue, wrong ones red; in the bars the true class is blue and a wrong prediction red.

    Args:
        images: (pictures, height, width, 1 or 3), uint8, or float32 from 0 to 1.
        probabilities: (pictures, classes), summing to 1.
        labels: the true class of each picture.
        class_names: by class number.
        columns: pictures in a row.

    >>> figure = plot_predictions(np.zeros((2, 8, 8, 3)), np.array([[0.9, 0.1], [0.6, 0.4]]), [0, 1], ["cat", "dog"])
    >>> [axes.get_title() for axes in figure.axes if axes.get_title()]
    ['cat 90% (cat)', 'cat 60% (dog)']
    """
    if not len(images):
        raise ArgumentError("There are no pictures to show.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    many = len(class_names) > 12
    figure = Figure(figsize=(4.6 * columns, 2.3 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, 2 * columns, width_ratios=[1, 1.1] * columns)
    for number, (image, shares, label) in enumerate(zip(images, probabilities, labels, strict=True)):
        row, column = divmod(number, columns)
        predicted, true = int(np.argmax(shares)), int(label)
        picture = figure.add_subplot(grid[row, 2 * column])
        grey = image.shape[-1] == 1
        picture.imshow(image[..., 0] if grey else image, cmap="binary" if grey else None)
        picture.set_axis_off()
        colour = RIGHT if predicted == true else WRONG
        title = f"{class_names[predicted]} {shares[predicted]:.0%} ({class_names[true]})"
        picture.set_title(title, color=colour, fontsize=9)
        bars = figure.add_subplot(grid[row, 2 * column + 1])
        colours = [OTHER] * len(shares)
        colours[predicted] = WRONG
        colours[true] = RIGHT
        bars.barh(range(len(shares)), shares, color=colours)
        bars.set_xlim(0, 1)
        bars.set_xticks([])
        bars.invert_yaxis()
        bars.set_yticks([] if many else range(len(shares)), [] if many else list(class_names), fontsize=7)
        for side in ("top", "right", "bottom"):
            bars.spines[side].set_visible(False)
    return figure
