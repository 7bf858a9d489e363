"""The command line: one file per command, no logic. Errors become text and exit codes here and nowhere else."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import typer

from newtongue.core.process import exit_quietly_on_broken_pipe

COMMANDS = {
    "demo": "teach the shipped model Urdu, start to finish",
    "plan": "what would run, why, and what it would take",
    "run": "run a recipe, or go on with it",
    "sweep": "run a recipe with several values, and compare",
    "ladder": "how few rows are enough, chosen or drawn",
    "stage": "run one stage on your own files",
    "show": "what a stage or a store holds",
    "compare": "two measured models side by side",
    "explain": "every setting of a stage",
    "diagnose": "candidate base models on your text",
    "doctor": "check a model, or this computer",
    "language": "a language card, or a draft of one from your text",
    "review": "rows out to a native speaker, and verdicts back in",
    "chat": "talk to a model",
    "teacher": "serve the offline stand-in teacher",
    "gc": "remove what no recipe names, after asking",
}
"""Command -> its line in the list of commands; the function is `command` of the module of that name."""

INTERRUPTED = 130

app = typer.Typer(
    name="newtongue",
    help="Teach an existing open language model a new language, end to end, inside a budget, with proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _name, _line in COMMANDS.items():
    app.command(_name, short_help=_line)(import_module(f"newtongue.cli.{_name}").command)


def main() -> None:
    """Run the command line and leave with its exit code."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.exit(call(app))


def call(command: Any) -> int:
    """Run a command; return its exit code after showing a user error as text, a bug as a traceback."""
    from newtongue.cli.output import say
    from newtongue.core.errors import understand

    try:
        code = command(standalone_mode=False)  # without standalone mode, exit codes come back as values
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:
        exit_quietly_on_broken_pipe()
        return 0
    except Exception as error:
        known = understand(error)
        if known is None:
            return _unexpected(error)
        say(f"newtongue: {known.text()}", err=True)
        return known.exit_code
    if code == INTERRUPTED:
        say("newtongue: interrupted; the same command goes on from here", err=True)
    return code if isinstance(code, int) else 0


def _unexpected(error: Exception) -> int:
    """Show a usage error of the command line as text (2), anything else as a bug with its traceback (1)."""
    from newtongue.cli.output import say

    show = getattr(error, "format_message", None)
    if show is not None:
        say(f"newtongue: {show()}", err=True)
        return 2
    import traceback

    say("".join(traceback.format_exception(error)), err=True)
    say("newtongue: this is a bug, please report it with the lines above", err=True)
    return 1


if __name__ == "__main__":
    main()
