"""The sums of a store's money book: what may be spent, what is set aside, what is paid. No request is known here.

Amounts are integer micro-dollars. The sums per stage are kept in the file and move in the same transaction as what
they stand for, so they never disagree with the attempts of `ledger`.
"""

from __future__ import annotations

import time

from newtongue.adapters.llm.ledger_file import LedgerFile
from newtongue.core.budget import MICRO
from newtongue.core.errors import BudgetExceeded


class Accounts(LedgerFile):
    """Cap and sums of one file; `Ledger` adds requests and answers."""

    def cap(self) -> int | None:
        """Return the cap in micro-dollars, or None when nothing may cost anything."""
        row = self._one("SELECT value FROM meta WHERE name = 'cap_micro_usd'")
        return row[0] if row else None

    def spent(self) -> int:
        """Return settled plus reserved micro-dollars of the store's whole life."""
        return int(self._one("SELECT COALESCE(SUM(settled + reserved), 0) FROM total")[0])

    def by_stage(self) -> dict[str, int]:
        """Return settled plus reserved micro-dollars per stage, ordered by name."""
        return {
            stage: amount for stage, amount in self._all("SELECT stage, settled + reserved FROM total ORDER BY stage")
        }

    def charge(self, stage: str, micro_usd: int, what: str) -> None:
        """Book money already used that no request stands for (machine time), over the cap too: the truth is kept.

        The caller compares `spent()` with `cap()` and stops; no further reservation will be granted.
        """
        with self.writing():
            self._run(
                "INSERT INTO charge (stage, micro_usd, what, at) VALUES (?, ?, ?, ?)",
                stage,
                micro_usd,
                what,
                time.time(),
            )
            self._add(stage, settled=micro_usd, reserved=0)

    def set_aside(self, stage: str, micro_usd: int) -> None:
        """Count money as reserved that no attempt stands for (a shard's slice).

        Raises:
            BudgetExceeded: settled + reserved + `micro_usd` would pass the cap; nothing was written.
        """
        with self.writing():
            self._require_room(micro_usd)
            self._add(stage, settled=0, reserved=micro_usd)

    def give_back(self, stage: str, micro_usd: int) -> None:
        """Count money set aside as free again."""
        with self.writing():
            self._add(stage, settled=0, reserved=-micro_usd)

    def move_to_settled(self, stage: str, micro_usd: int) -> None:
        """Count money set aside as paid."""
        with self.writing():
            self._add(stage, settled=micro_usd, reserved=-micro_usd)

    def _require_room(self, micro_usd: int) -> None:
        if micro_usd == 0:
            return
        cap, spent = self.cap(), self.spent()
        if cap is None:
            raise BudgetExceeded(
                f"the next request may cost ${micro_usd / MICRO:.6f} and the recipe sets no budget",
                fix="set `budget: {usd: …}` in the recipe and run again; finished work is kept",
            )
        if spent + micro_usd > cap:
            used = f"${spent / MICRO:.6f} of ${cap / MICRO:.6f} are spent or reserved"
            raise BudgetExceeded(
                f"the next request may cost ${micro_usd / MICRO:.6f}; {used}",
                fix="raise `budget.usd` in the recipe and run again; finished work is kept and nothing is paid twice",
            )

    def _add(self, stage: str, *, settled: int, reserved: int) -> None:
        self._run(
            "INSERT INTO total VALUES (?, ?, ?) ON CONFLICT (stage) DO UPDATE SET"
            " settled = settled + excluded.settled, reserved = reserved + excluded.reserved",
            *(stage, settled, reserved),
        )
