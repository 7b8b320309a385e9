"""The plots of the report: both curves, reliability, what a threshold buys, and what more photos would bring."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from calor.training.history import History
from calor.workbench.report.drawing.svg import Plot
from calor.workbench.report.evidence.abstention import Abstention
from calor.workbench.report.evidence.calibration import Calibration, Reliability


def curves(history: History, *, since: int | None = None, best: int | None = None) -> list[tuple[str, Markup]]:
    """Accuracy and loss over the epochs, training and validation together: a name and a drawing each.

    Args:
        history: the run's; without epochs there is nothing to draw.
        since: the epoch, from 1, in which what the verdict names began.
        best: the epoch, from 1, whose weights were kept.
    """
    figures = history.history
    names = [name for name in ("accuracy", "loss") if any(np.isfinite(figures.get(name, [])))]
    return [(name.capitalize(), _curve(figures, name, since, best)) for name in names]


def _curve(figures: dict[str, list[float]], name: str, since: int | None, best: int | None) -> Markup:
    kinds = [
        (kind, figures[key]) for kind, key in (("training", name), ("validation", f"val_{name}")) if key in figures
    ]
    values = np.concatenate([values for _, values in kinds])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    if name == "accuracy":
        y = (max(low - 0.05, 0.0), min(high + 0.05, 1.0))
    else:
        # One exploded epoch would press all others flat.
        high = min(high, max(float(np.quantile(values, 0.95)) * 1.5, low * 1.01))
        y = (0.0, high * 1.05 or 1.0)
    epochs = len(kinds[0][1])
    plot = Plot(
        (1 - 0.02 * epochs, epochs + 0.02 * epochs),
        y,
        "Epoch",
        name.capitalize(),
        percent="y" if name == "accuracy" else "",
        whole="x",
    )
    if since is not None and since <= epochs:
        plot.upright(since, "since")
    if best is not None and best <= epochs:
        plot.upright(best, "best")
    for kind, series in kinds:
        numbers = list(range(1, len(series) + 1))
        plot.line(numbers, series, kind)
        (plot.points if kind == "training" else plot.squares)(numbers, series, kind)
    spoken = "; ".join(f"{kind} from {series[0]:.3g} to {series[-1]:.3g}" for kind, series in kinds)
    return plot.svg(f"{name.capitalize()} over {epochs} epochs: {spoken}.")


def reliability(calibration: Calibration) -> Markup:
    """Confidence against accuracy, before and after temperature scaling."""
    both = (("before", calibration.before), ("after", calibration.after))
    least = min(one.confidence for _, kind in both for one in kind.bins)
    lowest = min(one.share.value for _, kind in both for one in kind.bins)
    start = max(np.floor(10 * min(least, lowest) - 0.5) / 10, 0.0)
    plot = Plot((start, 1.0), (start, 1.0), "How sure it is", "How often it is right", percent="xy")
    plot.line([start, 1.0], [start, 1.0], "ideal")
    for name, kind in both:
        _reliability(plot, kind, name)
    return plot.svg(
        f"Accuracy over confidence. Mean gap before temperature scaling {calibration.before.error:.1%}, "
        f"after it {calibration.after.error:.1%}."
    )


def _reliability(plot: Plot, kind: Reliability, name: str) -> None:
    xs = [one.confidence for one in kind.bins]
    ys = [one.share.value for one in kind.bins]
    if name == "before":
        plot.ranges(xs, [one.share.low for one in kind.bins], [one.share.high for one in kind.bins], name)
    plot.line(xs, ys, name)
    (plot.squares if name == "before" else plot.points)(xs, ys, name)


def risk_coverage(abstention: Abstention) -> Markup:
    """The accuracy of the answers against the share of photos that are answered."""
    lowest = float(abstention.accuracy.min())
    plot = Plot(
        (0.0, 1.0),
        (max(np.floor(20 * lowest - 0.5) / 20, 0.0), 1.0),
        "Photos answered",
        "Right among the answers",
        percent="xy",
    )
    # The first few answers alone make the curve jump.
    steady = abstention.coverage >= min(0.02, 20 / abstention.answered.total)
    plot.line(abstention.coverage[steady].tolist(), abstention.accuracy[steady].tolist(), "training")
    plot.points([1.0], [float(abstention.accuracy[0])], "training", 4)
    plot.text(1.0, float(abstention.accuracy[0]), "all answered", anchor="end", down=18)
    if abstention.right.total:
        x, share = abstention.answered.value, abstention.right
        plot.ranges([x], [share.low], [share.high], "validation")
        plot.squares([x], [share.value], "validation", 9)
        # The curve falls: there is room above it to the right, and below it to the left.
        anchor, across, down = ("start", 9, -9) if x < 0.6 else ("end", -9, 18)
        plot.text(x, share.value, "with the threshold", anchor=anchor, across=across, down=down)
    return plot.svg(
        f"Answering all photos {abstention.accuracy[0]:.1%} are right; answering {abstention.answered.value:.0%} of "
        f"them {abstention.right.value:.1%} are."
    )


def learning(sizes: Sequence[int], accuracies: Sequence[tuple[float, float, float]]) -> Markup:
    """Accuracy (value, low, high) against the number of training photos."""
    values = np.array(accuracies)
    plot = Plot(
        (0.0, max(sizes) * 1.05),
        (max(float(values.min()) - 0.05, 0.0), min(float(values.max()) + 0.05, 1.0)),
        "Training photos",
        "Accuracy",
        percent="y",
    )
    plot.ranges(sizes, values[:, 1].tolist(), values[:, 2].tolist(), "validation")
    plot.line(sizes, values[:, 0].tolist(), "validation")
    plot.squares(sizes, values[:, 0].tolist(), "validation")
    return plot.svg(
        "; ".join(f"{share:.1%} right after {size:,} photos" for size, (share, _, _) in zip(sizes, values, strict=True))
    )
