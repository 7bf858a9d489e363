"""Two models measured on the same items: what changed, how surely, and what that means.

Gain on the target and retention of the kept languages are judged together, always: a model that
learnt by forgetting has not succeeded. Every verdict can also be that the data do not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from newtongue.core.errors import DataError
from newtongue.methods.bootstrap import difference_of_ratios, interval, relative_change
from newtongue.methods.scores import SHARES, SetTable, as_facts

Verdict = Literal["pass", "fail", "underpowered"]
ORDER: tuple[Verdict, ...] = ("fail", "underpowered", "pass")
"""Verdicts from worst to best."""


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
        Set name -> facts. Sets in bits have `difference` (bits per byte, after minus before, below zero is
        better), `relative_change` and, for text, `changed_windows`; others have a difference of shares
        per yes-or-no column.

    Raises:
        DataError: A set of the same name holds other items in the two.
    """
    settings = {"draws": draws, "seed": seed, "confidence": confidence}
    names = [name for name in before if name in after]
    return {name: compare_set(name, before[name], after[name], **settings) for name in names}  # type: ignore[arg-type]


def compare_set(
    name: str, before: SetTable, after: SetTable, *, draws: int, seed: int, confidence: float
) -> dict[str, Any]:
    """Compare one set; see `compare`."""
    check_same_items(name, before, after)
    if before.kind in SHARES:
        changes = {
            f"{column}_fraction": _share_change(before, after, column, draws=draws, seed=seed, confidence=confidence)
            for column in SHARES[before.kind]
        }
        return {"kind": before.kind, "n": len(before.items), **changes}
    sums = np.column_stack([before.sums("bits"), after.sums("bits", "bytes")])
    settings: dict[str, Any] = {"draws": draws, "seed": seed, "confidence": confidence}
    facts: dict[str, Any] = {
        "kind": before.kind,
        "n": len(before.items),
        "difference": as_facts(interval(sums, difference_of_ratios, **settings)),
        "relative_change": as_facts(interval(sums, relative_change, **settings)),
    }
    if any(before.digests) and any(after.digests):
        facts["changed_windows"] = sum(a != b for a, b in zip(before.digests, after.digests, strict=True))
    return facts


def check_same_items(name: str, before: SetTable, after: SetTable) -> None:
    """Make sure two tables hold the same items in the same order.

    Raises:
        DataError: They do not; the first difference is named.
    """
    same_size = np.array_equal(before.columns["bytes"], after.columns["bytes"]) or before.kind in SHARES
    if before.items == after.items and same_size:
        return
    pairs = zip(before.items, after.items, strict=False)
    first = next((f"{a} against {b}" for a, b in pairs if a != b), f"{len(before.items)} and {len(after.items)} items")
    raise DataError(
        f"the two measured different items ({first})",
        place=f"set {name}",
        expected="the same held-out data, windows and limits in both eval stages",
        fix="give both eval stages the same settings and run the older one again",
    )


