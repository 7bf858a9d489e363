"""The same items in several languages: the gap to the reference language, and who agrees with whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.core.errors import DataError
from newtongue.methods.consistency import agreement, agreement_matrix, all_correct, gap
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


def consistency(same_items: Mapping[str, list[str]], material: Material, drawing: Mapping[str, Any]) -> list[Facts]:
    """Return one comparison of all languages per group of sets and model: agreement of every two, share of the first.

    Raises:
        DataError: A set is not measured, or the sets share no item.
    """
    models = (material.before, material.after)
    groups = [(name, [name, *others]) for name, others in same_items.items()]
    return [_together(names, measured, drawing) for _, names in groups for measured in models]


def _together(names: list[str], measured: Measured, drawing: Mapping[str, Any]) -> Facts:
    rows = _same_items(names, measured)
    reference, *others = (_right(part) for part in rows)
    answers = [[_answer(row) for row in part] for part in rows]
    about = measured.scores["sets"]
    sets = [{"set": names[0], "correct_fraction": round(float(reference.mean()), 6)}]
    for name, right in zip(names[1:], others, strict=True):
        found = gap(reference, right, _groups(rows[0]), **drawing)
        share = {"correct_fraction": round(float(right.mean()), 6)}
        sets.append({"set": name, **share, **{key: as_facts(value) for key, value in found.items()}})
    for one in sets:
        one["language"] = about.get(one["set"], {}).get("language", "")
    return {
        **{"reference": names[0], "model": measured.label, "n": len(reference), "sets": sets},
        "agreement": [[round(float(cell), 6) for cell in row] for row in agreement_matrix(answers)],
        "mean_agreement": round(agreement(answers), 6),
        "all_correct": round(all_correct(np.stack([reference, *others]).astype(bool)), 6),
    }


def _gap(name: str, twin: str, measured: Measured, drawing: Mapping[str, Any]) -> Facts:
    rows = _same_items([twin, name], measured)
    reference, other = (_right(part) for part in rows)
    found = gap(reference, other, _groups(rows[0]), **drawing)
    return {
        **{"set": name, "twin": twin, "model": measured.label, "n": len(reference)},
        **{key: as_facts(value) for key, value in found.items()},
        "agreement": round(agreement([[_answer(row) for row in part] for part in rows]), 6),
        "all_correct": round(all_correct(np.stack([other, reference]).astype(bool)), 6),
    }


def _same_items(names: list[str], measured: Measured) -> list[list[Facts]]:
    """Return the rows of the items that all sets share, per set, in the order of the first.

    Raises:
        DataError: They share none.
    """
    rows = [_judged(measured, name) for name in names]
    shared = [item for item in rows[0] if all(item in part for part in rows)]
    if not shared:  # items of tasks carry a hash of their words after their place
        rows = [{_place(item): row for item, row in part.items()} for part in rows]
        shared = [item for item in rows[0] if item and all(item in part for part in rows)]
    if not shared:
        raise DataError(
            f"the sets {', '.join(f'`{name}`' for name in names)} share no item",
            place="report.twins, report.same_items",
            expected="items of the same id in all languages, or tasks on the same rows in the same order",
        )
    return [[part[item] for item in shared] for part in rows]


def _right(rows: list[Facts]) -> NDArray[np.float64]:
    return np.array([row["correct"] for row in rows], dtype=np.float64)


def _groups(rows: list[Facts]) -> NDArray[np.int64]:
    """Return the number of every row's group."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(row["group"], len(numbers)) for row in rows])


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
            place="report.twins, report.same_items",
            expected=f"one of {', '.join(measured.scores['sets'])}",
        )
    return found
