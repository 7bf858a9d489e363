"""Cards of the final model and of the data, in the hub's format: YAML on top, Markdown below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import langcodes
import yaml

from newtongue.stages.report.markdown import cell, gate_table, interval_text, table, verdict_lines
from newtongue.stages.report.markup import language_name, number

Facts = Mapping[str, Any]

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))
"""Size categories of the hub: rows below the bound -> name."""
CREATIVE_COMMONS = ("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")
KNOWN_LICENCES = frozenset(["apache-2.0", "mit", "odc-by", "unknown", *CREATIVE_COMMONS])
"""Licences the hub knows by these names; others are named under `license_name`."""


def model_card(facts: Facts, license_name: str) -> str:
    """Return the card of the final model: what it is, what was measured, with intervals and verdicts."""
    languages = [tag for side in ("target", "keep") for tag in facts["languages"][side]]
    base = facts["evals"].get("before", {}).get("model", "")
    head: dict[str, Any] = {
        "language": codes(languages),
        **_licence([license_name]),
        **({"base_model": base} if "/" in base else {}),
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["newtongue", "continued-pretraining"],
        "model-index": [{"name": facts["title"], "results": list(_results(facts))}],
    }
    taught, kept = (" and ".join(map(language_name, facts["languages"][side])) for side in ("target", "keep"))
    made = [s for s in facts["stages"] if s["kind"] == "Model"]
    parts = [
        _front(head),
        f"# {cell(facts['title'])}",
        f"{cell(base) or 'A model'}, taught {taught or 'nothing'}, with {kept or 'nothing'} kept, by newtongue.",
        "## Verdicts",
        verdict_lines(facts),
        gate_table(facts),
        "## Measured on held-out data",
        _measured(facts),
        "## How it was made",
        "\n".join(f"- **{cell(s['name'])}** ({s['stage']}): {cell(' '.join(s['card']) or 'no note')}" for s in made),
        "## Limits",
        _limits(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def data_card(facts: Facts) -> str:
    """Return the card of the data the model was made from: every set with its counts, licences and sources."""
    sets = [s for s in facts["stages"] if s["kind"] in ("Corpus", "Conversations", "Preferences")]
    licences = sorted({name for s in sets for name in s["licences"]}) or ["unknown"]
    rows = sum(s["counts"].get("documents", 0) for s in sets)
    head = {
        "pretty_name": f"Data of: {facts['title']}",
        "language": codes([tag for side in facts["languages"].values() for tag in side]),
        **_licence(licences),
        "task_categories": ["text-generation"],
        "size_categories": [next((name for bound, name in SIZES if rows < bound), "n>10M")],
        "tags": ["newtongue"],
    }
    lines = [
        [
            *(cell(s["name"]), s["kind"], number(s["counts"].get("documents"))),
            *(number(s["counts"].get(f"{side}_documents", s["counts"].get(side))) for side in ("train", "heldout")),
            *(number(sum(s["rejected"].values())), _named(s["licences"])),
        ]
        for s in sets
    ]
    titles = ["set", "kind", "rows", "for training", "held out", "set aside", "licences"]
    sources = [f"- **{cell(s['name'])}**: {_named(s['sources'])}" for s in sets if s["sources"]]
    held = "Held-out rows are never trained on; translations of one text stand on the same side of the split."
    parts = [_front(head), f"# {cell(head['pretty_name'])}", table(titles, lines) if lines else "No data is on record."]
    parts += [held, "## Sources", "\n".join(sources) or "None stated.", "## Notes", _notes(sets, facts)]
    return "\n\n".join(parts) + "\n"


def codes(tags: list[str]) -> list[str]:
    """Return language codes as the hub lists them, each once.

    Example:
        >>> codes(["urd_Arab", "eng_Latn", "urd_Latn"])
        ['ur', 'en']
    """
    return list(dict.fromkeys(langcodes.standardize_tag(tag.split("_")[0]) for tag in tags))


def _front(head: Mapping[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(dict(head), sort_keys=False, allow_unicode=True, width=120)}---"


def _licence(names: list[str]) -> dict[str, Any]:
    """Return the hub's licence keys: known ones by name, anything else spelt out."""
    plain = [name.lower() for name in names]
    if all(name in KNOWN_LICENCES for name in plain):
        return {"license": plain[0] if len(plain) == 1 else plain}
    return {"license": "other", "license_name": ", ".join(names)}


def _results(facts: Facts) -> Any:
    for name, found in facts["sets"].items():
        after = found["scores"].get("after") or {}
        metrics = [
            {"type": key, "name": key.replace("_", " "), "value": value["value"]}
            for key, value in after.items()
            if isinstance(value, Mapping) and "value" in value
        ]
        if metrics:
            task = {"type": "text-generation"}
            data = {"name": name, "type": found["language"], "split": "heldout"}
            yield {"task": task, "dataset": data, "metrics": metrics}


def _measured(facts: Facts) -> str:
    rows = []
    for name, found in facts["sets"].items():
        before, after = (found["scores"].get(side) or {} for side in ("before", "after"))
        for key, value in after.items():
            if isinstance(value, Mapping) and "value" in value:
                measure = key.removesuffix("_fraction").replace("_", " ")
                cells = [interval_text(side.get(key), number, 3) for side in (before, after)]
                rows.append([cell(f"{name} ({language_name(found['language'])})"), measure, *cells, number(value["n"])])
    return table(["set", "measure", "base", "this model", "n"], rows) if rows else ""


def _limits(facts: Facts) -> str:
    lines = [*facts["notices"], *facts["missing"]]
    lines.append("Figures hold for the held-out data named here and for greedy decoding; no safety test was run.")
    return "\n".join(f"- {cell(line)}" for line in lines)


def _named(found: Mapping[str, int]) -> str:
    return cell(", ".join(f"{name} ({number(n)})" for name, n in found.items())) or "–"


def _notes(sets: list[Facts], facts: Facts) -> str:
    lines = [f"- **{cell(s['name'])}**: {cell(text)}" for s in sets for text in s["card"]]
    return "\n".join([*lines, *(f"- {cell(line)}" for line in facts["notices"])]) or "None."
