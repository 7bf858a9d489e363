"""Sections across languages and wordings: translation grid, nearness by layer, the gap to a twin, prompt spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newtongue.stages.report import markup
from newtongue.stages.report.markup import escape, language_name, number, percent, signed, signed_percent, with_interval
from newtongue.stages.report.wording import label_of

Facts = Mapping[str, Any]
SPREAD = ("faithful", "stopped", "correct", "exact", "f1", "rouge_l", "score")
"""Figures whose spread over wordings stands on the page; `facts.json` has all."""


def translations(facts: Facts) -> str:
    """Return the section on translation: every direction, base and final model, with the off-target rate."""
    parts, signatures = [], dict[str, None]()
    for name, found in facts["sets"].items():
        if found["kind"] != "translation":
            continue
        models = {label: s["directions"] for label, s in found["scores"].items() if "directions" in s}
        rows = []
        for task in next(iter(models.values()), {}):
            for label, grid in models.items():
                rows.append(_direction(task, label, grid[task]))
                signatures |= dict.fromkeys(grid[task][f"{key}_signature"] for key in ("chrf", "bleu"))
        head = ["Direction", "Model", "chrF++", "BLEU", "Off target", "COMET", "Texts"]
        parts.append(markup.table(f"{name}: every direction", head, rows, words=(0, 1)))
        if found["change"] and (change := found["change"].get("chrf_mean")):
            shown = with_interval({k: 100 * v if v is not None else None for k, v in _ends(change)}, signed, 1)
            parts.append(f'<p class="note">Mean chrF++ of a text, final less base: {shown}</p>')
    if not parts:
        return ""
    told = "Scores out of 100. Signatures of sacrebleu: " + "; ".join(signatures) + "."
    return markup.section("translation", "Translation", *parts, markup.paragraph(told, "note"))


def _ends(change: Facts) -> list[tuple[str, float | None]]:
    return [(key, change[key]) for key in ("value", "low", "high")]


def _direction(task: str, label: str, scores: Facts) -> list[str]:
    source, _, target = task.partition("-")
    return [
        escape(f"{language_name(source)} to {language_name(target)}"),
        escape(label_of(label)),
        number(scores["chrf"], 1),
        number(scores["bleu"], 1),
        percent(scores["off_target_fraction"], 0),
        number(scores.get("comet"), 3),
        number(scores["n"]),
    ]


def alignment(facts: Facts) -> str:
    """Return the section on how near translations lie inside the models, layer by layer."""
    parts = []
    for name, found in facts["sets"].items():
        models = {label: s["layers"] for label, s in found["scores"].items() if "layers" in s}
        if found["kind"] != "alignment" or not models:
            continue
        changes = (found["change"] or {}).get("layers", [])
        head = ["Layer", *(f"{label_of(label)}: {what}" for label in models for what in ("nearest", "similarity"))]
        head += ["Nearest, final less base, points"] if changes else []
        rows = [
            [_layer(n), *(c for scores in models.values() for c in _cells(scores, n)), *_moved(changes, n)]
            for n in range(max(map(len, models.values())))
        ]
        tags = next(s["languages"] for s in found["scores"].values() if "languages" in s)
        title = f"{name}: {' and '.join(map(language_name, tags))}, {number(found['scores']['after']['groups'])} pairs"
        parts.append(markup.table(title, head, rows))
        if found["change"] and (change := found["change"].get("correct_fraction")):
            shown = with_interval({k: v for k, v in _ends(change)}, signed_percent, 1)
            parts.append(f'<p class="note">Nearest, mean over layers, final less base, in points: {shown}</p>')
    if not parts:
        return ""
    text = (
        "Nearest: share of texts whose vector lies closer to that of their own translation than any other, both ways "
        "(MEXA). Similarity: mean cosine with the translation (Language Ranker). Neither needs labels. Intervals are "
        "over the texts. Languages can lie close together in a model that cannot answer in them."
    )
    return markup.section("alignment", "Languages inside the model", markup.paragraph(text), *parts)


def _layer(number_of_layer: int) -> str:
    return "embedding" if number_of_layer == 0 else str(number_of_layer)


def _cells(scores: list[Facts], layer: int) -> list[str]:
    if layer >= len(scores):
        return ["–", "–"]
    return [with_interval(scores[layer]["mexa"], percent, 0), with_interval(scores[layer]["similarity"], number, 3)]


def _moved(changes: list[Facts], layer: int) -> list[str]:
    return [with_interval(changes[layer]["mexa"], signed_percent, 1)] if layer < len(changes) else []


def gaps(facts: Facts) -> str:
    """Return the section on the same items in two languages: the gap, and the share of the reference reached."""
    rows = [
        [
            escape(f"{gap['set']} against {gap['twin']}"),
            escape(label_of(gap["model"])),
            with_interval(gap["difference"], signed_percent, 1),
            with_interval(gap["fraction_of_reference"], percent, 0),
            percent(gap["agreement"], 0),
            percent(gap["all_correct"], 0),
            number(gap["n"]),
        ]
        for gap in facts["gaps"]
    ]
    head = ["Sets", "Model", "Difference, points", "Of the reference", "Answered alike", "Right in both", "Items"]
    table = markup.table("The same items in two languages", head, rows, words=(0, 1)) if rows else ""
    groups = [part for found in facts.get("consistency", []) for part in (_reached(found), _alike(found))]
    return markup.section("gaps", "Gap between languages", table, *groups)


def _reached(found: Facts) -> str:
    """Return a table: how much every language gets right, and how much of the reference that is."""
    rows = [
        [
            escape(_named(one)),
            percent(one["correct_fraction"], 1),
            with_interval(one["difference"], signed_percent, 1) if "difference" in one else "reference",
            with_interval(one["fraction_of_reference"], percent, 0) if "difference" in one else "–",
        ]
        for one in found["sets"]
    ]
    title = f"{label_of(found['model'])}: {number(found['n'])} items in {len(rows)} languages"
    told = f"{title}; right in all {percent(found['all_correct'], 0)}"
    return markup.table(told, ["Language", "Right", "Difference, points", "Of the reference"], rows)


def _alike(found: Facts) -> str:
    """Return a table: the share of items every two languages answer alike."""
    names = [_named(one) for one in found["sets"]]
    rows = [
        [escape(name), *(percent(cell, 0) for cell in line)]
        for name, line in zip(names, found["agreement"], strict=True)
    ]
    title = f"{label_of(found['model'])}: answered alike, mean of all pairs {percent(found['mean_agreement'], 0)}"
    return markup.table(title, ["", *names], rows)


def _named(one: Facts) -> str:
    return f"{language_name(one['language'])} ({one['set']})" if one["language"] else str(one["set"])


def wordings(facts: Facts) -> str:
    """Return the section on how far figures move with the wording of the prompt."""
    rows = []
    asked: dict[str, None] = {}
    for name, found in facts["sets"].items():
        for label, scores in found["scores"].items():
            asked |= dict.fromkeys(scores.get("wordings", []))
            spreads = scores.get("spread", {})
            for figure, spread in ((key, spreads[key]) for key in SPREAD if key in spreads):
                values = [percent(spread[key], 0) for key in ("mean", "lowest", "highest", "range")]
                rows.append([escape(name), escape(label_of(label)), escape(figure.replace("_", " ")), *values])
    if not rows:
        return ""
    head = ["Set", "Model", "Figure", "Mean", "Lowest", "Highest", "Range"]
    told = "Wordings: " + "; ".join(f"“{wording}”" for wording in asked)
    table = markup.table("Every figure over the wordings of the prompt", head, rows, words=(0, 1, 2))
    return markup.section("wordings", "How much the wording matters", table, markup.paragraph(told, "note"))
