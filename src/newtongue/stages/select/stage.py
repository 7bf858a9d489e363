"""Choose which rows to train on, or learn to score them; held-out rows pass through untouched."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.engine import Arrays
from newtongue.adapters.tables import write_conversations, write_documents, write_rejects
from newtongue.adapters.tables.files import Reject
from newtongue.core.context import Context, Outcome
from newtongue.core.rows import Conversation, Document
from newtongue.methods.corruption import Example
from newtongue.methods.quality import normalised_ranks
from newtongue.methods.selection import keep_count
from newtongue.stages.select.choose import Choice, choose
from newtongue.stages.select.config import EMBEDDED, SCORED, Embeddings, SelectConfig
from newtongue.stages.select.explained import write_explanations
from newtongue.stages.select.material import Material
from newtongue.stages.select.pool import (
    Pool,
    Row,
    column_scores,
    protected_places,
    read_pool,
    require_scores,
    tie_numbers,
)
from newtongue.stages.select.scorer import Score, train_scorer
from newtongue.stages.select.vectors import embed

Floats = NDArray[np.float64]

BATCH_ROWS = 4096
"""Rows scored together; a matter of memory only."""
RULE = {
    "random": "drawn at random",
    "length": "with the longest answers (documents: texts), in characters",
    "topk": "with the highest score",
    "car": "with the highest score, and the best of every cluster (CaR, arXiv 2402.18191)",
    "mdaq_cluster": "the best of every cluster in turn, by rank in its language (after M-DaQ, arXiv 2509.15549, v1)",
    "mdaq_mmr": "by rank in its language less likeness to rows already kept (after M-DaQ, arXiv 2509.15549, v2)",
    "k_center": "each the farthest from those before it (Gonzalez 1985)",
    "facility_location": "that together stand nearest to all rows (Nemhauser et al. 1978)",
    "new_token_coverage": "that exercise the new tokens",
}


def select(config: SelectConfig, context: Context) -> Outcome:
    """Keep some of the training rows; every held-out row passes through. With `train`, make a scorer instead.

    Raises:
        DataError: There is no training row, ids repeat, or a row has no score where the method needs one.
        RecipeError: `makes_kind` is not the kind of the rows, or quotas ask for more than is kept.
    """
    pool = read_pool(config, context)
    if config.train:
        return train_scorer(config, config.train, pool, context)
    material = _material(config, context, pool)
    choice = choose(config, material, context)
    facts = write_explanations(config, pool, material, choice, context)
    kept = np.zeros(len(pool), dtype=np.bool_)
    kept[choice.order] = True
    written = _write_rows(config, context.payload, pool, material.scores, kept)
    return _outcome(config, choice, facts, written)


def _material(config: SelectConfig, context: Context, pool: Pool) -> Material:
    """Gather what the method looks at; nothing it does not need is computed."""
    scores = _scores(config, context, pool)
    asked = config.embeddings or (Embeddings() if config.method in EMBEDDED else None)
    ranked = config.method in SCORED and np.isfinite(scores).all()
    return Material(
        pool=pool,
        keep=keep_count(len(pool), config.keep, config.keep_fraction),
        scores=scores,
        quality=normalised_ranks(scores, pool.languages) if ranked else np.full(len(pool), math.nan),
        ties=tie_numbers(pool, config.seed),
        vectors=embed(asked, context, pool) if asked else None,
        protected=protected_places(config, context, pool),
        tokens=_new_tokens(config, context, pool),
    )


def _scores(config: SelectConfig, context: Context, pool: Pool) -> Floats:
    if config.scorer:
        parts = list[Floats]()
        for found in pool.each(Score(context[config.scorer].path), BATCH_ROWS):
            parts.append(found["scores"])
            context.progress(sum(map(len, parts)), len(pool), "rows", note="scoring")
        return np.concatenate(parts)
    if config.method not in SCORED and config.score_column == "score" and config.makes_kind == "Corpus":
        return np.full(len(pool), math.nan)
    found = column_scores(config, pool)
    if config.method in SCORED:
        require_scores(config, pool, found)
    return np.array(found)


def _new_tokens(config: SelectConfig, context: Context, pool: Pool) -> list[NDArray[np.int64]]:
    if config.vocabulary is None:
        return []
    found = pool.each(NewTokens(context[config.vocabulary].path), BATCH_ROWS)
    parts = (np.split(part["tokens"], np.cumsum(part["counts"])[:-1]) for part in found)
    return [tokens for part in parts for tokens in part]


@dataclass(frozen=True)
class NewTokens:
    """Which new tokens of a model some rows use.

    Attributes:
        folder: The model's directory.
    """

    folder: Path

    def __call__(self, rows: list[Example]) -> Arrays:
        """Return the new tokens of all answers one after the other, and how many each has."""
        from newtongue.adapters.hf.new_tokens import new_token_ids

        found = new_token_ids(self.folder, [row.answer for row in rows])
        return {"tokens": np.concatenate(found), "counts": np.array([len(tokens) for tokens in found])}


@dataclass
class _Written:
    """What is known of the rows that were written, when they have gone by."""

    licences: Counter[str] = field(default_factory=Counter)
    languages: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield rows, and note them."""
        for row in rows:
            texts = [row.text] if isinstance(row, Document) else [turn["content"] for turn in row.messages]
            self.counts["documents"] += 1
            self.counts["utf8_bytes"] += sum(len(text.encode("utf-8", "replace")) for text in texts)
            self.licences[row.license] += 1
            self.languages.add(row.language)
            yield row


