"""`newtongue compare`: two models' scores side by side, paired, with intervals; or all runs of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newtongue.cli.output import print_json, say


def command(
    before: Annotated[Path, typer.Argument(help="Directory of one `eval`, a run with a report, or a sweep's store.")],
    after: Annotated[Path | None, typer.Argument(help="The same of the other model; a sweep needs none.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the report's page: .html, .md or .json.")
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 6 when a kept language was lost.")] = False,
) -> None:
    """Compare two measured models on the same items, or all runs of a sweep in one table."""
    from newtongue.core.errors import GateFailed
    from newtongue.run.compare import compare, render, write_page

    if after is None:
        _sweep(before, json, out, gate)
        return
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


def _sweep(store: Path, json: bool, out: Path | None, gate: bool) -> None:
    from newtongue.core.errors import RecipeError
    from newtongue.run.points import side_by_side, table, write_table
    from newtongue.run.sweep import read_points

    if gate:
        raise RecipeError("a gate judges two models", place="--gate", fix="name the other model, too")
    found = side_by_side(read_points(store))
    if json:
        print_json(found)
    else:
        say(table(found))
    if out:
        write_table(found, out)
