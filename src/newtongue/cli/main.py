"""The command line: one file per command, no logic. Errors become text and exit codes here and nowhere else."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import typer

COMMANDS = {
    "demo": "demo",
    "plan": "plan",
    "run": "run",
    "stage": "stage",
    "show": "show",
    "compare": "compare",
    "explain": "explain",
    "doctor": "doctor",
    "chat": "chat",
    "teacher": "teacher",
    "gc": "gc",
}
"""Command -> module below `newtongue.cli` whose `command` function it is."""

app = typer.Typer(
    name="newtongue",
    help="Teach an existing open language model a new language, end to end, inside a budget, with proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _name, _module in COMMANDS.items():
    app.command(_name)(import_module(f"newtongue.cli.{_module}").command)


def main() -> None:
    """Run the command line and leave with its exit code."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.exit(call(app))


def call(command: Any) -> int:
    """Run a command; return its exit code after showing a user error as text, a bug as a traceback."""
    from newtongue.core.errors import NewtongueError

    try:
        command(standalone_mode=False)
    except NewtongueError as error:
        typer.echo(f"newtongue: {error.text()}", err=True)
        return error.exit_code
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("newtongue: interrupted; the same command goes on from here", err=True)
        return 130
    except Exception as error:
        return _unexpected(error)
    return 0


def _unexpected(error: Exception) -> int:
    """Show a usage error of the command line as text (2), anything else as a bug with its traceback (1)."""
    show = getattr(error, "format_message", None)
    if show is not None:
        typer.echo(f"newtongue: {show()}", err=True)
        return 2
    import traceback

    traceback.print_exception(error)
    typer.echo("newtongue: this is a bug, please report it with the lines above", err=True)
    return 1


if __name__ == "__main__":
    main()
