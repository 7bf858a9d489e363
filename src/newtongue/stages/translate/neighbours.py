"""Translated rows that stand in other data already, perhaps in other words: contamination across languages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from newtongue.adapters.tables import read_conversations, read_documents, read_preferences
from newtongue.core.artefact import Artefact
from newtongue.methods.similarity import Pool
from newtongue.stages.translate.config import Nearness

FILE = "near.jsonl"


@dataclass(slots=True)
class Neighbours:
    """Rows to keep away from, and what came near them.

    Attributes:
        pool: Their texts.
        found: Per near row: its name, the name of the nearest row, their likeness.
    """

    pool: Pool
    found: list[tuple[str, str, float]] = field(default_factory=list)

    def look(self, name: str, texts: Sequence[str]) -> str:
        """Return which row a translated one is near, noted; "" when there is none."""
        near = self.pool.nearest("\n".join(texts))
        if near is None:
            return ""
        self.found.append((name, near[1], round(near[0], 4)))
        return f"{near[1]}, likeness {near[0]:.2f}"

    def write(self, folder: Path) -> None:
        """Write one line per near row."""
        lines = (json.dumps({"id": a, "near": b, "likeness": c}, ensure_ascii=False) for a, b, c in self.found)
        (folder / FILE).write_text("".join(f"{line}\n" for line in lines), "utf-8")


def neighbours(wanted: Nearness, artefact: Artefact) -> Neighbours:
    """Return the rows to keep away from.

    Raises:
        DataError: They are no rows.
    """
    pool = Pool(wanted.above)
    for name, text in _texts(artefact):
        pool.add(name, text)
    return Neighbours(pool)


def _texts(artefact: Artefact) -> Iterator[tuple[str, str]]:
    if artefact.kind == "Conversations":
        for row in read_conversations(artefact, "train"):
            yield row.id, "\n".join(turn["content"] for turn in row.messages)
    elif artefact.kind == "Preferences":
        for pair in read_preferences(artefact, "train"):
            yield pair.id, "\n".join(turn["content"] for turn in (*pair.prompt, pair.chosen, pair.rejected))
    else:
        for document in read_documents(artefact, "train"):
            yield document.id, document.text
