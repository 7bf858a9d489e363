"""`newtongue compare`: two models' scores side by side, paired, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newtongue.cli.output import print_json, say


def command(
    before: Annotated[Path, typer.Argument(help="Stage directory of one `eval`, or a run whose report names it.")],
    after: Annotated[Path, typer.Argument(help="The same of the other model.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the report's page: .html, .md or .json.")
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 6 when a kept language was lost.")] = False,
) -> None:
    """Compare two measured models on the same items."""
    from newtongue.core.errors import GateFailed
    from newtongue.run.compare import compare, render, write_page

    result = compare(before, after)
    if json:
        print_json(result)
    else:
        say(render(result))
    if out:
        write_page(before, after, out)
    kept = result["verdicts"]["retention"]
    if gate and kept and kept["verdict"] == "fail":
        raise GateFailed(f"lost more than the limit ({kept['measure']})", place=f"set {kept['set']}")
