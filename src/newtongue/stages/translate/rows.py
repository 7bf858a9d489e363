"""Rows of every kind as texts to translate, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from newtongue.adapters.languages import is_stated
from newtongue.adapters.tables import (
    Reject,
    read_conversations,
    read_documents,
    read_preferences,
    read_rows,
    write_conversations,
    write_documents,
    write_preferences,
)
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError, RecipeError
from newtongue.core.rows import Conversation, Document, Message, Preference
from newtongue.core.teacher import Teacher
from newtongue.methods.licences import combine_licences
from newtongue.methods.splitting import group_key
from newtongue.stages.translate.config import TranslateConfig

Row = Document | Conversation | Preference | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One row to translate.

    Attributes:
        id: Its name.
        texts: What is translated, in order.
        row: The row itself.
    """

    id: str
    texts: Sequence[str]
    row: Row


def read_jobs(config: TranslateConfig, artefact: Artefact) -> Iterator[Job]:
    """Yield the rows to translate.

    Raises:
        RecipeError: `makes_kind` is not the kind of the rows.
        DataError: A row is stated to be in another language, or lacks a column.
    """
    kind = config.makes_kind
    if artefact.sealed and artefact.kind != kind:
        raise RecipeError(
            f"the rows are {artefact.kind}, and makes_kind says {kind}",
            place="translate.makes_kind",
            fix=f"set `makes_kind: {artefact.kind}`",
        )
    readers: dict[str, Callable[[], Iterable[Job]]] = {
        "Corpus": lambda: (Job(d.id, [d.text], d) for d in read_documents(artefact)),
        "Conversations": lambda: (
            Job(c.id, [m["content"] for m in c.messages if m["role"] in config.roles], c)
            for c in read_conversations(artefact)
        ),
        "Preferences": lambda: (
            Job(p.id, [m["content"] for m in (*p.prompt, p.chosen, p.rejected)], p) for p in read_preferences(artefact)
        ),
        "Suite": lambda: _items(artefact, config.item_columns),
    }
    for number, job in enumerate(readers[kind]()):
        if number == config.rows:
            return
        stated = "" if isinstance(job.row, dict) else job.row.language
        if stated and not is_stated(stated, config.source):
            raise DataError(
                f"row {job.id} is stated to be in {stated}, not in {config.source}",
                place=artefact.name,
                fix="set `source`, or select the rows of one language first",
            )
        yield job


def translated(config: TranslateConfig, job: Job, texts: Sequence[str], by: Sequence[Teacher]) -> Row:
    """Return the row with its texts translated; side and group stay, so no translation crosses the border.

    Args:
        config: Settings of the stage.
        job: The row as it was.
        texts: Its translations, in order.
        by: Who translated it.
    """
    row, rest = job.row, iter(texts)
    if isinstance(row, dict):
        return {name: _like(value, rest) if name in config.item_columns else value for name, value in row.items()}
    texts_of_row = [row.text] if isinstance(row, Document) else [job.texts[0] if job.texts else ""]
    models = list(dict.fromkeys(one.model for one in by))
    facts: dict[str, Any] = {
        "id": f"{row.id.removesuffix(f'.{config.source}')}.{config.language}",
        "language": config.language,
        "group": row.group or group_key("", row.id, row.language, texts_of_row[0]),
        "source": "; ".join(part for part in (row.source, f"translated by {' and '.join(models)}") if part),
        "license": combine_licences([row.license, *(one.license for one in by)]),
    }
    if isinstance(row, Document):
        return replace(row, text=next(rest), **facts)
    if isinstance(row, Conversation):
        messages = tuple(_said(m, rest) if m["role"] in config.roles else m for m in row.messages)
        return replace(row, messages=messages, **facts)
    prompt = tuple(_said(message, rest) for message in row.prompt)
    return replace(row, prompt=prompt, chosen=_said(row.chosen, rest), rejected=_said(row.rejected, rest), **facts)


def write_translated(config: TranslateConfig, folder: Path, rows: Iterable[Row]) -> None:
    """Write rows of the kind the stage makes."""
    if config.makes_kind == "Suite":
        with open(folder / "items.jsonl", "wb") as stream:
            stream.writelines(orjson.dumps(row) + b"\n" for row in rows)
        return
    writers: dict[str, Callable[[Path, Any], Any]] = {
        "Corpus": write_documents,
        "Conversations": write_conversations,
        "Preferences": write_preferences,
    }
    writers[config.makes_kind](folder, rows)


def _items(artefact: Artefact, columns: Sequence[str]) -> Iterator[Job]:
    for place, row in read_rows(artefact.path):
        if isinstance(row, Reject):
            raise DataError(f"an item cannot be read: {row.reason}", place=row.place, fix="mend or remove the row")
        texts: list[str] = []
        for name in columns:
            value = row.get(name)
            parts = value if isinstance(value, list) else [value]
            if not parts or not all(isinstance(part, str) for part in parts):
                raise DataError(
                    f"`{name}` is no text or list of texts; the columns are {', '.join(map(str, row))}", place=place
                )
            texts += parts
        yield Job(str(row.get("id", place)), texts, row)


def _like(value: Any, rest: Iterator[str]) -> Any:
    return [next(rest) for _ in value] if isinstance(value, list) else next(rest)


def _said(message: Message, rest: Iterator[str]) -> Message:
    return Message(role=message["role"], content=next(rest))
