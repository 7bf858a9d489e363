"""The facts of a report on fixed rows are frozen; a change of them is a change of the stage's version."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from stages.eval_kit import context_for

from newtongue.adapters.tables.items import write_items
from newtongue.core.artefact import Artefact
from newtongue.stages.report.config import ReportConfig
from newtongue.stages.report.stage import report

GOLDEN = Path(__file__).parent.parent / "golden" / "report_facts.json"
LEVELS = {"before": (12.0, 1.50), "after": (1.6, 1.51)}


def text_rows(name: str, per_byte: float, seed: int, kind: str = "text") -> list[dict[str, Any]]:
    hard = np.random.default_rng(seed).normal(1, 0.1, 60).round(4)
    return [
        {
            **{"set": name, "kind": kind, "item": f"d{n}#0", "group": f"d{n}", "bytes": 200 + 7 * n},
            **{"bits": round(per_byte * float(h) * (200 + 7 * n), 3), "tokens": 60, "words": 30, "ids_digest": name},
        }
        for n, h in enumerate(hard)
    ]


def answers(stopped: bool) -> list[dict[str, Any]]:
    return [
        {
            **{"set": "answers.generated", "kind": "generation", "item": f"q{n}", "group": f"q{n}", "task": "qa"},
            **{"prompt": "کیا؟", "reference": "پانی۔", "output": "پانی۔" if stopped else "", "empty": not stopped},
            **{"stopped": stopped, "looped": False, "faithful": stopped, "tokens": 3, "bytes": 9, "words": 1},
        }
        for n in range(80)
    ]


def scores(folder: Path, name: str) -> Artefact:
    target, english = LEVELS[name]
    rows = text_rows("urdu", target, 1) + text_rows("urdu.6-gram", 1.8, 1, "control") + text_rows("english", english, 2)
    payload = folder / name / "scores"
    payload.mkdir(parents=True)
    write_items(payload / "items.parquet", rows + answers(name == "after"))
    about = {
        "urdu": ("text", "target"),
        "english": ("text", "retention"),
        "answers.generated": ("generation", "target"),
    }
    sets: dict[str, Any] = {
        key: {"kind": kind, "role": role, "language": "eng_Latn" if key == "english" else "urd_Arab"}
        for key, (kind, role) in about.items()
    }
    control = {"control_of": "urdu", "order": 6, "smoothing": "kneser_ney"}
    sets["urdu.6-gram"] = {"kind": "control", "role": "target", "language": "urd_Arab", **control}
    model = {
        "parameters": 1000,
        "vocabulary": 300,
        "tokenizer_sha256": name,
        "chat_template": "kept",
        "prompt_sha256": "p",
    }
    facts = {"format": 1, "model": model, "settings": {"window_bytes": 1024}, "sets": sets}
    (payload / "scores.json").write_text(json.dumps(facts), "utf-8")
    return Artefact("Scores", payload, sealed=True, name=f"${name}")


def test_facts_of_fixed_rows_are_as_they_were(tmp_path: Path) -> None:
    config = ReportConfig(before="$before", after="$after", samples=1)
    context = context_for(config, tmp_path / "report", {f"${n}": scores(tmp_path, n) for n in LEVELS})
    outcome = report(config, context)
    found = (context.payload / "facts.json").read_text("utf-8")
    if os.environ.get("NEWTONGUE_WRITE_GOLDEN"):
        GOLDEN.write_text(found, "utf-8")
    assert json.loads(found) == json.loads(GOLDEN.read_text("utf-8"))
    assert outcome.card == ["Verdicts: gain pass, retention pass, fidelity pass, stopping pass, controls pass."]
