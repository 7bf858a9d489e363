"""`newtongue show`: what a stage directory or a store holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newtongue.cli.output import print_json, print_table, say


def command(
    path: Annotated[Path, typer.Argument(help="A stage directory or a store.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show a sealed stage's card, or every stage of a store with its size and cost."""
    from newtongue.core import manifest
    from newtongue.core.errors import DataError
    from newtongue.run.inspect import card, check, overview

    if manifest.is_sealed(path):
        if json:
            print_json(manifest.read_manifest(path))
        else:
            say(card(path))
        check(path)
        return
    rows = overview(path)
    if not rows:
        raise DataError("no stage directory here", place=str(path), expected="runs/<recipe> or a folder in it")
    if json:
        print_json({"store": str(path), "stages": rows})
    else:
        print_table(tuple(rows[0]), [tuple(str(v) for v in row.values()) for row in rows])
