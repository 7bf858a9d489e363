"""`newtongue ladder`: what it refuses before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from newtongue.cli.main import app
from newtongue.core.errors import BudgetExceeded, RecipeError


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--seeds", "0,1"], "ladder: 2 seeds\n  expected: at least 3 different ones"),
        (["--sizes", "fifty"], "--sizes: 'fifty' is no list of whole numbers\n  expected: 50,100,200"),
        (["--sizes", ""], "ladder: the sizes are none\n  expected: whole numbers of rows, rising"),
        (["--sizes", "100,50"], "ladder: the sizes are 100, 50"),
        (["--stages", "select,sft"], "--stages: 2 names in 'select,sft'\n  expected: select,sft,after"),
        (["--stages", "select,sft,later"], "ladder: no stage `later` in the recipe"),
        (["--methods", "best"], "select"),
        (["--set", "synth.colour=1"], "unknown setting 'colour'"),
        (["--set", "budget.machine.usd_per_hour=1000"], "budget"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(tmp_path: Path, arguments: list[str], problem: str) -> None:
    with pytest.raises((RecipeError, BudgetExceeded)) as refused:
        app(["ladder", *arguments, "--out", str(tmp_path / "store")], standalone_mode=False)
    assert problem in str(refused.value)
    assert not list(tmp_path.glob("store/*/manifest.json"))
