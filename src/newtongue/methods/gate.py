"""Verdicts over a comparison: was the target learnt, and were the kept languages kept.

Both are judged together, always: a model that learnt by forgetting has not succeeded. Every verdict can also be
that the data do not tell, and then says how much more would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Verdict = Literal["pass", "fail", "underpowered"]
ORDER: tuple[Verdict, ...] = ("fail", "underpowered", "pass")
"""Verdicts from worst to best."""

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as success.

    Attributes:
        max_retention_loss: Largest relative rise of bits per byte on kept languages.
        min_faithful_fraction: Smallest share of generated answers in the language, loops and empties failing.
        min_stopped_fraction: Smallest share of generated answers that end with the stop token.
        max_accuracy_loss: Largest fall of the share of correct answers on tasks of kept languages.
        max_saving_loss: Largest fall of the share of bits that examples in the context save.
    """

    max_retention_loss: float = 0.03
    min_faithful_fraction: float = 0.95
    min_stopped_fraction: float = 0.9
    max_accuracy_loss: float = 0.02
    max_saving_loss: float = 0.02


def verdicts(sets: Mapping[str, Facts], changes: Mapping[str, Facts], limits: Limits) -> dict[str, Any]:
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
    kept = {n: (facts, changes[n]) for n, facts in measured.items() if facts["role"] == "retention"}
    generated = {n: facts for n, facts in sets.items() if facts["kind"] == "generation" and facts["role"] == "target"}
    found: dict[str, Any] = {
        "gain": _gain({n: changes[n] for n in target}),
        "retention": retention(kept, limits),
        "fidelity": _lowest(generated, "faithful_fraction", limits.min_faithful_fraction),
        "stopping": _lowest(generated, "stopped_fraction", limits.min_stopped_fraction),
    }
    return {**found, "overall": worst([part["verdict"] for part in found.values() if part])}


def _gain(changes: Mapping[str, Facts]) -> dict[str, Any] | None:
    if not changes:
        return None
    judged = {name: gain(change["difference"]) for name, change in changes.items()}
    name = min(changes, key=lambda n: (ORDER.index(judged[n]), -changes[n]["difference"]["value"]))
    return {"set": name, "verdict": judged[name], **{k: changes[name][k] for k in ("difference", "relative_change")}}


def _lowest(sets: Mapping[str, Facts], name: str, limit: float) -> dict[str, Any] | None:
    if not sets:
        return None
    judged = {key: at_least(facts[name], limit) for key, facts in sets.items()}
    key = min(sets, key=lambda k: (ORDER.index(judged[k]), (sets[k][name] or {"value": 0.0})["value"]))
    return {"set": key, "verdict": judged[key], "limit": limit, "fraction": sets[key][name]}


def gain(difference: Facts) -> Verdict:
    """Judge a difference in bits per byte on the target: a gain when the whole interval lies below zero.

    Example:
        >>> gain({"value": -1.0, "low": -1.2, "high": -0.8, "n": 40})
        'pass'
    """
    return at_most(difference, 0.0)


def at_most(found: Facts, limit: float) -> Verdict:
    """Judge whether a value is at most `limit`: pass when its whole interval is, fail when the value is not.

    In between the value holds and the interval does not: underpowered, more text would tell.

    Source: non-inferiority by confidence interval, Piaggio et al. 2012 (CONSORT extension, JAMA 308(24)).
    """
    if found["value"] > limit:
        return "fail"
    return "pass" if found["high"] is not None and found["high"] <= limit else "underpowered"


def at_least(found: Facts | None, limit: float) -> Verdict:
    """Judge whether a share is at least `limit`; a share known for no item fails."""
    if found is None or found["value"] < limit:
        return "fail"
    return "pass" if found["low"] is not None and found["low"] >= limit else "underpowered"


def groups_needed(found: Facts, limit: float) -> int | None:
    """Return about how many groups would bring the upper end to `limit`; None when no number would.

    The width of an interval falls with the square root of the number of groups.

    Example:
        >>> groups_needed({"value": 0.01, "low": -0.03, "high": 0.05, "n": 50}, 0.03)
        200
    """
    if found["high"] is None or found["value"] >= limit:
        return None
    return int(np.ceil(found["n"] * ((found["high"] - found["value"]) / (limit - found["value"])) ** 2 - 1e-9))


MEASURES = {
    "relative_change": ("bits_per_byte", "max_retention_loss", 1),
    "correct_fraction": ("accuracy", "max_accuracy_loss", -1),
    "saving": ("in_context_saving", "max_saving_loss", -1),
}
"""Figure of a comparison -> what it measures, its limit, and the sign with which it becomes a loss."""


def retention(kept: Mapping[str, tuple[Facts, Facts]], limits: Limits) -> dict[str, Any] | None:
    """Judge the kept languages: text in bits per byte, tasks in accuracy, examples in context in bits saved.

    Every part must pass, so no correction for several tests is due: more parts can only make passing harder.
    A part in which the first model shows nothing that could be lost (accuracy no better than guessing, nothing
    saved by a context) is told and not judged.

    Args:
        kept: Name of each retention set -> (its facts of the second model, what changed).
        limits: What counts as success.

    Returns:
        `parts`, one per set with its `loss` (above zero is worse), limit and verdict; the worst of them under
        `set`, `measure`, `verdict`, `loss`, `limit` and `groups_needed`; None without any set to judge.

    Source: intersection-union test, Berger 1982 (Technometrics 24(4)).
    """
    parts = [part for name, (facts, change) in kept.items() for part in _parts(name, facts, change, limits)]
    judged = [part for part in parts if part["verdict"]]
    if not judged:
        return None
    lowest = min(judged, key=lambda part: (ORDER.index(part["verdict"]), part["limit"] - part["loss"]["value"]))
    return {**lowest, "parts": parts}


def _parts(name: str, facts: Facts, change: Facts, limits: Limits) -> list[dict[str, Any]]:
    if facts["kind"] == "answers":
        return []
    found = []
    for key, (measure, limit_name, sign) in MEASURES.items():
        if change.get(key):
            loss, limit = signed_loss(change[key], sign), getattr(limits, limit_name)
            floor = bool(change.get("nothing_to_lose"))
            verdict = None if floor else at_most(loss, limit)
            more = groups_needed(loss, limit) if verdict == "underpowered" else None
            part = {"set": name, "measure": measure, "verdict": verdict, "loss": loss, "limit": limit}
            found.append({**part, "groups_needed": more})
    return found


def signed_loss(change: Facts, sign: int) -> dict[str, Any]:
    """Return a change turned so that above zero is worse, its ends in order.

    Example:
        >>> signed_loss({"value": -0.01, "low": -0.03, "high": 0.01, "n": 9}, -1)
        {'value': 0.01, 'low': -0.01, 'high': 0.03, 'n': 9}
    """
    if sign > 0:
        return {name: change[name] for name in ("value", "low", "high", "n")}
    value, low, high = (None if change[end] is None else 0.0 - change[end] for end in ("value", "high", "low"))
    return {"value": value, "low": low, "high": high, "n": change["n"]}


def worst(found: list[Verdict]) -> Verdict:
    """Return the worst of several verdicts; none at all is underpowered."""
    return min(found, key=ORDER.index) if found else "underpowered"
