"""Sections of measured figures: held-out text against controls, and generated answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newtongue.methods.bits_per_byte import KNOW_NOTHING_BITS
from newtongue.methods.gate import at_most
from newtongue.methods.scores import SHARES, by_kind
from newtongue.stages.report import charts, differences, markup
from newtongue.stages.report.markup import escape, language_name, number, percent, signed, signed_percent, with_interval
from newtongue.stages.report.wording import WORDS, label_of

Facts = Mapping[str, Any]


def text_results(facts: Facts) -> str:
    """Return the section on held-out text: every model and control on the same bytes."""
    sets = {n: s for n, s in facts["sets"].items() if s["kind"] in ("text", "answers")}
    parts = [
        markup.paragraph(
            "Bits per byte: how many bits a model needs to predict one byte of text it has not seen, lower is better. "
            "All models are scored on the same bytes, so different vocabularies compare. "
            "A model that gives every byte the same chance needs 8."
        )
    ]
    for name, found in sets.items():
        if found["role"] == "target" and found["kind"] == "text":
            parts += [_target_chart(name, found), _surprise(found)]
    parts += [_changes_chart(sets, facts["limits"]["max_retention_loss"]), _results_table(facts, sets)]
    parts += [differences.documents(facts), differences.characters(facts)]
    parts += [_controls_table(n, s) for n, s in sets.items() if s["controls"] and s["role"] == "target"]
    return markup.section("results", "Held-out text, before and after", *parts) if sets else ""


def _surprise(found: Facts) -> str:
    if not found["base_knows_less_than_nothing"]:
        return ""
    return markup.paragraph(
        "The base model stands above 8: it never saw this script and bets its probability on other text, "
        "which is worse than knowing nothing. Read the gain against the controls, not against the base alone."
    )


def _target_chart(name: str, found: Facts) -> str:
    rows = [(label_of(label), s, "final" if label == "after" else "model") for label, s in found["scores"].items()]
    rows += [(f"Control: {label}", s, "control") for label, s in found["controls"].items()]
    rows.sort(key=lambda row: -row[1]["bits_per_byte"]["value"])
    dots = [_dot(label, s["bits_per_byte"], kind) for label, s, kind in rows]
    axis = charts.logarithmic_axis([KNOW_NOTHING_BITS, *(dot.low for dot in dots), *(dot.high for dot in dots)])
    title = (
        f"{language_name(found['language'])} ({name}), held-out text: bits per byte, logarithmic scale; lower is better"
    )
    return charts.dot_plot(title, dots, axis, {"8: knows nothing": KNOW_NOTHING_BITS})


def _dot(label: str, value: Facts, kind: str) -> charts.Dot:
    low, high = (value["value"] if value[end] is None else value[end] for end in ("low", "high"))
    text = f"{number(value['value'], 3)} [{number(value['low'], 3)}, {number(value['high'], 3)}]"
    return charts.Dot(label, text, value["value"], low, high, kind)


def _changes_chart(sets: Mapping[str, Facts], limit: float) -> str:
    kept = {n: s for n, s in sets.items() if s["role"] in ("retention", "replay") and s["change"]}
    if not kept:
        return ""
    dots = []
    for name, found in kept.items():
        change = found["change"]["relative_change"]
        low, high = (change["value"] if change[end] is None else change[end] for end in ("low", "high"))
        text = f"{signed_percent(change['value'])} [{signed_percent(change['low'])}, {signed_percent(change['high'])}]"
        label = f"{name}, not judged" if found["role"] == "replay" else name
        dots.append(
            charts.Dot(label, text, change["value"], low, high, "control" if found["role"] == "replay" else "final")
        )
    axis = charts.change_axis([limit, *(dot.low for dot in dots), *(dot.high for dot in dots)])
    return charts.dot_plot(
        "Kept languages: change of bits per byte from base to final model, and the limit",
        dots,
        axis,
        {f"limit {signed_percent(limit)}": limit},
    )


def _results_table(facts: Facts, sets: Mapping[str, Facts]) -> str:
    models = [m for m in facts["models"] if any(m in s["scores"] for s in sets.values())]
    confidence = percent(facts["bootstrap"]["confidence"], 0)
    head = ["Held-out set", *map(label_of, models), "Change", "Documents"]
    rows = []
    for name, found in sets.items():
        about = {"target": "target", "retention": "kept", "replay": "replay’s domain, not judged"}[found["role"]]
        kind = "answers under the chat template" if found["kind"] == "answers" else about
        first = f'{escape(name)}<span class="small">{escape(language_name(found["language"]))}, {escape(kind)}</span>'
        cells = [_value(found["scores"].get(model)) for model in models]
        change = found["change"]
        shown = with_interval(change["relative_change"], signed_percent, 1) if change else "–"
        n = next(iter(found["scores"].values()))["groups"]
        rows.append([first, *cells, shown, number(n)])
    return markup.table(
        f"Bits per byte with {confidence} intervals; change from base to final model, paired", head, rows
    )


def _value(scored: Facts | None) -> str:
    if not scored:
        return "–"
    value = scored["bits_per_byte"]
    return (
        f"{number(value['value'], 3)}"
        f'<span class="small interval">[{number(value["low"], 3)}, {number(value["high"], 3)}]</span>'
    )


def _controls_table(name: str, found: Facts) -> str:
    final = found["scores"]["after"]["bits_per_byte"]
    distance = {end: None if final[end] is None else final[end] - KNOW_NOTHING_BITS for end in ("value", "low", "high")}
    nothing = "knows nothing<span class='small'>every byte alike</span>"
    rows = [[nothing, number(KNOW_NOTHING_BITS, 3), with_interval(distance, signed, 3), _word(at_most(distance, 0.0))]]
    for label, control in found["controls"].items():
        rows.append(
            [
                escape(label),
                with_interval(control["bits_per_byte"], number, 3),
                with_interval(control["difference"], signed, 3),
                _word(control["beaten"]),
            ]
        )
    head = ["Control", "Bits per byte", "Final model less control", "Verdict"]
    return markup.table(f"{name}: controls on the same bytes", head, rows, words=(0, 3))


def _word(beaten: str) -> str:
    return f'<span class="{beaten}">{escape(WORDS["control"][beaten])}</span>'


COLUMNS = {
    "faithful": "In the language",
    "in_script": "In script, of those with letters",
    "in_language": "In letters of its own",
    "line_pass": "Every line",
    "word_pass": "Every word",
    "stopped": "Stop token",
    "looped": "Looping",
    "empty": "Empty",
    "correct": "Correct",
    "loose": "Correct, loosely",
}
"""Share of answers -> heading of its column."""
MORE = {
    "exact_fraction": "As the reference",
    "in_language_and_exact_fraction": "… and in the language",
    "f1_mean": "F1 of words",
    "rouge_l_mean": "ROUGE-L",
    "score_mean": "Score",
    "native_digits_fraction": "Its own digits",
    "native_marks_fraction": "Its own marks",
}
"""Figure of answers against references and norms of writing -> heading of its column."""
OWN_SECTION = ("translation", "alignment")
"""Kinds of sets that have a section of their own."""


def answers(facts: Facts) -> str:
    """Return the section on generated answers and multiple choice."""
    parts = []
    for name, found in facts["sets"].items():
        if by_kind(SHARES, found["kind"]) and found["kind"] not in OWN_SECTION:
            title = f"{name}: {language_name(found['language'])}"
            parts.append(_shares_table(title, found, {f"{key}_fraction": label for key, label in COLUMNS.items()}))
            parts.append(_shares_table(f"{title}, against references and norms of writing", found, MORE))
    if not any(parts):
        return ""
    text = (
        "Every model answers the same held-out prompts greedily. An answer counts as in the language when enough of "
        "its letters are in the script and it neither loops nor is empty; loops and empty answers are failures. "
        "“Letters of its own” are those that neighbours in the same script do not use, if the language has any. "
        "Lines of five words and more are judged one by one, code and names left out. Digits and marks of its own "
        "are a norm, not a fault."
    )
    return markup.section("answers", "Answers", markup.paragraph(text), *parts)


def _shares_table(title: str, found: Facts, columns: Mapping[str, str]) -> str:
    """Return one row per model and one column per figure that is known for any of them; nothing without any."""
    scores = found["scores"]
    keys = [key for key in columns if any(s.get(key) for s in scores.values())]
    if not keys:
        return ""
    rows = [[escape(label_of(label)), *(_share(s.get(k)) for k in keys), number(s["n"])] for label, s in scores.items()]
    return markup.table(title, ["Model", *(columns[k] for k in keys), "Items"], rows)


def _share(value: Facts | None) -> str:
    if not value:
        return "–"
    ends = f"[{percent(value['low'], 0)}, {percent(value['high'], 0)}]"
    return f'{percent(value["value"], 0)}<span class="small interval">{escape(ends)}</span>'
