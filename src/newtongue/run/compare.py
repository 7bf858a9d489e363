"""Two measured models side by side: finds their scores, leaves arithmetic to `methods` and pages to the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from newtongue.core import manifest
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError, RecipeError
from newtongue.methods import comparison, gate
from newtongue.stages.report.config import ReportConfig
from newtongue.stages.report.facts import build_costs, build_facts, prompt_formats
from newtongue.stages.report.markdown import build_markdown
from newtongue.stages.report.material import Material, Measured, measured
from newtongue.stages.report.page import build_page
from newtongue.stages.report.wording import unjudged_probe

DRAWS, SEED, CONFIDENCE = 10_000, 0, 0.95
PAGES = (".html", ".md", ".json")


def compare(before: Path, after: Path, limits: gate.Limits | None = None) -> dict[str, Any]:
    """Compare two measured models on the items both were measured on.

    Args:
        before: Directory of an `eval` stage, the `scores` folder in it, or a store: then the final model of its
            newest report.
        after: The same of the other model.
        limits: What counts as success; None takes the defaults of the report.

    Returns:
        Per set the figures of both and what changed, with intervals; and the verdicts.

    Raises:
        DataError: A directory holds no scores, or the two measured different items.
    """
    first, second = find_scores(before, "before"), find_scores(after, "after")
    changes = comparison.compare(first.tables, second.tables, draws=DRAWS, seed=SEED, confidence=CONFIDENCE)
    if not changes:
        names = [", ".join(m.scores["sets"]) or "nothing" for m in (first, second)]
        raise DataError(
            "the two have no set in common",
            place=str(after),
            expected=f"sets of the same name ({names[0]} against {names[1]})",
        )
    sets = {
        name: {"before": first.scores["sets"][name], "after": second.scores["sets"][name], "change": change}
        for name, change in changes.items()
    }
    judged = gate.verdicts(second.scores["sets"], changes, limits or gate.Limits())
    models = {"before": first.scores["model"], "after": second.scores["model"]}
    alone = sorted(set(first.scores["sets"]) ^ set(second.scores["sets"]))
    notes = [
        *prompt_formats(material_of(first, second)),
        *_unjudged(sets),
        *([f"measured on one side only: {', '.join(alone)}"] if alone else []),
    ]
    return {"models": models, "notes": notes, "sets": sets, "verdicts": judged}


def _unjudged(sets: Mapping[str, Any]) -> list[str]:
    """Say of every in-context probe that is not judged what became of it all the same."""
    found = [
        unjudged_probe(name, {**one["after"], "change": one["change"], "scores": one}) for name, one in sets.items()
    ]
    return [said for said in found if said]


def find_scores(directory: Path, label: str) -> Measured:
    """Return the scores of an `eval` stage, or of the final model of a store's newest report.

    Raises:
        DataError: There are none.
    """
    for folder in (directory, directory / "scores"):
        if (folder / "scores.json").is_file():
            return measured(label, Artefact("Scores", folder, sealed=folder.name == "scores", name=str(directory)))
    sealed = [file.parent for file in directory.glob("*/manifest.json")]
    reports = [folder for folder in sealed if (folder / "report").is_dir()]
    wanted = ""
    if reports:
        newest = max(reports, key=lambda folder: (folder / "manifest.json").stat().st_mtime)
        wanted = manifest.read_manifest(newest)["inputs"]["after"]["fingerprint"]
    for folder in sealed:
        if wanted and manifest.read_manifest(folder)["fingerprint"] == wanted:
            return measured(label, Artefact("Scores", folder / "scores", sealed=True, name=str(folder)))
    raise DataError(
        "holds no scores.json",
        place=str(directory),
        expected="the directory of a finished eval stage, or a store with a finished report",
        fix="newtongue show STORE lists the stages of a run",
    )


def material_of(before: Measured, after: Measured) -> Material:
    """Return two measured models as the material of a report without stages."""
    return Material(before, after, [], [], [], [])


def write_page(before: Path, after: Path, file: Path) -> None:
    """Write a comparison as the report's page: HTML, Markdown or the facts as JSON, by the file's ending.

    Raises:
        RecipeError: The file ends otherwise.
    """
    if file.suffix not in PAGES:
        raise RecipeError(f"cannot write `{file.name}`", expected=f"a file that ends in {', '.join(PAGES)}")
    models = find_scores(before, "before"), find_scores(after, "after")
    material = material_of(*models)
    config = ReportConfig.model_validate({"before": "$before", "after": "$after"})
    facts = build_facts(config, material)
    if file.suffix == ".html":
        text = build_page(facts, build_costs(material))
    else:
        text = build_markdown(facts) if file.suffix == ".md" else json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
    manifest.write_text(file, text)


def render(result: Mapping[str, Any]) -> str:
    """Return a comparison as lines of text for a terminal."""
    rows = [
        (label.format(name), *_cells(key, found))
        for name, found in result["sets"].items()
        for key, label in _figures(found["before"])
    ]
    wide = max([len(row[0]) for row in rows] + [3])
    lines = [f"{'set':{wide}} {'before':>9} {'after':>9}  change (95 % interval)"]
    lines += [f"{label:{wide}} {before:>9} {after:>9}  {change}" for label, before, after, change in rows]
    for name in ("gain", "retention", "fidelity", "stopping"):
        if judged := result["verdicts"][name]:
            lines.append(f"{name}: {judged['verdict']} ({judged['set']})")
            if judged.get("groups_needed"):
                lines.append(f"  about {judged['groups_needed']} groups would decide")
    return "\n".join([*lines, *result["notes"], f"overall: {result['verdicts']['overall']}"])


CHANGES = {"bits_per_byte": "difference", "saving": "saving"}
"""Figure of a set -> its change, where the two are called differently or nothing is left out of the name."""


def _figures(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "bits_per_byte" in facts:
        return [("bits_per_byte", "{}")]
    if "saving" in facts:
        return [("saving", "{} saved")]
    ends = ("_fraction", "_mean")
    return [(k, "{} " + k.removesuffix(ends[0]).removesuffix(ends[1])) for k in facts if k.endswith(ends) and facts[k]]


def _cells(key: str, found: Mapping[str, Any]) -> tuple[str, str, str]:
    values = (found[side].get(key) for side in ("before", "after"))
    before, after = (f"{value['value']:.4f}" if value else "unknown" for value in values)
    change = found["change"].get(CHANGES.get(key, key))
    shown = f"{change['value']:+.4f} [{_end(change['low'])}, {_end(change['high'])}]" if change else "unknown"
    return before, after, shown + (f" p {change['p']:.3f}" if change else "")


def _end(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.4f}"
