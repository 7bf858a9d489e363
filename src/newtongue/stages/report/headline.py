"""The finding in a few sentences and four figures: what was gained, kept, answered and spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newtongue.stages.report import markup
from newtongue.stages.report.markup import escape, language_name, number, percent, signed, signed_percent, with_interval
from newtongue.stages.report.wording import WORDS

Facts = Mapping[str, Any]


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
            distance = against["difference"]["value"]
            why = f"needs {number(distance, 2)} bits per byte less" if distance > 0 else "is too close to tell"
            sentences.append(
                f"It beats {against['beaten']} of {against['controls']} controls on the same text; "
                f"“{against['control']}” {why}."
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
