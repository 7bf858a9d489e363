"""The superficial-alignment ladder: how few rows are enough, and is choosing them better than drawing them?

A sweep over size x method x seed through the ordinary stages: `select`, `sft` and `eval` run once per combination,
everything before them once. The random control is always part of it. All runs share one store and its budget.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from newtongue.adapters.tables.items import read_items
from newtongue.core.errors import RecipeError
from newtongue.methods.ladder import Rung, climb
from newtongue.methods.scores import SetTable, tables
from newtongue.run.recipe import Recipe, load
from newtongue.run.reporter import Reporter
from newtongue.run.sweep import Point, sweep

CONTROL = "random"
FEWEST_SEEDS = 3
REHEARSED = (10, 20)
"""Rows kept in a rehearsal."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the recipe calls its parts.

    Attributes:
        select: Stage whose `method`, `keep` and `seed` are varied.
        sft: Stage that trains on it; its `seed` is varied too.
        eval: Stage that measures.
    """

    select: str = "select"
    sft: str = "sft"
    eval: str = "after"

    @classmethod
    def of(cls, text: str) -> Names:
        """Read `select,sft,eval` as it stands on a command line.

        Raises:
            RecipeError: It is not three names.
        """
        found = words(text)
        if len(found) != len(fields(cls)):
            raise RecipeError(f"{len(found)} names in {text!r}", place="--stages", expected="select,sft,after")
        return cls(*found)


@dataclass(frozen=True, slots=True)
class Ladder:
    """What came of it.

    Attributes:
        curves: Name of a measured set -> its rungs, methods in order and sizes rising.
        points: Every run.
    """

    curves: dict[str, list[Rung]]
    points: list[Point]


def ladder(
    recipe: str | Path | Recipe,
    sizes: Sequence[int],
    out: str | Path,
    *,
    methods: Sequence[str] = ("mdaq_mmr",),
    seeds: Sequence[int] = (0, 1, 2),
    names: Names | None = None,
    reporter: Reporter | None = None,
    rehearsal: bool = False,
) -> Ladder:
    """Train on several sizes of chosen and of random rows under several seeds, and measure each.

    Args:
        recipe: A recipe with a `select`, an `sft` and an `eval` stage, its file, or `ladder`, the shipped one.
        sizes: Rows to keep, rising.
        out: Folder of the store; `ladder.json`, `ladder.md` and `ladder.html` are written there.
        methods: Methods of `select` to compare; `random` is added where it is missing.
        seeds: At least three; each is the seed of the choice and of fine-tuning.
        names: What the recipe calls the stages.
        reporter: Shows progress; None shows nothing.
        rehearsal: Whether to run at rehearsal size, with ten and twenty rows in place of the sizes.

    Raises:
        RecipeError: Fewer than three seeds, no rising sizes, an unknown method, or a stage is not in the recipe.
        BudgetExceeded: The next run would cost more than is left; what is done is kept and read again later.

    Example:
        >>> found = ladder("ladder", [50, 100, 200], "runs/ladder")  # doctest: +SKIP
    """
    names = names or Names()
    base = recipe if isinstance(recipe, Recipe) else load(recipe)
    _check(base, names, sizes, seeds)
    sizes = REHEARSED[: len(sizes)] if rehearsal else sizes
    every = list(dict.fromkeys([CONTROL, *methods]))
    points: list[Point] = []
    for seed in seeds:
        grid: dict[str, Sequence[Any]] = {
            f"{names.select}.keep": sizes,
            f"{names.select}.method": every,
            f"{names.select}.seed": [seed],
            f"{names.sft}.seed": [seed],
        }
        points += sweep(base, grid, out, reporter=reporter, rehearsal=rehearsal)
    found = Ladder(curves(points, names), points)
    _write(found, Path(out))
    return found


def curves(points: Sequence[Point], names: Names) -> dict[str, list[Rung]]:
    """Return the rungs of every set that is scored in bits, over all runs.

    Args:
        points: Runs of every method, size and seed.
        names: What the recipe calls the stages.
    """
    measured: dict[tuple[str, int, int], dict[str, SetTable]] = {}
    for point in points:
        keys = (f"{names.select}.method", f"{names.select}.keep", f"{names.select}.seed")
        method, size, seed = (point.settings[key] for key in keys)
        measured[method, size, seed] = tables(read_items(point.run.artefact(names.eval) / "items.parquet"))
    first = next(iter(measured.values()))
    return {name: _rungs(name, measured) for name, table in first.items() if table.kind in ("text", "answers")}


def _rungs(name: str, measured: dict[tuple[str, int, int], dict[str, SetTable]]) -> list[Rung]:
    sums = {key: found[name].sums("bits", "bytes") for key, found in measured.items()}
    bits: dict[tuple[str, int], np.ndarray] = {}
    for method, size in dict.fromkeys((method, size) for method, size, _ in measured):
        rows = [sums[m, s, seed][:, 0] for m, s, seed in measured if (m, s) == (method, size)]
        bits[method, size] = np.stack(rows)
    weights = next(iter(sums.values()))[:, 1]
    return sorted(climb(bits, weights, CONTROL), key=lambda rung: (rung.method != CONTROL, rung.method, rung.size))


def numbers(text: str, option: str) -> list[int]:
    """Read whole numbers as they stand on a command line, separated by commas.

    Raises:
        RecipeError: One of them is no whole number.
    """
    try:
        return [int(word) for word in words(text)]
    except ValueError:
        raise RecipeError(f"{text!r} is no list of whole numbers", place=option, expected="50,100,200") from None


def words(text: str) -> list[str]:
    """Read words as they stand on a command line, separated by commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _check(recipe: Recipe, names: Names, sizes: Sequence[int], seeds: Sequence[int]) -> None:
    if not sizes or sizes[0] < 1 or any(later <= size for size, later in pairwise(sizes)):
        told = ", ".join(map(str, sizes)) or "none"
        raise RecipeError(f"the sizes are {told}", place="ladder", expected="whole numbers of rows, rising")
    if len(set(seeds)) < FEWEST_SEEDS:
        raise RecipeError(
            f"{len(set(seeds))} seeds", place="ladder", expected=f"at least {FEWEST_SEEDS} different ones"
        )
    there = {step.name for step in recipe.steps}
    if absent := [name for name in (names.select, names.sft, names.eval) if name not in there]:
        raise RecipeError(f"no stage `{absent[0]}` in the recipe", place="ladder", expected=", ".join(sorted(there)))


