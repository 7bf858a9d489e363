"""Two models measured on the same items: what changed, how surely, and what could have been seen at all.

Source: paired bootstrap after Koehn 2004 (EMNLP, section 4), whole groups drawn; the tests are in `paired_tests`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.core.errors import DataError
from newtongue.methods.alignment import sentence_shares
from newtongue.methods.bootstrap import (
    Floats,
    Interval,
    change_of_saving,
    difference_of_ratios,
    interval,
    means,
    relative_change,
    saving,
)
from newtongue.methods.paired_tests import detectable, holm, normal_p, paired_p, sign_test
from newtongue.methods.scores import MEANS, SHARES, SetTable, as_facts, by_kind, by_layer

PRIMARY = ("difference", "correct_fraction", "saving", "faithful_fraction", "chrf_mean")
"""The figure of a set that enters the correction for several tests: the first of these that it has."""
MIN_SAVING = 0.2
"""A model that uses examples saves most bits of their repetition; one that saves less than this share only gets used
to the format, and what it might lose is not in-context learning."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How intervals are drawn.

    Attributes:
        draws: Draws of the paired bootstrap.
        seed: Its seed.
        confidence: Coverage of the intervals.
    """

    draws: int = 10_000
    seed: int = 0
    confidence: float = 0.95

    def of(self, sums: Floats, statistic: Any) -> Interval:
        """Return a statistic of column sums with its interval."""
        return interval(sums, statistic, draws=self.draws, seed=self.seed, confidence=self.confidence)


def compare(
    before: Mapping[str, SetTable], after: Mapping[str, SetTable], *, draws: int, seed: int, confidence: float = 0.95
) -> dict[str, dict[str, Any]]:
    """Return per set measured in both what changed from `before` to `after`.

    Args:
        before: Set name -> table of the first model.
        after: The same of the second model.
        draws: Draws of the paired bootstrap.
        seed: Its seed.
        confidence: Coverage of the intervals.

    Returns:
        Set name -> facts. Every change has value, interval, n, standard error, p-value and the smallest difference
        that could have been detected. Sets in bits have `difference` (bits per byte, after minus before, below zero
        is better), `relative_change`, `documents` (better, worse, quartiles) and, for text, `changed_windows`;
        others a difference of shares or means per column; probes `saving`. `p_holm` is the p-value of the set's
        first figure, corrected for the number of sets.

    Raises:
        DataError: A set of the same name holds other items in the two.
    """
    drawing = Drawing(draws, seed, confidence)
    found = {name: compare_set(name, before[name], after[name], drawing) for name in before if name in after}
    first = {name: _primary(change) for name, change in found.items()}
    for name, p in holm({name: change["p"] for name, change in first.items() if change}).items():
        found[name]["p_holm"] = p
    return found


def _primary(change: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((change[key] for key in PRIMARY if change.get(key)), None)


def compare_set(name: str, before: SetTable, after: SetTable, drawing: Drawing) -> dict[str, Any]:
    """Compare one set; see `compare`."""
    check_same_items(name, before, after)
    facts: dict[str, Any] = {"kind": before.kind, "n": len(before.items)}
    if by_kind(SHARES, before.kind) or by_kind(MEANS, before.kind):
        shares = {f"{c}_fraction": _share_change(before, after, c, drawing) for c in by_kind(SHARES, before.kind)}
        averages = {f"{c}_mean": _mean_change(before, after, c, drawing) for c in by_kind(MEANS, before.kind)}
        facts |= shares | {key: value for key, value in averages.items() if value} | _chance(before, drawing)
        return facts | ({"layers": _layers_change(before, after, drawing)} if before.kind == "alignment" else {})
    if before.kind == "probe":
        return {**facts, **_saving_change(before, after, drawing)}
    return {**facts, **_bits_change(before, after, drawing)}


def _bits_change(before: SetTable, after: SetTable, drawing: Drawing) -> dict[str, Any]:
    sums = np.column_stack([before.sums("bits"), after.sums("bits", "bytes")])
    facts: dict[str, Any] = {
        "difference": tested(drawing.of(sums, difference_of_ratios), drawing),
        "relative_change": as_facts(drawing.of(sums, relative_change)),
        "documents": per_document((sums[:, 1] - sums[:, 0]) / sums[:, 2]),
    }
    if any(before.digests) and any(after.digests):
        facts["changed_windows"] = sum(a != b for a, b in zip(before.digests, after.digests, strict=True))
    return facts


def per_document(differences: Floats) -> dict[str, Any]:
    """Return how paired differences spread over documents; below zero is better.

    Args:
        differences: Bits per byte after minus before, one per document.

    Example:
        >>> per_document(np.array([-0.5, -0.25, 0.1, 0.0]))["better"]
        2
    """
    better, worse = int((differences < 0).sum()), int((differences > 0).sum())
    quartiles = np.quantile(differences, [0, 0.25, 0.5, 0.75, 1]).round(6).tolist()
    names = ("lowest", "lower_quartile", "median", "upper_quartile", "highest")
    p = round(sign_test(better, worse), 6)
    return {"better": better, "worse": worse, **dict(zip(names, quartiles, strict=True)), "sign_p": p}


def tested(found: Interval, drawing: Drawing, p: float | None = None) -> dict[str, Any]:
    """Return an interval as facts with its standard error, p-value and smallest detectable difference."""
    value = normal_p(found.value, found.error) if p is None else p
    least = detectable(found.error, drawing.confidence)
    error = None if found.error is None else round(found.error, 6)
    return as_facts(found) | {"error": error, "p": round(value, 6), "detectable": least and round(least, 6)}


def check_same_items(name: str, before: SetTable, after: SetTable) -> None:
    """Make sure two tables hold the same items in the same order.

    Raises:
        DataError: They do not; the first difference is named.
    """
    outputs = bool(by_kind(SHARES, before.kind) or by_kind(MEANS, before.kind))
    same_size = outputs or np.array_equal(before.columns["bytes"], after.columns["bytes"])
    same_kind = before.kind == after.kind or "control" in (before.kind, after.kind)
    if same_kind and before.items == after.items and same_size:
        return
    pairs = zip(before.items, after.items, strict=False)
    first = next((f"{a} against {b}" for a, b in pairs if a != b), f"{len(before.items)} and {len(after.items)} items")
    if not same_kind:
        first = f"{before.kind} against {after.kind}"
    raise DataError(
        f"the two measured different items ({first})",
        place=f"set {name}",
        expected="the same held-out data, windows and limits in both eval stages",
        fix="give both eval stages the same settings and run the older one again",
    )


def _paired(before: SetTable, after: SetTable, column: str) -> NDArray[np.float64] | None:
    """Return sums per group of (before, after, items) over the items known to both; None without any."""
    known = ~np.isnan(before.columns[column]) & ~np.isnan(after.columns[column])
    if not known.any():
        return None
    size = int(before.groups.max()) + 1
    parts = (before.columns[column], after.columns[column], np.ones(len(known)))
    sums = np.column_stack([np.bincount(before.groups[known], part[known], size) for part in parts])
    return np.asarray(sums[sums[:, 2] > 0], np.float64)


def _share_change(before: SetTable, after: SetTable, column: str, drawing: Drawing) -> dict[str, Any] | None:
    sums = _paired(before, after, column)
    if sums is None:
        return None
    one, two = before.columns[column], after.columns[column]
    p = paired_p((sums[:, 1] - sums[:, 0]).round().astype(np.int64))
    counts = {"gained": int(((one == 0) & (two == 1)).sum()), "lost": int(((one == 1) & (two == 0)).sum())}
    return tested(drawing.of(sums, difference_of_ratios), drawing, p) | counts


def _mean_change(before: SetTable, after: SetTable, column: str, drawing: Drawing) -> dict[str, Any] | None:
    sums = _paired(before, after, column)
    return None if sums is None else tested(drawing.of(sums, difference_of_ratios), drawing)


def _layers_change(before: SetTable, after: SetTable, drawing: Drawing) -> list[dict[str, Any]]:
    """Return per layer what changed of MEXA and of the mean similarity, the same sentences drawn everywhere."""
    (right, near, spoils), base = by_layer(after), by_layer(before)
    gained, size = right - base[0], right.shape[1]
    columns = np.concatenate([sentence_shares(gained, spoils - base[2]), near - base[1]], axis=1)
    found = means(columns, draws=drawing.draws, seed=drawing.seed, confidence=drawing.confidence)
    exact = [paired_p(gained[:, layer].round().astype(np.int64)) for layer in range(size)]
    return [
        {"mexa": tested(found[layer], drawing, exact[layer]), "similarity": tested(found[size + layer], drawing)}
        for layer in range(size)
    ]


def _chance(before: SetTable, drawing: Drawing) -> dict[str, Any]:
    """Say whether the first model does no better than guessing; without choices, whether it is ever right."""
    known = ~np.isnan(before.columns["correct"])
    if "correct" not in by_kind(SHARES, before.kind) or not known.any():
        return {}
    chances = np.nan_to_num(before.columns["chance"])
    size = int(before.groups.max()) + 1
    parts = (chances, before.columns["correct"], np.ones(len(known)))
    sums = np.column_stack([np.bincount(before.groups[known], part[known], size) for part in parts])
    above = drawing.of(np.asarray(sums[sums[:, 2] > 0], np.float64), difference_of_ratios)
    return {"nothing_to_lose": not above.low > 0}


def _saving_change(before: SetTable, after: SetTable, drawing: Drawing) -> dict[str, Any]:
    base = before.sums("bits", "bits_alone")
    sums = np.column_stack([base, after.sums("bits", "bits_alone")])
    nothing = not drawing.of(base, saving).low > MIN_SAVING
    return {"saving": tested(drawing.of(sums, change_of_saving), drawing), "nothing_to_lose": nothing}
