"""The gap between a set and its twin in the reference language: the same items, paired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from newtongue.core.errors import DataError
from newtongue.methods.consistency import agreement, all_correct, gap
from newtongue.methods.scores import as_facts
from newtongue.stages.report.material import Material, Measured

Facts = dict[str, Any]


def language_gaps(twins: Mapping[str, str], material: Material, drawing: Mapping[str, Any]) -> list[Facts]:
    """Return one gap per twin and model, base and final.

    Raises:
        DataError: A set is not measured, or the two share no item.
    """
    models = (material.before, material.after)
    return [_gap(name, twin, measured, drawing) for name, twin in twins.items() for measured in models]


def _gap(name: str, twin: str, measured: Measured, drawing: Mapping[str, Any]) -> Facts:
    rows = [_judged(measured, key) for key in (name, twin)]
    shared = [item for item in rows[1] if item in rows[0]]
    if not shared:  # items of tasks carry a hash of their words after their place
        rows = [{_place(item): row for item, row in part.items()} for part in rows]
        shared = [item for item in rows[1] if item and item in rows[0]]
    if not shared:
        raise DataError(
            f"the sets `{name}` and `{twin}` share no item",
            place="report.twins",
            expected="items of the same id in both languages, or tasks on the same rows in the same order",
        )
    other, reference = (np.array([found[item]["correct"] for item in shared], dtype=np.float64) for found in rows)
    numbers: dict[str, int] = {}
    groups = np.array([numbers.setdefault(rows[1][item]["group"], len(numbers)) for item in shared])
    found = gap(reference, other, groups, **drawing)
    answers = [[_answer(part[item]) for item in shared] for part in rows]
    return {
        **{"set": name, "twin": twin, "model": measured.label, "n": len(shared)},
        **{key: as_facts(value) for key, value in found.items()},
        "agreement": round(agreement(answers), 6),
        "all_correct": round(all_correct(np.stack([other, reference]).astype(bool)), 6),
    }


def _place(item: str) -> str:
    """Return the place of a task's item in its data, "" for an item of another kind.

    Example:
        >>> _place("12-0a1b2c3d"), _place("question 7")
        ('12', '')
    """
    place, _, mark = item.partition("-")
    return place if place.isdigit() and mark else ""


def _answer(row: Mapping[str, Any]) -> str:
    """What was answered, in a form that compares across languages: right, or which wrong answer where that is known."""
    return "right" if row["correct"] else f"wrong {row['choice']}" if row.get("choice") is not None else "wrong"


def _judged(measured: Measured, name: str) -> dict[str, Facts]:
    found = {row["item"]: row for row in measured.rows if row["set"] == name and row.get("correct") is not None}
    if not found:
        raise DataError(
            f"no set `{name}` with right and wrong answers in the scores of “{measured.label}”",
            place="report.twins",
            expected=f"one of {', '.join(measured.scores['sets'])}",
        )
    return found
