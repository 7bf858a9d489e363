"""The section on the vocabulary: what was added, fertility, and the proof that old ids did not change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newtongue.stages.report import markup
from newtongue.stages.report.markup import escape, number, with_interval

Facts = Mapping[str, Any]


def vocabulary(facts: Facts) -> str:
    """Return the section on the tokenizer: what was added, fertility, and the proof that old ids did not change."""
    parts = []
    for stage in facts["stages"]:
        if expansion := stage.get("expansion"):
            parts += [_expansion(expansion), _protected(expansion)]
    parts += [_fertility(facts), _unchanged(facts)]
    return markup.section("vocabulary", "Vocabulary", *parts)


def _expansion(found: Facts) -> str:
    items = [
        ("New tokens", f"{number(found.get('new_tokens'))}, ids from {number(found.get('first_new_id'))}"),
        ("Embedding rows", f"{number(found.get('rows_before'))} → {number(found.get('rows'))}"),
        ("New rows start as", escape(str(found.get("init", "–")).replace("_", " "))),
    ]
    fertility = found.get("fertility") or {}
    sides = [(fertility.get(side) or {}).get("tokens_per_word") for side in ("before", "after")]
    if all(sides):
        text = f"{number(sides[0], 2)} → {number(sides[1], 2)}, {number(sides[0] / sides[1], 2)} times fewer"
        items.insert(1, (f"Tokens per word ({fertility.get('measured_on', 'corpus')} text)", text))
    return markup.pairs(items)


def _protected(found: Facts) -> str:
    sets = found.get("protected") or {}
    rows = [
        [escape(n), number(s.get("documents")), number(s.get("tokens")), number(s.get("changed"))]
        for n, s in sets.items()
    ]
    if not rows:
        return markup.paragraph("No protected text is on record.", "note")
    total = sum(s.get("changed", 0) for s in sets.values())
    title = f"Protected text, encoded with the old and the new tokenizer: {number(total)} documents with a changed id"
    return markup.table(title, ["Protected set", "Documents", "Tokens", "Documents with a changed id"], rows)


def _fertility(facts: Facts) -> str:
    sets = {n: s for n, s in facts["sets"].items() if s["kind"] in ("text", "answers")}
    rows = []
    for name, found in sets.items():
        values = [found["scores"].get(side, {}).get("fertility") for side in ("before", "after")]
        if all(values):
            times, words = values[0]["value"] / values[1]["value"], number(found["scores"]["after"].get("words"))
            rows.append([escape(name), *(with_interval(v, number, 2) for v in values), f"{number(times, 2)} ×", words])
    if not rows:
        return ""
    head = ["Held-out set", "Base model", "Final model", "Fewer by", "Words"]
    return markup.table("Fertility: tokens per word (per character cluster where writing has no spaces)", head, rows)


def _unchanged(facts: Facts) -> str:
    kept = {
        n: s
        for n, s in facts["sets"].items()
        if s["role"] != "target" and s["change"] and "changed_windows" in s["change"]
    }
    if not kept:
        return ""
    told = "; ".join(
        f"{n}: {number(s['change']['changed_windows'])} of {number(s['change']['n'])}" for n, s in kept.items()
    )
    return markup.paragraph(
        f"Evaluation windows of kept text whose token ids differ between base and final model: {told}."
    )
