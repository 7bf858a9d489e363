"""Whether a plan fits the budget, the machine it names and the disk it would be written to."""

from __future__ import annotations

import shutil
from math import ceil

from newtongue.core.errors import BudgetExceeded, RecipeError
from newtongue.run.plan import Plan, PlannedStep


def check_affordable(plan: Plan) -> None:
    """Refuse a plan that cannot fit the budget or its machine, naming the setting that would.

    The machine is the one the recipe names, not this one: a run on rented hardware is planned on a laptop.

    Raises:
        RecipeError: A stage needs more memory than the machine has.
        BudgetExceeded: The likely cost exceeds what is left of the budget, or something costs and there is no budget.
    """
    machine = plan.recipe.header.budget.machine
    for planned in plan.to_do:
        _check_memory(planned, machine.memory_gb, machine.name)
    usd, likely = plan.recipe.header.budget.usd, plan.usd[1]
    if usd is None:
        if likely > 0:
            fix = f"set `budget: {{usd: {likely:.2f}}}`"
            raise BudgetExceeded(f"the plan costs about ${likely:.2f} and there is no budget", place="budget", fix=fix)
    elif likely > usd - plan.spent_usd + 1e-9:
        raise BudgetExceeded(
            f"the plan costs about ${likely:.2f} and ${usd - plan.spent_usd:.2f} of ${usd:.2f} is left",
            place="budget.usd",
            fix=f"--set budget.usd={ceil((likely + plan.spent_usd) * 100) / 100:.2f}, or make the recipe smaller",
        )


def check_disk(plan: Plan) -> None:
    """Refuse a plan that cannot fit the disk its store stands on.

    Raises:
        RecipeError: The disk has less room than the estimates say.
    """
    folder = next(path for path in (plan.store.path, *plan.store.path.parents) if path.exists())
    free = shutil.disk_usage(folder).free / 1e9
    needs = sum(planned.estimate.disk_gb for planned in plan.to_do)
    if needs > free:
        problem = f"needs about {needs:.1f} GB of disk and {free:.1f} GB are free"
        raise RecipeError(problem, place=str(plan.store.path), fix="free some space, or give --out DIR on another disk")


def _check_memory(planned: PlannedStep, memory_gb: float, machine: str) -> None:
    needs, cheaper = planned.estimate.memory_gb, planned.estimate.cheaper
    if needs > memory_gb:
        raise RecipeError(
            f"needs about {needs:.1f} GB of memory and {machine} has {memory_gb:.1f} GB",
            place=f"stages.{planned.step.name}",
            fix=f"set `{cheaper}`" if cheaper else "a larger `budget.machine`",
        )
