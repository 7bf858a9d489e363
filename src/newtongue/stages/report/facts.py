"""From material to facts: every number of a report with n and interval, as plain JSON values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from newtongue.adapters.languages import load_card
from newtongue.core.config import Ref
from newtongue.methods import gate
from newtongue.methods.bits_per_byte import KNOW_NOTHING_BITS
from newtongue.methods.comparison import Drawing, compare, compare_set
from newtongue.methods.scores import summarise
from newtongue.stages.report.config import ReportConfig
from newtongue.stages.report.gaps import consistency, language_gaps
from newtongue.stages.report.material import Made, Material, Measured

CURVE_POINTS = 120
"""Most points of a training curve; more steps are averaged."""

MACHINE_WORDS = ("machine-written", "machine written", "stand-in", "not reviewed")
"""Words by which our own sources and cards say that no person wrote or reviewed a text."""

Facts = dict[str, Any]


def build_facts(config: ReportConfig, material: Material) -> Facts:
    """Return everything a report says, costs and times left out."""
    settings = {"draws": config.bootstrap_draws, "seed": config.seed, "confidence": config.confidence}
    changes = compare(material.before.tables, material.after.tables, **settings)
    roles = material.after.scores["sets"]
    limits = gate.Limits(**{name: getattr(config, name) for name in gate.Limits.__slots__})
    figures = {m.label: _figures(m, settings) for m in [*material.models, *material.controls]}
    judged = {n: {**roles[n], **f} for n, f in figures["after"].items()}
    sets = {n: _set(n, material, figures, changes.get(n), settings) for n in judged if judged[n]["kind"] != "control"}
    languages = _languages(roles)
    verdicts = gate.verdicts(judged, changes, limits)
    if against := _against_controls(sets):
        verdicts |= {"controls": against, "overall": gate.worst([verdicts["overall"], against["verdict"]])}
    return {
        "format": 1,
        "title": config.title or _title(languages["target"]),
        "languages": languages,
        "know_nothing_bits_per_byte": KNOW_NOTHING_BITS,
        "verdicts": verdicts,
        "limits": {name: getattr(limits, name) for name in limits.__slots__},
        "sets": sets,
        "gaps": language_gaps(config.twins, material, settings),
        **({"consistency": consistency(config.same_items, material, settings)} if config.same_items else {}),
        "models": {m.label: m.scores["model"] for m in [*material.models, *material.controls]},
        "measurement": material.after.scores["settings"],
        "bootstrap": settings,
        "stages": [_stage(made) for made in material.stages],
        "evals": {m.label: _identity(m.manifest) for m in [*material.models, *material.controls]},
        "samples": samples(material, config.samples),
        "notices": [*prompt_formats(material), *notices(material.stages)],
        "missing": material.missing,
    }


def _figures(measured: Measured, settings: Mapping[str, Any]) -> dict[str, Facts]:
    return {name: summarise(table, **settings) for name, table in measured.tables.items()}


def _languages(sets: Mapping[str, Facts]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"target": [], "keep": []}
    for facts in sets.values():
        side = found["target" if facts["role"] == "target" else "keep"]
        if facts["language"] not in side:
            side.append(facts["language"])
    return found


def _title(targets: list[str]) -> str:
    names = " and ".join(load_card(tag).name for tag in targets)
    return f"Teaching a model {names}" if names else "What the model learnt"


def _set(
    name: str, material: Material, figures: Mapping[str, Mapping[str, Facts]], change: Facts | None, settings: Facts
) -> Facts:
    """Return one set: what every model scored on it, what changed, and how it stands against the controls."""
    about = material.after.scores["sets"][name]
    scored = {m.label: {**figures[m.label][name], **_told(m, name)} for m in material.models if name in m.tables}
    facts = {k: about[k] for k in ("kind", "language", "role")} | {"scores": scored, "change": change}
    if about["kind"] not in ("text", "answers"):
        return facts
    before = scored.get("before", {}).get("bits_per_byte", {}).get("value", 0.0)
    facts["base_knows_less_than_nothing"] = before > KNOW_NOTHING_BITS
    facts["controls"] = _controls(name, material, figures, settings)
    return facts


def _told(measured: Measured, name: str) -> Facts:
    """Return what only the evaluation itself knows of a set: figures per direction, and its labels."""
    about = measured.scores["sets"].get(name, {})
    return {key: about[key] for key in ("directions", "languages") if key in about}


def _controls(name: str, material: Material, figures: Mapping[str, Mapping[str, Facts]], settings: Facts) -> Facts:
    """Return label -> control on the same items, with the final model's distance to it (below zero is better)."""
    tables = {c.label: c.tables[name] for c in material.controls if name in c.tables}
    shown = {label: figures[label][name] for label in tables}
    for measured in [*material.models, *material.controls]:
        for label, about in measured.scores["sets"].items():
            if about.get("control_of") == name and label in measured.tables:
                title = f"byte {about['order']}-gram, {about['smoothing'].replace('_', '-').title()}"
                tables.setdefault(title, measured.tables[label])
                shown.setdefault(title, figures[measured.label][label])
    final = material.after.tables[name]
    found: Facts = {}
    for label, table in tables.items():
        change = compare_set(f"{name}, {label}", table, final, Drawing(**settings))
        verdict = gate.gain(change["difference"])
        found[label] = {**shown[label], "difference": change["difference"], "beaten": verdict}
    return found


