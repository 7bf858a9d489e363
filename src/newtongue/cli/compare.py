"""`newtongue compare`: two models' scores side by side, paired, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newtongue.cli.output import print_json, say


def command(
    before: Annotated[Path, typer.Argument(help="Stage directory of one `eval`, or a store whose report names both.")],
    after: Annotated[Path, typer.Argument(help="Stage directory of the other.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two measured models on the same items."""
    from newtongue.run.compare import compare, render

    result = compare(before, after)
    if json:
        print_json(result)
    else:
        say(render(result))
