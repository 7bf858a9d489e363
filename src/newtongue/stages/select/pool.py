"""The rows to choose from, and what is known of each before anything is chosen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from newtongue.adapters.tables import read_conversations, read_documents
from newtongue.adapters.tables.files import Reject, read_rows
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context
from newtongue.core.errors import DataError, RecipeError
from newtongue.core.rows import Conversation, Document
from newtongue.methods.corruption import Example
from newtongue.methods.quality import render
from newtongue.stages.select.config import SelectConfig

Row = Document | Conversation
UNSTATED = "unstated"
"""What a row without language, task or source is counted under."""


@dataclass(frozen=True)
class Pool:
    """Training rows in their order, and all rows with the held-out ones among them.

    Attributes:
        rows: Rows to choose from.
        every: The same rows and the held-out ones, in the order they came.
        source: Where they come from.
    """

    rows: list[Row]
    every: list[Row]
    source: Artefact

    @cached_property
    def names(self) -> list[str]:
        """Id of every row; the number of a row that has none."""
        return [row.id or f"#{place}" for place, row in enumerate(self.rows)]

    @cached_property
    def languages(self) -> list[str]:
        """Language of every row."""
        return [row.language or UNSTATED for row in self.rows]

    @cached_property
    def tasks(self) -> list[str]:
        """Task type of every row."""
        return [(row.task if isinstance(row, Conversation) else "") or UNSTATED for row in self.rows]

    @cached_property
    def sources(self) -> list[str]:
        """Source of every row."""
        return [row.source or UNSTATED for row in self.rows]

    @cached_property
    def examples(self) -> list[Example]:
        """Prompt and answer of every row."""
        return [example_of(row) for row in self.rows]

    @cached_property
    def texts(self) -> list[str]:
        """Every row as one string, by the one template."""
        return [render(example.prompt, example.answer) for example in self.examples]


def example_of(row: Row) -> Example:
    """Return prompt and answer of a row: a document is an answer without prompt."""
    if isinstance(row, Document):
        return Example("", row.text, row.language)
    before = [turn["content"] for turn in row.messages[:-1] if turn["role"] != "system"]
    return Example("\n\n".join(before), row.messages[-1]["content"] if row.messages else "", row.language)


def read_pool(config: SelectConfig, context: Context) -> Pool:
    """Read the candidates.

    Raises:
        RecipeError: `makes_kind` is not the kind of the rows.
        DataError: There is no training row, or two have the same id.
    """
    source = context[config.candidates]
    if source.sealed and source.kind != config.makes_kind:
        raise RecipeError(
            f"the rows are {source.kind}, and makes_kind says {config.makes_kind}",
            place="select.makes_kind",
            fix=f"set `makes_kind: {source.kind}`",
        )
    if config.makes_kind == "Preferences":
        raise RecipeError("Preferences cannot be selected yet", place="select.makes_kind")
    every: list[Row] = list(read_documents(source) if config.makes_kind == "Corpus" else read_conversations(source))
    pool = Pool([row for row in every if row.split != "heldout"], every, source)
    if not pool.rows:
        raise DataError("there is no training row to choose from", place=str(config.candidates))
    _refuse_duplicates(pool)
    return pool


def _refuse_duplicates(pool: Pool) -> None:
    """Stop when two rows of one language share an id: a choice could not be told from its opposite."""
    counts = Counter(zip(pool.names, pool.languages, strict=True))
    twice = [name for (name, _), count in counts.items() if count > 1]
    if twice:
        raise DataError(
            f"{len(twice)} ids stand on more than one training row of a language, the first is `{twice[0]}`",
            place=pool.source.name or str(pool.source.path),
            fix="give every row an id of its own, or leave the column `id` out",
        )


def protected_places(config: SelectConfig, context: Context, pool: Pool) -> list[int]:
    """Return the places of the rows that always stay, in their order.

    Raises:
        DataError: An id is on no training row.
    """
    wanted = config.protect
    if isinstance(wanted, str):
        lines = context[wanted].path.read_text("utf-8").splitlines()
        wanted = [line.strip() for line in lines if line.strip()]
    known = set(pool.names)
    if absent := [name for name in wanted if name not in known]:
        raise DataError(
            f"{len(absent)} protected ids are on no training row, the first is `{absent[0]}`",
            place="select.protect",
            fix="take them out of the list; held-out rows pass through anyway",
        )
    kept = set(wanted)
    return [place for place, name in enumerate(pool.names) if name in kept]


def column_scores(config: SelectConfig, pool: Pool) -> list[float]:
    """Return the score of each training row from `score_column`; all NaN where no row has one by default.

    Raises:
        DataError: A column that was asked for is not there.
    """
    if config.score_column == "score" and isinstance(pool.rows[0], Conversation):
        return [row.score for row in pool.rows if isinstance(row, Conversation)]
    if config.score_column == "score" and isinstance(pool.rows[0], Document) and pool.source.sealed:
        return [math.nan] * len(pool.rows)
    return _column(config.score_column, pool.source)


def require_scores(config: SelectConfig, pool: Pool, scores: Sequence[float]) -> None:
    """Stop when a row has no score.

    Raises:
        DataError: A training row has none.
    """
    missing = [place for place, value in enumerate(scores) if not math.isfinite(value)]
    if missing or len(scores) != len(pool.rows):
        raise DataError(
            f"{len(missing) or 'some'} of {len(pool.rows)} training rows have no number in the column "
            f"`{config.score_column}`" + (f", the first is `{pool.names[missing[0]]}`" if missing else ""),
            place=str(config.candidates),
            fix="give `scorer`, or choose by `random` or `length`",
        )


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
