"""The rows to choose from, and what is known of each before anything is chosen."""

from __future__ import annotations

import math
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.engine import Arrays, PieceWriter, read_piece, run_over
from newtongue.adapters.tables import read_conversations, read_documents, stored_rows
from newtongue.adapters.tables.files import Reject, read_rows
from newtongue.core.artefact import Artefact
from newtongue.core.context import Context
from newtongue.core.engine import Engine
from newtongue.core.errors import DataError, RecipeError
from newtongue.core.rows import Conversation, Document
from newtongue.methods.corruption import Example
from newtongue.methods.selection import draw_order
from newtongue.stages.select.config import SelectConfig

Row = Document | Conversation
UNSTATED = "unstated"
"""What a row without language, task or source is counted under."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of rows beside their texts.

    Attributes:
        languages: Language of every row.
        tasks: Task type of every row.
        sources: Source of every row.
        lengths: Characters of every answer.
    """

    languages: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    lengths: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.languages)


@dataclass(frozen=True, kw_only=True)
class Pool(Facts):
    """Training rows in their order. The texts of a large pool stay on disk and are read when needed.

    Attributes:
        source: Where the rows come from.
        every: Reads all rows, the held-out ones among them, in their order.
        engine: The data engine that passes over a large pool run through.
        pieces: Files with prompts, answers and languages of the training rows of a large pool; none where they are
            held in memory.
        names: Id of every training row; its number where it has none.
        scores: Score that every row carries, NaN without one.
    """

    source: Artefact
    every: Callable[[], Iterator[Row]]
    engine: Engine
    pieces: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    scores: array[float] = field(default_factory=lambda: array("d"))

    @property
    def streamed(self) -> bool:
        """Whether rows are read from disk rather than from memory."""
        return bool(self.pieces)

    def note(self, row: Row) -> None:
        """Take the facts of one more training row."""
        task, score = (row.task, row.score) if isinstance(row, Conversation) else ("", math.nan)
        self.names.append(row.id or f"#{len(self.names)}")
        self.languages.append(sys.intern(row.language or UNSTATED))
        self.tasks.append(sys.intern(task or UNSTATED))
        self.sources.append(sys.intern(row.source or UNSTATED))
        self.lengths.append(len(row.text if isinstance(row, Document) else example_of(row).answer))
        self.scores.append(score)

    def rows(self) -> Iterator[Row]:
        """Yield the training rows."""
        return (row for row in self.every() if row.split != "heldout")

    def batches(self, size: int) -> Iterator[list[Example]]:
        """Yield prompts and answers of the training rows, `size` at a time, or as many as a piece holds."""
        if self.pieces:
            yield from map(_read_examples, self.pieces)
            return
        rows = self.rows()
        while batch := [example_of(row) for row in islice(rows, size)]:
            yield batch

    def each(self, work: Callable[[list[Example]], Arrays], size: int) -> Iterator[Arrays]:
        """Yield what some work gives for all training rows, batch by batch in their order.

        Args:
            work: Gives the same for a row whatever rows are beside it; runs where the data engine runs.
            size: Rows of a batch where they are held in memory.
        """
        if self.pieces:
            return run_over(self.engine, OnPiece(work), self.pieces)
        return map(work, self.batches(size))

    def picked(self, places: Collection[int]) -> list[Row]:
        """Return the training rows at some places, in the pool's order."""
        wanted = set(places)
        return [row for place, row in enumerate(self.rows()) if place in wanted]


@dataclass(frozen=True)
class OnPiece:
    """Work on examples as work on the file they stand in."""

    work: Callable[[list[Example]], Arrays]

    def __call__(self, piece: str) -> Arrays:
        """Return what the work gives for the examples of a piece."""
        return self.work(_read_examples(piece))


def _read_examples(piece: str) -> list[Example]:
    return [Example(*row) for row in read_piece(piece)]


def example_of(row: Row) -> Example:
    """Return prompt and answer of a row: a document is an answer without prompt."""
    if isinstance(row, Document):
        return Example("", row.text, row.language)
    before = [turn["content"] for turn in row.messages[:-1] if turn["role"] != "system"]
    return Example("\n\n".join(before), row.messages[-1]["content"] if row.messages else "", row.language)


def read_pool(config: SelectConfig, context: Context) -> Pool:
    """Read the candidates; a pool of more than `shard_rows` rows keeps its texts on disk.

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
    pool = _gathered(source, config, context.scratch / "pieces")
    if not len(pool):
        raise DataError("there is no training row to choose from", place=str(config.candidates))
    _refuse_duplicates(pool)
    return pool


def _gathered(source: Artefact, config: SelectConfig, folder: Path) -> Pool:
    def read() -> Iterator[Row]:
        return read_documents(source) if config.makes_kind == "Corpus" else read_conversations(source)

    known = stored_rows(source)
    held = list(islice(read(), config.shard_rows + 1)) if known is None or known <= config.shard_rows else []
    if known == len(held) or 0 < len(held) <= config.shard_rows:
        pool = Pool(source=source, every=lambda: iter(held), engine=config.engine)
        for row in pool.rows():
            pool.note(row)
        return pool
    held.clear()
    pool = Pool(source=source, every=read, engine=config.engine)
    with PieceWriter(folder, ["prompt", "answer", "language"]) as writer:
        for row in pool.rows():
            pool.note(row)
            example = example_of(row)
            writer.add(example.prompt, example.answer, example.language)
    return replace(pool, pieces=writer.files)


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


def column_scores(config: SelectConfig, pool: Pool) -> Sequence[float]:
    """Return the score of each training row from `score_column`; all NaN where no row has one by default.

    Raises:
        DataError: A column that was asked for is not there.
    """
    own = config.makes_kind != "Corpus" or pool.source.sealed
    return pool.scores if own and config.score_column == "score" else _column(config.score_column, pool.source)


def require_scores(config: SelectConfig, pool: Pool, scores: Sequence[float]) -> None:
    """Stop when a row has no score.

    Raises:
        DataError: A training row has none.
    """
    missing = [place for place, value in enumerate(scores) if not math.isfinite(value)]
    if missing or len(scores) != len(pool):
        raise DataError(
            f"{len(missing) or 'some'} of {len(pool)} training rows have no number in the column "
            f"`{config.score_column}`" + (f", the first is `{pool.names[missing[0]]}`" if missing else ""),
            place=str(config.candidates),
            fix="give `scorer`, or choose by `random` or `length`",
        )


def _column(column: str, source: Artefact) -> Sequence[float]:
    """Return a numeric column of the user's own files, training rows only; NaN where it is no number."""
    values = array("d")
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


def tie_numbers(pool: Pool, seed: int) -> NDArray[np.int64]:
    """Return a different number per row, by chance from the seed and the row's name; the lower one wins a tie."""
    names = pool.names
    if len(set(names)) != len(names):
        names = [f"{name}\t{tag}" for name, tag in zip(names, pool.languages, strict=True)]
    found = np.empty(len(names), dtype=np.int64)
    found[draw_order(names, seed)] = np.arange(len(names))
    return found
