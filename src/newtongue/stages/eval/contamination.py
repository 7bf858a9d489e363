"""Items of tasks that stand in the user's own training data, and scores without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from newtongue.adapters.tables import read_conversations, read_documents
from newtongue.adapters.tables.files import Reject, read_rows
from newtongue.core.artefact import Artefact
from newtongue.methods.contamination import contaminated
from newtongue.stages.eval.asking import Judged, figures
from newtongue.stages.eval.items import Task

Row = dict[str, Any]


def mark(rows: list[Row], task: Task, judged: Sequence[Judged], data: Sequence[Artefact]) -> Row:
    """Mark the rows of a task that stand in training data; return the figures without them.

    Args:
        rows: Rows of the task's items, marked in place under `contaminated`.
        task: The task.
        judged: What came of its items, in the order of the rows.
        data: Training data.
    """
    if not data:
        return {}
    found = contaminated([one.item.query for one in judged], (text for artefact in data for text in texts_of(artefact)))
    for row, marked in zip(rows, found, strict=True):
        row["contaminated"] = marked
    clean = [one for one, marked in zip(judged, found, strict=True) if not marked]
    facts: Row = {"items": sum(bool(m) for m in found), "too_short_to_tell": sum(m is None for m in found)}
    facts["metrics_without"] = figures(task, clean) if clean else {}
    return {"contamination": facts}


def texts_of(artefact: Artefact) -> Iterator[str]:
    """Yield every text a model was trained on: documents, turns of conversations; of a stage the training side."""
    if artefact.sealed and artefact.kind == "Corpus":
        yield from (document.text for document in read_documents(artefact, "train"))
    elif artefact.sealed and artefact.kind == "Conversations":
        for conversation in read_conversations(artefact, "train"):
            yield from (message["content"] for message in conversation.messages)
    else:
        for _place, row in read_rows(artefact.path):
            if not isinstance(row, Reject):
                yield from _texts(row)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
