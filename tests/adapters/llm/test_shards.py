"""Shards with slices of one budget: two workers, one of them killed; the same rows, and no dollar lost or found."""

from __future__ import annotations

import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.fault_kit import Runs, fault_free, serving
from adapters.llm.fault_worker import PRICES, question
from adapters.llm.shard_kit import RAY_WORKER, killing

from newtongue.adapters.llm import shards
from newtongue.adapters.llm.bed import Bed
from newtongue.adapters.llm.holders import holder_of
from newtongue.adapters.llm.leases import lease, leases, merge, release
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.questions import Objection, Reply
from newtongue.adapters.llm.records import Response
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.core.errors import BudgetExceeded, NewtongueError
from newtongue.core.teacher import Routing, Sending, Teacher
from newtongue.methods.scenario import Scenario

ROWS = 90
SLOW = Scenario(rates={"500": 0.05}, latency_seconds=0.05, price=(1.0, 2.0))


def ask(store: Path, url: str, rows: int = ROWS, **settings: Any) -> list[Reply]:
    teacher = Teacher.model_validate({"url": url, "model": "m", "max_tokens": 60, **PRICES})
    sending = Sending(concurrency=4, timeout_seconds=5, backoff_seconds=0.02, **settings)
    with open_teachers({"": teacher}, store, "synth", sending=sending) as teachers:
        return teachers.ask(question(i) for i in range(rows))


def check_books(store: Path, bed: Bed, in_flight: int) -> None:
    """Nothing was paid twice but what the killed one had in flight, and the ledger is the meter's."""
    assert sum(n - 1 for n in bed.meter.answered.values()) <= in_flight
    ledger = Ledger(store / "ledger.db")
    stranded = [one.micro_usd for one in ledger.stranded()]
    assert len(stranded) <= in_flight
    assert ledger.spent() - sum(stranded) <= bed.meter.billed <= ledger.spent()
    assert leases(ledger, "synth") == []
    assert not list((store / shards.FOLDER).glob("*/*"))


