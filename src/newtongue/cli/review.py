"""`newtongue review`: a sample of rows out for a native speaker, verdicts and corrections back in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newtongue.cli.output import print_json, say


def command(
    data: Annotated[Path, typer.Argument(help="A stage directory of conversations or preferences, or a file of them.")],
    file: Annotated[Path, typer.Argument(help="The review file, .csv or .jsonl: written, or with --out read back.")],
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to make from the edited file.")] = None,
    rows: Annotated[int, typer.Option("--rows", min=0, help="Accepted rows to draw.")] = 50,
    rejected: Annotated[
        int, typer.Option("--rejected", min=0, help="Rejected rows to draw; those judged right come back.")
    ] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draw.")] = 0,
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who judged, kept with each row.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write rows for a person to judge; with --out, turn the judged file into rows and reasons."""
    from newtongue.tools.review import export, take_in

    found = export(data, file, rows=rows, rejected=rejected, seed=seed) if out is None else None
    if found is None and out is not None:
        found = take_in(data, file, out, reviewer=reviewer)
    if json:
        print_json(found)
        return
    say(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in (found or {}).items() if value != ""))
    say(str(file if out is None else out / "rows.jsonl"))
