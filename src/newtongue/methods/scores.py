"""Rows of measured items as columns, and the figures summed from them, each with n and interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.bootstrap import Interval, first_over_second, interval

Floats = NDArray[np.float64]
NUMBERS = (
    *("bytes", "bits", "tokens", "words", "shortened", "spanning", "script_fraction"),
    *("in_script", "in_language", "stopped", "looped", "empty", "faithful", "correct"),
    *("correct_norm", "correct_bytes", "contaminated", "score", "margin"),
)
SHARES = {
    "generation": ("faithful", "in_script", "in_language", "stopped", "looped", "empty"),
    "choice": ("correct",),
    "cloze": ("correct",),
    "match": ("correct", "stopped", "empty"),
}
"""Kind of set -> yes-or-no columns reported as shares; unknown answers are left out of n."""


@dataclass(frozen=True, slots=True)
class SetTable:
    """All items of one set.

    Attributes:
        kind: `text`, `control`, `answers`, `generation`, `choice`, `cloze`, `match` or `rolling`.
        items: Key of every item, the same for every model.
        groups: Number of the group of every item, counted in order of appearance; groups are resampled whole.
        columns: Name -> one number per item, NaN where unknown.
        digests: Digest of the token ids of every item, "" where there is none.
    """

    kind: str
    items: tuple[str, ...]
    groups: NDArray[np.int64]
    columns: Mapping[str, Floats]
    digests: tuple[str, ...]

    def sums(self, *names: str) -> Floats:
        """Return the named columns summed per group: array (groups, names)."""
        size = int(self.groups.max(initial=-1)) + 1
        return np.column_stack([np.bincount(self.groups, self.columns[n], size) for n in names]).astype(np.float64)

    def total(self, name: str) -> int:
        """Return the sum of a column over the items that have it."""
        return int(np.nansum(self.columns[name]))


def tables(rows: Iterable[Mapping[str, Any]]) -> dict[str, SetTable]:
    """Return the rows of `items.parquet` as one table per set, in order of appearance."""
    by_set: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_set.setdefault(row["set"], []).append(row)
    return {name: _table(found) for name, found in by_set.items()}


def _table(rows: list[Mapping[str, Any]]) -> SetTable:
    numbers: dict[str, int] = {}
    groups = [numbers.setdefault(row["group"], len(numbers)) for row in rows]
    columns = {name: np.array([_number(row.get(name)) for row in rows], dtype=np.float64) for name in NUMBERS}
    digests = tuple(row.get("ids_digest") or "" for row in rows)
    return SetTable(rows[0]["kind"], tuple(row["item"] for row in rows), np.array(groups, np.int64), columns, digests)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def summarise(table: SetTable, *, draws: int, seed: int, confidence: float = 0.95) -> dict[str, Any]:
    """Return the figures of one set: sizes, and each value with n and interval.

    Args:
        table: The set.
        draws: Draws of the bootstrap.
        seed: Its seed.
        confidence: Coverage of the intervals.
    """
    sizes = {name: table.total(name) for name in ("bytes", "tokens", "words")}
    facts: dict[str, Any] = {"kind": table.kind, "n": len(table.items), "groups": int(table.groups.max()) + 1, **sizes}
    if table.kind in SHARES:
        found = {name: share(table, name, confidence) for name in SHARES[table.kind]}
        return facts | {f"{name}_fraction": value and as_facts(value) for name, value in found.items()}
    facts["bits"] = round(float(table.columns["bits"].sum()), 3)
    value = interval(table.sums("bits", "bytes"), first_over_second, draws=draws, seed=seed, confidence=confidence)
    facts["bits_per_byte"] = as_facts(value)
    if table.kind != "control" and sizes["words"]:
        facts["fertility"] = round(sizes["tokens"] / sizes["words"], 4)
    facts["shortened_tokens"] = table.total("shortened")
    facts["spanning_tokens"] = table.total("spanning")
    return facts


def share(table: SetTable, name: str, confidence: float = 0.95) -> Interval | None:
    """Return the share of items for which a yes-or-no column is true; None when it is known for no item.

    The interval counts groups, not items, so that several items of one group do not feign certainty.

    Source: Wilson 1927; it keeps its coverage near 0 and 1, where resampling gives no width at all.
    """
    values = table.columns[name]
    known = ~np.isnan(values)
    if not known.any():
        return None
    return wilson(float(values[known].mean()), len(np.unique(table.groups[known])), confidence)


def wilson(fraction: float, n: int, confidence: float = 0.95) -> Interval:
    """Return the Wilson score interval of a share of n independent items.

    Example:
        >>> found = wilson(1.0, 60)
        >>> round(found.low, 3), found.high
        (0.94, 1.0)

    Source: Wilson 1927, JASA 22(158), p. 209-212.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (fraction + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(fraction * (1 - fraction) / n + z * z / (4 * n * n))
    return Interval(fraction, max(0.0, min(fraction, centre - half)), min(1.0, max(fraction, centre + half)), n)


def as_facts(found: Interval) -> dict[str, Any]:
    """Return an interval as plain JSON values; an infinite end is None."""
    low, high = (round(end, 6) if np.isfinite(end) else None for end in (found.low, found.high))
    return {"value": round(found.value, 6), "low": low, "high": high, "n": found.n}
