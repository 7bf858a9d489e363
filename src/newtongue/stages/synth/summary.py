"""The facts of written rows as Markdown, with what they cost: `summary.md` beside the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from itertools import pairwise
from typing import Any

from newtongue.adapters.languages import load_card

BAR = 40
"""Longest bar in characters."""
SHOWN_CHARACTERS = 400
CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that set the direction of what follows."""

Facts = Mapping[str, Any]


def summary(facts: Facts, title: str, usd: float) -> str:
    """Return the page.

    Args:
        facts: What became of every row, as `synthesis_facts` says it.
        title: Heading.
        usd: Dollars spent on the rows, all attempts.
    """
    parts = [*_figures(facts, title, usd), *_fidelity(facts), *_histogram(facts), *_border(facts), *_samples(facts)]
    return "\n".join(parts).rstrip() + "\n"


def _figures(facts: Facts, title: str, usd: float) -> Iterator[str]:
    accepted, received = facts["accepted"], max(1, facts["received"])
    yield f"# {title}\n"
    yield (
        f"{facts['received']:,} rows came back from {facts['requests']:,} questions; {accepted:,} "
        f"({accepted / received:.1%}) were accepted, {facts['rejected']:,} rejected, {facts['failed']:,} failed. "
        f"They cost ${usd:,.4f}, ${usd / max(1, accepted):,.6f} per accepted row.\n"
    )
    if facts["reasons"]:
        yield "| why not accepted | rows | share of all |\n|---|---:|---:|"
        for found in facts["reasons"]:
            yield f"| {found['reason']} | {found['rows']:,} | {found['rows'] / received:.1%} |"
        yield ""


def _fidelity(facts: Facts) -> Iterator[str]:
    """Yield the language gate's answers; rows that failed another check first were not asked about."""
    if not facts["fidelity"]:
        return
    yield "Language of what was written, by teacher and task:\n"
    yield "| teacher | task | right | unknown | wrong | right or unknown |\n|---|---|---:|---:|---:|---:|"
    for told in facts["fidelity"]:
        numbers = [told[name] for name in ("right", "unknown", "wrong")]
        cells = " | ".join(f"{number:,}" for number in numbers)
        yield f"| {told['teacher']} | {told['task']} | {cells} | {1 - numbers[-1] / sum(numbers):.1%} |"
    yield ""


def _histogram(facts: Facts) -> Iterator[str]:
    counts = facts["likeness"]["counts"]
    yield "Likeness of each accepted question to the nearest one before it (ROUGE-L on words):\n\n```text"
    for (low, high), number in zip(pairwise(facts["likeness"]["edges"]), counts, strict=True):
        yield f"{low:.1f} to {high:.1f}  {number:6,}  {'#' * round(BAR * number / max(*counts, 1))}".rstrip()
    yield "```\n"


def _border(facts: Facts) -> Iterator[str]:
    if border := facts["border"]:
        said = f"held-out questions are more than {border['above']} alike to a training question."
        yield f"{border['near']:,} of {border['heldout']:,} {said}\n"


def _samples(facts: Facts) -> Iterator[str]:
    yield "Samples:\n"
    for sample in facts["samples"]:
        direction = load_card(sample["language"]).direction
        yield f"**{escape(sample['task'])}**\n"
        for turn in sample["turns"]:
            set_as = direction if turn["own_script"] else "auto"
            yield f'<p dir="{set_as}" lang="{sample["language"][:3]}">{_shown(turn["text"])}</p>'
        yield ""


def _shown(text: str) -> str:
    """Return a text as safe markup; controls of direction become visible."""
    cut = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
    visible = "".join(f"[U+{ord(c):04X}]" if c in CONTROLS else c for c in cut)
    return "<br>".join(escape(line) for line in visible.split("\n"))
