"""The superficial-alignment ladder: its grid, its control, its intervals; training itself is tested elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from newtongue.adapters.tables.items import write_items
from newtongue.core.errors import RecipeError
from newtongue.methods.ladder import climb, missing
from newtongue.run import ladder as module
from newtongue.run.ladder import ladder
from newtongue.run.recipe import load
from newtongue.run.sweep import Point

SIZES, SEEDS = (50, 100, 200), (0, 1, 2)


@dataclass
class Done:
    """Stands in for a run: one folder with the rows an `eval` stage writes."""

    folder: Path

    def artefact(self, name: str) -> Path:
        return self.folder


@pytest.fixture
def grids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replace training by figures: more rows are better, chosen rows as good as twice as many drawn ones."""
    seen: list[dict[str, Any]] = []

    def fake(recipe: Any, grid: dict[str, Any], out: Path, **rest: Any) -> list[Point]:
        seen.append({"out": Path(out), **grid})
        points = []
        for size in grid["select.keep"]:
            for method in grid["select.method"]:
                seed = grid["select.seed"][0]
                settings = {"select.keep": size, "select.method": method, "select.seed": seed, "sft.seed": seed}
                folder = tmp_path / f"{size}-{method}-{seed}"
                folder.mkdir()
                draw = np.random.default_rng([size, seed])
                level = 2 - 0.2 * np.log2(size * (2 if method == "mdaq_mmr" else 1) / 50)
                rows = [
                    {"set": "answers", "kind": "answers", "item": f"i{n}", "group": f"g{n}", "bytes": 100, "tokens": 30,
                     "bits": 100 * (level + 0.05 * draw.standard_normal() + 0.1 * np.sin(n))}
                    for n in range(40)
                ]  # fmt: skip
                write_items(folder / "items.parquet", rows)
                points.append(Point(settings, Done(folder)))  # type: ignore[arg-type]
        return points

    monkeypatch.setattr(module, "sweep", fake)
    return seen


def test_every_size_has_its_random_control_under_three_seeds(tmp_path: Path, grids: list[dict[str, Any]]) -> None:
    (tmp_path / "store").mkdir()
    found = ladder("ladder", SIZES, tmp_path / "store")
    ran = [tuple(p.settings[k] for k in ("select.method", "select.keep", "select.seed")) for p in found.points]
    assert len(set(ran)) == len(SIZES) * 2 * len(SEEDS)
    assert missing(ran, "random") == []
    assert {grid["out"] for grid in grids} == {tmp_path / "store"}
    assert all(grid["select.seed"] == grid["sft.seed"] for grid in grids)
    rungs = found.curves["answers"]
    assert [(r.method, r.size) for r in rungs] == [(m, s) for m in ("random", "mdaq_mmr") for s in SIZES]
    for rung in rungs:
        assert rung.value.low < rung.value.value < rung.value.high
        assert len(rung.seeds) == 3
        if rung.method == "mdaq_mmr":
            assert rung.against_control is not None
            assert rung.against_control.high < 0
    facts = json.loads((tmp_path / "store" / "ladder.json").read_text())
    assert facts["answers"][0]["against_control"] is None
    assert "| mdaq_mmr | 200 |" in (tmp_path / "store" / "ladder.md").read_text()
    assert (tmp_path / "store" / "ladder.html").read_text().count("<polyline") == 2


def test_fewer_than_three_seeds_and_sizes_that_do_not_rise_are_refused(
    tmp_path: Path, grids: list[dict[str, Any]]
) -> None:
    with pytest.raises(RecipeError, match="2 seeds"):
        ladder("ladder", SIZES, tmp_path, seeds=(0, 1))
    with pytest.raises(RecipeError, match="no stage `last` in the recipe"):
        ladder("ladder", SIZES, tmp_path, names=module.Names(eval="last"))
    for sizes, told in (((), "none"), ((0, 5), "0, 5"), ((50, 50), "50, 50"), ((100, 50), "100, 50")):
        with pytest.raises(RecipeError, match=f"the sizes are {told}"):
            ladder("ladder", sizes, tmp_path)
    assert not grids


def test_the_shipped_recipe_spends_nothing() -> None:
    assert load("ladder").header.budget.usd == 0


def test_a_method_as_good_as_the_control_has_an_interval_around_zero() -> None:
    draw = np.random.default_rng(0)
    base = 100 + 5 * draw.standard_normal((3, 60))
    bits = {("random", 10): base, ("other", 10): base + 0.5 * draw.standard_normal((3, 60))}
    rungs = {rung.method: rung for rung in climb(bits, np.full(60, 50.0), "random")}
    change = rungs["other"].against_control
    assert change is not None
    assert change.low < 0 < change.high
    assert rungs["random"].value.value == pytest.approx(base.mean() / 50)
