"""`newtongue demo`: the shipped recipe, start to finish, then the report's path."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newtongue.cli import run


def command(
    out: Annotated[Path, typer.Option(help="Folder of the store.")] = Path("runs/demo"),
    set_: Annotated[list[str] | None, typer.Option("--set", help="Change a setting: key.sub=value.")] = None,
    rehearse: Annotated[bool, typer.Option("--rehearse", help="The same code at rehearsal size.")] = False,
) -> None:
    """Teach the shipped nano English model Urdu on this computer's CPU and write a report; costs nothing."""
    run.command("demo", set_=set_, out=out, rehearse=rehearse, json=False)
