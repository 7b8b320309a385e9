"""How accurate the recipes become, and how soon: full runs on real pictures, several seeds each.

Usage: python benchmarks/accuracy.py {cats,clothes} [--recipes NAME ...] [--seeds N ...] [--minutes M | --epochs N]

`cats`: 2,000 photos to learn from, 1,000 to validate. `clothes`: Fashion-MNIST, `notes-cnn` the notes' network.
Each run's record and the curves of all go to --output (build/accuracy); a run whose record is there is not made again.
The times are those of training and validation; compiling is told beside them.
"""

import argparse
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import calor
from calor.data import Dataset
from calor.training.history import History
from calor.workbench import RECIPES, recipes
from calor.workbench.budget import within

REACHED = (0.80, 0.84, 0.86, 0.88, 0.90, 0.91, 0.92, 0.93)
"""The accuracies whose time is told."""


def notes_cnn(seed: int) -> calor.Sequential:
    """The notes' convolutional network for Fashion-MNIST; it takes bytes, as the recipes' networks do."""
    layers = calor.layers
    model = calor.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, (3, 3), padding="same", activation="relu"),
            layers.MaxPooling2D((2, 2), strides=2),
            layers.Conv2D(64, (3, 3), padding="same", activation="relu"),
            layers.MaxPooling2D((2, 2), strides=2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        seed=seed,
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def parts(case: str, size: tuple[int, int] | None) -> tuple[Dataset, Dataset, int]:
    """What is learned from, what is measured on, and how many classes there are."""
    if case == "cats":
        data = calor.data.load("cats_and_dogs")
        return data.dataset("train", image_size=size), data.dataset("validation", image_size=size), 2
    data = calor.data.load("fashion_mnist")
    return data.train, data.test, 10


def train(case: str, name: str, seed: int, minutes: float | None, epochs: int | None) -> History:
    if name == "notes-cnn":
        learned, measured, _ = parts(case, None)
        batches = learned.shuffle(len(learned)).batch(32)
        return notes_cnn(seed).fit(batches, epochs=epochs or 15, validation_data=measured.batch(500), verbose=2)
    recipe = recipes.get(name)
    colours = 3 if case == "cats" else 1
    sizes = recipe.sizes((375, 500) if case == "cats" else (28, 28), timed=minutes is not None)
    counts = {"cats": (2_000, 1_000, 2), "clothes": (60_000, 10_000, 10)}
    examples, validation_examples, classes = counts[case]
    shapes = [(*size, colours) for size in sizes]
    if minutes is not None:
        training = within(
            minutes, recipe, shapes, validation_examples=validation_examples, classes=classes, examples=examples
        )
    else:
        training = recipe.training(shapes[0], classes=classes, examples=examples, epochs=epochs)
    print(training, flush=True)
    learned, measured, _ = parts(case, training.input_shape[:2])
    model = training.model(seed=seed)
    return model.fit(training.batches(learned), epochs=training.epochs, validation_data=measured.batch(100), verbose=2)


def summary(histories: list[History]) -> Iterator[str]:
    """What the runs of one recipe come to."""
    accuracies = [np.array(history.history["val_accuracy"]) for history in histories]
    lowest = [int(np.argmin(history.history["val_loss"])) for history in histories]
    kept = [accuracy[epoch] for accuracy, epoch in zip(accuracies, lowest, strict=True)]
    for what, values in (
        ("with the lowest loss, which `calor train` keeps", kept),
        ("of the last epoch", [accuracy[-1] for accuracy in accuracies]),
        ("of the best epoch", [accuracy.max() for accuracy in accuracies]),
    ):
        shown = ", ".join(f"{value:.4f}" for value in values)
        yield f"  accuracy {what}: median {statistics.median(values):.4f} ({shown})"
    seconds = [np.cumsum(history.epoch_seconds) for history in histories]
    whole = statistics.median(float(clock[-1]) for clock in seconds)
    compiling = statistics.median(history.compile_seconds for history in histories)
    yield f"  {len(accuracies[0])} epochs in {whole:.0f} s, and {compiling:.0f} s of compiling (medians)"
    for goal in REACHED:
        places = [np.flatnonzero(accuracy >= goal) for accuracy in accuracies]
        if any(len(place) for place in places):
            times = [
                f"{clock[place[0]]:.0f} s (epoch {place[0] + 1})" if len(place) else "never"
                for clock, place in zip(seconds, places, strict=True)
            ]
            yield f"  {goal:.2f} first reached after: {', '.join(times)}"


def plot(runs: dict[str, list[History]], title: str) -> Figure:
    """Accuracy and loss of the first seed of each recipe, training dashed."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    figure.suptitle(title)
    for place, key in enumerate(("accuracy", "loss")):
        axes = figure.add_subplot(1, 2, place + 1)
        for colour, (name, histories) in zip(("tab:red", "tab:orange", "tab:blue", "tab:green"), runs.items()):  # noqa: B905
            history = histories[0]
            minutes = np.cumsum(history.epoch_seconds) / 60
            axes.plot(minutes, history.history[f"val_{key}"], color=colour, label=f"{name}, validation")
            axes.plot(minutes, history.history[key], color=colour, linestyle=":", label=f"{name}, training")
        axes.set_xlabel("Minutes of training")
        axes.set_title(key.capitalize())
        axes.grid(alpha=0.25)
        if key == "loss":
            axes.set_ylim(0, 1.2)
        axes.legend(fontsize=8)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=("cats", "clothes"))
    parser.add_argument("--recipes", nargs="+", choices=(*RECIPES, "notes-cnn"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, help="what each run may take; notes-cnn takes no notice of it")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--output", type=Path, default=Path("build/accuracy"))
    options = parser.parse_args()
    usual = ["notes-plain", "notes", "default"] if options.case == "cats" else ["notes-cnn", "default"]
    limit = f"-{options.minutes:g}min" if options.minutes is not None else ""
    limit += f"-{options.epochs}epochs" if options.epochs is not None else ""
    options.output.mkdir(parents=True, exist_ok=True)
    runs: dict[str, list[History]] = {}
    for name in options.recipes or usual:
        for seed in options.seeds:
            path = options.output / f"{options.case}-{name}{limit}-seed{seed}.json"
            if not path.exists():
                print(f"\n{options.case}, {name}, seed {seed}", flush=True)
                train(options.case, name, seed, options.minutes, options.epochs).save(path)
            runs.setdefault(name, []).append(History.load(path))
    for name, histories in runs.items():
        print(f"\n{options.case}, {name}, seeds {', '.join(map(str, options.seeds))}:")
        print("\n".join(summary(histories)), flush=True)
    title = {"cats": "Cats and dogs", "clothes": "Fashion-MNIST"}[options.case]
    plot(runs, title).savefig(options.output / f"{options.case}{limit}.png", dpi=110)


if __name__ == "__main__":
    main()
