"""Random scenarios and kills: nothing paid is lost, nothing is paid twice, the cap holds, the export is the same.

`KILLS` sets how many runs are killed; `make nightly` asks for more than a hundred.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from adapters.llm.fault_kit import Runs, fault_free, random_scenario, serving
from adapters.llm.fault_worker import PRICES, question

from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.questions import Voice
from newtongue.adapters.llm.requests import request_key
from newtongue.adapters.llm.teachers import open_teachers
from newtongue.core.teacher import Sending, Teacher
from newtongue.methods.scenario import LANGUAGE, LASTING, ODD, PASSING, Scenario

KILLS = int(os.environ.get("KILLS", "6"))
KILLS_PER_STORY = 3
ROWS = 120
SURROGATE_TEXT = "SURROGATE"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(max(1, KILLS // KILLS_PER_STORY)))
def test_a_killed_run_loses_nothing_pays_nothing_twice_and_ends_the_same(tmp_path: Path, seed: int) -> None:
    rng = random.Random(f"story {seed}")
    scenario = random_scenario(rng)
    Ledger(tmp_path / "ledger.db", 10**7).close()
    with serving(scenario) as bed:
        runs = Runs(bed, tmp_path, ROWS, concurrency=rng.choice([1, 4, 16]))
        while runs.kills < KILLS_PER_STORY:
            if not runs.kill_after(rng.randint(1, ROWS // 5)):
                (tmp_path / "rows.json").unlink(missing_ok=True)
                break
        assert runs.finish() == 0
        sent = bed.meter.attempts.total()
        assert runs.finish() == 0
        failing = {fault for fault in scenario.rates if fault.endswith("for ever")}
        if not failing:
            assert bed.meter.attempts.total() == sent, "a finished run asked again"
        rows = runs.export()
    wanted = fault_free(ROWS)
    assert rows.keys() == wanted.keys(), "rows were lost"
    odd = {"null content", "refusal", "line separator", "surrogate", "think"} & set(scenario.rates)
    differing = [name for name, row in rows.items() if row[0] == "answered" and row != wanted[name]]
    assert not differing or odd, differing
    states = Counter(state for state, _ in rows.values())
    assert states["answered"] > 0.8 * ROWS
    assert all(why for state, why in rows.values() if state != "answered")
    lasting = LASTING & set(scenario.rates)
    assert lasting or states["failed"] == 0
    ended_badly = bed.meter.statuses["late"] + bed.meter.statuses["hang"] + bed.meter.statuses["reset"]
    ended_badly += bed.meter.statuses["reset late"] + bed.meter.statuses["cut"]
    again = sum(n - 1 for n in bed.meter.answered.values())
    assert again <= runs.kills * runs.concurrency + ended_badly, "more was paid again than was in flight"
    stranded = Ledger(tmp_path / "ledger.db").stranded()
    assert len(stranded) <= runs.kills * runs.concurrency + ended_badly
    assert sum(s.why == "process ended" for s in stranded) <= runs.kills * runs.concurrency


def test_the_same_rows_whatever_the_concurrency_and_the_faults(tmp_path: Path) -> None:
    exports = []
    for concurrency, rates in (
        (1, {}),
        (16, {"429": 0.1, "500": 0.05, "cut": 0.05}),
        (5, {"reset": 0.1, "no usage": 0.1}),
    ):
        store = tmp_path / str(concurrency)
        store.mkdir()
        Ledger(store / "ledger.db", 10**7).close()
        with serving(Scenario(rates=rates, latency_seconds=0.005, retry_after_seconds=0.05, price=(1, 2))) as bed:
            assert Runs(bed, store, 60, concurrency).finish() == 0
        exports.append((store / "rows.json").read_bytes())
    assert exports[0] == exports[1] == exports[2]


@pytest.mark.parametrize("kills", [0, 2])
def test_the_cap_holds_and_is_used_up(tmp_path: Path, kills: int) -> None:
    cap = 12_000
    Ledger(tmp_path / "ledger.db", cap).close()
    rates = {"429": 0.05, "500": 0.05}
    with serving(Scenario(rates=rates, latency_seconds=0.01, retry_after_seconds=0.05, price=(1, 2))) as bed:
        runs = Runs(bed, tmp_path, 400, 6)
        for _ in range(kills):
            runs.kill_after(25)
        assert runs.finish() == 4
        ledger = Ledger(tmp_path / "ledger.db")
        stranded = sum(one.micro_usd for one in ledger.stranded())
        used = ledger.spent() - stranded
        assert ledger.spent() <= cap
        assert used >= 0.95 * (cap - stranded)
        told = sum(runs.column("micro_usd", "state = 'settled' AND told = 1"))
        if kills == 0:
            assert stranded == 0
            assert told == ledger.spent() == bed.meter.billed == bed.meter.told, "the report and the meter differ"
        assert told <= bed.meter.told


def test_reported_dollars_equal_the_meter_with_every_fault_that_is_told(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db", 10**7).close()
    rates = {"429": 0.1, "500": 0.05, "400": 0.05, "content_filter": 0.05, "length": 0.1, "null content": 0.05}
    with serving(Scenario(rates=rates, latency_seconds=0.002, retry_after_seconds=0.05, price=(1, 2))) as bed:
        assert Runs(bed, tmp_path, 150, 8).finish() == 0
        assert Ledger(tmp_path / "ledger.db").spent() == bed.meter.billed == bed.meter.told > 0


def test_rows_that_always_fail_and_are_left_to_the_end_do_not_make_the_endpoint_dead(tmp_path: Path) -> None:
    """Nine rows fail six times each while nobody is left to be answered: more failures in a row than end a run."""
    Ledger(tmp_path / "ledger.db", 10**7).close()
    with serving(Scenario()) as bed:
        teacher = Teacher.model_validate({"url": bed.url, "model": "m", "max_tokens": 60, **PRICES})
        keys = [request_key(Voice("", teacher).body(question(number))) for number in range(40)]
        bed.control(asdict(Scenario(chosen=dict.fromkeys(keys[:9], "500 for ever"), price=(1.0, 2.0))))
        sending = Sending(concurrency=16, timeout_seconds=5.0, backoff_seconds=0.1)
        with open_teachers({"": teacher}, tmp_path, "synth", sending=sending) as teachers:
            replies = list(teachers.ask(question(number) for number in range(40)))
    assert Counter(reply.state for reply in replies) == {"failed": 9, "answered": 31}


def test_each_fault_is_tried_again_or_costs_its_row_and_is_written_down(tmp_path: Path) -> None:
    """A12: one request for every fault there is, side by side; the run ends, and every row has its verdict."""
    Ledger(tmp_path / "ledger.db", 10**7).close()
    faults = sorted(PASSING | LASTING | ODD | LANGUAGE)
    with serving(Scenario()) as bed:
        teacher = Teacher.model_validate({"url": bed.url, "model": "m", "max_tokens": 60, **PRICES})
        bodies = [Voice("", teacher).body(question(number)) for number in range(len(faults))]
        chosen = {request_key(body): fault for body, fault in zip(bodies, faults, strict=True)}
        scenario = Scenario(chosen=chosen, retry_after_seconds=0.05, price=(1.0, 2.0))
        bed.control(asdict(scenario))
        sending = Sending(concurrency=16, timeout_seconds=1.0, backoff_seconds=0.02)
        with open_teachers({"": teacher}, tmp_path, "synth", sending=sending) as teachers:
            replies = dict(zip(faults, teachers.ask(question(n) for n in range(len(faults))), strict=True))
        sent = {fault: bed.meter.attempts[key] for key, fault in chosen.items()}
        billed, attempts = bed.meter.billed, bed.meter.attempts.total()
    assert {replies[fault].state for fault in PASSING} == {"answered"}
    assert min(sent[fault] for fault in PASSING) == 2
    assert {replies[fault].state for fault in LASTING} == {"failed"}
    assert all(reply.state == "answered" or reply.why for reply in replies.values())
    ledger = Ledger(tmp_path / "ledger.db")
    assert ledger.query("SELECT COUNT(*) FROM attempt")[0][0] == attempts, "an attempt is not in the ledger"
    assert billed <= ledger.spent()
