"""Why each row was kept or dropped, and what the choice did to the pool: one line per row, one page of facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from newtongue.adapters.engine import Arrays, run_over
from newtongue.core.context import Context
from newtongue.methods.clustering import rotation, turn
from newtongue.methods.unit_grid import ONE, Grid, dots
from newtongue.stages.select.choose import Choice
from newtongue.stages.select.config import SelectConfig
from newtongue.stages.select.material import Material
from newtongue.stages.select.pool import Pool

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BLOCK_ROWS = 1024
RANGE_ROWS = 65536
"""Rows of a piece of the search for nearest kept rows."""
BINS = 20
"""Bars of a score distribution."""
MAP_POINTS = 600
"""Rows on the map at most, kept and dropped alike."""
NEAR = 0.9
"""Cosine from which two rows count as near-copies."""
DROPPED = {
    "random": "not drawn",
    "length": "shorter than the last row kept",
    "topk": "scored below the last row kept",
    "car": "neither among the best of all nor the best of its cluster",
    "mdaq_cluster": "its cluster had better rows, or its round did not come",
    "mdaq_mmr": "its score less its likeness to rows already kept stayed below the others'",
    "k_center": "nearer to rows already kept than the others",
    "facility_location": "the rows it stands for were already represented",
    "new_token_coverage": "its new tokens already occur in rows kept",
}
"""Method -> why a row was dropped, in words; a full quota is another reason."""


def write_explanations(
    config: SelectConfig, pool: Pool, material: Material, choice: Choice, context: Context
) -> dict[str, Any]:
    """Write `explained.jsonl` (a line per training row) and `selection.json` (facts for the report)."""
    kept = np.zeros(len(pool), dtype=np.bool_)
    kept[choice.order] = True
    nearest = _nearest_kept(pool, material.vectors, kept) if material.vectors is not None else None
    with open(context.payload / "explained.jsonl", "wb") as stream:
        for line in _lines(config, pool, material, choice, nearest):
            stream.write(orjson.dumps(line) + b"\n")
    facts = {
        "format": 1,
        "method": config.method,
        "scope": config.scope,
        "available": len(kept),
        "kept": int(kept.sum()),
        "protected": len(material.protected),
        "shards": choice.shards,
        "short": choice.short,
        "languages": _languages(material, kept),
        "coverage": _coverage(material, choice, kept, nearest),
        "map": _map(material, kept),
    }
    (context.payload / "selection.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2) + b"\n")
    return facts


def _lines(
    config: SelectConfig, pool: Pool, material: Material, choice: Choice, nearest: tuple[Ints, Floats] | None
) -> Iterator[dict[str, Any]]:
    turn = {place: number for number, place in enumerate(choice.order, 1)}
    ranks = language_ranks(material.scores, pool.languages)
    sizes, always, last = Counter(pool.languages), set(material.protected), set(choice.last.tolist())
    for place, name in enumerate(pool.names):
        line: dict[str, Any] = {"id": name, "language": pool.languages[place], "kept": place in turn}
        if place in always:
            line["why"] = "protected"
        elif place in turn:
            line["why"] = f"choice {turn[place]:,} of {len(turn):,} by {config.method}"
        else:
            line["why"] = DROPPED[config.method] if place in last else f"in its shard: {DROPPED[config.method]}"
        if ranks is not None:
            line["score"] = round(float(material.scores[place]), 6)
            line["rank_in_language"] = int(ranks[place])
            line["rows_in_language"] = sizes[pool.languages[place]]
        if choice.clusters is not None:
            line["cluster"] = int(choice.clusters[place])
        if nearest is not None and nearest[0][place] >= 0:
            line["nearest_kept"] = pool.names[nearest[0][place]]
            line["nearest_kept_cosine"] = round(float(nearest[1][place]), 4)
        yield line


def language_ranks(scores: Floats, languages: Sequence[str]) -> Ints | None:
    """Return the place of every row in its language, 1 for the highest score; None when a row has no score."""
    if not np.isfinite(scores).all():
        return None
    tags, found = np.array(languages, dtype=object), np.zeros(len(scores), dtype=np.int64)
    for tag in dict.fromkeys(languages):
        rows = np.flatnonzero(tags == tag)
        ordered = np.sort(scores[rows])[::-1]
        found[rows] = np.searchsorted(-ordered, -scores[rows], side="left") + 1
    return found


def _nearest_kept(pool: Pool, vectors: Grid, kept: NDArray[np.bool_]) -> tuple[Ints, Floats]:
    """Return for every row the nearest kept row other than itself, and the cosine; -1 when there is none."""
    places = np.flatnonzero(kept)
    work = Nearest(getattr(vectors, "filename", None) or vectors, places, np.asarray(vectors[places]))
    ranges = [f"{first}:{first + RANGE_ROWS}" for first in range(0, len(vectors), RANGE_ROWS)]
    parts = list(run_over(pool.engine, work, ranges) if pool.streamed else map(work, ranges))
    return np.concatenate([part["nearest"] for part in parts]), np.concatenate([part["cosines"] for part in parts])


@dataclass(frozen=True)
class Nearest:
    """Finds the nearest kept row of every row.

    Attributes:
        vectors: Vectors of all rows, or the file they are in.
        places: Places of the kept rows.
        stay: Their vectors.
    """

    vectors: Grid | str | Path
    places: Ints
    stay: Grid

    def __call__(self, span: str) -> Arrays:
        """Return the nearest kept row, -1 if none, and the cosine, for rows `first:last`."""
        mapped = isinstance(self.vectors, str | Path)
        vectors = np.load(self.vectors, mmap_mode="r", allow_pickle=False) if mapped else self.vectors
        start, end = (min(int(part), len(vectors)) for part in span.split(":"))
        spans = [np.arange(first, min(first + BLOCK_ROWS, end)) for first in range(start, end, BLOCK_ROWS)]
        parts = [self._of(rows, np.asarray(vectors[rows])) for rows in spans]
        nearest, cosines = (np.concatenate(side) for side in zip(*parts, strict=True))
        return {"nearest": nearest, "cosines": cosines}

    def _of(self, rows: Ints, vectors: Grid) -> tuple[Ints, Floats]:
        found, cosines = np.full(len(rows), -1), np.full(len(rows), -np.inf)
        for first in range(0, len(self.places), 4 * BLOCK_ROWS):
            some = self.places[first : first + 4 * BLOCK_ROWS]
            close = dots(vectors, self.stay[first : first + 4 * BLOCK_ROWS])
            close[rows[:, None] == some[None, :]] = -np.inf
            best = close.argmax(axis=1)
            value = close[np.arange(len(rows)), best] / ONE
            better = value > cosines
            found[better], cosines[better] = some[best[better]], value[better]
        return found, cosines


def _languages(material: Material, kept: NDArray[np.bool_]) -> dict[str, Any]:
    tags = np.array(material.pool.languages, dtype=object)
    found: dict[str, Any] = {}
    for tag in sorted(set(material.pool.languages)):
        rows = tags == tag
        found[tag] = {"available": int(rows.sum()), "kept": int((rows & kept).sum())}
        scores = material.scores[rows]
        if np.isfinite(scores).all():
            found[tag]["scores"] = _distribution(scores, kept[rows])
    return found


def _distribution(scores: Floats, kept: NDArray[np.bool_]) -> dict[str, Any]:
    low, high = float(scores.min()), float(scores.max())
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return {
        "edges": [round(float(edge), 6) for edge in edges],
        "available": np.histogram(scores, edges)[0].tolist(),
        "kept": np.histogram(scores[kept], edges)[0].tolist(),
        "mean_available": round(float(scores.mean()), 6),
        "mean_kept": round(float(scores[kept].mean()), 6) if kept.any() else None,
    }


def _coverage(
    material: Material, choice: Choice, kept: NDArray[np.bool_], nearest: tuple[Ints, Floats] | None
) -> dict[str, Any]:
    """Return how much of the pool the kept rows stand for."""
    found: dict[str, Any] = {}
    if choice.clusters is not None and nearest is not None:
        before, after = (np.bincount(choice.clusters[rows]) for rows in (np.ones(len(kept), dtype=np.bool_), kept))
        found["clusters"] = {"before": int((before > 0).sum()), "after": int((after > 0).sum())}
        found["even_clusters"] = {"before": _evenness(before), "after": _evenness(after)}
        found["mean_cosine_to_kept"] = round(float(nearest[1][~kept].mean()), 4) if not kept.all() else None
        found["kept_near_copies"] = int((nearest[1][kept] >= NEAR).sum())
    if material.tokens:
        sides = (range(len(kept)), np.flatnonzero(kept))
        before, after = (len({int(t) for place in rows for t in material.tokens[place]}) for rows in sides)
        found["new_tokens"] = {"before": before, "after": after}
    return found


def _evenness(counts: Ints) -> float:
    """Return how many equally filled clusters would be as mixed as these: exp of the entropy."""
    shares = counts[counts > 0] / counts.sum()
    return round(float(np.exp(-(shares * np.log(shares)).sum())), 1)


def _map(material: Material, kept: NDArray[np.bool_]) -> list[list[float]]:
    """Return [x, y, kept] of rows on their first two principal directions, spread evenly over the pool's order."""
    if material.vectors is None or len(kept) < 3:
        return []
    chosen = [
        rows[:: -(-len(rows) // (MAP_POINTS // 2))]
        for rows in (np.flatnonzero(kept), np.flatnonzero(~kept))
        if len(rows)
    ]
    places = np.sort(np.concatenate(chosen))
    turned = turn(material.vectors[places], rotation(material.vectors, 1.0)[:, :2]).astype(np.float64) / np.sqrt(ONE)
    if turned.shape[1] < 2:
        return []
    return [[round(float(x), 4), round(float(y), 4), int(kept[p])] for (x, y), p in zip(turned, places, strict=True)]
