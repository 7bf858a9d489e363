"""Initialisers side by side before any training: a sweep over `tokenizer.init`, read back as one table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newtongue.run.compare import compare
from newtongue.run.sweep import Point


@dataclass(frozen=True, slots=True)
class StepZero:
    """One initialiser before training.

    Attributes:
        settings: What was swept, and its values.
        bits_per_byte: Set -> (base model, expanded model).
        measured_kl_bits: Cost to protected text as measured, bits per token; None when it was not asked for.
        bound_kl_bits: The expected cost as proved; None for initialisers that have no bound.
        greedy: Whether greedy decoding provably stays inside the old vocabulary.
        fallback_tokens: New tokens for which the method found nothing.
    """

    settings: Mapping[str, Any]
    bits_per_byte: Mapping[str, tuple[float, float]]
    measured_kl_bits: float | None
    bound_kl_bits: float | None
    greedy: bool
    fallback_tokens: int


def step_zero(points: Sequence[Point], *, tokenizer: str, before: str, after: str) -> list[StepZero]:
    """Read the runs of a sweep: what each initialiser costs and gives before any training.

    Args:
        points: Runs of a recipe whose `after` measures the model of `tokenizer`, and whose `before` the base.
        tokenizer: Name of the tokenizer stage.
        before: Name of the eval stage of the base model.
        after: Name of the eval stage of the expanded model.
    """
    return [_read(point, tokenizer, before, after) for point in points]


def _read(point: Point, tokenizer: str, before: str, after: str) -> StepZero:
    folders = {name: Path(point.run.directories[name]) for name in (tokenizer, before, after)}
    facts = json.loads((folders[tokenizer] / "model" / "expansion.json").read_text("utf-8"))["initialisation"]
    sets = compare(folders[before], folders[after])["sets"]
    figures = {
        name: (found["before"]["bits_per_byte"]["value"], found["after"]["bits_per_byte"]["value"])
        for name, found in sets.items()
        if "bits_per_byte" in found["before"]
    }
    measured, bound = facts.get("measured"), facts["certificate"]
    return StepZero(
        settings=point.settings,
        bits_per_byte=figures,
        measured_kl_bits=measured["kl_bits"] if measured else None,
        bound_kl_bits=bound["expected_bits"],
        greedy=bound["greedy"],
        fallback_tokens=facts["input"]["fallback_tokens"],
    )


def table(rows: Sequence[StepZero]) -> str:
    """Return a Markdown table, one row per initialiser."""
    sets = list(rows[0].bits_per_byte) if rows else []
    head = ["init", *sets, "KL, bits", "bound, bits", "greedy kept", "fallback"]
    lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for row in rows:
        name = ", ".join(_name(value) for value in row.settings.values())
        figures = [f"{row.bits_per_byte[each][1]:.3f}" for each in sets]
        costs = ["–" if cost is None else f"{cost:.2g}" for cost in (row.measured_kl_bits, row.bound_kl_bits)]
        greedy = "proved" if row.greedy else "not proved"
        lines.append(f"| {' | '.join([name, *figures, *costs, greedy, str(row.fallback_tokens)])} |")
    return "\n".join(lines)


def _name(value: Any) -> str:
    """Return a swept value as a reader names it: the method, of both matrices where they differ."""
    if not isinstance(value, dict):
        return str(value)
    head = value.get("head")
    return str(value.get("input", "subword_mean")) + (f" / {head}" if head else "")
