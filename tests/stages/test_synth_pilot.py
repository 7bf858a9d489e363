"""A run whose budget cannot reach stops after the first few dozen requests and says what it would take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running
from stages.synth_kit import payload, rows_of, run

from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.pilot import UNITS
from newtongue.core.errors import BudgetExceeded
from newtongue.stages.synth.config import SynthConfig
from newtongue.tools.teacher import respond


def teacher() -> FaultyTeacher:
    return FaultyTeacher(write=lambda body: str(respond(body)["choices"][0]["message"]["content"]))


def test_a_budget_that_cannot_reach_is_said_early(tmp_path: Path) -> None:
    with running(teacher()) as server:
        settings = {"url": server.url, "usd_per_million_output_tokens": 100.0, "max_tokens": 400}
        with pytest.raises(BudgetExceeded) as stopped:
            run(tmp_path, 120_000, rows=2000, teacher=settings, concurrency=4)
        assert UNITS <= len(server.order) < 150, "one round of requests, not all of the budget"
    assert "from the first 32 requests" in str(stopped.value)
    assert "95 % interval" in str(stopped.value)
    spent = Ledger(tmp_path / "ledger.db").spent()
    assert 0 < spent < 120_000


def test_a_budget_that_reaches_goes_on(tmp_path: Path) -> None:
    with running(teacher()) as server:
        settings = {"url": server.url, "usd_per_million_output_tokens": 1.0}
        done = run(tmp_path, 10**8, rows=150, teacher=settings)
    assert done.counts["documents"] == 150


def test_several_teachers_in_a_recipe_are_routed_and_named_on_every_row(tmp_path: Path) -> None:
    def write(body: dict[str, Any]) -> str:
        if body["model"] == "judge":
            return "5" if "weak" not in body["messages"][-1]["content"] else "1"
        return str(respond(body)["choices"][0]["message"]["content"])

    with running(FaultyTeacher(write=write)) as server:
        place = {"url": server.url, "max_tokens": 800}
        done = run(
            tmp_path,
            rows=40,
            teacher={**place, "model": "first", "license": "MIT"},
            more_teachers={
                "second": {**place, "model": "second", "license": "Apache-2.0"},
                "judge_a": {**place, "model": "judge", "license": "CC0-1.0"},
            },
            routing={"mode": "learned", "window": 4, "judges": ["judge_a"], "by_task": {"qa": "teacher"}},
        )
    rows = rows_of(tmp_path)
    assert {row.source for row in rows} <= {"synth: first", "synth: second"}
    assert {row.source for row in rows if row.task == "qa"} == {"synth: first"}
    assert all("MIT" in row.license for row in rows if row.source == "synth: first")
    assert done.counts["documents"] == 40


def test_two_shards_write_the_same_bytes(tmp_path: Path) -> None:
    for name, shards in (("alone", 1), ("together", 2)):
        run(tmp_path / name, rows=20, documents=False, shards=shards)
    assert payload(tmp_path / "alone") == payload(tmp_path / "together")
    assert not (tmp_path / "together" / ".shards" / "synth").exists()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"more_teachers": {"judge": {"serve": "offline"}}}, "`more_teachers` cannot be called `judge`"),
        ({"routing": {"judges": ["nobody"]}}, "names `nobody`; the teachers are teacher"),
        ({"ray": True}, "`ray` shares nothing among one shard"),
        (
            {"routing": {"mode": "learned"}, "more_teachers": {"b": {"serve": "offline", "batch_usd_fraction": 0.5}}},
            "a batch file may take a day",
        ),
        ({"routing": {"mode": "best_of_k"}}, "`routing.k` is 2; 1 teachers answer"),
    ],
)
def test_a_routing_that_cannot_be(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        SynthConfig(teacher={"serve": "offline"}, language="urd_Arab", seeds="seeds", **settings)  # type: ignore[arg-type]
