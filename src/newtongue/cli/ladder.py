"""`newtongue ladder`: how few rows are enough, and is choosing them better than drawing them?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[
        str, typer.Argument(help="Recipe with a select, an sft and an eval stage, or `ladder`.")
    ] = "ladder",
    *,
    sizes: Annotated[str, typer.Option(help="Rows to keep, rising.")] = "50,100,200,400",
    methods: Annotated[str, typer.Option(help="Methods of `select`; `random` is always added.")] = "mdaq_mmr",
    seeds: Annotated[str, typer.Option(help="At least three.")] = "0,1,2",
    stages: Annotated[
        str, typer.Option(help="What the recipe calls its select, its sft and its eval stage.")
    ] = "select,sft,after",
    set_: Annotated[list[str] | None, typer.Option("--set", help="Change a setting: key.sub=value.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the store; default runs/<recipe>.")] = None,
    rehearse: Annotated[bool, typer.Option("--rehearse", help="Ten and twenty rows, the same code.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Train on several sizes of chosen and of random rows under several seeds; print the curves with intervals."""
    from newtongue.cli.output import print_json, say
    from newtongue.run import ladder as ladders
    from newtongue.run import recipe as recipes
    from newtongue.run.reporter import Terminal

    loaded = recipes.load(recipe, set_ or ())
    store = out or Path("runs") / loaded.name
    found = ladders.ladder(
        loaded,
        ladders.numbers(sizes, "--sizes"),
        store,
        methods=ladders.words(methods),
        seeds=ladders.numbers(seeds, "--seeds"),
        names=ladders.Names.of(stages),
        reporter=Terminal(),
        rehearsal=rehearse,
    )
    if json:
        print_json({name: [asdict(rung) for rung in rungs] for name, rungs in found.curves.items()})
    else:
        say((store / "ladder.md").read_text("utf-8").rstrip())
        say(str(store / "ladder.html"))