def _write_rows(config: SelectConfig, folder: Path, pool: Pool, scores: Floats, kept: NDArray[np.bool_]) -> _Written:
    """Write kept and held-out rows in their order, with the score a scorer gave; and the ids of the others."""
    left = (name for place, name in enumerate(pool.names) if not kept[place])
    write_rejects(folder / "rejected.jsonl", (Reject(name, "not selected") for name in left))
    written = _Written()
    rows = written.passing(_staying(config, pool, scores, kept))
    if config.makes() == "Corpus":
        counts = write_documents(folder, (row for row in rows if isinstance(row, Document)))
    else:
        counts = write_conversations(folder, (row for row in rows if isinstance(row, Conversation)))
    written.counts.update(counts)
    return written


def _staying(config: SelectConfig, pool: Pool, scores: Floats, kept: NDArray[np.bool_]) -> Iterator[Row]:
    place = -1
    for row in pool.every():
        place += row.split != "heldout"
        if row.split == "heldout":
            yield row
        elif kept[place]:
            scored = config.scorer is not None and isinstance(row, Conversation)
            yield replace(row, score=float(scores[place])) if scored else row


def _outcome(config: SelectConfig, choice: Choice, facts: dict[str, Any], done: _Written) -> Outcome:
    metrics = {
        f"{name}_{side}": float(value)
        for name, sides in facts["coverage"].items()
        if isinstance(sides, dict)
        for side, value in sides.items()
    }
    available = facts["available"]
    return Outcome(
        counts={**done.counts, "not_selected": available - len(choice.order)},
        metrics=metrics,
        licences=dict(sorted(done.licences.items())),
        languages=sorted(done.languages - {""}),
        card=[_sentence(config, len(choice.order), available, done.counts["heldout"]), *_cut(choice), *choice.short],
    )


def _cut(choice: Choice) -> list[str]:
    if choice.shards == 1:
        return []
    last = f"the last choice was among the {len(choice.last):,} rows that they kept"
    return [f"The pool was cut into {choice.shards:,} shards by chance; {last}."]


def _sentence(config: SelectConfig, chosen: int, available: int, heldout: int) -> str:
    wanted = f" ({config.keep:,} were asked for)" if config.keep and config.keep > available else ""
    scope = ", each language by itself" if config.scope == "language" else ""
    return (
        f"{chosen:,} of {available:,} training rows{wanted}, {RULE[config.method]}{scope}, in their order; "
        f"{heldout:,} held-out rows passed through untouched. `explained.jsonl` says why for every row."
    )
