"""Two `eval` stages side by side: reads their directories, leaves the arithmetic to `methods`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from newtongue.adapters.tables.items import read_items
from newtongue.core.errors import DataError
from newtongue.methods import comparison, gate
from newtongue.methods.scores import tables

DRAWS, SEED, CONFIDENCE = 10_000, 0, 0.95


def compare(before: Path, after: Path, limits: gate.Limits | None = None) -> dict[str, Any]:
    """Compare two measured models on the items both were measured on.

    Args:
        before: Directory of an `eval` stage, or the `scores` folder in it.
        after: The same of the other model.
        limits: What counts as success; None takes the defaults of the report.

    Returns:
        Per set the figures of both and what changed, with intervals; and the verdicts.

    Raises:
        DataError: A directory holds no scores, or the two measured different items.
    """
    first, second = _read(before), _read(after)
    rows = [tables(read_items(folder / "items.parquet")) for folder, _scores in (first, second)]
    changes = comparison.compare(rows[0], rows[1], draws=DRAWS, seed=SEED, confidence=CONFIDENCE)
    sets = {
        name: {"before": first[1]["sets"][name], "after": second[1]["sets"][name], "change": change}
        for name, change in changes.items()
    }
    judged = gate.verdicts(second[1]["sets"], changes, limits or gate.Limits())
    models = {"before": first[1]["model"], "after": second[1]["model"]}
    return {"models": models, "sets": sets, "verdicts": judged}


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
    return "\n".join([*lines, f"overall: {result['verdicts']['overall']}"])


def _figures(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "bits_per_byte" in facts:
        return [("bits_per_byte", "{}")]
    return [(key, "{} " + key.removesuffix("_fraction")) for key in facts if key.endswith("_fraction")]


def _cells(key: str, found: Mapping[str, Any]) -> tuple[str, str, str]:
    values = (found[side][key] for side in ("before", "after"))
    before, after = (f"{value['value']:.4f}" if value else "unknown" for value in values)
    change = found["change"].get("difference" if key == "bits_per_byte" else key)
    shown = f"{change['value']:+.4f} [{_end(change['low'])}, {_end(change['high'])}]" if change else "unknown"
    return before, after, shown


def _end(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.4f}"


def _read(directory: Path) -> tuple[Path, dict[str, Any]]:
    for folder in (directory / "scores", directory):
        if (folder / "scores.json").is_file():
            return folder, dict(json.loads((folder / "scores.json").read_text("utf-8")))
    raise DataError(
        "holds no scores.json",
        place=str(directory),
        expected="the directory of a finished eval stage",
        fix="newtongue show STORE lists the stages of a run",
    )
