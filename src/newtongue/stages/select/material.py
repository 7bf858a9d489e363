"""What a method may look at: of a whole pool, or of some of its rows, in memory or on their way to another process."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.unit_grid import Grid
from newtongue.stages.select.pool import Facts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SORTED = ("languages", "tasks", "sources")
"""Facts of which many rows share a value."""


@dataclass(frozen=True)
class Material:
    """What a method may look at.

    Attributes:
        pool: Facts on the rows.
        keep: Rows to keep of the whole pool.
        scores: Score per row, NaN where there is none.
        quality: Rank of every score within its language, NaN where a score is missing.
        ties: A different number per row; the lower one wins between equal rows.
        vectors: Unit vectors on the grid, None where the method needs none and none were asked for.
        protected: Places of the rows that always stay.
        tokens: New tokens of every row, for `new_token_coverage`.
        whole: Vectors of the whole pool, where the method compares with rows that are not to be chosen from.
        ground: Language, or None for all -> places in the whole pool to be represented, for `facility_location`.
    """

    pool: Facts
    keep: int
    scores: Floats
    quality: Floats
    ties: Ints
    vectors: Grid | None
    protected: list[int]
    tokens: list[Ints] = field(default_factory=list)
    whole: Grid | None = None
    ground: Mapping[str | None, Ints] = field(default_factory=dict)

    def without_rows(self) -> Material:
        """Return what is not kept per row: small enough to be sent along with every shard."""
        none = np.zeros(0)
        bare = replace(self, pool=Facts(), scores=none, quality=none, ties=none.astype(np.int64))
        return replace(bare, vectors=None, whole=None, protected=[], tokens=[])


def save_rows(material: Material, places: Ints, file: Path) -> None:
    """Write some rows of a pool, all but their vectors, for `load_rows` to read in another process.

    Args:
        material: Of the whole pool.
        places: The rows, rising.
        file: A `.npz` file.
    """
    pool, found = material.pool, {"places": places}
    for name in ("scores", "quality", "ties"):
        found[name] = getattr(material, name)[places]
    for name in SORTED:
        values = getattr(pool, name)
        found[f"{name}_codes"], found[f"{name}_names"] = _coded([values[place] for place in places])
    found["lengths"] = np.array([pool.lengths[place] for place in places])
    found["protected"] = np.flatnonzero(np.isin(places, material.protected))
    if material.tokens:
        rows = [material.tokens[place] for place in places]
        found["tokens"], found["token_counts"] = np.concatenate(rows), np.array([len(row) for row in rows])
    np.savez(file, **found)


def load_rows(file: str, like: Material) -> tuple[Material, Ints]:
    """Return some rows of a pool as a pool of their own, without vectors, and the places they have in the whole.

    Args:
        file: What `save_rows` wrote.
        like: Gives what is not kept per row.
    """
    with np.load(file, allow_pickle=False) as found:
        sorts = {name: _named(found[f"{name}_codes"], found[f"{name}_names"]) for name in SORTED}
        pool = Facts(**sorts, lengths=array("d", found["lengths"].tolist()))
        plain: dict[str, Any] = {name: found[name] for name in ("scores", "quality", "ties")}
        protected = [int(place) for place in found["protected"]]
        tokens = np.split(found["tokens"], np.cumsum(found["token_counts"])[:-1]) if "tokens" in found else []
        return replace(like, pool=pool, **plain, protected=protected, tokens=tokens), found["places"]


def _coded(values: Sequence[str]) -> tuple[Ints, NDArray[np.str_]]:
    names = {name: code for code, name in enumerate(dict.fromkeys(values))}
    return np.array([names[value] for value in values], dtype=np.int64), np.array(list(names), dtype=np.str_)


def _named(codes: Ints, names: NDArray[np.str_]) -> list[str]:
    known = [str(name) for name in names]
    return [known[code] for code in codes]
