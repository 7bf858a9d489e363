"""Shards with slices of one budget: two workers, one of them killed; the same rows, and no dollar lost or found."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.fault_kit import serving
from adapters.llm.fault_worker import PRICES, question

from newtongue.adapters.llm import shards
from newtongue.adapters.llm.leases import lease, leases, merge, release
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.questions import Reply
from newtongue.adapters.llm.records import Response
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.core.errors import BudgetExceeded
from newtongue.core.teacher import Sending, Teacher
from newtongue.methods.scenario import Scenario

ROWS = 90
SLOW = Scenario(rates={"500": 0.05}, latency_seconds=0.05, price=(1.0, 2.0))


def ask(store: Path, url: str, **settings: Any) -> list[Reply]:
    teacher = Teacher.model_validate({"url": url, "model": "m", "max_tokens": 60, **PRICES})
    sending = Sending(concurrency=4, timeout_seconds=5, backoff_seconds=0.02, **settings)
    with open_teachers({"": teacher}, store, "synth", sending=sending) as teachers:
        return teachers.ask(question(i) for i in range(ROWS))


def kill_one_worker(url: str, killed: list[int]) -> None:
    """Kill the first shard's process once the work has begun."""
    deadline = time.monotonic() + 20
    while not killed and time.monotonic() < deadline:
        found = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", shards.WORKER], capture_output=True, text=True)
        if found.stdout.split():
            time.sleep(1.2)
            killed.append(int(found.stdout.split()[0]))
            os.kill(killed[0], signal.SIGKILL)
        time.sleep(0.05)


def test_two_shards_one_of_them_killed_bring_everything_home(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Ledger(tmp_path / name / "ledger.db", 10**6).close()
    with serving(SLOW) as bed:
        alone = ask(tmp_path / "one", bed.url)
    with serving(SLOW) as bed:
        killed: list[int] = []
        killer = threading.Thread(target=kill_one_worker, args=(bed.url, killed))
        killer.start()
        together = ask(tmp_path / "two", bed.url, shards=2)
        killer.join()
        assert killed
        again = ask(tmp_path / "two", bed.url, shards=2)
        lost = sum(n - 1 for n in bed.meter.answered.values())
        meter = bed.meter
    assert [r.text for r in together] == [r.text for r in alone]
    assert together == again
    assert lost <= 4, "more was paid again than one shard had in flight"
    ledger = Ledger(tmp_path / "two" / "ledger.db")
    stranded = sum(one.micro_usd for one in ledger.stranded())
    assert len(ledger.stranded()) <= 4
    assert ledger.spent() - stranded <= meter.billed <= ledger.spent()
    assert leases(ledger, "synth") == []
    assert not list((tmp_path / "two" / shards.FOLDER).glob("*/*"))


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
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            found = subprocess.run(["pgrep", "-f", "ray::run_shard"], capture_output=True, text=True)
            if found.stdout.split():
                time.sleep(1.2)
                killed.append(int(found.stdout.split()[0]))
                os.kill(killed[0], signal.SIGKILL)
            time.sleep(0.1)

    with serving(SLOW) as bed:
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            replies = ask(tmp_path, bed.url, shards=2, ray=True)
        finally:
            ray.shutdown()
        killer.join()
    assert killed
    assert {reply.state for reply in replies} == {"answered"}
    assert Ledger(tmp_path / "ledger.db").spent() >= bed.meter.billed
