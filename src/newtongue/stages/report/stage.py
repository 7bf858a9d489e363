"""Show what was gained, what was kept and what it cost: facts as JSON and Markdown, and one HTML page."""

from __future__ import annotations

from typing import Any

import orjson

from newtongue.core.context import Context, Outcome
from newtongue.stages.report.cards import data_card, model_card
from newtongue.stages.report.config import ReportConfig
from newtongue.stages.report.facts import build_costs, build_facts
from newtongue.stages.report.markdown import build_markdown
from newtongue.stages.report.material import gather
from newtongue.stages.report.page import build_page

VOLATILE = ("report.html", "costs.json")
"""Files with times and money in them, outside the digest."""


def report(config: ReportConfig, context: Context) -> Outcome:
    """Write facts.json, costs.json, report.md, report.html and the cards of model and data."""
    material = gather(config, context)
    facts, costs = build_facts(config, material), build_costs(material)
    for name, value in (("facts.json", facts), ("costs.json", costs)):
        (context.payload / name).write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
    texts = {"report.md": build_markdown(facts), "data_card.md": data_card(facts)}
    texts["model_card.md"] = model_card(facts, config.model_license)
    for name, text in texts.items():
        (context.payload / name).write_text(text, "utf-8")
    (context.payload / "report.html").write_text(build_page(facts, costs), "utf-8")
    return _outcome(config, facts)


def _outcome(config: ReportConfig, facts: dict[str, Any]) -> Outcome:
    verdicts = facts["verdicts"]
    judged = {kind: part["verdict"] for kind, part in verdicts.items() if isinstance(part, dict)}
    asked = judged if isinstance(config.gate, bool) else config.gate
    failed = [kind for kind in asked if judged.get(kind) == "fail"] if config.gate else []
    metrics = {}
    if gain := verdicts["gain"]:
        metrics["target_bits_per_byte_difference"] = gain["difference"]["value"]
    for part in (verdicts["retention"] or {"parts": []})["parts"]:
        metrics[f"{part['set']}_{part['measure']}_loss"] = part["loss"]["value"]
    return Outcome(
        counts={"sets": len(facts["sets"]), "stages": len(facts["stages"]), "samples": len(facts["samples"])},
        metrics=metrics,
        languages=[tag for side in facts["languages"].values() for tag in side],
        card=[f"Verdicts: {', '.join(f'{kind} {verdict}' for kind, verdict in judged.items()) or 'none'}."],
        volatile=VOLATILE,
        gate=f"the report says no: {', '.join(failed)} failed" if failed else None,
    )