def _share_change(
    before: SetTable, after: SetTable, column: str, *, draws: int, seed: int, confidence: float
) -> dict[str, Any] | None:
    known = ~np.isnan(before.columns[column]) & ~np.isnan(after.columns[column])
    if not known.any():
        return None
    size = int(before.groups.max()) + 1
    parts = (before.columns[column], after.columns[column], np.ones(len(known)))
    sums = np.column_stack([np.bincount(before.groups[known], part[known], size) for part in parts])
    sums = sums[sums[:, 2] > 0]
    return as_facts(
        interval(np.asarray(sums, np.float64), difference_of_ratios, draws=draws, seed=seed, confidence=confidence)
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as success.

    Attributes:
        max_retention_loss: Largest relative rise of bits per byte on kept languages.
        min_faithful_fraction: Smallest share of generated answers in the language, loops and empties failing.
        min_stopped_fraction: Smallest share of generated answers that end with the stop token.
    """

    max_retention_loss: float = 0.03
    min_faithful_fraction: float = 0.95
    min_stopped_fraction: float = 0.9


def verdicts(
    sets: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Mapping[str, Any]], limits: Limits
) -> dict[str, Any]:
    """Judge a model against the one it came from.

    Args:
        sets: Set name -> facts of the second model: `kind`, `role` and the figures of `summarise`.
        changes: What `compare` returned.
        limits: What counts as success.

    Returns:
        `gain`, `retention`, `fidelity` and `stopping`, each None when nothing was measured for it, else with
        `set`, `verdict` and the figure judged; and `overall`, the worst of those there are.
    """
    measured = {name: facts for name, facts in sets.items() if name in changes}
    target = [n for n, facts in measured.items() if facts["kind"] == "text" and facts["role"] == "target"]
    kept = [n for n, facts in measured.items() if facts["kind"] == "text" and facts["role"] == "retention"]
    generated = {n: facts for n, facts in sets.items() if facts["kind"] == "generation"}
    found: dict[str, Any] = {
        "gain": _gain({n: changes[n] for n in target}),
        "retention": retention({n: changes[n]["relative_change"] for n in kept}, limits.max_retention_loss),
        "fidelity": _lowest(generated, "faithful_fraction", limits.min_faithful_fraction),
        "stopping": _lowest(generated, "stopped_fraction", limits.min_stopped_fraction),
    }
    return {**found, "overall": worst([part["verdict"] for part in found.values() if part])}


def _gain(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    if not changes:
        return None
    judged = {name: gain(change["difference"]) for name, change in changes.items()}
    name = min(changes, key=lambda n: (ORDER.index(judged[n]), -changes[n]["difference"]["value"]))
    return {"set": name, "verdict": judged[name], **{k: changes[name][k] for k in ("difference", "relative_change")}}


def _lowest(sets: Mapping[str, Mapping[str, Any]], name: str, limit: float) -> dict[str, Any] | None:
    if not sets:
        return None
    judged = {key: at_least(facts[name], limit) for key, facts in sets.items()}
    key = min(sets, key=lambda k: (ORDER.index(judged[k]), (sets[k][name] or {"value": 0.0})["value"]))
    return {"set": key, "verdict": judged[key], "limit": limit, "fraction": sets[key][name]}


def gain(difference: Mapping[str, Any]) -> Verdict:
    """Judge a difference in bits per byte on the target: a gain when the whole interval lies below zero.

    Example:
        >>> gain({"value": -1.0, "low": -1.2, "high": -0.8, "n": 40})
        'pass'
    """
    return at_most(difference, 0.0)


def at_most(found: Mapping[str, Any], limit: float) -> Verdict:
    """Judge whether a value is at most `limit`: pass when its whole interval is, fail when the value is not.

    In between the value holds and the interval does not: underpowered, more text would tell.

    Source: non-inferiority by confidence interval, Piaggio et al. 2012 (CONSORT extension, JAMA 308(24)).
    """
    if found["value"] > limit:
        return "fail"
    return "pass" if found["high"] is not None and found["high"] <= limit else "underpowered"


def at_least(found: Mapping[str, Any] | None, limit: float) -> Verdict:
    """Judge whether a share is at least `limit`; a share known for no item fails."""
    if found is None or found["value"] < limit:
        return "fail"
    return "pass" if found["low"] is not None and found["low"] >= limit else "underpowered"


def groups_needed(found: Mapping[str, Any], limit: float) -> int | None:
    """Return about how many groups would bring the upper end to `limit`; None when no number would.

    The width of an interval falls with the square root of the number of groups.

    Example:
        >>> groups_needed({"value": 0.01, "low": -0.03, "high": 0.05, "n": 50}, 0.03)
        200
    """
    if found["high"] is None or found["value"] >= limit:
        return None
    return int(np.ceil(found["n"] * ((found["high"] - found["value"]) / (limit - found["value"])) ** 2 - 1e-9))


def retention(changes: Mapping[str, Mapping[str, Any]], max_loss: float) -> dict[str, Any] | None:
    """Judge the kept languages by the worst of their sets.

    Args:
        changes: Name of each retention set -> relative change of its bits per byte, with interval.
        max_loss: Largest acceptable relative change, 0.03 for three per cent.

    Returns:
        The set with the largest change, its verdict and interval, and what more data it would take when
        underpowered; None without any retention set.
    """
    if not changes:
        return None
    verdicts = {name: at_most(change, max_loss) for name, change in changes.items()}
    worst = max(changes, key=lambda name: (-ORDER.index(verdicts[name]), changes[name]["value"]))
    return {
        "set": worst,
        "verdict": verdicts[worst],
        "relative_change": dict(changes[worst]),
        "max_loss": max_loss,
        "groups_needed": groups_needed(changes[worst], max_loss) if verdicts[worst] == "underpowered" else None,
    }


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the worst of several verdicts; none at all is underpowered."""
    return min(verdicts, key=ORDER.index) if verdicts else "underpowered"
