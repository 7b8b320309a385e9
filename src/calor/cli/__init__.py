"""The command line: ``calor train``, ``predict``, ``run`` and the others that ``calor --help`` lists.

Thin: each command parses, calls the workbench and shows what comes back. Nothing heavy is imported before a command
runs, so that ``calor --help`` answers at once.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from calor import __version__
from calor.cli import cache, check, classify, code, compare, data, doctor, report, train
from calor.cli.messages import plain_warnings, problem

app = typer.Typer(
    help="Deep learning for software developers: from a folder of photos to a classifier.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)
app.command()(check.check)
app.command()(train.train)
app.command()(train.reproduce)
app.command()(classify.predict)
app.command()(classify.evaluate)
app.command()(classify.summary)
app.command()(train.demo)
app.command()(report.report)
app.command()(compare.compare)
app.command()(doctor.doctor)
app.add_typer(data.app, name="data")
app.add_typer(cache.app, name="cache")
# What stands behind a program's name belongs to the program.
app.command(context_settings={"allow_interspersed_args": False})(code.run)
app.command("check-code")(code.check_code)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"calor {__version__}")
        raise typer.Exit


@app.callback()
def _calor(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 when all went well, 1 when something failed, 2 for a command that makes no sense.

    Args:
        arguments: what follows ``calor`` on the command line; by default what the shell gave.

    Raises:
        SystemExit: always, with the exit code; 130 after Ctrl-C.
    """
    with plain_warnings():
        try:
            app(arguments, prog_name="calor")
        except Exception as error:
            message = problem(error)
            if message is None:
                raise
            print(message, file=sys.stderr)
            sys.exit(1)
