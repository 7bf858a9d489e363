"""Random scenarios, a server for them in a thread, and runs that are killed without warning."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from newtongue.adapters.llm.bed import Bed
from newtongue.adapters.llm.ledger import Ledger
from newtongue.methods.scenario import LASTING, PASSING, Scenario
from newtongue.tools.testbed import make_bed, short_text

WORKER = Path(__file__).with_name("fault_worker.py")
HARMLESS = ["reasoning", "think", "other model", "line separator", "surrogate", "null content", "no usage", "refusal"]
WATCHDOG_SECONDS = 90


def random_scenario(rng: random.Random) -> Scenario:
    """A scenario with up to a third of the attempts and a tenth of the requests gone wrong."""
    passing = rng.sample(sorted(PASSING - {"hang", "late"}), 4)
    rates = {name: rng.uniform(0, 0.08) for name in passing}
    rates |= {name: rng.uniform(0, 0.03) for name in ("hang", "late")} if rng.random() < 0.5 else {}
    rates |= {name: rng.uniform(0, 0.03) for name in rng.sample(sorted(LASTING), 2) + rng.sample(HARMLESS, 3)}
    return Scenario(
        seed=rng.randrange(10**6), rates=rates, latency_seconds=rng.choice([0.005, 0.03]), latency_sigma=0.7,
        retry_after_seconds=rng.choice([0.05, 0.2]), price=(1.0, 2.0),
    )  # fmt: skip


@contextmanager
def serving(scenario: Scenario) -> Iterator[Bed]:
    """Play a scenario in a thread for the time of the block."""
    loop = asyncio.new_event_loop()
    bed = make_bed(scenario, short_text)
    threading.Thread(target=loop.run_forever, daemon=True).start()
    server = asyncio.run_coroutine_threadsafe(bed.serve(), loop).result(10)
    try:
        yield bed
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_end_tasks(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)


async def _end_tasks() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Runs:
    """Runs of the same rows in one store, some of them killed.

    Attributes:
        bed: Whom they ask.
        store: Where the ledger is.
        rows: Rows asked for.
        concurrency: Requests in flight at most.
        kills: Runs killed so far.
        shards: Processes that share the requests.
    """

    bed: Bed
    store: Path
    rows: int = 120
    concurrency: int = 8
    kills: int = 0
    shards: int = 1
    complete: set[str] = field(default_factory=set)
    sent: Counter[str] = field(default_factory=Counter)

    def start(self) -> subprocess.Popen[str]:
        """Start one run."""
        settings = {
            "url": self.bed.url, "store": str(self.store), "out": str(self.store / "rows.json"),
            "rows": self.rows, "concurrency": self.concurrency, "shards": self.shards,
        }  # fmt: skip
        command = [sys.executable, str(WORKER), json.dumps(settings)]
        with open(self.store / "said.txt", "w", encoding="utf-8") as said:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said, text=True)

    def kill_after(self, requests: int) -> bool:
        """Start a run and kill it once so many requests have arrived; False when it ended first."""
        before = self.bed.meter.attempts.total()
        process = self.start()
        deadline = time.monotonic() + WATCHDOG_SECONDS
        while self.bed.meter.attempts.total() < before + requests and process.poll() is None:
            assert time.monotonic() < deadline, "the run hangs"
            time.sleep(0.002)
        alive = process.poll() is None
        process.kill()
        process.wait()
        self.kills += alive
        self.check_nothing_lost()
        return alive

    def finish(self) -> int:
        """Run to the end; return the exit code."""
        process = self.start()
        try:
            process.wait(WATCHDOG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError("the run hangs") from None
        assert process.returncode in (0, 4), (self.store / "said.txt").read_text("utf-8")
        self.check_nothing_lost()
        return process.returncode

    def check_nothing_lost(self) -> None:
        """What was complete is complete, and was not asked for again; the money stays below the cap."""
        now = set(self.column("key", "complete = 1"))
        assert self.complete <= now, "an answer that was paid for is gone"
        again = [key for key in self.complete if self.bed.meter.attempts[key] > self.sent[key]]
        assert not again, "an answer that was paid for was asked for again"
        self.complete, self.sent = now, Counter(self.bed.meter.attempts)
        ledger = Ledger(self.store / "ledger.db")
        cap = ledger.cap()
        assert cap is not None
        assert self.bed.meter.billed <= ledger.spent() <= cap
        ledger.close()

    def column(self, what: str, where: str) -> list[Any]:
        """Values of the attempts in the ledger."""
        ledger = Ledger(self.store / "ledger.db")
        found = [row[0] for row in ledger.query(f"SELECT {what} FROM attempt WHERE {where}")]
        ledger.close()
        return found

    def export(self) -> dict[str, list[str]]:
        """What the last run that ended wrote."""
        return dict(json.loads((self.store / "rows.json").read_text("utf-8")))


def fault_free(rows: int) -> dict[str, list[str]]:
    """What the same rows are where nothing goes wrong."""
    from adapters.llm.fault_worker import question

    return {q.id: ["answered", short_text({"messages": q.messages})] for q in map(question, range(rows))}
