"""What became of every row, and who was asked: the part of the ledger that is not about money.

`Tally` counts a stage's rows in and out and refuses to end when one is missing: rows in = accepted + rejected + failed
+ pending, each of the last three with a reason. Verdicts are written in one transaction, so `show` and `review` can
read them while money is spent elsewhere.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from newtongue.adapters.llm.ledger import KEYS_PER_QUERY, Ledger

Verdict = Literal["accepted", "rejected", "failed", "pending"]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one row.

    Attributes:
        item: The row's name within its scope.
        state: Its verdict.
        reason: Why, a short stable phrase; "" only for `accepted`.
        key: Key of the request that decided it, if any.
    """

    item: str
    state: Verdict
    reason: str = ""
    key: str = ""


class Tally:
    """Conservation of rows within one scope (a stage directory's name)."""

    def __init__(self, ledger: Ledger, scope: str) -> None:
        """Count from nothing; what an earlier run of the scope wrote is replaced when this one ends."""
        self._ledger, self._scope = ledger, scope
        self._rows: dict[str, Row] = {}
        self.received = 0

    def receive(self, number: int = 1) -> None:
        """Count rows in."""
        self.received += number

    def judge(self, item: str, state: Verdict, reason: str = "", key: str = "") -> None:
        """Record one row's verdict; a row has one, and all but `accepted` need a reason.

        Raises:
            ValueError: The row has a verdict, or lacks a reason.
        """
        if item in self._rows:
            raise ValueError(f"row {item} was judged twice")
        if state != "accepted" and not reason:
            raise ValueError(f"row {item} is {state} without a reason")
        self._rows[item] = Row(item, state, reason, key)

    def counts(self) -> dict[str, int]:
        """Return received, accepted, rejected, failed, pending."""
        states = Counter(row.state for row in self._rows.values())
        names: tuple[Verdict, ...] = ("accepted", "rejected", "failed", "pending")
        return {"received": self.received, **{name: states[name] for name in names}}

    def reasons(self) -> dict[str, int]:
        """Return `state: reason` -> rows, the most frequent first."""
        found = Counter(f"{row.state}: {row.reason}" for row in self._rows.values() if row.reason)
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))

    def close(self) -> dict[str, int]:
        """Assert that no row was lost, write the verdicts, and return the counts.

        Raises:
            RuntimeError: Rows in differ from rows out.
        """
        if self.received != len(self._rows):
            raise RuntimeError(f"rows were lost: {self.received} received, {len(self._rows)} judged")
        with self._ledger.writing() as run:
            run("DELETE FROM verdict WHERE scope = ?", self._scope)
            for row in self._rows.values():
                run("INSERT INTO verdict VALUES (?, ?, ?, ?, ?)", self._scope, row.item, row.state, row.reason, row.key)
        return self.counts()


def verdicts(ledger: Ledger, scope: str) -> list[Row]:
    """Return the verdicts of a scope, ordered by item."""
    rows = ledger.query("SELECT item, state, reason, key FROM verdict WHERE scope = ? ORDER BY item", scope)
    return [Row(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Decision:
    """Who was asked a question, and why.

    Attributes:
        item: Identity of the question and of the routing's settings.
        teachers: Names in the order asked, or the winner first.
        why: Facts for an audit.
    """

    item: str
    teachers: Sequence[str]
    why: Mapping[str, Any]


def decisions(ledger: Ledger, items: Sequence[str]) -> dict[str, Decision]:
    """Return the decisions taken on these questions in any run; they stand, whatever has been learnt since."""
    found: dict[str, Decision] = {}
    for start in range(0, len(items), KEYS_PER_QUERY):
        some = items[start : start + KEYS_PER_QUERY]
        marks = ",".join("?" * len(some))
        rows = ledger.query(f"SELECT item, teachers, why FROM decision WHERE item IN ({marks})", *some)
        found |= {item: Decision(item, json.loads(teachers), json.loads(why)) for item, teachers, why in rows}
    return found


def decide(ledger: Ledger, stage: str, taken: Iterable[Decision]) -> None:
    """Write decisions down before anybody is asked; one that stands is kept."""
    with ledger.writing() as run:
        for one in taken:
            why = json.dumps(one.why, sort_keys=True)
            run("INSERT OR IGNORE INTO decision VALUES (?, ?, ?, ?)", one.item, stage, json.dumps([*one.teachers]), why)
