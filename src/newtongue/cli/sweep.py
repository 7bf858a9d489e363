"""`newtongue sweep`: one recipe with several values of some settings, and one table of what they gave."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="Recipe file, or the name of a shipped one.")],
    over: Annotated[list[str], typer.Option("--over", help="A setting and its values: key.sub=[value, value].")],
    *,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Change a setting: key.sub=value.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the store; default runs/<recipe>-sweep.")] = None,
    rehearse: Annotated[bool, typer.Option("--rehearse", help="The same code at rehearsal size.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Run a recipe once for every combination of values; only what a value changes runs again.

    The table is printed again by `newtongue compare STORE`.
    """
    from newtongue.cli.output import print_json, say
    from newtongue.run import recipe as recipes
    from newtongue.run.points import side_by_side, table
    from newtongue.run.reporter import Terminal
    from newtongue.run.sweep import grid_of, sweep

    loaded = recipes.load(recipe, set_ or ())
    place = out or Path("runs") / f"{loaded.name}-sweep"
    found = side_by_side(sweep(loaded, grid_of(over), place, reporter=Terminal(), rehearsal=rehearse))
    if json:
        print_json(found)
    else:
        say(table(found))
