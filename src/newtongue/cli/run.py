"""`newtongue run`: run everything of a recipe that is not sealed yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[str, typer.Argument(help="Recipe file, or the name of a shipped one.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="Change a setting: key.sub=value.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the store; default runs/<recipe>.")] = None,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Run the same code at rehearsal size, in about a minute.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Run a recipe; run it again after any interruption and it goes on where it stopped."""
    from newtongue.cli.output import print_json, say
    from newtongue.run import recipe as recipes
    from newtongue.run.reporter import Terminal
    from newtongue.run.runner import run

    loaded = recipes.load(recipe, set_ or ())
    loaded = recipes.rehearse(loaded) if rehearse else loaded
    finished = run(loaded, out or Path("runs") / loaded.name, Terminal())
    if json:
        print_json({name: str(path) for name, path in finished.directories.items()})
    else:
        last = loaded.steps[-1].name
        if last in finished.directories:
            say(_result(finished.artefact(last)))


def _result(payload: Path) -> str:
    page = payload / "report.html"
    return str(page if page.is_file() else payload)
