"""Sweeps: one recipe with several values of some settings, in one store; only what a value changes runs again."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from newtongue.run.document import assign
from newtongue.run.recipe import Recipe, build, load, rehearse
from newtongue.run.reporter import Reporter
from newtongue.run.runner import Run, run


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a sweep.

    Attributes:
        settings: Dotted key -> the value it had in this run.
        run: Where its stages stand; stages no setting reaches are the same directories in every run.
    """

    settings: Mapping[str, Any]
    run: Run


def sweep(
    recipe: str | Path | Recipe,
    grid: Mapping[str, Sequence[Any]],
    out: str | Path,
    *,
    reporter: Reporter | None = None,
    rehearsal: bool = False,
) -> list[Point]:
    """Run a recipe once for every combination of the grid's values.

    Args:
        recipe: A recipe, its file, or the name of a shipped one.
        grid: Dotted key (`pretrain.learning_rate`) -> values, in the order they are tried.
        out: Folder of the store all runs share.
        reporter: Shows progress; None shows nothing.
        rehearsal: Whether to run at rehearsal size.

    Raises:
        NewtongueError: All combinations are checked before the first one runs; a run that fails keeps what is done.

    Example:
        >>> points = sweep("demo", {"pretrain.learning_rate": [2e-4, 4e-4]}, "runs/rates")  # doctest: +SKIP
    """
    base = recipe if isinstance(recipe, Recipe) else load(recipe)
    combinations = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    recipes = [_with(base, settings) for settings in combinations]
    recipes = [rehearse(each) for each in recipes] if rehearsal else recipes
    return [Point(s, run(r, Path(out), reporter)) for s, r in zip(combinations, recipes, strict=True)]


def _with(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    document = copy.deepcopy(dict(recipe.document))
    for key, value in settings.items():
        assign(document, f"stages.{key}", value)
    return build(document, recipe.name, f"sweep of {recipe.name}")
