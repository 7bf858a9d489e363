"""Batch files: half the price, results in any order, some missing or doubled, a run killed while one is under way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.fault_kit import serving
from adapters.llm.fault_worker import PRICES, question

from newtongue.adapters.llm.bed import Bed
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.questions import Reply
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.core.errors import BudgetExceeded, ProviderError
from newtongue.core.teacher import Routing, Sending, Teacher
from newtongue.methods.scenario import Scenario

ROWS = 40
QUIET = Scenario(price=(1.0, 2.0))


def ask(store: Path, url: str, rows: int = ROWS, fraction: float | None = 0.5) -> list[Reply]:
    settings = {"url": url, "model": "m", "max_tokens": 60, "batch_usd_fraction": fraction, **PRICES}
    sending = Sending(concurrency=4, timeout_seconds=5, backoff_seconds=0.02)
    with open_teachers({"": Teacher.model_validate(settings)}, store, "synth", sending=sending) as teachers:
        return teachers.ask(question(i) for i in range(rows))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    Ledger(tmp_path / "ledger.db", 10**6).close()
    return tmp_path


def test_a_batch_costs_half_and_gives_the_same_rows(store: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("one-by-one")
    Ledger(other / "ledger.db", 10**6).close()
    with serving(QUIET) as bed:
        replies = ask(store, bed.url)
        assert bed.batches.submitted == 1
        assert bed.meter.statuses.total() == 0, "something was asked one by one"
        assert replies == ask(store, bed.url)
        assert bed.meter.attempts.total() == ROWS
        half = Ledger(store / "ledger.db").spent()
        alone = ask(other, bed.url, fraction=None)
    assert [r.text for r in replies] == [r.text for r in alone]
    assert half == pytest.approx(Ledger(other / "ledger.db").spent() / 2, abs=ROWS)
    assert not list((store / ".batches").iterdir())


def test_judges_and_both_candidates_come_through_batches(store: Path) -> None:
    models = {"poor": 0.2, "good": 0.9, "judge": 1.0}
    settings = {"max_tokens": 60, "batch_usd_fraction": 0.5, **PRICES}
    with serving(Scenario(price=(1.0, 2.0), strengths=models)) as bed:
        team = {name: Teacher.model_validate({"url": bed.url, "model": name, **settings}) for name in models}
        routing = Routing(mode="best_of_k", judges=["judge"])
        with open_teachers(team, store, "synth", routing=routing) as teachers:
            replies = teachers.ask(question(i) for i in range(ROWS))
        assert bed.meter.statuses.total() == 0, "something was asked one by one"
        assert set(bed.meter.attempts.values()) == {1}
        assert bed.meter.billed == Ledger(store / "ledger.db").spent()
    assert {reply.state for reply in replies} == {"answered"}
    assert sum(reply.teacher == "good" for reply in replies) > ROWS // 2


def story_of(bed: Bed) -> None:
    """Every fifth line is missing, every fifth doubled, every fifth failed."""
    bed.batches.story = lambda key: ["missing", "doubled", "500", "", ""][int(key, 16) % 5]


@pytest.mark.parametrize("expired", [False, True])
def test_missing_doubled_and_failed_lines(store: Path, expired: bool) -> None:
    with serving(QUIET) as bed:
        story_of(bed)
        bed.batches.expired = expired
        replies = ask(store, bed.url)
        assert {reply.state for reply in replies} == {"answered"}
        assert set(bed.meter.answered.values()) == {1}
        assert bed.meter.billed == Ledger(store / "ledger.db").spent()
    assert Ledger(store / "ledger.db").stranded() == []


def test_a_refused_line_is_a_failed_row(store: Path) -> None:
    with serving(QUIET) as bed:
        bed.batches.story = lambda key: "400" if int(key, 16) % 4 == 0 else ""
        replies = ask(store, bed.url)
        assert bed.meter.statuses.total() == 0
    assert {(r.state, r.why) for r in replies} == {("answered", ""), ("failed", "HTTP 400")}


def test_a_cap_too_small_for_one_file_takes_several(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db", 3000).close()
    with serving(QUIET) as bed:
        replies = ask(tmp_path, bed.url)
        assert bed.batches.submitted > 1
        assert {reply.state for reply in replies} == {"answered"}
        assert bed.meter.billed == Ledger(tmp_path / "ledger.db").spent() <= 3000
    with serving(QUIET) as bed, pytest.raises(BudgetExceeded):
        Ledger(tmp_path / "ledger.db", Ledger(tmp_path / "ledger.db").spent() + 10).close()
        ask(tmp_path, bed.url, rows=ROWS + 1)


def test_a_provider_without_batches_is_said(store: Path) -> None:
    with serving(QUIET) as bed, pytest.raises(ProviderError, match="batch files: HTTP 400"):
        bed.batches.answer = lambda path, raw: {}["no"]  # type: ignore[method-assign, misc]
        ask(store, bed.url)


@pytest.mark.parametrize("moment", ["before the id is noted", "while it is under way"])
def test_a_run_killed_while_a_batch_is_under_way_picks_it_up(store: Path, moment: str) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[3])\n"
        "from adapters.llm.test_batches import ask\nask(Path(sys.argv[1]), sys.argv[2])"
    )
    tests = str(Path(__file__).parents[2])
    with serving(QUIET) as bed:
        bed.batches.looks = 10**6
        run = subprocess.Popen([sys.executable, "-c", code, str(store), bed.url, tests])
        deadline = time.monotonic() + 30
        while not (bed.batches.submitted and remote(store)) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert Ledger(store / "ledger.db").stranded() == [], "a batch under way is not lost"
        if moment == "before the id is noted":
            with Ledger(store / "ledger.db").writing() as write:
                write("UPDATE batch SET remote = ''")
        bed.batches.looks = 1
        replies = ask(store, bed.url)
        assert bed.batches.submitted == 1
        assert {reply.state for reply in replies} == {"answered"}
        assert set(bed.meter.answered.values()) == {1}
        assert bed.meter.billed == Ledger(store / "ledger.db").spent()


def remote(store: Path) -> Any:
    found = Ledger(store / "ledger.db").query("SELECT remote FROM batch WHERE remote != ''")
    return found and found[0]
