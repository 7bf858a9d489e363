"""Documents, conversations and preferences, to and from disk."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from newtongue.adapters.tables.files import Reject, read_rows
from newtongue.adapters.tables.writing import RejectWriter, write_rows
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.core.rows import Conversation, Document, Message, Preference

LOG = logging.getLogger(__name__)
ROWS_PER_BATCH = 128
ROLES = {
    "system": "system", "user": "user", "assistant": "assistant", "human": "user", "gpt": "assistant",
}  # fmt: skip
"""What sets call the speakers -> what we call them."""
DOCUMENT_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("id", "text", "language", "split", "group", "source", "license")]
)
CONVERSATION_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        *[(name, pa.string()) for name in ("language", "split", "group", "source", "license", "task")],
        ("score", pa.float64()),
        ("flags", pa.list_(pa.string())),
    ]
)

_TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
PREFERENCE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("prompt", pa.list_(_TURN)),
        ("chosen", _TURN),
        ("rejected", _TURN),
        *[(name, pa.string()) for name in ("language", "split", "group", "source", "license", "task")],
        ("flags", pa.list_(pa.string())),
    ]
)


def read_documents(artefact: Artefact, split: str | None = None) -> Iterator[Document]:
    """Yield the documents of a corpus, or of files the user brought (all of which count as any split).

    Args:
        artefact: A sealed Corpus or the user's files.
        split: `train`, `heldout`, or None for both. A part named in the recipe wins.
    """
    for row in _rows(artefact, split):
        text = row.get("text")
        if not isinstance(text, str):
            raise DataError(
                f"no column `text`; the columns are {', '.join(sorted(map(str, row)))}", place=artefact.name
            )
        names = ("id", "language", "split", "group", "source", "license")
        known = {name: str(row[name]) for name in names if row.get(name) is not None}
        yield Document(text=text, **{"id": "", "language": "", **known})  # type: ignore[arg-type]


def read_conversations(artefact: Artefact, split: str | None = None) -> Iterator[Conversation]:
    """Yield conversations from a sealed set or from files with `messages`, instruction or prompt columns."""
    for number, row in enumerate(_rows(artefact, split)):
        names = ("language", "split", "group", "source", "license", "task")
        known: dict[str, Any] = {name: str(row[name]) for name in names if row.get(name) is not None}
        known.setdefault("language", "")
        score = row.get("score")
        yield Conversation(
            id=str(row.get("id", number)),
            messages=messages_of(row, artefact.name),
            score=float("nan") if score is None else float(score),
            flags=tuple(row.get("flags") or ()),
            **known,
        )


def read_preferences(artefact: Artefact, split: str | None = None) -> Iterator[Preference]:
    """Yield preferences from a sealed set or from files with `prompt`, `chosen` and `rejected` (texts or messages).

    Raises:
        DataError: A row lacks one of the three, or its chosen and rejected answers are no single turns.
    """
    for number, row in enumerate(_rows(artefact, split)):
        if not all(row.get(name) for name in ("chosen", "rejected")):
            columns = ", ".join(sorted(map(str, row)))
            raise DataError(
                f"no pair of answers in the columns {columns}", place=artefact.name, fix="rename the columns"
            )
        names = ("language", "split", "group", "source", "license", "task")
        known: dict[str, Any] = {name: str(row[name]) for name in names if row.get(name) is not None}
        known.setdefault("language", "")
        prompt, chosen, rejected = (
            _turns(row.get(name), name, artefact.name) for name in ("prompt", "chosen", "rejected")
        )
        if len(chosen) > 1:
            prompt, chosen, rejected = chosen[:-1], chosen[-1:], rejected[-1:]
        yield Preference(
            id=str(row.get("id", number)),
            prompt=prompt,
            chosen=chosen[0],
            rejected=rejected[0],
            flags=tuple(row.get("flags") or ()),
            **known,
        )


def stored_rows(artefact: Artefact) -> int | None:
    """Return how many rows a sealed set has, of all splits or of the part that is named; None for a user's files."""
    if not artefact.sealed:
        return None
    files = sorted(artefact.path.glob(f"{artefact.part or '*'}-*.parquet"))
    return sum(pq.ParquetFile(file).metadata.num_rows for file in files)


