"""``calor run`` and ``calor check-code``: programs that were written for TensorFlow."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from calor.cli.output import print_json

WithTensorFlow = Annotated[
    bool, typer.Option("--with-tensorflow", help="Leave `import tensorflow` to the one that is installed.")
]


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A program.py or notebook.ipynb.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGUMENTS]...", help="The program's own; -o OUT for a notebook.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="The notebook with its outputs; NAME.calor.ipynb by default."
        ),
    ] = None,
    with_tensorflow: WithTensorFlow = False,
) -> None:
    """Run a program or notebook that was written for TensorFlow or Keras, on Calor.

    In it, tensorflow, keras and tensorflow_datasets are Calor's. Nothing is installed or changed outside of the run.
    """
    from calor.compat import run as runner

    given = list(arguments or ())
    if file.suffix != ".ipynb":
        if output is not None:
            raise typer.BadParameter("only notebooks have an --output; a program's options stand behind its name.")
        raise typer.Exit(runner.script(file, given, with_tensorflow=with_tensorflow))
    while given:
        option = given.pop(0)
        if option == "--with-tensorflow":
            with_tensorflow = True
        elif option in ("-o", "--output") and given:
            output = Path(given.pop(0))
        else:
            raise typer.BadParameter(f"{option!r}: a notebook takes no arguments but -o OUT.")
    show = sys.stderr.isatty()

    def started(cell: int, cells: int) -> None:
        if show:
            print(f"\rcell {cell} of {cells}", end="", file=sys.stderr, flush=True)

    result = runner.notebook(file, output, with_tensorflow=with_tensorflow, started=started)
    if show:
        print("\r\x1b[K", end="", file=sys.stderr)
    if result.error is not None:
        print(result.error, file=sys.stderr)
        print(f"calor: a cell failed; the notebook up to it is {result.output}.", file=sys.stderr)
        raise typer.Exit(1)
    print(f"{result.cells} cells ran; the notebook with their outputs is {result.output}.")


def check_code(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Programs (.py) and notebooks (.ipynb).")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List the names of TensorFlow's in programs that Calor does not have; nothing is run.

    The exit code is 1 if there are any.
    """
    from dataclasses import asdict

    from calor.compat.check_code import check_file

    findings = [found for file in files for found in check_file(file)]
    if json:
        print_json([asdict(found) for found in findings])
    else:
        for found in findings:
            print(f"{found.place}: {found.message}")
        if not findings:
            print("Calor has every name of TensorFlow's that is used here.")
    if findings:
        raise typer.Exit(1)
