"""A run whose budget cannot reach stops after the first few dozen requests and says what it would take."""

from __future__ import annotations

from pathlib import Path

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running
from stages.synth_kit import run

from newtongue.adapters.llm.ledger import Ledger
from newtongue.core.errors import BudgetExceeded
from newtongue.stages.synth.pilot import REQUESTS
from newtongue.tools.teacher import respond


def teacher() -> FaultyTeacher:
    return FaultyTeacher(write=lambda body: str(respond(body)["choices"][0]["message"]["content"]))


def test_a_budget_that_cannot_reach_is_said_early(tmp_path: Path) -> None:
    with running(teacher()) as server:
        settings = {"url": server.url, "usd_per_million_output_tokens": 100.0, "max_tokens": 400}
        with pytest.raises(BudgetExceeded) as stopped:
            run(tmp_path, 120_000, rows=2000, teacher=settings, concurrency=4)
        assert REQUESTS <= len(server.order) < 150, "one round of requests, not all of the budget"
    assert "from the first 32 requests" in str(stopped.value)
    assert "95 % interval" in str(stopped.value)
    spent = Ledger(tmp_path / "ledger.db").spent()
    assert 0 < spent < 120_000


def test_a_budget_that_reaches_goes_on(tmp_path: Path) -> None:
    with running(teacher()) as server:
        settings = {"url": server.url, "usd_per_million_output_tokens": 1.0}
        done = run(tmp_path, 10**8, rows=150, teacher=settings)
    assert done.counts["documents"] == 150
