"""Sections on what differs between base and final model: parts of the retention gate, and documents one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newtongue.methods.comparison import MIN_SAVING
from newtongue.methods.paired_tests import POWER
from newtongue.stages.report import markup
from newtongue.stages.report.markup import escape, language_name, number, percent, signed, with_interval
from newtongue.stages.report.wording import MEASURES, WORDS, label_of, loss_text, p_text, unjudged_probe

Facts = Mapping[str, Any]
FLOOR = {
    "bits_per_byte": "not judged",
    "accuracy": "not judged: the base does no better than guessing",
    "in_context_saving": f"not judged: the base saves less than {MIN_SAVING:.0%}, so it hardly uses context",
}
"""Why a part is shown and not judged."""


def kept(facts: Facts) -> str:
    """Return the section on the kept languages: every part of the gate with its limit."""
    rows = [_part(part, facts) for part in (facts["verdicts"]["retention"] or {"parts": []})["parts"]]
    if not rows:
        return markup.section("kept", "What was kept", _probe(facts))
    head = ["Set", "Measure", "Change", "Limit", "p (Holm)", "Detectable", "n", "Verdict"]
    text = (
        "Every part must pass: the whole interval of its change on the good side of the limit. A value within the "
        "limit whose interval is not decides nothing; then the last column says how many documents or items would. "
        "Bits per byte show what reading costs; the in-context probe shows whether the model still uses examples it is "
        "given, which forgetting can take away while bits per byte look fine."
    )
    table = markup.table("Kept languages: every part of the gate", head, rows, words=(0, 1, 7))
    return markup.section("kept", "What was kept", markup.paragraph(text), table, _probe(facts))


def _part(part: Facts, facts: Facts) -> list[str]:
    change = facts["sets"][part["set"]]["change"] or {}
    figure = change.get({"bits_per_byte": "difference", "accuracy": "correct_fraction"}.get(part["measure"], "saving"))
    more = f"; about {number(part['groups_needed'])} would decide" if part["groups_needed"] else ""
    if part["verdict"]:
        said = f'<span class="{part["verdict"]}">{escape(WORDS["retention"][part["verdict"]] + more)}</span>'
    else:
        said = escape(FLOOR[part["measure"]])
    shown, limit = loss_text(part)
    least = figure and figure.get("detectable")
    unit = "" if part["measure"] == "bits_per_byte" else " points"
    language = language_name(facts["sets"][part["set"]]["language"])
    return [
        f'{escape(part["set"])}<span class="small">{escape(language)}</span>',
        escape(MEASURES[part["measure"]]),
        escape(shown),
        escape(limit),
        escape(p_text(change.get("p_holm"))),
        "–" if least is None else escape(number(100 * least if unit else least, 1 if unit else 3) + unit),
        number(part["loss"]["n"]),
        said,
    ]


def _probe(facts: Facts) -> str:
    sets = {n: s for n, s in facts["sets"].items() if s["kind"] == "probe"}
    parts = []
    for name, found in sets.items():
        scores = found["scores"]
        tasks = next(iter(scores.values()))["tasks"]
        items = next(iter(scores.values()))["tasks"]
        rows = [
            [escape(t), *(with_interval(s["tasks"].get(t), percent, 0) for s in scores.values()), number(items[t]["n"])]
            for t in tasks
        ]
        if said := unjudged_probe(name, found):
            parts.append(markup.paragraph(said))
        title = f"{name}: share of bits that a demonstration of made-up words saves"
        parts.append(markup.table(title, ["Task", *map(label_of, scores), "Items"], rows))
    return "".join(parts)


def documents(facts: Facts) -> str:
    """Return a table of paired differences per document, for every set measured in bits."""
    rows = []
    for name, found in facts["sets"].items():
        change = found["change"]
        if not change or "documents" not in change:
            continue
        spread = change["documents"]
        quartiles = f"{signed(spread['lower_quartile'])} … {signed(spread['upper_quartile'])}"
        rows.append(
            [
                escape(name),
                with_interval(change["difference"], signed, 3),
                number(spread["better"]),
                number(spread["worse"]),
                signed(spread["median"]),
                escape(quartiles),
                escape(p_text(change.get("p_holm"))),
                number(change["difference"]["detectable"], 3),
            ]
        )
    head = ["Held-out set", "Difference", "Better", "Worse", "Median", "Middle half", "p (Holm)", "Detectable"]
    title = (
        "Document by document: bits per byte, final less base; below zero is better. Detectable: the smallest "
        f"difference found with a chance of {percent(POWER, 0)}"
    )
    return markup.table(title, head, rows) if rows else ""


def characters(facts: Facts) -> str:
    """Return a table of bits per character, for readers used to it; bytes per character differ between scripts."""
    rows = []
    for name, found in facts["sets"].items():
        values = [found["scores"].get(side, {}).get("bits_per_character") for side in ("before", "after")]
        if all(values):
            count = number(values[1]["n"])
            rows.append([escape(name), *(with_interval(value, number, 3) for value in values), count])
    head = ["Held-out set", "Base model", "Final model", "Documents"]
    return markup.table("Bits per character (code point)", head, rows) if rows else ""
