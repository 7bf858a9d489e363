"""What became of every question, and who was asked: the part of the ledger that is not about money.

`Tally` counts questions in and replies out and refuses to end when one is missing: in = answered + rejected + failed +
pending, each of the last three with a reason, which is written down so that it can be read while the run goes on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from newtongue.adapters.llm.ledger import KEYS_PER_QUERY, Ledger
from newtongue.adapters.llm.questions import Reply

GROUP = 256
"""Verdicts written in one transaction."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a question has no good answer.

    Attributes:
        item: The question's name, else the key of its last request.
        state: `rejected`, `failed` or `pending`.
        reason: A short phrase.
        key: Key of its last request.
    """

    item: str
    state: str
    reason: str
    key: str


class Tally:
    """Conservation of one stage's questions."""

    def __init__(self, ledger: Ledger, stage: str) -> None:
        """Count from nothing; pending questions of earlier runs are no longer pending."""
        self._ledger, self._stage = ledger, stage
        self._waiting: list[Verdict] = []
        self.received = 0
        self.states: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        with ledger.writing() as run:
            run("DELETE FROM verdict WHERE scope = ? AND state = 'pending'", stage)

    def take(self, item: str, reply: Reply) -> None:
        """Count one reply; one that is not `answered` is written down with its reason."""
        self.states[reply.state] += 1
        if reply.state == "answered":
            return
        reason = reply.why or "the run stopped first"
        self.reasons[f"{reply.state}: {reason}"] += 1
        self._waiting.append(Verdict(item or reply.key, reply.state, reason, reply.key))
        if len(self._waiting) >= GROUP:
            self._write()

    def counts(self) -> dict[str, int]:
        """Return received, answered, rejected, failed, pending."""
        names = ("answered", "rejected", "failed", "pending")
        return {"received": self.received, **{name: self.states[name] for name in names}}

    def close(self) -> None:
        """Write what is left and assert that no question was lost.

        Raises:
            RuntimeError: Questions in differ from replies out.
        """
        self._write()
        if self.received != self.states.total():
            raise RuntimeError(f"questions were lost: {self.received} asked, {self.states.total()} have an outcome")

    def _write(self) -> None:
        with self._ledger.writing() as run:
            for one in self._waiting:
                values = (self._stage, one.item, one.state, one.reason, one.key)
                run("INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?)", *values)
        self._waiting.clear()


def verdicts(ledger: Ledger, stage: str) -> list[Verdict]:
    """Return why questions of a stage have no good answer, ordered by name; those answered since are left out."""
    rows = ledger.query(
        "SELECT item, state, reason, key FROM verdict WHERE scope = ? AND NOT (state IN ('failed', 'pending') AND"
        " EXISTS (SELECT 1 FROM attempt WHERE attempt.key = verdict.key AND complete = 1)) ORDER BY item",
        stage,
    )
    return [Verdict(*row) for row in rows]


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
