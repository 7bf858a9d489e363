"""`newtongue gc`: list what no recorded recipe of a store uses, and remove it when told to."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer


def command(
    store: Annotated[Path, typer.Argument(help="Folder of the store, runs/<recipe>.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """List stage directories that no recipe in the store names; remove them only after a yes."""
    from newtongue.run.inspect import unused

    found = unused(store)
    for directory in found:
        size = sum(f.stat().st_size for f in directory.rglob("*") if f.is_file())
        typer.echo(f"{directory}  {size / 1e6:.1f} MB")
    if not found:
        typer.echo("nothing to remove")
    elif yes or typer.confirm(f"remove these {len(found)} directories?"):
        for directory in found:
            shutil.rmtree(directory)
