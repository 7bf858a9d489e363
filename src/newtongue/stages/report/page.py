"""The whole page: one file, no script, no network, light and dark, printable."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from newtongue.stages.report import (
    differences,
    evidence,
    headline,
    markup,
    multilingual,
    selection,
    synthesis,
    vocabulary,
    work,
)
from newtongue.stages.report.markup import escape, language_name

Facts = Mapping[str, Any]
SECTIONS: tuple[Callable[[Facts], str], ...] = (
    evidence.text_results,
    differences.kept,
    evidence.answers,
    multilingual.wordings,
    multilingual.gaps,
    multilingual.translations,
    multilingual.alignment,
    work.samples,
    vocabulary.vocabulary,
    work.data,
    work.training,
    work.instructions,
    selection.selection,
)
"""Sections made from the facts, in order; each returns "" when it has nothing to show."""

LONGEST_WARNING = 240
"""Longer notices stand on the stage's card only, further down."""


def build_page(facts: Facts, costs: Facts) -> str:
    """Return the report as one HTML document."""
    body = [
        _header(facts, costs),
        *(section(facts) for section in SECTIONS),
        synthesis.synthesis(facts, costs),
        work.costs(costs),
        work.provenance(facts),
        work.method(facts, costs),
    ]
    main = "\n".join(part for part in body if part).replace("<!--contents-->", _contents("".join(body)), 1)
    style = files("newtongue.stages.report").joinpath("report.css").read_text("utf-8")
    title = escape(facts["title"])
    return (
        '<!doctype html>\n<html lang="en" dir="ltr">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="newtongue">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{main}\n</main>\n</body>\n</html>\n"
    )


def _header(facts: Facts, costs: Facts) -> str:
    target, keep = (" and ".join(map(language_name, facts["languages"][side])) for side in ("target", "keep"))
    kicker = f"Taught: {target or 'nothing'}. Kept: {keep or 'nothing measured'}."
    return (
        f'<header><p class="kicker">newtongue report</p><h1>{escape(facts["title"])}</h1>'
        f"{markup.paragraph(headline.summary(facts, costs), 'lead')}{markup.paragraph(kicker, 'note')}"
        f"{headline.findings(facts, costs)}{_warnings(facts)}<!--contents--></header>"
    )


def _warnings(facts: Facts) -> str:
    lines = facts["missing"] + [line for line in facts["notices"] if len(line) <= LONGEST_WARNING]
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="notices">{items}</ul>' if items else ""


def _contents(page: str) -> str:
    found = re.findall(r'<h2 id="(\w+)">([^<]*)</h2>', page)
    items = "".join(f'<li><a href="#{key}">{title}</a></li>' for key, title in found)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'
