"""Sweeps: one recipe with several values of some settings, in one store; only what a value changes runs again."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from newtongue.core import manifest
from newtongue.core.errors import DataError, RecipeError
from newtongue.run.document import assign, override_of
from newtongue.run.recipe import Header, Recipe, build, load, rehearse
from newtongue.run.reporter import Reporter
from newtongue.run.runner import Run, run

RECORD = "sweep.json"
"""File in the store that names the runs of its newest sweep."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a sweep.

    Attributes:
        settings: Dotted key -> the value it had in this run.
        run: Where its stages stand; stages no setting reaches are the same directories in every run.
    """

    settings: Mapping[str, Any]
    run: Run

    @property
    def directories(self) -> Mapping[str, Path]:
        """Stage name -> sealed directory."""
        return self.run.directories


@dataclass(frozen=True, slots=True)
class PastPoint:
    """One run of a sweep, read again from the store.

    Attributes:
        settings: Dotted key -> the value it had.
        directories: Stage name -> sealed directory.
    """

    settings: Mapping[str, Any]
    directories: Mapping[str, Path]


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
        out: Folder of the store all runs share; `sweep.json` there names them.
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
    points: list[Point] = []
    for settings, each in zip(combinations, recipes, strict=True):
        points.append(Point(settings, run(each, Path(out), reporter)))
        _record(points, base.name, Path(out))
    return points


def grid_of(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Return the grid that `key=[value, …]` texts give; paths count from the working directory.

    Raises:
        RecipeError: A text gives no list of values.
    """
    grid = {}
    for key, values in map(override_of, texts):
        if not isinstance(values, list) or not values:
            raise RecipeError(
                f"{values!r} is no list of values",
                place=f"--over {key}",
                expected=f"--over '{key}=[one, another]'",
                fix="put the values in brackets; `--set` sets a single one",
            )
        grid[key] = values
    return grid


def read_points(store: Path) -> list[PastPoint]:
    """Return the runs of a store's newest sweep that are finished.

    Raises:
        DataError: The store has no sweep, or a directory of one is gone.
    """
    try:
        found = json.loads((store / RECORD).read_text("utf-8"))["points"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            "holds no sweep",
            place=str(store),
            expected=f"a store with {RECORD}",
            fix="newtongue sweep makes one; two models are compared by naming both",
        ) from None
    points = [PastPoint(p["settings"], {n: store / d for n, d in p["directories"].items()}) for p in found]
    gone = [place for point in points for place in point.directories.values() if not manifest.is_sealed(place)]
    if gone:
        raise DataError("a stage of the sweep is gone", place=str(gone[0]), fix="run `newtongue sweep` again")
    return points


def _record(points: Sequence[Point], recipe: str, out: Path) -> None:
    rows = [{"settings": p.settings, "directories": {n: d.name for n, d in p.directories.items()}} for p in points]
    manifest.write_text(out / RECORD, json.dumps({"format": 1, "recipe": recipe, "points": rows}, indent=2) + "\n")


def _with(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    document = copy.deepcopy(dict(recipe.document))
    for key, value in settings.items():
        assign(document, key if key.split(".")[0] in Header.model_fields else f"stages.{key}", value)
    return build(document, recipe.name, f"sweep of {recipe.name}")