def test_two_shards_one_of_them_killed_bring_everything_home(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Ledger(tmp_path / name / "ledger.db", 10**6).close()
    with serving(SLOW) as bed:
        alone = ask(tmp_path / "one", bed.url)
    with serving(SLOW) as bed:
        with killing(bed.meter.attempts):
            together = ask(tmp_path / "two", bed.url, shards=2)
        again = ask(tmp_path / "two", bed.url, shards=2)
        check_books(tmp_path / "two", bed, in_flight=4)
    assert [r.text for r in together] == [r.text for r in alone]
    assert together == again


ROUTINGS = {
    "judges": Routing(judges=["judge"]),
    "best_of_k": Routing(mode="best_of_k", k=2, judges=["judge"]),
    "learned": Routing(mode="learned", window=16, judges=["judge"], explore_fraction=0.3),
}
TEAM = {"poor": 0.3, "good": 0.9, "judge": 1.0}


def ask_team(store: Path, url: str, routing: Routing, **settings: Any) -> list[Reply]:
    """Ask a team with a judge; a quarter of the answers is sent back once by a check."""
    team = {m: Teacher.model_validate({"url": url, "model": m, "max_tokens": 60, **PRICES}) for m in TEAM}
    sending = Sending(concurrency=4, timeout_seconds=5, backoff_seconds=0.02, **settings)
    shown = lambda text, value: Objection("again", "once more") if "a" in text[22:26] else None  # noqa: E731
    with open_teachers(team, store, "synth", routing=routing, sending=sending) as teachers:
        return teachers.ask(question(i)._replace(check=shown) for i in range(64))


@pytest.mark.parametrize("how", ROUTINGS)
def test_panels_in_shards_are_the_rows_of_one_process(how: str, tmp_path: Path) -> None:
    rough = Scenario(rates={"500": 0.05, "400": 0.03}, latency_seconds=0.02, price=(1.0, 2.0), strengths=TEAM)
    replies = {}
    for name, number in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        Ledger(tmp_path / name / "ledger.db", 10**7).close()
        with serving(rough) as bed, killing(bed.meter.attempts) if number == 2 else nullcontext():
            replies[name] = ask_team(tmp_path / name, bed.url, ROUTINGS[how], shards=number)
        check_books(tmp_path / name, bed, in_flight=3 * 4)
    assert replies["one"] == replies["two"]
    assert {reply.state for reply in replies["two"]} >= {"answered", "rejected"}
    assert any(reply.scores for reply in replies["two"])


def test_a_shard_whose_only_request_fails_does_not_end_the_run(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db", 10**6).close()
    with serving(Scenario(rates={"500 for ever": 0.2}, price=(1.0, 2.0))) as bed:
        ask(tmp_path, bed.url, rows=12)
        replies = ask(tmp_path, bed.url, rows=16, shards=4)
    assert {reply.state for reply in replies} == {"answered", "failed"}
    assert all(reply.state == "answered" or reply.why.startswith("HTTP 500") for reply in replies)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [({"shards": 1}, "`ray: true` shares nothing among one shard"), ({"shards": 2}, "needs the package ray")],
)
def test_shards_that_cannot_be_are_refused_before_anything_is_asked(
    tmp_path: Path, settings: dict[str, Any], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "find_spec", lambda name: None)
    with serving(SLOW) as bed, pytest.raises(NewtongueError, match=problem):
        ask(tmp_path, bed.url, ray=True, **settings)
    assert bed.meter.attempts.total() == 0


def test_a_run_killed_with_its_shards_goes_on_from_their_books(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db", 10**6).close()
    with serving(SLOW) as bed:
        runs = Runs(bed, tmp_path, ROWS, concurrency=4, shards=2)
        assert runs.kill_after(30)
        assert runs.kill_after(20)
        assert runs.finish() == 0
        check_books(tmp_path, bed, in_flight=runs.kills * 2 * 4)
    assert runs.export() == fault_free(ROWS)


def test_books_of_another_run_that_lives_are_left_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", 1000)
    neighbour = subprocess.Popen(["sleep", "60"])
    name = f"synth/{holder_of(neighbour.pid)}/000"
    lease(ledger, "synth", name, 300)
    (tmp_path / shards.FOLDER / name).mkdir(parents=True)
    shards.bring_home(ledger, "synth")
    assert leases(ledger, "synth") == [name]
    neighbour.kill()
    neighbour.wait()
    shards.bring_home(ledger, "synth")
    assert leases(ledger, "synth") == []
    assert ledger.spent() == 0
    assert not (tmp_path / shards.FOLDER / "synth").exists()


def test_shards_share_one_cap_and_use_it_up(tmp_path: Path) -> None:
    cap = 6000
    Ledger(tmp_path / "ledger.db", cap).close()
    with serving(Scenario(latency_seconds=0.01, price=(1.0, 2.0))) as bed:
        with pytest.raises(BudgetExceeded):
            ask(tmp_path, bed.url, shards=2)
        spent = Ledger(tmp_path / "ledger.db").spent()
        assert bed.meter.billed == spent <= cap
        assert spent >= 0.9 * cap
        Ledger(tmp_path / "ledger.db", 10**6).close()
        assert {reply.state for reply in ask(tmp_path, bed.url, shards=2)} == {"answered"}
        assert set(bed.meter.answered.values()) == {1}


def test_a_lease_is_money_set_aside_until_its_book_is_home(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", 1000)
    assert lease(ledger, "synth", "synth/000", 600) == 600
    with pytest.raises(BudgetExceeded):
        lease(ledger, "synth", "synth/001", 600)
    theirs = Ledger(tmp_path / "shard.db", 600)
    theirs.settle(theirs.reserve("synth", "a", 200), 50, Response(200, b"{}", complete=True))
    theirs.reserve("synth", "b", 100)
    theirs.close()
    assert ledger.spent() == 600
    assert merge(ledger, "synth/000", tmp_path / "shard.db") == 2
    assert merge(ledger, "synth/000", tmp_path / "shard.db") == 0
    release(ledger, "synth/000")
    assert ledger.spent() == 50 + 100
    assert [(s.key, s.why) for s in ledger.stranded()] == [("b", "process ended")]
    assert ledger.answer("a") is not None


def test_shards_on_ray_one_of_them_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="the extra `scale` is not installed")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    Ledger(tmp_path / "ledger.db", 10**6).close()
    with serving(SLOW) as bed:
        try:
            with killing(bed.meter.attempts, RAY_WORKER):
                replies = ask(tmp_path, bed.url, shards=2, ray=True)
        finally:
            ray.shutdown()
        check_books(tmp_path, bed, in_flight=4)
    assert {reply.state for reply in replies} == {"answered"}
