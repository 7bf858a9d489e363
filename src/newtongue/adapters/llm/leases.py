"""Slices of the one budget for shards, and their books brought home.

A shard writes its own ledger, whose cap is its slice; the slice counts as reserved in the store's ledger. When the
shard has ended, however it ended, its attempts are copied and its charges booked in one transaction. What it left in
flight stays counted, what it did not use comes back. Copying twice books nothing twice.
"""

from __future__ import annotations

from pathlib import Path

from newtongue.adapters.llm.ledger import Ledger

WHOLE = "key, stage, number, state, reserved, micro_usd, holder, status, complete, body, note"
COLUMNS = f"{WHOLE}, sent_at, done_at, place, told"


def lease(ledger: Ledger, stage: str, shard: str, micro_usd: int) -> int:
    """Give a shard so much more of the budget; return what it has been given in all.

    Raises:
        BudgetExceeded: There is too little left; nothing was given.
    """
    with ledger.writing() as run:
        ledger.set_aside(stage, micro_usd)
        run(
            "INSERT INTO lease VALUES (?, ?, ?, 0, 0) ON CONFLICT (shard) DO UPDATE SET leased = leased + ?",
            *(shard, stage, micro_usd, micro_usd),
        )
        return int(run("SELECT leased FROM lease WHERE shard = ?", shard).fetchone()[0])


def merge(ledger: Ledger, shard: str, book: Path) -> int:
    """Copy what a shard that has ended wrote since the last time; return how many attempts came over.

    Args:
        ledger: The store's.
        shard: Name of the lease.
        book: The shard's own ledger; a shard that never started has none.
    """
    found = ledger.query("SELECT stage, merged_to FROM lease WHERE shard = ?", shard)
    if not found or not book.is_file():
        return 0
    (stage, merged_to) = found[0]
    theirs = Ledger(book)
    try:
        rows = theirs.query(f"SELECT id, {COLUMNS} FROM attempt WHERE id > ? ORDER BY id", merged_to)
    finally:
        theirs.close()
    with ledger.writing() as run:
        paid = stranded = 0
        for row in rows:
            values = dict(zip(COLUMNS.split(", "), row[1:], strict=True))
            if values["state"] == "settled":
                paid += values["micro_usd"]
            else:
                stranded += values["reserved"]
                values |= {"state": "unknown", "note": values["note"] or "process ended"}
            marks = ", ".join("?" * len(values))
            run(f"INSERT INTO attempt ({COLUMNS}) VALUES ({marks})", *values.values())
        ledger.move_to_settled(stage, paid)
        last = rows[-1][0] if rows else merged_to
        run("UPDATE lease SET used = used + ?, merged_to = ? WHERE shard = ?", paid + stranded, last, shard)
    return len(rows)


def rest(ledger: Ledger, shard: str) -> None:
    """Give back what a merged shard did not use; it may be given more later."""
    with ledger.writing() as run:
        found = run("SELECT stage, leased - used FROM lease WHERE shard = ?", shard).fetchone()
        if found:
            ledger.give_back(found[0], found[1])
            run("UPDATE lease SET leased = used WHERE shard = ?", shard)


def release(ledger: Ledger, shard: str) -> None:
    """Give back what a merged shard did not use, and end its lease."""
    with ledger.writing() as run:
        rest(ledger, shard)
        run("DELETE FROM lease WHERE shard = ?", shard)


def leases(ledger: Ledger, stage: str) -> list[str]:
    """Return the names of a stage's leases, those a killed coordinator left behind included."""
    return [row[0] for row in ledger.query("SELECT shard FROM lease WHERE stage = ? ORDER BY shard", stage)]