def _turns(value: Any, name: str, place: str) -> tuple[Message, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (Message(role="user" if name == "prompt" else "assistant", content=value),)
    return tuple(_turn(turn, "role", "content", place) for turn in (value if isinstance(value, list) else [value]))


def messages_of(row: dict[str, Any], place: str) -> tuple[Message, ...]:
    """Return the turns of one row, whatever its column layout (messages, ShareGPT, Alpaca, prompt/completion).

    Raises:
        DataError: The row has none of these layouts, or one of its turns has no role or text.
    """
    if isinstance(row.get("messages"), list):
        return tuple(_turn(turn, "role", "content", place) for turn in row["messages"])
    if isinstance(row.get("conversations"), list):
        return tuple(_turn(turn, "from", "value", place) for turn in row["conversations"])
    if "instruction" in row and "output" in row:
        prompt = "\n\n".join(str(part) for part in (row["instruction"], row.get("input") or "") if part)
        return Message(role="user", content=prompt), Message(role="assistant", content=str(row["output"] or ""))
    if "prompt" in row and "completion" in row:
        prompt, completion = str(row["prompt"] or ""), str(row["completion"] or "")
        return Message(role="user", content=prompt), Message(role="assistant", content=completion)
    raise DataError(
        f"no conversation in the columns {', '.join(sorted(map(str, row)))}",
        place=place,
        expected="messages, conversations, instruction/output or prompt/completion",
        fix="rename the columns",
    )


def _turn(turn: Any, role: str, content: str, place: str) -> Message:
    said = turn.get(role) if isinstance(turn, dict) else None
    text = turn.get(content) if isinstance(turn, dict) else None
    if said not in ROLES or not isinstance(text, str):
        raise DataError(
            f"a turn has the {role} {said!r} and {'no text' if not isinstance(text, str) else 'text'}",
            place=place,
            expected=f"`{role}` one of {', '.join(ROLES)}, and `{content}` a text",
        )
    return Message(role=ROLES[said], content=text)


def write_documents(folder: Path, documents: Iterable[Document]) -> dict[str, int]:
    """Write documents into `train-*.parquet` and `heldout-*.parquet`; return the number per split."""
    return write_rows(folder, DOCUMENT_SCHEMA, ((row, len(row.text)) for row in documents))


def write_conversations(folder: Path, conversations: Iterable[Conversation]) -> dict[str, int]:
    """Write conversations into `train-*.parquet` and `heldout-*.parquet`; return the number per split."""
    sized = ((row, sum(len(turn["content"]) for turn in row.messages)) for row in conversations)
    return write_rows(folder, CONVERSATION_SCHEMA, sized)


def write_preferences(folder: Path, preferences: Iterable[Preference]) -> dict[str, int]:
    """Write preferences into `train-*.parquet` and `heldout-*.parquet`; return the number per split."""
    turns = ((row, (*row.prompt, row.chosen, row.rejected)) for row in preferences)
    return write_rows(
        folder, PREFERENCE_SCHEMA, ((row, sum(len(turn["content"]) for turn in said)) for row, said in turns)
    )


def write_rejects(file: Path, rejects: Iterable[Reject]) -> dict[str, int]:
    """Write one JSON line per reject; return the number per reason."""
    with RejectWriter(file) as writer:
        for reject in rejects:
            writer.add(reject)
    return dict(writer.counts)


def _rows(artefact: Artefact, split: str | None) -> Iterator[dict[str, Any]]:
    if artefact.sealed:
        wanted = artefact.part or split
        for file in sorted(artefact.path.glob(f"{wanted or '*'}-*.parquet")):
            for batch in pq.ParquetFile(file).iter_batches(ROWS_PER_BATCH):
                yield from batch.to_pylist()
        return
    left_out, first = 0, ""
    for _place, row in read_rows(artefact.path):
        if isinstance(row, Reject):
            left_out, first = left_out + 1, first or f"{row.place}, {row.reason}"
        elif split is None or row.get("split", split) == split:
            yield row
    if left_out:
        LOG.warning("%d rows of %s were left out, the first %s", left_out, artefact.name, first)