def _write(found: Ladder, out: Path) -> None:
    facts = {name: [asdict(rung) for rung in rungs] for name, rungs in found.curves.items()}
    (out / "ladder.json").write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    (out / "ladder.md").write_text("\n".join(_markdown(found.curves)) + "\n", "utf-8")
    from newtongue.stages.report.ladder_chart import ladder_chart

    charts = [ladder_chart(name, rungs) for name, rungs in found.curves.items()]
    (out / "ladder.html").write_text("\n".join(charts) + "\n", "utf-8")


def _markdown(found: dict[str, list[Rung]]) -> list[str]:
    lines = []
    for name, rungs in found.items():
        lines += [f"### {name}, bits per byte (mean over seeds, 95 % interval over seeds and documents)", ""]
        lines += ["| method | rows | bits per byte | against random | under each seed |", "|---|---:|---:|---:|---|"]
        for rung in rungs:
            v, d = rung.value, rung.against_control
            against = f"{d.value:+.4f} [{d.low:+.4f}, {d.high:+.4f}]" if d else ""
            each = ", ".join(f"{value:.4f}" for value in rung.seeds)
            shown = f"{v.value:.4f} [{v.low:.4f}, {v.high:.4f}]"
            lines.append(f"| {rung.method} | {rung.size} | {shown} | {against} | {each} |")
        lines.append("")
    return lines
