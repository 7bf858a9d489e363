"""Rows of measured items as columns, and the figures summed from them, each with n and interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.alignment import sentence_shares
from newtongue.methods.bootstrap import Interval, first_over_second, interval, means, saving
from newtongue.methods.consistency import spread

Floats = NDArray[np.float64]
NUMBERS = (
    *("bytes", "characters", "bits", "bits_alone", "tokens", "words", "shortened", "spanning", "script_fraction"),
    *("in_script", "in_language", "line_pass", "word_pass", "stopped", "looped", "empty", "faithful", "correct"),
    *("native_digits", "native_marks", "exact", "in_language_and_exact", "f1", "rouge_l", "chrf", "off_target"),
    *("correct_norm", "correct_bytes", "contaminated", "score", "margin", "chance", "loose", "spoils"),
)
FIDELITY = ("faithful", "in_script", "in_language", "line_pass", "word_pass", "native_digits", "native_marks")
SHARES = {
    "generation": (*FIDELITY, "stopped", "looped", "empty", "correct", "exact", "in_language_and_exact"),
    "alignment": ("correct",),
    "rules": ("correct", "loose", "stopped", "empty"),
    "translation": ("off_target", "stopped", "looped", "empty"),
    "choice": ("correct",),
    "cloze": ("correct",),
    "match": ("correct", "stopped", "empty"),
}
"""Kind of set -> yes-or-no columns reported as shares; unknown answers are left out of n."""
MEANS = {
    "generation": ("f1", "rouge_l"),
    "translation": ("chrf",),
    **{kind: ("score",) for kind in ("alignment", "rules", "match")},
}
"""Kind of set -> numbers in [0, 1] per item reported as means."""


def by_kind(table: Mapping[str, tuple[str, ...]], kind: str) -> tuple[str, ...]:
    """Return the columns a kind of set is summed from; none for kinds measured in bits."""
    return table.get(kind, ())


@dataclass(frozen=True, slots=True)
class SetTable:
    """All items of one set.

    Attributes:
        kind: `text`, `control`, `answers`, `generation`, `translation`, `choice`, `cloze`, `match`, `rolling`,
            `alignment`, `rules` or `probe`.
        items: Key of every item, the same for every model.
        groups: Number of the group of every item, counted in order of appearance; groups are resampled whole.
        columns: Name -> one number per item, NaN where unknown.
        digests: Digest of the token ids of every item, "" where there is none.
        tasks: Task of every item, "" where there is none.
        wordings: Wording every item was asked in, "" where there is one only.
    """

    kind: str
    items: tuple[str, ...]
    groups: NDArray[np.int64]
    columns: Mapping[str, Floats]
    digests: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    wordings: tuple[str, ...] = ()

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
    items = tuple(row["item"] for row in rows)
    tasks, wordings = (tuple(row.get(name) or "" for row in rows) for name in ("task", "wording"))
    return SetTable(rows[0]["kind"], items, np.array(groups, np.int64), columns, digests, tasks, wordings)


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
    settings: dict[str, Any] = {"draws": draws, "seed": seed, "confidence": confidence}
    sizes = {name: table.total(name) for name in ("bytes", "tokens", "words")}
    facts: dict[str, Any] = {"kind": table.kind, "n": len(table.items), "groups": int(table.groups.max()) + 1, **sizes}
    if shares := by_kind(SHARES, table.kind):
        found = {name: share(table, name, confidence) for name in shares}
        averages = {name: mean(table, name, **settings) for name in by_kind(MEANS, table.kind)}
        facts |= {f"{name}_fraction": value and as_facts(value) for name, value in found.items()}
        facts |= {f"{name}_mean": as_facts(value) for name, value in averages.items() if value}
        facts |= _spreads(table, [*shares, *by_kind(MEANS, table.kind)])
        if table.kind == "alignment":
            facts["layers"] = layers(*by_layer(table), **settings)
        if table.kind != "cloze":  # a cloze is also counted in bits
            return facts
    facts["bits"] = round(float(table.columns["bits"].sum()), 3)
    if table.kind == "probe":
        return facts | _saved(table, settings)
    facts["bits_per_byte"] = as_facts(interval(table.sums("bits", "bytes"), first_over_second, **settings))
    return facts | _density(table, settings)


def _spreads(table: SetTable, columns: list[str]) -> dict[str, Any]:
    """Return the mean of every column per wording, and how far it moves; nothing for a single wording."""
    asked = list(dict.fromkeys(table.wordings))
    if len(asked) < 2:
        return {}
    labels = np.array(table.wordings)
    values = {name: table.columns[name] for name in columns if not np.isnan(table.columns[name]).all()}
    means = {name: [float(np.nanmean(found[labels == wording])) for wording in asked] for name, found in values.items()}
    known = {name: found for name, found in means.items() if not np.isnan(found).any()}
    return {"wordings": asked, "spread": {name: spread(found) for name, found in known.items()}}


def _density(table: SetTable, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return bits per character, fertility, and how windows and tokens meet."""
    facts: dict[str, Any] = {}
    if not np.isnan(table.columns["characters"]).any():
        found = interval(table.sums("bits", "characters"), first_over_second, **settings)
        facts = {"characters": table.total("characters"), "bits_per_character": as_facts(found)}
    if table.kind != "control" and table.total("words"):
        facts["fertility"] = as_facts(interval(table.sums("tokens", "words"), first_over_second, **settings))
        facts["tokens_per_byte"] = round(table.total("tokens") / table.total("bytes"), 4)
    return facts | {f"{name}_tokens": table.total(name) for name in ("shortened", "spanning")}


