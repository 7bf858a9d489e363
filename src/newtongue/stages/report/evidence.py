"""Sections that prove something: the verdict, the comparison with controls, answers, the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newtongue.stages.report import charts, markup
from newtongue.stages.report.markup import escape, language_name, number, percent, signed, signed_percent, with_interval

Facts = Mapping[str, Any]

WORDS = {
    "gain": {"pass": "Gain shown", "fail": "No gain", "underpowered": "Not decided: too little text"},
    "retention": {"pass": "Kept", "fail": "Lost more than the limit", "underpowered": "Not decided: too little text"},
    "fidelity": {"pass": "Reached", "fail": "Missed", "underpowered": "Reached; the interval is wider"},
    "stopping": {"pass": "Reached", "fail": "Missed", "underpowered": "Reached; the interval is wider"},
    "control": {"pass": "beaten", "fail": "not beaten", "underpowered": "not decided"},
    "controls": {"pass": "All beaten", "fail": "Not all beaten", "underpowered": "Not decided"},
}
"""What each verdict is called, by what is judged."""
NAMES = {"before": "Base model", "after": "Final model"}


def label_of(name: str) -> str:
    """Return how a measured model is called on the page."""
    return NAMES.get(name, name[:1].upper() + name[1:])


def summary(facts: Facts, costs: Facts) -> str:
    """Return the finding in two or three plain sentences."""
    judged, sentences = facts["verdicts"], []
    if gain := judged["gain"]:
        scores = facts["sets"][gain["set"]]["scores"]
        values = [number(scores[side]["bits_per_byte"]["value"], 2) for side in ("before", "after")]
        name = language_name(facts["sets"][gain["set"]]["language"])
        better = {k: -v if v is not None else None for k, v in gain["difference"].items() if k != "n"}
        ends = f"{number(better['high'], 2)} to {number(better['low'], 2)}"
        sentences.append(
            f"Held-out {name} text takes {values[1]} bits per byte instead of {values[0]}: "
            f"better by {number(better['value'], 2)} ({ends})."
        )
    if against := judged.get("controls"):
        if against["beaten"] == against["controls"]:
            sentences.append(f"It beats all {against['controls']} controls on the same text.")
        else:
            sentences.append(
                f"It beats {against['beaten']} of {against['controls']} controls on the same text, "
                f"and not “{against['control']}” ({signed(against['difference']['value'], 2)})."
            )
    if kept := judged["retention"]:
        name, change = language_name(facts["sets"][kept["set"]]["language"]), kept["relative_change"]
        ends = f"{signed_percent(change['low'])} to {signed_percent(change['high'])}"
        sentences.append(
            f"{name} changed by {signed_percent(change['value'])} ({ends}) on the worse of its held-out sets; "
            f"the limit is {signed_percent(kept['max_loss'])}."
        )
    total = costs["total"]
    sentences.append(f"The run took {markup.duration(total['seconds'])} and {markup.dollars(total['usd'])}.")
    return " ".join(sentences)


def findings(facts: Facts, costs: Facts) -> str:
    """Return the four figures a reader looks for first."""
    parts = [_gain(facts), _kept(facts), _answers(facts), _spent(costs)]
    return f'<div class="findings">{"".join(parts)}</div>'


def _box(title: str, big: str, lines: list[str], verdict: str = "") -> str:
    text = "".join(f"<p>{line}</p>" for line in lines)
    return f'<div><h3>{escape(title)}</h3><div class="big">{big}</div>{text}{verdict}</div>'


def verdict(kind: str, value: str) -> str:
    """Return a verdict in words, marked by shape as well as colour."""
    return f'<p class="verdict {value}">{escape(WORDS[kind][value])}</p>'


def _gain(facts: Facts) -> str:
    judged = facts["verdicts"]["gain"]
    if not judged:
        return _box("Target language", "–", ["No held-out text of the target language was measured."])
    found = facts["sets"][judged["set"]]
    values = [number(found["scores"][side]["bits_per_byte"]["value"], 2) for side in ("before", "after")]
    lines = [f"bits per byte on held-out text; {with_interval(judged['difference'], signed, 2)}"]
    if against := facts["verdicts"].get("controls"):
        lines.append(f"better than {against['beaten']} of {against['controls']} controls on the same bytes")
    title = f"{language_name(found['language'])}, base to final"
    return _box(title, f"{values[0]} → {values[1]}", lines, verdict("gain", judged["verdict"]))


def _kept(facts: Facts) -> str:
    judged = facts["verdicts"]["retention"]
    if not judged:
        return _box("Kept languages", "–", ["No held-out text of a kept language was measured."])
    change, name = judged["relative_change"], language_name(facts["sets"][judged["set"]]["language"])
    ends = f"[{signed_percent(change['low'])}, {signed_percent(change['high'])}]"
    lines = [
        (
            f"bits per byte against the base {escape(ends)}; limit {signed_percent(judged['max_loss'])}, "
            f"worse set: {escape(judged['set'])}"
        )
    ]
    if judged.get("groups_needed"):
        lines.append(f"About {number(judged['groups_needed'])} documents would decide; there are {change['n']}.")
    return _box(f"{name} kept", signed_percent(change["value"]), lines, verdict("retention", judged["verdict"]))


def _answers(facts: Facts) -> str:
    judged, stops = facts["verdicts"]["fidelity"], facts["verdicts"]["stopping"]
    if not judged or not judged["fraction"]:
        return _box("Answers in the language", "–", ["No answers were generated."])
    found, limit = judged["fraction"], percent(judged["limit"], 0)
    lines = [
        (
            f"of {found['n']} answers in script, neither looping nor empty [{percent(found['low'], 0)}, "
            f"{percent(found['high'], 0)}]; at least {limit} asked"
        )
    ]
    if stops and stops["fraction"]:
        lines.append(f"{percent(stops['fraction']['value'], 0)} end with the stop token")
    return _box("Answers in the language", percent(found["value"], 0), lines, verdict("fidelity", judged["verdict"]))


def _spent(costs: Facts) -> str:
    total = costs["total"]
    lines = ["wall time of all stages listed below, evaluation included"]
    return _box("Cost", markup.dollars(total["usd"]), [escape(markup.duration(total["seconds"])), *lines])


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
    axis = charts.logarithmic_axis([8.0, *(dot.low for dot in dots), *(dot.high for dot in dots)])
    title = (
        f"{language_name(found['language'])} ({name}), held-out text: bits per byte, logarithmic scale; lower is better"
    )
    return charts.dot_plot(title, dots, axis, {"8: knows nothing": 8.0})


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
    rows = [["knows nothing<span class='small'>every byte alike</span>", "8.000", "", ""]]
    for label, control in found["controls"].items():
        word = WORDS["control"][control["beaten"]]
        rows.append(
            [
                escape(label),
                with_interval(control["bits_per_byte"], number, 3),
                with_interval(control["difference"], signed, 3),
                f'<span class="{control["beaten"]}">{escape(word)}</span>',
            ]
        )
    head = ["Control", "Bits per byte", "Final model less control", "Verdict"]
    return markup.table(f"{name}: controls on the same bytes", head, rows, words=(0, 3))


def answers(facts: Facts) -> str:
    """Return the section on generated answers and multiple choice."""
    parts = []
    columns = {
        "faithful": "In the language",
        "in_script": "In script, of those with letters",
        "in_language": "In letters of its own",
        "stopped": "Stop token",
        "looped": "Looping",
        "empty": "Empty",
        "correct": "Correct",
    }
    for name, found in facts["sets"].items():
        if found["kind"] not in ("generation", "choice"):
            continue
        keys = [k for k in columns if any(s.get(f"{k}_fraction") for s in found["scores"].values())]
        rows = [
            [escape(label_of(label)), *(_share(s.get(f"{k}_fraction")) for k in keys), number(s["n"])]
            for label, s in found["scores"].items()
        ]
        head = ["Model", *(columns[k] for k in keys), "Items"]
        parts.append(markup.table(f"{name}: {language_name(found['language'])}", head, rows))
    if not parts:
        return ""
    text = (
        "Every model answers the same held-out prompts greedily. An answer counts as in the language when enough of "
        "its letters are in the script and it neither loops nor is empty; loops and empty answers are failures. "
        "“Letters of its own” are those that neighbours in the same script do not use, if the language has any."
    )
    return markup.section("answers", "Answers", markup.paragraph(text), *parts)


def _share(value: Facts | None) -> str:
    if not value:
        return "–"
    ends = f"[{percent(value['low'], 0)}, {percent(value['high'], 0)}]"
    return f'{percent(value["value"], 0)}<span class="small interval">{escape(ends)}</span>'


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
            rows.append([escape(name), *(number(v, 2) for v in values), f"{number(values[0] / values[1], 2)} ×"])
    if not rows:
        return ""
    head = ["Held-out set", "Base model", "Final model", "Fewer by"]
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
