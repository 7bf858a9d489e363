"""The recipes people copy: real documents run end to end at rehearsal size, the 8B recipe plans on any machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from newtongue.core import manifest

COMMAND = [sys.executable, "-m", "newtongue.cli.main"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("TEACHER_")}


def newtongue(*arguments: str, folder: Path) -> str:
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, env=CLEAN, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_8b_recipe_plans_without_model_data_or_teacher(tmp_path: Path) -> None:
    plan: dict[str, Any] = json.loads(newtongue("plan", "urdu-8b-100usd", "--json", folder=tmp_path))
    steps = {step["name"]: step for step in plan["steps"]}
    assert plan["refused"] in (None, "", [])
    assert 10 < plan["usd"][1] < plan["usd"][2] < plan["budget_usd"] == 100
    assert 20 < steps["pretrain"]["estimate"]["memory_gb"] < 80
    assert steps["synth"]["estimate"]["usd"][1] > 0
    assert any("not known before it is here" in note for note in steps["corpus"]["estimate"]["notes"])
    assert list(tmp_path.iterdir()) == []


def test_real_documents_end_to_end(shared_data: Path, tmp_path: Path) -> None:
    documents, books = (shared_data / "corpus" / name for name in ("ur.docs.jsonl", "en.books.jsonl"))
    paths = {"corpus": documents, "replay": books, "book": books}
    changes = [f"--set={stage}.sources.0.path={path}" for stage, path in paths.items()]
    newtongue("run", "urdu-small", "--rehearse", *changes, "--out", "store", folder=tmp_path)
    sealed = {path.name[3:-9]: manifest.read_manifest(path) for path in (tmp_path / "store").glob("[0-9]*-*")}
    assert set(sealed) >= {"corpus", "tokenizer", "pretrain", "synth", "sft", "merge", "before", "after", "report"}
    assert sealed["corpus"]["counts"]["documents"] > 90
    assert sealed["corpus"]["licences"] == {"MIT": sealed["corpus"]["counts"]["documents"]}
    assert sealed["book"]["counts"]["heldout_documents"] == sealed["book"]["counts"]["documents"] > 20
    assert sealed["replay"]["licences"].keys() == {"CC0-1.0"}
    (report,) = (tmp_path / "store").glob("*-report-*/report/report.html")
    assert "اردو" in report.read_text("utf-8") or 'dir="rtl"' in report.read_text("utf-8")


def test_a_missing_column_is_found_by_the_plan(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "x", "url": "y"}\n', "utf-8")
    recipe = "newtongue: 1\nstages: {corpus: {sources: [{path: ./a.jsonl}], language: urd_Arab}}\n"
    (tmp_path / "r.yaml").write_text(recipe, "utf-8")
    done = subprocess.run(
        [*COMMAND, "plan", "r.yaml"], cwd=tmp_path, env=CLEAN, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "a.jsonl: no column `text`; the columns are body, url" in done.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"a.jsonl", "r.yaml"}
