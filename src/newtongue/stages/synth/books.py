"""What became of every row a teacher wrote: accepted, rejected or failed, each with its reason; nothing is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from newtongue.adapters.llm.questions import Reply
from newtongue.adapters.llm.requests import Completion
from newtongue.adapters.tables import Reject
from newtongue.core.rows import Conversation, Preference

KEPT_CHARACTERS = 20_000
"""A longer rejected row is cut and cannot be taken back by a reviewer; the raw answer is in the ledger."""
ROW_FACTS = ("task", "language", "split", "group", "source", "license")
"""What a rejected row keeps of the row it would have been, so that a reviewer can take it back."""
Row = Conversation | Preference


@dataclass(slots=True)
class Books:
    """The rows of one run.

    Attributes:
        accepted: Rows for the payload.
        provenance: One object per accepted row: request, teacher, seeds, document.
        rejected: Rows that failed a check.
        failed: Requests the teacher refused.
        received: Rows that came back, refusals included.
        requests: Questions asked.
        keys: Keys of all requests they took.
        stand_in: Whether the offline stand-in wrote any of them.
        models: Names under which models answered.
        fidelity: Teacher and task -> language verdicts of the judged fields.
    """

    accepted: list[Row] = field(default_factory=list)
    provenance: list[Mapping[str, Any]] = field(default_factory=list)
    rejected: list[Reject] = field(default_factory=list)
    failed: list[Reject] = field(default_factory=list)
    received: int = 0
    requests: int = 0
    keys: list[str] = field(default_factory=list)
    stand_in: bool = False
    models: set[str] = field(default_factory=set)
    fidelity: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def meet(self, reply: Reply, *, count: bool = True) -> Completion | None:
        """Note who answered; return the answer, or None (and, by `count`, a failed row) when there is none."""
        self.keys += reply.keys
        if reply.completion is None or reply.state != "answered":
            if count:
                self.refuse(reply)
            return None
        self.stand_in |= reply.completion.stand_in
        self.models.add(reply.completion.model)
        return reply.completion

    def accept(self, row: Row, provenance: Mapping[str, Any]) -> None:
        """Take one row."""
        self.received += 1
        self.accepted.append(row)
        self.provenance.append({"id": row.id, **provenance})

    def reject(self, name: str, reason: str, content: Mapping[str, Any], row: Row | None = None) -> None:
        """Set one row aside, with what it would have been where it was whole."""
        self.received += 1
        facts = {"row": {fact: getattr(row, fact) for fact in ROW_FACTS}} if row else {}
        text = json.dumps({**content, **facts}, ensure_ascii=False)
        self.rejected.append(Reject(f"request {name}", reason, text[:KEPT_CHARACTERS]))

    def refuse(self, reply: Reply) -> None:
        """Note a question without an answer that can be used."""
        self.received += 1
        self.failed.append(Reject(f"request {reply.key}", f"refused: {reply.why}"))

    def tell(self, teacher: str, task: str, outcome: str) -> None:
        """Count one language verdict on what a teacher wrote for a task: `right`, `unknown` or `wrong`."""
        self.fidelity.setdefault((teacher, task), Counter())[outcome] += 1

    def check(self) -> None:
        """Raise when a row was lost."""
        if self.received != len(self.accepted) + len(self.rejected) + len(self.failed):
            raise RuntimeError("rows were lost: received differs from accepted + rejected + failed")

    def counts(self) -> dict[str, int]:
        """Return the numbers of the manifest; they add up."""
        texts = [text for row in self.accepted for text in texts_of(row)]
        splits = Counter(row.split for row in self.accepted)
        tasks = Counter(row.task for row in self.accepted)
        reasons = Counter(reject.reason for reject in (*self.rejected, *self.failed))
        return {
            "documents": len(self.accepted),
            "utf8_bytes": sum(len(text.encode()) for text in texts),
            "train": splits["train"],
            "heldout": splits["heldout"],
            "requests": self.requests,
            "received": self.received,
            "rejected": len(self.rejected),
            "failed": len(self.failed),
            "language_unknown": self.unknown,
            **{f"accepted: {task}": tasks[task] for task in sorted(tasks)},
            **{f"rejected: {reason}": reasons[reason] for reason in sorted(reasons)},
        }

    @property
    def unknown(self) -> int:
        """Accepted rows whose language nobody could tell."""
        return sum(bool(row.flags) for row in self.accepted)

    def other_models(self, asked: Sequence[str]) -> list[str]:
        """Return models that answered without having been asked for."""
        return sorted(name for name in self.models if name and not name.startswith(tuple(asked)))

    def licences(self) -> dict[str, int]:
        """Return licence -> rows."""
        return dict(sorted(Counter(row.license for row in self.accepted).items()))

    def reasons(self, most: int) -> str:
        """Return the most frequent reasons of rejection with their numbers."""
        found = Counter(reject.reason for reject in (*self.rejected, *self.failed)).most_common(most)
        return ", ".join(f"{reason} {number:,}" for reason, number in found) or "none"


def texts_of(row: Row) -> list[str]:
    """Return every text of a row."""
    if isinstance(row, Preference):
        return [turn["content"] for turn in (*row.prompt, row.chosen, row.rejected)]
    return [turn["content"] for turn in row.messages]
