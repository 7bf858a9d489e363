"""Choose which rows to train on, or learn to score them; held-out rows pass through untouched."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.tables import write_conversations, write_documents, write_rejects
from newtongue.adapters.tables.files import Reject
from newtongue.core.context import Context, Outcome
from newtongue.core.rows import Conversation, Document
from newtongue.methods.selection import keep_count
from newtongue.stages.select.choose import Choice, Material, choose
from newtongue.stages.select.config import EMBEDDED, SCORED, Embeddings, SelectConfig
from newtongue.stages.select.explained import write_explanations
from newtongue.stages.select.pool import Pool, Row, column_scores, protected_places, read_pool, require_scores
from newtongue.stages.select.scorer import apply_scorer, train_scorer
from newtongue.stages.select.vectors import embed

Floats = NDArray[np.float64]

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
    choice = choose(config, material, lambda count: context.progress(count, material.keep, "rows"))
    facts = write_explanations(config, material, choice, context.payload)
    written = _write_rows(config, context.payload, pool, material, choice)
    return _outcome(config, pool, choice, facts, written)


def _material(config: SelectConfig, context: Context, pool: Pool) -> Material:
    """Gather what the method looks at; nothing it does not need is computed."""
    scores = _scores(config, context, pool)
    asked = config.embeddings or (Embeddings() if config.method in EMBEDDED else None)
    return Material(
        pool=pool,
        keep=keep_count(len(pool.rows), config.keep, config.keep_fraction),
        scores=scores,
        vectors=embed(asked, context, pool.examples) if asked else None,
        protected=protected_places(config, context, pool),
        tokens=_new_tokens(config, context, pool),
    )


def _scores(config: SelectConfig, context: Context, pool: Pool) -> Floats:
    if config.scorer:
        return apply_scorer(context[config.scorer].path, pool.examples, context)
    if config.method not in SCORED and config.score_column == "score" and isinstance(pool.rows[0], Document):
        return np.full(len(pool.rows), math.nan)
    found = column_scores(config, pool)
    if config.method in SCORED:
        require_scores(config, pool, found)
    return np.array(found)


def _new_tokens(config: SelectConfig, context: Context, pool: Pool) -> list[NDArray[np.int64]]:
    if config.vocabulary is None:
        return []
    from newtongue.adapters.hf.new_tokens import new_token_ids

    return new_token_ids(context[config.vocabulary].path, [example.answer for example in pool.examples])


def _write_rows(config: SelectConfig, folder: Path, pool: Pool, material: Material, choice: Choice) -> dict[str, int]:
    """Write kept and held-out rows in their order, with the score a scorer gave; and the ids of the others."""
    kept = {id(pool.rows[place]): place for place in choice.order}
    rows: list[Row] = []
    for row in pool.every:
        if row.split == "heldout":
            rows.append(row)
        elif id(row) in kept:
            scored = config.scorer is not None and isinstance(row, Conversation)
            rows.append(replace(row, score=float(material.scores[kept[id(row)]])) if scored else row)
    left = (pool.names[place] for place, row in enumerate(pool.rows) if id(row) not in kept)
    write_rejects(folder / "rejected.jsonl", (Reject(name, "not selected") for name in left))
    if config.makes() == "Corpus":
        written = write_documents(folder, (row for row in rows if isinstance(row, Document)))
    else:
        written = write_conversations(folder, (row for row in rows if isinstance(row, Conversation)))
    return {**_sizes(rows), **written}


def _sizes(rows: Sequence[Row]) -> dict[str, int]:
    texts = [
        text
        for row in rows
        for text in ([row.text] if isinstance(row, Document) else [m["content"] for m in row.messages])
    ]
    return {"documents": len(rows), "utf8_bytes": sum(len(text.encode("utf-8", "replace")) for text in texts)}


def _outcome(
    config: SelectConfig, pool: Pool, choice: Choice, facts: dict[str, Any], written: dict[str, int]
) -> Outcome:
    kept = {id(pool.rows[place]) for place in choice.order}
    rows = [row for row in pool.every if row.split == "heldout" or id(row) in kept]
    metrics = {
        f"{name}_{side}": float(value)
        for name, sides in facts["coverage"].items()
        if isinstance(sides, dict)
        for side, value in sides.items()
    }
    return Outcome(
        counts={**written, "not_selected": len(pool.rows) - len(kept)},
        metrics=metrics,
        licences=dict(sorted(Counter(row.license for row in rows).items())),
        languages=sorted({row.language for row in rows if row.language}),
        card=[_sentence(config, len(kept), len(pool.rows), written.get("heldout", 0)), *choice.short],
    )


def _sentence(config: SelectConfig, chosen: int, available: int, heldout: int) -> str:
    wanted = f" ({config.keep:,} were asked for)" if config.keep and config.keep > available else ""
    scope = ", each language by itself" if config.scope == "language" else ""
    return (
        f"{chosen:,} of {available:,} training rows{wanted}, {RULE[config.method]}{scope}, in their order; "
        f"{heldout:,} held-out rows passed through untouched. `explained.jsonl` says why for every row."
    )
