"""Change the script of rows, or mix words of another language into them, row by row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from newtongue.adapters.languages import load_card
from newtongue.adapters.tables import (
    Reject,
    RejectWriter,
    read_conversations,
    read_documents,
    read_preferences,
    read_rows,
    write_conversations,
    write_documents,
    write_preferences,
)
from newtongue.adapters.transliteration import transliterator
from newtongue.core.context import Context, Outcome
from newtongue.core.errors import DataError, RecipeError
from newtongue.core.rows import Conversation, Document, Message, Preference
from newtongue.methods.code_switching import code_switch
from newtongue.methods.protection import change_prose, protect
from newtongue.methods.scripts import script_fraction
from newtongue.methods.splitting import group_key
from newtongue.stages.transform.config import TransformConfig

Row = Document | Conversation | Preference
Change = Callable[[str, str], str]
"""(text, name of its place) -> text."""
READERS = {"Corpus": read_documents, "Conversations": read_conversations, "Preferences": read_preferences}
WRITERS: dict[str, Callable[[Path, Any], Any]] = {
    "Corpus": write_documents,
    "Conversations": write_conversations,
    "Preferences": write_preferences,
}


@dataclass(slots=True)
class Tally:
    """Counts of one run, filled while rows are written."""

    rows: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    utf8_bytes: int = 0
    words: int = 0
    switched: int = 0


def transform(config: TransformConfig, context: Context) -> Outcome:
    """Romanise, transliterate or code-switch rows.

    Raises:
        MissingExtra: ICU is needed and not installed.
        RecipeError: `makes_kind` is not the kind of the rows, or ICU has no such transform.
        DataError: The rules or the dictionary cannot be read, or no row is left.
    """
    source = context[config.data]
    if source.sealed and source.kind != config.makes_kind:
        raise RecipeError(
            f"the rows are {source.kind}, and makes_kind says {config.makes_kind}",
            place="transform.makes_kind",
            fix=f"set `makes_kind: {source.kind}`",
        )
    tally = Tally()
    change = _change(config, context, tally)
    rows: Iterable[Row] = islice(READERS[config.makes_kind](source), config.rows)
    with RejectWriter(context.payload / "rejected.jsonl") as rejects:
        WRITERS[config.makes_kind](context.payload, _changed(config, rows, change, tally, rejects))
    if not tally.rows.total():
        raise DataError(f"no row is left: {dict(rejects.counts) or 'there are none'}", place="transform")
    counts = {
        "documents": tally.rows.total(),
        "utf8_bytes": tally.utf8_bytes,
        **dict(sorted(tally.rows.items())),
        "rejected": rejects.counts.total(),
    }
    metrics = {"switched_fraction": round(tally.switched / tally.words, 6)} if tally.words else {}
    context.progress(tally.rows.total(), tally.rows.total(), "rows")
    return Outcome(
        counts=counts,
        metrics=metrics,
        licences=dict(sorted(tally.licences.items())),
        languages=[config.language],
        card=[_sentence(config, tally)],
    )


def _change(config: TransformConfig, context: Context, tally: Tally) -> Change:
    if config.dictionary is not None:
        dictionary = _read_dictionary(context[config.dictionary].path)

        def switch(text: str, name: str) -> str:
            rng = Random(f"{config.seed}/{name}")

            def one(stretch: str) -> str:
                mixed, switched, words = code_switch(stretch, dictionary, config.fraction, rng)
                tally.switched, tally.words = tally.switched + switched, tally.words + words
                return mixed

            return change_prose(text, one)

        return switch
    rules = context[config.rules].path if config.rules else config.transform
    write = transliterator(rules, backwards=config.backwards)
    return lambda text, name: change_prose(text, write)


def _read_dictionary(file: Path) -> dict[str, list[str]]:
    dictionary: dict[str, list[str]] = defaultdict(list)
    for place, row in read_rows(file):
        values = [] if isinstance(row, Reject) else list(row.values())
        if len(values) < 2 or not all(isinstance(value, str) and value for value in values[:2]):
            raise DataError("a line of the dictionary is no word with a translation", place=str(place))
        dictionary[values[0].casefold()].append(values[1])
    return dict(dictionary)


def _changed(
    config: TransformConfig, rows: Iterable[Row], change: Change, tally: Tally, rejects: RejectWriter
) -> Iterator[Row]:
    ranges = load_card(config.language).script_ranges
    for row in rows:
        done = _transformed(config, row, change)
        prose = protect("\n".join(_texts(done, config)))[0]
        share = script_fraction(prose, ranges)
        if config.method != "code_switch" and share is not None and share < config.min_script_fraction:
            rejects.add(Reject(row.id, "script not changed", f"{share:.2f} of its letters"))
            continue
        tally.rows[done.split] += 1
        tally.licences[done.license] += 1
        tally.utf8_bytes += sum(len(text.encode()) for text in _texts(done, config))
        yield done


def _transformed(config: TransformConfig, row: Row, change: Change) -> Row:
    place = iter(range(10**9))

    def said(message: Message) -> Message:
        if isinstance(row, Conversation) and message["role"] not in config.roles:
            return message
        return Message(role=message["role"], content=change(message["content"], f"{row.id}/{next(place)}"))

    text = row.text if isinstance(row, Document) else ""
    stem = row.id.removesuffix(f".{row.language}") if row.language else row.id
    facts: dict[str, Any] = {
        "id": f"{stem}.{config.language}",
        "language": config.language,
        "group": row.group or group_key("", row.id, row.language, text),
        "source": "; ".join(part for part in (row.source, config.method.replace("_", "-")) if part),
    }
    if isinstance(row, Document):
        return replace(row, text=change(row.text, row.id), **facts)
    if isinstance(row, Conversation):
        return replace(row, messages=tuple(map(said, row.messages)), **facts)
    prompt, chosen = tuple(map(said, row.prompt)), said(row.chosen)
    return replace(row, prompt=prompt, chosen=chosen, rejected=said(row.rejected), **facts)


def _texts(row: Row, config: TransformConfig) -> list[str]:
    if isinstance(row, Document):
        return [row.text]
    if isinstance(row, Conversation):
        return [turn["content"] for turn in row.messages if turn["role"] in config.roles]
    return [turn["content"] for turn in (*row.prompt, row.chosen, row.rejected)]


def _sentence(config: TransformConfig, tally: Tally) -> str:
    if config.method == "code_switch":
        share = tally.switched / max(1, tally.words)
        return f"{tally.rows.total():,} rows with {share:.1%} of their words from a dictionary of another language."
    how = "rules of its own" if config.rules else f"ICU's `{config.transform}`"
    return f"{tally.rows.total():,} rows written in the script of {config.language} by {how}; no human reviewed them."
