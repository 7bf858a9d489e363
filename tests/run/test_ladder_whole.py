"""The superficial-alignment ladder through the real stages, at a size that takes seconds."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from newtongue.adapters.hf.pico import make_pico
from newtongue.cli.main import app
from newtongue.core.context import Outcome
from newtongue.run import watch
from newtongue.run.child import run_job
from newtongue.run.ladder import ladder
from newtongue.run.recipe import build

NUMBERS = ["صفر", "ایک", "دو", "تین", "چار", "پانچ", "چھ", "سات", "آٹھ", "نو"]


def rows(count: int) -> list[dict[str, Any]]:
    """Sums with their answers; every fifth is held out."""
    found = []
    for number in range(count):
        first, second = number % 5, number // 5 % 5
        found.append({
            "id": f"r{number}", "prompt": f"{NUMBERS[first]} اور {NUMBERS[second]}؟",
            "completion": f"جواب {NUMBERS[first + second]} ہے۔", "language": "urd_Arab", "license": "CC0-1.0",
            "split": "heldout" if number % 5 == 4 else "train", "group": f"g{number}", "score": number % 7,
        })  # fmt: skip
    return found


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run stages here instead of in a fresh process each, which would load torch a dozen times."""
    ran: list[str] = []

    def run_here(job: Any, step: Any, plan: Any, show: Any, lock: Any) -> tuple[Outcome, dict[str, float]]:
        ran.append(job.key)
        home = SimpleNamespace(speaks=False, progress=lambda *a, **k: None, tell=lambda *a, **k: None)
        return run_job(job.write(), home), {"seconds": 0.0, "usd": 0.0}

    monkeypatch.setattr(watch, "run_child", run_here)
    return ran


def test_sizes_methods_and_seeds_go_through_the_stages(tmp_path: Path, in_this_process: list[str]) -> None:
    model = make_pico(tmp_path / "pico")
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows(40))), "utf-8")
    stages = {
        "select": {"candidates": str(tmp_path / "rows.jsonl"), "keep": 4},
        "sft": {
            "model": str(model), "data": "$select", "epochs": 1, "sequence_length": 128, "tokens_per_step": 256,
            "learning_rate": 1e-3, "threads": 1,
        },
        "after": {
            "stage": "eval", "model": "$sft",
            "generation": {"answers": {"data": "$select", "language": "urd_Arab", "prompts": 1, "max_new_tokens": 2}},
        },
    }  # fmt: skip
    recipe = build(
        {"newtongue": 1, "title": "Tiny ladder", "budget": {"usd": 0}, "stages": stages}, "tiny", "tiny.yaml"
    )
    found = ladder(recipe, [6], tmp_path / "store", methods=["mdaq_mmr"])
    assert {key: in_this_process.count(key) for key in set(in_this_process)} == {"select": 6, "sft": 6, "eval": 6}
    rungs = found.curves["answers"]
    assert [(rung.method, rung.size) for rung in rungs] == [(m, s) for m in ("random", "mdaq_mmr") for s in (6,)]
    assert all(rung.value.low <= rung.value.value <= rung.value.high and len(rung.seeds) == 3 for rung in rungs)
    assert all((rung.against_control is None) == (rung.method == "random") for rung in rungs)
    for name in ("ladder.md", "ladder.json", "ladder.html"):
        assert (tmp_path / "store" / name).is_file()
    again = ladder(recipe, [6], tmp_path / "store", methods=["mdaq_mmr"])
    assert len(in_this_process) == 18 and again.curves == found.curves


def test_one_command_climbs_the_shipped_ladder(
    tmp_path: Path, in_this_process: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["ladder", "--sizes", "9", "--methods", "topk", "--rehearse", "--out", str(tmp_path / "store")]
    app(given, standalone_mode=False)
    ran = len(in_this_process)
    shown = capsys.readouterr().out
    for name in ("answers", "english"):
        assert f"### {name}, bits per byte (mean over seeds, 95 % interval over seeds and documents)" in shown
    assert shown.count("| random | 10 |") == shown.count("| topk | 10 |") == 2
    assert shown.splitlines()[-1] == str(tmp_path / "store" / "ladder.html")
    app([*given, "--json"], standalone_mode=False)
    curves = json.loads(capsys.readouterr().out)
    assert len(in_this_process) == ran
    assert {rung["method"] for rung in curves["answers"]} == {"random", "topk"}
    assert all(len(rung["seeds"]) == 3 for rungs in curves.values() for rung in rungs)
