"""Translation layouts (FLORES, NTREX): asked as a task, scored as the translation grid is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from newtongue.adapters.translation_metrics import sentence_chrf
from newtongue.core.artefact import Artefact
from newtongue.methods.fidelity import is_looping
from newtongue.stages.eval.parallel import directions, is_off_target
from newtongue.stages.eval.tasks import Load, score_task

Row = dict[str, Any]


def score_translations(
    name: str, languages: tuple[str, str], load: Load, training: Sequence[Artefact], *models: Any
) -> tuple[list[Row], Row]:
    """Return one row per sentence, with chrF++, and the facts of the set: chrF++ and BLEU with signatures.

    Args:
        name: Name of the set.
        languages: Tags of the language translated from, and into.
        load: The task.
        training: Where its items are looked up.
        models: The model and what is told of progress.
    """
    source, target = languages
    rows, facts = score_task(name, target, load, training, *models)
    kept = [_row(row, f"{source}-{target}") for row in rows]
    facts.pop("metrics")
    if known := facts.get("contamination"):
        known.pop("metrics_without")
        known["directions_without"] = directions([row for row in kept if not row["contaminated"]], {}, None)
    return kept, {**facts, "directions": directions(kept, {}, None), "languages": [source, target]}


def _row(row: Row, direction: str) -> Row:
    text, reference = row["output"], row["reference"]
    marks = {key: value for key, value in row.items() if key not in ("correct", "score")}
    found = {"looped": is_looping(text), "off_target": is_off_target(text, row["language"])}
    near = {"chrf": sentence_chrf(text, reference)}
    return {**marks, "kind": "translation", "task": direction, **found, **near}
