"""`newtongue stage`: one stage alone, without a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from newtongue.cli.output import say


def command(
    name: Annotated[str, typer.Argument(help="Stage: corpus, tokenizer, pretrain, …")],
    out: Annotated[Path, typer.Option(help="The stage directory to make.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="A setting: key.sub=value.")] = None,
) -> None:
    """Run one stage on your own files; `newtongue explain NAME` lists its settings.

    `--set budget.usd=5` and `--set budget.machine.…` say what it may cost and where it runs, as in a recipe.
    """
    from newtongue.run import recipe as recipes
    from newtongue.run.reporter import Terminal
    from newtongue.run.runner import run_stage

    entry = recipes.entry_of(name, name, "newtongue stage")
    values: dict[str, Any] = recipes.settings_from(set_ or ())
    header = recipes.header_of({"newtongue": recipes.FORMAT, **recipes.take_header(values)}, "newtongue stage")
    config = recipes.check_config(entry.load_config(), values, f"stage {name}")
    say(str(run_stage(name, config, out, Terminal(), header=header)))