def _saved(table: SetTable, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the share of bits that examples in the context save, over all items and per task."""
    facts: dict[str, Any] = {"saving": as_facts(interval(table.sums("bits", "bits_alone"), saving, **settings))}
    kinds = np.array(table.tasks)
    columns = np.column_stack([table.columns["bits"], table.columns["bits_alone"]])
    per_task = {str(t): columns[kinds == t] for t in dict.fromkeys(table.tasks)}
    return facts | {"tasks": {t: as_facts(interval(found, saving, **settings)) for t, found in per_task.items()}}


def layers(
    right: Floats, near: Floats, spoiled: Floats, *, draws: int, seed: int, confidence: float = 0.95
) -> list[dict[str, Any]]:
    """Return MEXA and the mean similarity of every layer, each with its interval.

    Sentences are drawn, the same ones in every layer. Where a layer is right for none or for all, drawing gives no
    width, and Wilson's ends stand.

    Args:
        right: Whether sentence and translation are each other's nearest, 0 or 1 (sentences, layers).
        near: Similarity of each sentence with its own translation (sentences, layers).
        spoiled: Sentences each one alone keeps from being right (sentences, layers); see `alignment.spoiled_alone`.
        draws: Draws of the bootstrap.
        seed: Its seed.
        confidence: Coverage of the intervals.

    Returns:
        In order of layers, `mexa` and `similarity` as facts.

    Source: Kargaran et al. 2024 (MEXA) and Li et al. 2024 (Language Ranker), see `alignment`; neither has intervals.
    """
    columns = np.concatenate([sentence_shares(right, spoiled), near], axis=1)
    drawn, size = means(columns, draws=draws, seed=seed, confidence=confidence), right.shape[1]
    shares = [_within(f, value, confidence) for f, value in zip(drawn, right.mean(axis=0), strict=False)]
    return [{"mexa": as_facts(m), "similarity": as_facts(s)} for m, s in zip(shares, drawn[size:], strict=True)]


def _within(found: Interval, value: float, confidence: float) -> Interval:
    """Return the interval of a share inside 0 and 1; one without spread has Wilson's."""
    if value in (0, 1):
        return wilson(float(value), found.n, confidence)
    return Interval(float(value), max(0.0, found.low), min(1.0, found.high), found.n)


def by_layer(table: SetTable) -> tuple[Floats, Floats, Floats]:
    """Return what `layers` takes of an alignment set; older rows do not say what they spoil, and spoil nothing."""
    labels, size = np.array(table.tasks), int(table.groups.max(initial=-1)) + 1
    found: list[Floats] = []
    for name in ("correct", "score", "spoils"):
        values = np.nan_to_num(table.columns[name])
        parts = [labels == layer for layer in dict.fromkeys(table.tasks)]
        columns = [np.bincount(table.groups[here], values[here], size) for here in parts]
        found.append(np.column_stack(columns).astype(np.float64))
    return found[0], found[1], found[2]


def mean(table: SetTable, name: str, *, draws: int, seed: int, confidence: float = 0.95) -> Interval | None:
    """Return the mean of a column over the items that have it, groups resampled whole; None without any."""
    values = table.columns[name]
    known = ~np.isnan(values)
    if not known.any():
        return None
    size = int(table.groups.max()) + 1
    parts = (values, np.ones(len(values)))
    found = [np.bincount(table.groups[known], part[known], size) for part in parts]
    columns = np.asarray(np.column_stack(found), dtype=np.float64)
    columns = columns[columns[:, 1] > 0]
    return interval(columns, first_over_second, draws=draws, seed=seed, confidence=confidence)


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