def _against_controls(sets: Mapping[str, Facts]) -> Facts | None:
    """Judge the final model against every control of the target's held-out text."""
    judged = {
        (name, label): control["beaten"]
        for name, found in sets.items()
        if found["role"] == "target" and found["kind"] == "text"
        for label, control in found["controls"].items()
    }
    if not judged:
        return None
    name, label = min(judged, key=lambda place: gate.ORDER.index(judged[place]))
    beaten = sum(verdict == "pass" for verdict in judged.values())
    difference = sets[name]["controls"][label]["difference"]
    facts = {"set": name, "control": label, "beaten": beaten, "controls": len(judged), "difference": difference}
    return {**facts, "verdict": gate.worst(list(judged.values()))}


def _stage(made: Made) -> Facts:
    manifest = made.manifest
    facts: Facts = {"name": made.name, "stage": manifest.get("stage", ""), **_identity(manifest)}
    facts |= {k: manifest.get(k) or {} for k in ("counts", "metrics", "licences")}
    facts |= {"kind": manifest.get("kind", ""), "card": manifest.get("card") or []}
    facts |= {"rejected": dict(made.rejected), "sources": dict(made.sources), "tasks": dict(made.tasks)}
    if made.expansion and facts["stage"] in ("tokenizer", ""):  # later stages carry a copy
        keys = ("first_new_id", "new_tokens", "rows", "rows_before", "init", "fertility", "protected", "dropped")
        facts["expansion"] = {k: made.expansion[k] for k in keys if k in made.expansion}
    facts |= {key: found for key in ("selection", "synthesis") if (found := getattr(made, key))}
    if made.log:
        facts["curve"] = curve(made.log)
    return facts


def notices(stages: list[Made]) -> list[str]:
    """Return what sources and cards say of text that no person wrote or reviewed, once each."""
    found: dict[str, list[str]] = {}
    for made in stages:
        for text in [*made.sources, *(made.manifest.get("card") or [])]:
            if any(word in text.lower() for word in MACHINE_WORDS):
                found.setdefault(text.replace("**", "").replace("`", ""), []).append(made.name)
    return [f"{', '.join(names)}: {text}" for text, names in found.items()]


def prompt_formats(material: Material) -> list[str]:
    """Say when base and final model were asked in different prompt formats, which bears on their answers."""
    models = [measured.scores["model"] for measured in (material.before, material.after)]
    if models[0].get("prompt_sha256") == models[1].get("prompt_sha256"):
        return []
    names = " and ".join(str(model.get("chat_template")) for model in models)
    return [f"Base and final model were asked in different prompt formats ({names}): answers compare with care."]


def _identity(manifest: Facts) -> Facts:
    names = {k: manifest.get(k, "") for k in ("fingerprint", "digest")}
    model = Ref(((manifest.get("inputs") or {}).get("model") or {}).get("name", ""))
    if model and not model.stage:  # A place on this machine is told by its last part.
        names["model"] = str(model) if model.is_hub_id else re.split("[:/]", model.rstrip("/"))[-1]
    seed = (manifest.get("settings") or {}).get("seed")
    return names if seed is None else {**names, "seed": seed}


def curve(log: list[Facts]) -> dict[str, list[list[float]]]:
    """Return source -> [tokens, bits per byte] points, neighbouring steps averaged to CURVE_POINTS at most."""
    width = max(1, -(-len(log) // CURVE_POINTS))
    found: dict[str, list[list[float]]] = {}
    for first in range(0, len(log), width):
        block = log[first : first + width]
        for name in dict.fromkeys(name for line in block for name in line.get("sources", {})):
            values = [line["sources"].get(name, {}).get("bits_per_byte") for line in block]
            known = [value for value in values if value is not None]
            if known:
                found.setdefault(name, []).append([block[-1]["tokens"], round(sum(known) / len(known), 4)])
    return found


def samples(material: Material, count: int) -> list[Facts]:
    """Return prompts with the answers of every model, spread evenly over the task types, in order of appearance."""
    rows = [row for row in material.after.rows if row["kind"] == "generation"]
    by_task: dict[str, list[Facts]] = {}
    for row in rows:
        by_task.setdefault(row.get("task") or "", []).append(row)
    chosen = [group[k] for k in range(count) for group in by_task.values() if k < len(group)][:count]
    answers = {
        m.label: {(r["set"], r["item"]): r for r in m.rows if r["kind"] == "generation"} for m in material.models
    }
    return [_sample(row, material.after.scores["sets"][row["set"]]["language"], answers) for row in chosen]


def _sample(row: Facts, language: str, answers: Mapping[str, Mapping[tuple[str, str], Facts]]) -> Facts:
    found = {label: rows.get((row["set"], row["item"])) for label, rows in answers.items()}
    keys = ("output", "stopped", "looped", "empty", "faithful")
    shown = {label: {k: answer[k] for k in keys} for label, answer in found.items() if answer}
    return {**{k: row[k] for k in ("item", "task", "prompt", "reference")}, "language": language, "answers": shown}


def build_costs(material: Material) -> Facts:
    """Return wall time, dollars and tokens per stage: true on this machine and this day only."""
    evals = [(str(m.manifest.get("name") or m.label), m.manifest) for m in [*material.models, *material.controls]]
    found = [(made.name, made.manifest) for made in material.stages] + evals
    once = {(name, manifest.get("fingerprint")): _cost(name, manifest) for name, manifest in found if manifest}
    rows = list(once.values())
    total = {k: round(sum(row[k] for row in rows), 6) for k in ("seconds", "usd")}
    return {"stages": rows, "total": total, "versions": material.after.manifest.get("versions") or {}}


def _cost(name: str, manifest: Facts) -> Facts:
    costs = manifest.get("costs") or {}
    known = {"seconds": float(costs.get("seconds", 0.0)), "usd": float(costs.get("usd", 0.0))}
    return {"name": name, "stage": manifest.get("stage", ""), **known, "tokens": _tokens(manifest), "details": costs}


def _tokens(manifest: Facts) -> int | None:
    return (manifest.get("counts") or {}).get("tokens")
