"""``calor predict``, ``calor evaluate`` and ``calor summary``."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calor.cli.output import print_json, print_table

if TYPE_CHECKING:
    from calor.workbench import Evaluation, Prediction
    from calor.workbench.sealed import Opening

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model.keras file, or a run folder with one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def predict(
    model: Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Picture files, or folders of them.")],
    json: AsJson = False,
) -> None:
    """Say what pictures show, and how sure the model is.

    Pictures that cannot be read are named and skipped; the exit code is 1 then.
    """
    from calor import workbench

    predictions = list(workbench.predict(workbench.load_classifier(model), images))
    if json:
        print_json([_record(prediction) for prediction in predictions])
    else:
        _print_predictions(predictions)
    if any(prediction.error for prediction in predictions):
        raise typer.Exit(1)


def evaluate(
    model: Model,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="A folder with a subfolder of pictures for each class; without it, the test part that the run sealed.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Measure a model on a folder of labelled pictures, or a run on its sealed test part.

    Open the test part once, when all is decided: `sealed.json` in the run folder counts how often it was.
    """
    from calor import workbench

    openings: Sequence[Opening] = ()
    if folder is not None:
        result = workbench.evaluate(workbench.load_classifier(model), folder)
    else:
        unsealed = workbench.open_sealed(model)
        result, openings = unsealed.evaluation, unsealed.openings
    if json:
        classes = zip(result.class_names, result.pictures.tolist(), result.right.tolist(), strict=True)
        counts = {name: {"pictures": pictures, "right": right} for name, pictures, right in classes}
        record: dict[str, object] = {"loss": result.loss, "accuracy": result.accuracy, "classes": counts}
        if openings:
            record |= {"interval": list(result.interval), "opened": len(openings)}
        print_json(record)
    else:
        _print_evaluation(result)
        if openings:
            _print_openings(result, openings)


def summary(model: Model) -> None:
    """Show a model's layers, their shapes and numbers of weights."""
    from calor.models import load_model
    from calor.workbench.classify import model_file

    loaded = load_model(model_file(model))
    loaded.summary()
    if loaded.class_names:
        print(f"Classes: {', '.join(loaded.class_names)}")


def _record(prediction: "Prediction") -> dict[str, object]:
    if prediction.error is not None:
        return {"file": str(prediction.file), "error": prediction.error}
    name, confidence = next(iter(prediction.probabilities.items()))
    return {
        "file": str(prediction.file),
        "class": name,
        "confidence": confidence,
        "probabilities": prediction.probabilities,
    }


def _print_predictions(predictions: Iterable["Prediction"]) -> None:
    rows = []
    for prediction in predictions:
        if prediction.error is not None:
            typer.echo(f"calor: {prediction.error}", err=True)
            continue
        (first, sure), (second, less) = list(prediction.probabilities.items())[:2]
        rows.append((str(prediction.file), first, f"{sure:.1%}", f"{second} {less:.1%}"))
    if rows:
        print_table(("File", "Class", "Confidence", "Runner-up"), rows, numbers=(2,))


def _print_evaluation(result: "Evaluation") -> None:
    rows = [
        (name, str(pictures), str(right), f"{right / pictures:.1%}")
        for name, pictures, right in zip(result.class_names, result.pictures, result.right, strict=True)
    ]
    pictures, right = int(result.pictures.sum()), int(result.right.sum())
    print_table(
        ("Class", "Pictures", "Right", "Accuracy"),
        [*rows, ("together", str(pictures), str(right), f"{result.accuracy:.1%}")],
        numbers=(1, 2, 3),
    )
    if result.loss is not None:
        print(f"Loss: {result.loss:.4f}")


def _print_openings(result: "Evaluation", openings: Sequence["Opening"]) -> None:
    low, high = result.interval
    print(
        f"On {result.pictures.sum()} pictures that nothing was learned from or chosen by: {result.accuracy:.1%} right; "
        f"in 95 of 100 cases, the accuracy on new pictures of this kind is between {low:.1%} and {high:.1%}."
    )
    *before, _ = openings
    if not before:
        print("The sealed test part was opened for the first time. This is the figure to report.")
        return
    told = ", ".join(f"{one.accuracy:.1%} on {one.when[:10]} by {one.run}" for one in before[-3:])
    print(
        f"The sealed test part was opened {len(openings)} times now (before: {told}). What is changed or chosen "
        "because of what it shows fits these pictures by luck, too: its accuracy is then better than on new ones, and "
        "the interval no longer holds. Choose by the validation part; for a fresh test, seal pictures that were never "
        "used."
    )
