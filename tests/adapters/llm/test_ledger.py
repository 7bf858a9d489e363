"""The money book: the cap holds, nothing paid is lost, what is unsettled counts as spent."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.adapters.llm.bookkeeper import Bookkeeper
from newtongue.adapters.llm.ledger import Ledger
from newtongue.adapters.llm.records import Response
from newtongue.core.errors import BudgetExceeded, Corrupt, DataError

OK = Response(200, b'{"choices": []}', complete=True)


def test_a_reservation_becomes_a_charge_and_the_answer_is_kept(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", 1000)
    attempt = ledger.reserve("synth", "key", 600)
    assert ledger.spent() == 600
    ledger.settle(attempt, 250, OK)
    assert (ledger.spent(), ledger.by_stage()) == (250, {"synth": 250})
    again = Ledger(tmp_path / "ledger.db").answer("key")
    assert again is not None
    assert (again.body, again.micro_usd, again.status) == (OK.body, 250, 200)


def test_a_failed_attempt_is_kept_and_is_no_answer(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", 1000)
    ledger.settle(ledger.reserve("synth", "key", 600), 0, Response(500, b"boom", note="server error"))
    assert ledger.answer("key") is None
    assert (ledger.attempts("key"), ledger.spent()) == (1, 0)


def test_the_message_of_a_spent_budget(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", 1000)
    ledger.charge("pretrain", 900, "30 s of gpu")
    with pytest.raises(BudgetExceeded) as refused:
        ledger.reserve("synth", "key", 101)
    assert str(refused.value) == (
        "the next request may cost $0.000101; $0.000900 of $0.001000 are spent or reserved\n"
        "  fix: raise `budget.usd` in the recipe and run again; finished work is kept and nothing is paid twice"
    )
    ledger.reserve("synth", "key", 100)


def test_without_a_budget_nothing_may_cost_anything(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", None)
    ledger.reserve("synth", "free", 0)
    with pytest.raises(BudgetExceeded, match="the recipe sets no budget"):
        ledger.reserve("synth", "paid", 1)
    assert ledger.by_stage() == {"synth": 0}


def test_used_machine_time_is_booked_even_over_the_cap(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", 10)
    ledger.charge("pretrain", 11, "30 s of gpu")
    assert ledger.spent() == 11
    with pytest.raises(BudgetExceeded):
        ledger.reserve("synth", "key", 1)


def test_a_stage_is_bound_by_the_cap_the_runner_wrote(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db", 10).close()
    stage = Ledger(tmp_path / "ledger.db")
    assert stage.cap() == 10
    with pytest.raises(BudgetExceeded):
        stage.reserve("synth", "key", 11)


def test_a_refused_reservation_leaves_the_rest_of_its_transaction(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", 10)
    with ledger.writing():
        ledger.reserve("synth", "a", 6)
        with pytest.raises(BudgetExceeded):
            ledger.reserve("synth", "b", 6)
        ledger.reserve("synth", "c", 4)
    assert ledger.spent() == 10


def test_what_a_dead_process_reserved_is_stranded_and_can_be_reconciled(tmp_path: Path) -> None:
    book = tmp_path / "ledger.db"
    ledger = Ledger(book, 1000)
    code = (
        "import os, sys; from pathlib import Path; from newtongue.adapters.llm.ledger import Ledger\n"
        "Ledger(Path(sys.argv[1])).reserve('synth', 'lost', 400); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(book)], check=False).returncode == -9
    mine = ledger.reserve("synth", "mine", 100)
    assert [(s.key, s.micro_usd, s.why) for s in ledger.stranded()] == [("lost", 400, "process ended")]
    assert ledger.spent() == 500
    ledger.leave_unknown(mine, "timeout")
    assert [s.why for s in ledger.stranded()] == ["process ended", "timeout"]
    ledger.reconcile(ledger.stranded()[0].id, 30)
    assert (ledger.spent(), len(ledger.stranded())) == (130, 1)


def test_threads_and_handles_never_pass_the_cap_together(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db", 1000).close()
    books = [Ledger(tmp_path / "ledger.db") for _ in range(3)]

    def spend(number: int) -> int:
        book = books[number % 3]
        try:
            book.settle(book.reserve("synth", str(number), 70), 60, OK)
        except BudgetExceeded:
            return 0
        return 60

    with ThreadPoolExecutor(6) as pool:
        total = sum(pool.map(spend, range(40)))
    assert 900 <= total <= 1000
    assert books[0].spent() == total


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("not a database, " * 100)
    with pytest.raises(Corrupt, match="not a usable ledger"):
        Ledger(tmp_path / "ledger.db")


def test_a_full_disk_loses_nothing_and_is_said_plainly(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", 1000)
    kept = ledger.reserve("synth", "kept", 10)
    ledger.settle(kept, 5, OK)
    (pages,) = ledger._one("PRAGMA page_count")
    ledger._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    attempt = ledger.reserve("synth", "large", 10)
    with pytest.raises(DataError) as full:
        ledger.settle(attempt, 5, Response(200, random.Random(0).randbytes(100_000), complete=True))
    assert str(full.value) == (
        f"{tmp_path / 'ledger.db'}: the ledger cannot be written or read: database or disk is full\n"
        "  fix: free some disk space or check the folder's rights, then run again; what was paid is kept"
    )
    assert (ledger.spent(), ledger.answer("large")) == (15, None)
    ledger._db.execute("PRAGMA max_page_count = 100000")
    ledger.settle(attempt, 5, OK)
    assert ledger.spent() == 10
    assert ledger.answer("kept")


def test_calls_that_share_a_failed_transaction_all_fail(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", 1000)
    first, second = ledger.reserve("synth", "a", 10), ledger.reserve("synth", "b", 10)
    (pages,) = ledger._one("PRAGMA page_count")
    ledger._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    big = Response(200, random.Random(0).randbytes(100_000), complete=True)

    async def both() -> list[object]:
        book = Bookkeeper(ledger)
        calls = [book.do(ledger.settle, first, 5, OK), book.do(ledger.settle, second, 5, big)]
        return await asyncio.gather(*calls, return_exceptions=True)

    results = asyncio.run(both())
    ledger.close()
    again = Ledger(tmp_path / "ledger.db")
    assert (again.answer("a") is not None) == (results[0] is None), "an answer was promised and not kept"
    assert isinstance(results[1], DataError)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["charge", "reserve", "settle", "lose"]), st.integers(0, 60)), max_size=30))
def test_spent_is_what_was_booked_and_never_passes_the_cap(
    tmp_path_factory: pytest.TempPathFactory, steps: list
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("book") / "ledger.db", 300)
    open_attempts: list[tuple[int, int]] = []
    booked = 0
    for step, amount in steps:
        try:
            if step == "charge":
                amount = min(amount, 300 - booked)
                ledger.charge("pretrain", amount, "time")
                booked += amount
            elif step == "reserve":
                open_attempts.append((ledger.reserve("synth", "key", amount), amount))
                booked += amount
            elif open_attempts and step == "settle":
                attempt, reserved = open_attempts.pop()
                ledger.settle(attempt, reserved // 2, OK)
                booked -= reserved - reserved // 2
            elif open_attempts:
                ledger.leave_unknown(open_attempts.pop()[0], "timeout")
        except BudgetExceeded:
            assert booked + amount > 300
        assert ledger.spent() == booked <= 300
