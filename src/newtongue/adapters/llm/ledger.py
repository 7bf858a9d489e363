"""The money book of a store: what is reserved, what was paid, and every answer money bought.

One SQLite file (`ledger.db`, WAL, synchronous FULL) serves all stages and all processes of a store. Amounts are
integer micro-dollars. Three rules hold at every moment, also after `kill -9` or a power cut:

* *Reserve before sending.* `reserve` fails with `BudgetExceeded` unless settled + reserved + new <= cap.
* *Nothing paid is lost.* `settle` stores the raw answer and books its price in one transaction.
* *What is not settled counts as spent.* A reservation whose process died, or whose request timed out, is
  *stranded*: `stranded()` lists it, `reconcile()` books what the provider's bill says.

Use by the runner::

    ledger = Ledger(store / "ledger.db", cap_micro_usd=micro_usd(5.0))   # None: nothing may cost anything
    ledger.charge("pretrain", 4_200, "30 s of h100-8")                   # booked even when it passes the cap
    ledger.spent()                                                       # settled + reserved, micro-dollars
    ledger.by_stage()                                                    # {"pretrain": 4200, "synth": 17}
    ledger.stranded()                                                    # [Stranded(...), ...]

The cap is kept in the file (table `meta`), so a stage that opens `Ledger(path)` without a cap is bound by the
runner's. `charge` books time that has been used; after it, compare `spent()` with `cap()`.

Use by a client::

    with ledger.writing():                      # optional: several calls in one durable transaction
        attempt = ledger.begin("synth", key, worst_case, place="https://host/v1")
    ...send, when `attempt` is a number; it is an Answer when there is one, Busy when another run is waiting for it...
    ledger.settle(attempt, price, Response(status=200, body=raw, complete=True))
    ledger.answer(key)                          # Answer or None; a complete answer is never paid twice

Two runs, threads or stages that want the same request at the same moment pay once: the second is told `Busy`.
One `Ledger` object may be used from several threads; one thread at a time writes.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from newtongue.adapters.llm.accounts import Accounts
from newtongue.adapters.llm.holders import holder_of, lives
from newtongue.adapters.llm.records import (
    COMPLETE,
    OPEN,
    REFUSED,
    Answer,
    Busy,
    Response,
    Stranded,
    packed,
    unpacked,
)

KEEP_CAP: Final = -1
"""Passed as cap: keep the cap the file already has."""
KEYS_PER_QUERY: Final = 400
"""Keys looked up in one statement."""
_handles = itertools.count()


class Ledger(Accounts):
    """The money book behind one file; see the module's docstring for the rules and the uses."""

    def __init__(self, path: Path, cap_micro_usd: int | None = KEEP_CAP, holder: str = "") -> None:
        """Open or create the book.

        Args:
            path: The file; its folder must exist and be on a local disk.
            cap_micro_usd: The most the store may ever spend. None: nothing may cost anything.
                Left out: the cap already written in the file (none in a new file).
            holder: In whose name attempts are open; a batch file outlives the process that wrote it (`batch/NAME`).

        Raises:
            Corrupt: The file is not a ledger.
        """
        super().__init__(path)
        self._holder = holder or f"{holder_of(os.getpid())}:{next(_handles)}"
        if cap_micro_usd != KEEP_CAP:
            with self.writing():
                self._run("INSERT OR REPLACE INTO meta VALUES ('cap_micro_usd', ?)", cap_micro_usd)

    def begin(self, stage: str, key: str, micro_usd: int, place: str = "") -> int | Answer | Busy:
        """Set money aside for one attempt at a request, before it is sent, unless there is no need to send it.

        Args:
            stage: Who pays.
            key: The request's key.
            micro_usd: The most it can cost.
            place: The endpoint's name, without secrets.

        Returns:
            The attempt's number; or the answer, when there is one by now; or `Busy`, when another run that lives has
            the request in flight.

        Raises:
            BudgetExceeded: settled + reserved + `micro_usd` would pass the cap; nothing was written.
        """
        with self.writing():
            rows = self._all("SELECT state, complete, holder, sent_at FROM attempt WHERE key = ?", key)
            if any(complete == COMPLETE for _, complete, _, _ in rows):
                return self.answers([key])[key]
            for state, _, holder, since in rows:
                if state == "open" and holder != self._holder and lives(holder):
                    return Busy(key, since)
            return self._insert(stage, key, micro_usd, place, len(rows) + 1)

    def reserve(self, stage: str, key: str, micro_usd: int) -> int:
        """Set money aside for one more attempt, whatever there is already; return the attempt's number.

        Raises:
            BudgetExceeded: settled + reserved + `micro_usd` would pass the cap; nothing was written.
        """
        with self.writing():
            return self._insert(stage, key, micro_usd, "", self.attempts(key) + 1)

    def _insert(self, stage: str, key: str, micro_usd: int, place: str, number: int) -> int:
        self._require_room(micro_usd)
        row = self._run(
            "INSERT INTO attempt (key, stage, number, state, reserved, holder, sent_at, place)"
            " VALUES (?, ?, ?, 'open', ?, ?, ?, ?)",
            *(key, stage, number, micro_usd, self._holder, time.time(), place),
        )
        self._add(stage, settled=0, reserved=micro_usd)
        return int(row.lastrowid or 0)

    def settle(self, attempt: int, micro_usd: int, response: Response) -> None:
        """Store what came back and turn the reservation into a charge, in one transaction."""
        with self.writing():
            stage, reserved = self._open(attempt)
            final = COMPLETE if response.complete else REFUSED if response.refused else OPEN
            self._run(
                "UPDATE attempt SET state = 'settled', micro_usd = ?, status = ?, complete = ?, body = ?, note = ?,"
                " done_at = ?, told = ? WHERE id = ?",
                *(micro_usd, response.status, final, packed(response.body)),
                *(response.note, time.time(), int(response.told), attempt),
            )
            self._add(stage, settled=micro_usd, reserved=-reserved)

    def leave_unknown(self, attempt: int, note: str) -> None:
        """Say that nobody knows whether an attempt was billed (`timeout`); its reservation stays counted."""
        with self.writing():
            self._open(attempt)
            self._run(
                "UPDATE attempt SET state = 'unknown', note = ?, done_at = ? WHERE id = ?", note, time.time(), attempt
            )

    def answer(self, key: str) -> Answer | None:
        """Return the complete answer to a request, or None when it has none yet."""
        return self.answers([key]).get(key)

    def answers(self, keys: Sequence[str], refused_by: str | None = None) -> dict[str, Answer]:
        """Return the last word on each of these requests that has one.

        Args:
            keys: Request keys.
            refused_by: Also return refusals for good by this endpoint; a request it refused would be refused again.
        """
        found: dict[str, Answer] = {}
        for start in range(0, len(keys), KEYS_PER_QUERY):
            some = keys[start : start + KEYS_PER_QUERY]
            rows = self._all(
                "SELECT key, status, body, micro_usd, complete, note, place FROM attempt"
                f" WHERE key IN ({','.join('?' * len(some))}) AND complete > 0 ORDER BY key, complete DESC, id",
                *some,
            )
            for key, status, body, micro_usd, complete, note, place in rows:
                if complete == COMPLETE:
                    found[key] = Answer(key, status, unpacked(body), micro_usd)
                elif place == refused_by and key not in found:
                    found[key] = Answer(key, status, unpacked(body), micro_usd, note)
        return found

    def has_answered(self, place: str) -> bool:
        """Return whether an endpoint has ever answered, in any run of the store."""
        return self._one("SELECT 1 FROM attempt WHERE complete = 1 AND place = ? LIMIT 1", place) is not None

    def abandon(self) -> None:
        """Give up on what this handle left in flight: it counts as spent until it is reconciled."""
        with self.writing():
            self._run(
                "UPDATE attempt SET state = 'unknown', note = 'interrupted', done_at = ?"
                " WHERE state = 'open' AND holder = ?",
                *(time.time(), self._holder),
            )

    def others_in_flight(self) -> bool:
        """Return whether other runs that live have money reserved that may come back."""
        rows = self._all("SELECT DISTINCT holder FROM attempt WHERE state = 'open' AND reserved > 0")
        return any(holder != self._holder and lives(holder) for (holder,) in rows)

    def attempts(self, key: str) -> int:
        """Return how often a request has been sent, in all processes."""
        return int(self._one("SELECT COUNT(*) FROM attempt WHERE key = ?", key)[0])

    def cost_of(self, keys: Iterable[str]) -> int:
        """Return what all attempts at these requests cost together, unsettled ones at their reservation."""
        sql = "SELECT COALESCE(SUM(COALESCE(micro_usd, reserved)), 0) FROM attempt WHERE key = ?"
        return sum(int(self._one(sql, key)[0]) for key in keys)

    def stranded(self) -> list[Stranded]:
        """Return the reservations of money that nobody will settle, oldest first."""
        rows = self._all(
            "SELECT id, stage, key, reserved, state, note, holder FROM attempt"
            " WHERE state != 'settled' AND reserved > 0 ORDER BY id"
        )
        return [
            Stranded(id_, stage, key, reserved, note if state == "unknown" else "process ended")
            for id_, stage, key, reserved, state, note, holder in rows
            if state == "unknown" or not lives(holder)
        ]

    def reconcile(self, attempt: int, micro_usd: int) -> None:
        """Book what the provider's bill says a stranded attempt cost (0 when it was not billed)."""
        with self.writing():
            stage, reserved = self._open(attempt)
            self._run(
                "UPDATE attempt SET state = 'settled', micro_usd = ?, done_at = ? WHERE id = ?",
                micro_usd,
                time.time(),
                attempt,
            )
            self._add(stage, settled=micro_usd, reserved=-reserved)

    def _open(self, attempt: int) -> tuple[str, int]:
        row = self._one("SELECT stage, reserved, state FROM attempt WHERE id = ?", attempt)
        if not row or row[2] == "settled":
            raise ValueError(f"attempt {attempt} is not open")
        return row[0], row[1]
