"""Machine time in the ledger: booked ahead, at least every thirty seconds, stopped under the cap, resumable."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from newtongue.adapters.llm.ledger import Ledger
from newtongue.core import manifest
from newtongue.core.errors import BudgetExceeded
from newtongue.run import watch
from newtongue.run.plan import make_plan
from newtongue.run.runner import run
from newtongue.run.store import Store


def spent(store: Path) -> int:
    with contextlib.closing(Ledger(store / "ledger.db")) as ledger:
        return ledger.spent()


def charges(store: Path) -> list[tuple[str, int, str]]:
    with contextlib.closing(sqlite3.connect(store / "ledger.db")) as db:
        return list(db.execute("SELECT stage, micro_usd, what FROM charge ORDER BY id"))


def priced(usd_per_hour: float, cap: float) -> dict:
    return {"budget": {"usd": cap, "machine": {"usd_per_hour": usd_per_hour}}}


def test_machine_time_is_booked_and_what_was_not_used_is_booked_back(tmp_path, recipe_of):
    done = run(recipe_of({"a": {"delay_seconds": 0.3}}, **priced(3600, 100)), tmp_path / "s")
    (stage, ahead, what), (_, back, _) = charges(tmp_path / "s")
    assert (stage, ahead, what) == ("a", 30_000_000, "30 s of the machine")
    assert back < 0
    costs = manifest.read_manifest(done.directories["a"])["costs"]
    assert 0.9 < costs["machine_usd"] == pytest.approx(costs["usd"])
    assert spent(tmp_path / "s") / 1e6 == pytest.approx(costs["usd"], abs=0.2)


def test_slices_are_at_most_thirty_seconds():
    assert watch.LEAD_SECONDS < watch.SLICE_SECONDS <= 30


def test_a_stage_is_charged_slice_by_slice_and_stopped_under_the_cap(tmp_path, recipe_of, digests, monkeypatch):
    """A slice of half a second stands for thirty; the cap lets about three seconds pass."""
    run(recipe_of({"a": {"chunks": 8}}), tmp_path / "clean")
    monkeypatch.setattr(watch, "SLICE_SECONDS", 0.5)
    monkeypatch.setattr(watch, "LEAD_SECONDS", 0.2)
    slow = {"chunks": 8, "delay_seconds": 0.7}
    fast = {"chunks": 8}
    header = priced(3600, 3.5)
    with pytest.raises(BudgetExceeded) as raised:
        run(recipe_of({"a": slow}, **header), tmp_path / "s")
    assert raised.value.exit_code == 4
    assert raised.value.place == "stages.a"
    assert raised.value.problem.endswith(" of $3.50 are spent or reserved; the stage stopped and can be resumed")
    assert raised.value.fix == "raise `budget.usd` and run again; finished work is kept"
    assert 1_000_000 < spent(tmp_path / "s") <= 4_500_000  # the watch looks once a second
    assert len(charges(tmp_path / "s")) >= 3
    assert list((tmp_path / "s").glob("01-a-*/.scratch/chunk-0"))
    with pytest.raises(BudgetExceeded, match=r"is left|are spent"):
        run(recipe_of({"a": fast}, **header), tmp_path / "s")
    done = run(recipe_of({"a": fast}, **priced(3600, 100)), tmp_path / "s")
    assert digests(tmp_path / "s") == digests(tmp_path / "clean")
    costs = manifest.read_manifest(done.directories["a"])["costs"]
    assert (costs["attempts"], costs["seconds"] > 1) == (2, True)


def test_the_plan_counts_what_the_store_has_spent(tmp_path, recipe_of):
    recipe = recipe_of({"a": {}}, **priced(3600, 100))
    run(recipe, tmp_path / "s")
    assert make_plan(recipe, Store(tmp_path / "s")).spent_usd == spent(tmp_path / "s") / 1e6 > 0


def test_a_free_machine_books_nothing(tmp_path, recipe_of):
    run(recipe_of({"a": {}}), tmp_path / "s")
    assert charges(tmp_path / "s") == []
