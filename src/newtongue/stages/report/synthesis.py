"""The section on rows that a teacher wrote: acceptance, reasons, language fidelity, dollars, likeness, samples."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from newtongue.stages.report import markup
from newtongue.stages.report.markup import escape, number, percent

Facts = Mapping[str, Any]

BARS_PX = 90
ROLES = {"user": "Question", "assistant": "Answer", "chosen": "Better answer", "rejected": "Worse answer"}
"""Roles of a sample's turns, and how they are called."""


def synthesis(facts: Facts, costs: Facts) -> str:
    """Return the section on stages that had rows written."""
    spent = {row["name"]: row["usd"] for row in costs.get("stages", [])}
    told = [stage for stage in facts["stages"] if stage.get("synthesis")]
    return markup.section("written", "Rows a teacher wrote", *(_stage(stage, spent) for stage in told))


def _stage(stage: Facts, spent: Mapping[str, float]) -> str:
    found = stage["synthesis"]
    parts = [
        f"<h3>{escape(stage['name'])}</h3>",
        markup.paragraph(_figures(found, spent.get(stage["name"]))),
        f'<div class="pair">{_reasons(found)}{_likeness(found)}</div>',
        _fidelity(found),
        _border(found),
        *map(_sample, found["samples"]),
    ]
    return "".join(parts)


def _figures(found: Facts, usd: float | None) -> str:
    accepted, received = found["accepted"], max(1, found["received"])
    text = (
        f"{number(found['received'])} rows came back from {number(found['requests'])} questions: "
        f"{number(accepted)} accepted ({percent(accepted / received)}), {number(found['rejected'])} rejected, "
        f"{number(found['failed'])} failed."
    )
    if usd is None:
        return text
    return f"{text} They cost ${usd:,.4f}, ${usd / max(1, accepted):,.6f} per accepted row."


def _reasons(found: Facts) -> str:
    received = max(1, found["received"])
    rows = [[escape(why["reason"]), number(why["rows"]), percent(why["rows"] / received)] for why in found["reasons"]]
    return markup.table("Why rows were not accepted", ["Reason", "Rows", "Share of all"], rows) if rows else ""


def _fidelity(found: Facts) -> str:
    """Return the language gate's answers; rows that failed another check first were not asked about."""
    rows = []
    for told in found["fidelity"]:
        numbers = [told[name] for name in ("right", "unknown", "wrong")]
        cells = [*map(number, numbers), percent(1 - numbers[-1] / max(1, sum(numbers)))]
        rows.append([escape(told["teacher"]), escape(told["task"]), *cells])
    head = ["Teacher", "Task", "Right", "Unknown", "Wrong", "Right or unknown"]
    return markup.table("Language of what was written", head, rows, words=(0, 1)) if rows else ""


def _likeness(found: Facts) -> str:
    """Return bars of how alike each accepted question is to the nearest one before it."""
    counts, edges = found["likeness"]["counts"], found["likeness"]["edges"]
    most, width = max(*counts, 1), 100 / len(counts)
    shape = '<rect x="{:.2f}%" width="{:.2f}%" y="{:.1f}" height="{:.1f}" class="kept"><title>{}</title></rect>'
    bars = "".join(
        shape.format(place * width, 0.9 * width, BARS_PX * (1 - n / most), BARS_PX * n / most, _bar(ends, n))
        for place, (ends, n) in enumerate(zip(pairwise(edges), counts, strict=True))
    )
    ticks = "".join(
        f'<text x="{place * width:.2f}%" y="{BARS_PX + 16}" class="tick">{edge:.1f}</text>'
        for place, edge in enumerate(edges[:-1])
    )
    title = "Likeness of each accepted question to the nearest one before it (ROUGE-L on words)"
    told = "; ".join(_bar(ends, n) for ends, n in zip(pairwise(edges), counts, strict=True))
    return (
        f'<figure class="dots"><figcaption>{title}</figcaption><svg width="100%" height="{BARS_PX + 20}" role="img">'
        f"<title>{title}</title><desc>{told}</desc>{bars}{ticks}</svg></figure>"
    )


def _bar(ends: tuple[float, float], rows: int) -> str:
    return f"{ends[0]:.1f} to {ends[1]:.1f}: {rows:,} rows"


def _border(found: Facts) -> str:
    border = found["border"]
    if not border:
        return ""
    said = f"held-out questions are more than {border['above']} alike to a training question."
    return markup.paragraph(f"{number(border['near'])} of {number(border['heldout'])} {said}", "note")


def _sample(sample: Facts) -> str:
    """Return the first row of a task, every text in its own direction."""
    cells = "".join(
        f"<div><h4>{escape(ROLES.get(turn['role'], turn['role']))}</h4>"
        f"{markup.prose(turn['text'], sample['language'], automatic=not turn['own_script'])}</div>"
        for turn in sample["turns"]
    )
    return f'<article class="sample"><h3>{escape(sample["task"])}</h3><div class="answers">{cells}</div></article>'
