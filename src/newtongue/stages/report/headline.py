"""The finding in a few sentences and four figures: what was gained, kept, answered and spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newtongue.stages.report import markup
from newtongue.stages.report.markup import escape, language_name, number, percent, signed, with_interval
from newtongue.stages.report.wording import MEASURES, WORDS, loss_text, unjudged_probe

Facts = Mapping[str, Any]


def summary(facts: Facts, costs: Facts) -> str:
    """Return the finding in a few plain sentences."""
    total = costs["total"]
    spent = f"The run took {markup.duration(total['seconds'])} and {markup.dollars(total['usd'])}."
    sentences = [_gain_sentence(facts), _controls_sentence(facts), _kept_sentence(facts), spent]
    return " ".join(sentence for sentence in sentences if sentence)


def _gain_sentence(facts: Facts) -> str:
    judged = facts["verdicts"]["gain"]
    if not judged:
        return ""
    found, change = facts["sets"][judged["set"]], judged["difference"]
    before, after = (number(found["scores"][side]["bits_per_byte"]["value"], 2) for side in ("before", "after"))
    word = "better" if change["value"] <= 0 else "worse"
    ends = sorted(abs(change[end]) for end in ("low", "high") if change[end] is not None)
    spread = f" ({' to '.join(number(end, 2) for end in ends)})" if ends else ""
    return (
        f"Held-out {language_name(found['language'])} text takes {after} bits per byte instead of {before}: "
        f"{word} by {number(abs(change['value']), 2)}{spread}."
    )


def _controls_sentence(facts: Facts) -> str:
    against = facts["verdicts"].get("controls")
    if not against:
        return ""
    if against["beaten"] == against["controls"]:
        return "It beats every control on the same text."
    distance = against["difference"]["value"]
    why = f"needs {number(distance, 2)} bits per byte less" if distance > 0 else "is too close to tell"
    beaten = f"It beats {against['beaten']} of {against['controls']} controls on the same text"
    return f"{beaten}; “{against['control']}” {why}."


def _kept_sentence(facts: Facts) -> str:
    kept = facts["verdicts"]["retention"]
    unjudged = [said for name, found in facts["sets"].items() if (said := unjudged_probe(name, found))]
    if not kept:
        return " ".join(unjudged)
    judged = [part for part in kept["parts"] if part["verdict"]]
    changed, limit = loss_text(kept)
    name = language_name(facts["sets"][kept["set"]]["language"])
    where = "" if len(judged) == 1 else f", the worst of {len(judged)} parts judged"
    found = f"{name} changed by {changed} in {MEASURES[kept['measure']]}{where}; the limit is {limit}."
    return " ".join([found, *unjudged])


def findings(facts: Facts, costs: Facts) -> str:
    """Return the four figures a reader looks for first."""
    parts = [_gain(facts), _kept(facts), _answers(facts), _spent(costs)]
    return f'<div class="findings">{"".join(parts)}</div>'


def _box(title: str, big: str, lines: list[str], verdict: str = "") -> str:
    text = "".join(f"<p>{line}</p>" for line in lines)
    return f'<div><h2>{escape(title)}</h2><div class="big">{big}</div>{text}{verdict}</div>'


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
    shown = verdict("gain", judged["verdict"])
    if against := facts["verdicts"].get("controls"):
        lines.append(f"better than {against['beaten']} of {against['controls']} controls on the same bytes")
        shown += verdict("controls", against["verdict"])
    title = f"{language_name(found['language'])}, base to final"
    return _box(title, f"{values[0]} → {values[1]}", lines, shown)


def _kept(facts: Facts) -> str:
    judged = facts["verdicts"]["retention"]
    if not judged:
        return _box("Kept languages", "–", ["Nothing of a kept language was measured."])
    name = language_name(facts["sets"][judged["set"]]["language"])
    (big, _, ends), limit = loss_text(judged)[0].partition(" ["), loss_text(judged)[1]
    parts = [part for part in judged["parts"] if part["verdict"]]
    passed = sum(part["verdict"] == "pass" for part in parts)
    measure = f"{MEASURES[judged['measure']]} against the base [{ends}; limit {limit}, set: {judged['set']}"
    lines = [escape(measure), *([f"{passed} of {len(parts)} parts pass"] if len(parts) > 1 else [])]
    if judged.get("groups_needed"):
        lines.append(f"About {number(judged['groups_needed'])} would decide; there are {judged['loss']['n']}.")
    return _box(f"{name} kept", escape(big), lines, verdict("retention", judged["verdict"]))


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
