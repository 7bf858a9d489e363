"""`newtongue plan`: what would run, why, and what it would take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newtongue.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from newtongue.core.errors import NewtongueError
    from newtongue.run.plan import Plan


def command(
    recipe: Annotated[str, typer.Argument(help="Recipe file, or the name of a shipped one.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="Change a setting: key.sub=value.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the store; default runs/<recipe>.")] = None,
    rehearse: Annotated[bool, typer.Option("--rehearse", help="Plan the rehearsal instead.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show every stage with what it needs: tokens, time, dollars, memory. Nothing is written."""
    from newtongue.run import recipe as recipes
    from newtongue.run.afford import check_affordable, check_disk
    from newtongue.run.plan import make_plan
    from newtongue.run.store import Store

    loaded = recipes.load(recipe, set_ or ())
    loaded = recipes.rehearse(loaded) if rehearse else loaded
    plan = make_plan(loaded, Store((out or Path("runs") / loaded.name).absolute()))
    refusal, here = _refusal(check_affordable, plan), _refusal(check_disk, plan)
    if json:
        print_json({**facts(plan), "refused": refusal and refusal.text(), "here": here and here.text()})
    else:
        show(plan)
        if here:  # The plan may be meant for another machine; only `run` has to have the room.
            say(f"note: here `run` would refuse: {here.text()}")
    if refusal:
        raise refusal


def _refusal(check: Callable[[Plan], None], plan: Plan) -> NewtongueError | None:
    from newtongue.core.errors import NewtongueError

    try:
        check(plan)
    except NewtongueError as error:
        return error
    return None


def facts(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain values."""
    from dataclasses import asdict

    steps = [
        {
            "name": step.step.name,
            "stage": step.step.entry.key,
            "action": step.action,
            "why": step.why,
            "fingerprint": step.fingerprint,
            "directory": str(step.directory),
            "estimate": {k: v for k, v in asdict(step.estimate).items() if k != "makes"},
            "notes": list(step.notes),
        }
        for step in plan.steps
    ]
    budget = plan.recipe.header.budget
    return {"title": plan.recipe.header.title, "steps": steps, "usd": plan.usd, "seconds": plan.seconds,
            "spent_usd": plan.spent_usd, "budget_usd": budget.usd, "machine": budget.machine.name}  # fmt: skip


def show(plan: Plan) -> None:
    """Print a plan as a table with its totals."""
    from newtongue.run.reporter import duration

    rows = []
    for step in plan.steps:
        e = step.estimate
        tokens = f"{e.tokens:,}" if e.tokens else ""
        low, likely, high = e.usd
        money = f"${likely:.2f} ({low:.2f}–{high:.2f})" if high else ""
        memory, disk = (f"{gb:.1f} GB" if gb >= 0.05 else "" for gb in (e.memory_gb, e.disk_gb))
        rows.append((step.step.name, step.action, tokens, duration(e.seconds[1]), money, memory, disk, step.why))
    print_table(("stage", "action", "tokens", "time", "dollars", "memory", "disk", "why"), rows)
    for step in plan.steps:
        for note in (*step.notes, *step.estimate.notes):
            say(f"note: {step.step.name}: {note}")
    budget = plan.recipe.header.budget
    (low_s, likely_s, high_s), (low, likely, high) = plan.seconds, plan.usd
    cap = "no cap" if budget.usd is None else f"${plan.spent_usd:.2f} of ${budget.usd:.2f} spent"
    say(
        f"to do on {budget.machine.name}: {duration(likely_s)} ({duration(low_s)} to {duration(high_s)}), "
        f"${likely:.2f} ({low:.2f}–{high:.2f}); {cap}"
    )
