"""`newtongue doctor`: check a model directory, or this computer, before money is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newtongue.cli.output import print_json, say


def command(
    model: Annotated[Path | None, typer.Argument(help="Model directory; without it the computer is checked.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check tokenizer, embedding rows, tied heads, special tokens, chat template and a round trip."""
    from newtongue.tools import doctor

    findings = doctor.examine(model)
    if json:
        print_json(doctor.facts(findings))
    else:
        say(doctor.render(findings))
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(3)
