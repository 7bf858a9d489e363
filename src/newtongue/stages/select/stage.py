"""Choose which rows to train on; held-out rows pass through untouched."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from newtongue.adapters.tables import (
    read_conversations,
    read_documents,
    write_conversations,
    write_documents,
    write_rejects,
)
from newtongue.adapters.tables.files import Reject, read_rows
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context, Outcome
from newtongue.core.errors import DataError, RecipeError
from newtongue.core.rows import Conversation, Document
from newtongue.methods.selection import draw_order, highest_order, keep_count
from newtongue.stages.select.config import SelectConfig

Row = Document | Conversation
RULE = {
    "random": "drawn at random",
    "length": "with the longest answers (documents: texts), in characters",
    "topk": "with the highest score",
}


def select(config: SelectConfig, context: Context) -> Outcome:
    """Keep some of the training rows by chance, length or score; every held-out row passes through.

    Raises:
        DataError: There is no training row, or one has no score to sort by.
        RecipeError: `makes_kind` is not the kind of the rows.
    """
    source = context[config.candidates]
    rows = _read(config, source)
    train = [row for row in rows if row.split != "heldout"]
    if not train:
        raise DataError("there is no training row to choose from", place=str(config.candidates))
    count = keep_count(len(train), config.keep, config.keep_fraction)
    chosen = {id(train[place]) for place in _order(config, train, source)[:count]}
    kept = [row for row in rows if row.split == "heldout" or id(row) in chosen]
    written = _write(config, context.payload, kept)
    left = [row for row in train if id(row) not in chosen]
    write_rejects(context.payload / "rejected.jsonl", (Reject(row.id, "not selected") for row in left))
    context.progress(len(rows), len(rows), "rows")
    return Outcome(
        counts={**_sizes(kept), **written, "not_selected": len(left)},
        licences=dict(sorted(Counter(row.license for row in kept).items())),
        languages=sorted({row.language for row in kept if row.language}),
        card=[_sentence(config, len(chosen), len(train), written.get("heldout", 0))],
    )


def _read(config: SelectConfig, source: Artefact) -> list[Row]:
    kind = config.makes()
    if source.sealed and source.kind != kind:
        raise RecipeError(
            f"the rows are {source.kind}, and makes_kind says {kind}",
            place="select.makes_kind",
            fix=f"set `makes_kind: {source.kind}`",
        )
    if kind == "Preferences":
        raise RecipeError("Preferences cannot be selected yet", place="select.makes_kind")
    return list(read_documents(source) if kind == "Corpus" else read_conversations(source))


def _order(config: SelectConfig, rows: Sequence[Row], source: Artefact) -> list[int]:
    """Return the places of training rows, the ones to keep first."""
    names = [row.id for row in rows]
    if config.method == "random":
        return draw_order(names, config.seed)
    if config.method == "length":
        return highest_order([float(len(_answer(row))) for row in rows], names, config.seed)
    return highest_order(_scores(config, rows, source), names, config.seed)


def _scores(config: SelectConfig, rows: Sequence[Row], source: Artefact) -> list[float]:
    """Return the score of each training row.

    Raises:
        DataError: The column is missing, or a row has no number in it.
    """
    column = config.score_column
    if column == "score" and isinstance(rows[0], Conversation):
        values = [row.score for row in rows if isinstance(row, Conversation)]
    else:
        values = _column(column, source)
    missing = [place for place, value in enumerate(values) if math.isnan(value)]
    if missing or len(values) != len(rows):
        raise DataError(
            f"{len(missing) or 'some'} of {len(rows)} training rows have no number in the column `{column}`"
            + (f", the first is `{rows[missing[0]].id}`" if missing else ""),
            place=str(config.candidates),
            fix="score every row first, or choose by `random` or `length`",
        )
    return values


def _column(column: str, source: Artefact) -> list[float]:
    """Return a numeric column of the user's own files, training rows only; NaN where it is no number."""
    values: list[float] = []
    names: set[str] = set()
    for _place, row in () if source.sealed else read_rows(source.path):
        if isinstance(row, Reject) or row.get("split") == "heldout":
            continue
        names |= {name for name, value in row.items() if isinstance(value, int | float)}
        value = row.get(column)
        values.append(float(value) if isinstance(value, int | float) else math.nan)
    if column not in names:
        raise DataError(
            f"there is no numeric column `{column}`; there are: {', '.join(sorted(names)) or 'none'}",
            place=source.name or str(source.path),
            fix="set `score_column` to one of them, or choose by `random` or `length`",
        )
    return values


def _answer(row: Row) -> str:
    return row.text if isinstance(row, Document) else row.messages[-1]["content"]


def _write(config: SelectConfig, folder: Path, rows: list[Row]) -> dict[str, int]:
    if config.makes() == "Corpus":
        return write_documents(folder, (row for row in rows if isinstance(row, Document)))
    return write_conversations(folder, (row for row in rows if isinstance(row, Conversation)))


def _sizes(rows: Sequence[Row]) -> Mapping[str, int]:
    texts = [
        text
        for row in rows
        for text in ([row.text] if isinstance(row, Document) else [m["content"] for m in row.messages])
    ]
    return {"documents": len(rows), "utf8_bytes": sum(len(text.encode("utf-8", "replace")) for text in texts)}


def _sentence(config: SelectConfig, chosen: int, available: int, heldout: int) -> str:
    wanted = f" ({config.keep:,} were asked for)" if config.keep and config.keep > available else ""
    return (
        f"{chosen:,} of {available:,} training rows{wanted}, {RULE[config.method]}, in their order; "
        f"{heldout:,} held-out rows passed through untouched."
    )
