"""`newtongue gc`: list what no recorded recipe of a store uses, and remove it when told to."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from newtongue.cli.output import print_json, say


def command(
    store: Annotated[Path, typer.Argument(help="Folder of the store, runs/<recipe>.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object; removes nothing.")] = False,
) -> None:
    """List stage directories that no recipe in the store names; remove them only after a yes."""
    from newtongue.run.inspect import size_bytes, unused

    found = unused(store)
    if json:
        print_json({"store": str(store), "unused": [{"directory": d.name, "bytes": size_bytes(d)} for d in found]})
        return
    for directory in found:
        say(f"{directory}  {size_bytes(directory) / 1e6:.1f} MB")
    if not found:
        say("nothing to remove: every stage is named by a recipe-*.yaml of the store")
    elif yes or typer.confirm(f"remove these {len(found)} directories?"):
        for directory in found:
            shutil.rmtree(directory)
