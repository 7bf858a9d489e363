"""Scores against those of lm-evaluation-harness 0.4.13, recorded by `tests/oracle/record.py`, item by item."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from house.source import ROOT
from oracle.oracle_tasks import TASKS, write_tasks

from newtongue.adapters.harness.task_file import read_task
from newtongue.adapters.hf.models import load_model, load_tokenizer
from newtongue.stages.eval.asking import Judged, figures, run_task
from newtongue.stages.eval.backend import ModelBackend
from newtongue.stages.eval.items import Task, load_task
from newtongue.stages.eval.rows import Wanted

RECORDED = json.loads((ROOT / "tests" / "golden" / "lm_eval_oracle.json").read_text("utf-8"))
NANO = ROOT / "src" / "newtongue" / "assets" / "nano-en"
MAX_LENGTH = 256
TIED_NATS = 1e-3
"""Items whose first two choices are closer than this may differ."""


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("oracle")
    write_tasks(folder)
    return folder


@pytest.fixture(scope="session")
def nano() -> ModelBackend:
    return ModelBackend(load_model(NANO, "float32").eval(), load_tokenizer(NANO), MAX_LENGTH)


@pytest.fixture(scope="session")
def measured(tasks: Path, nano: ModelBackend) -> dict[str, tuple[Task, list[Judged]]]:
    """Every task once, tokens across a join cut as lm-evaluation-harness cuts them."""
    backend = ModelBackend(nano.model, nano.tokenizer, MAX_LENGTH, join="lm_eval")
    loaded = {name: load_task(read_task(tasks / f"{name}.yaml"), Wanted()) for name in TASKS}
    return {name: (task, run_task(task, backend)[0]) for name, task in loaded.items()}


def logprobs(one: Judged) -> list[float]:
    assert one.likelihood is not None
    return (one.details or {}).get("logprobs") or [one.likelihood.logprob]


def recorded_logprobs(item: dict[str, Any]) -> list[float]:
    found = [answer[0] for answer in item["resps"]]
    return [float(answer[0] if isinstance(answer, list) else answer) for answer in found]


@pytest.mark.parametrize("name", [name for name in TASKS if name != "sums"])
def test_log_probabilities_are_those_of_the_oracle(name: str, measured: dict[str, Any]) -> None:
    _task, judged = measured[name]
    for one, item in zip(judged, RECORDED[name]["items"], strict=True):
        for ours, theirs in zip(logprobs(one), recorded_logprobs(item), strict=True):
            assert abs(ours - theirs) <= max(1e-3, 2e-6 * abs(theirs) + 1e-4)


@pytest.mark.parametrize("name", [name for name in TASKS if name != "rolling"])
def test_metrics_are_those_of_the_oracle_item_by_item(name: str, measured: dict[str, Any]) -> None:
    _task, judged = measured[name]
    for one, item in zip(judged, RECORDED[name]["items"], strict=True):
        if (one.details or {}).get("margin", 1.0) < TIED_NATS:
            continue
        assert {k: one.values[k] for k in item["metrics"]} == pytest.approx(item["metrics"], abs=1e-3)


@pytest.mark.parametrize("name", TASKS)
def test_figures_and_standard_errors_are_those_of_the_oracle(name: str, measured: dict[str, Any]) -> None:
    found, compared = figures(*measured[name]), 0
    for key, theirs in RECORDED[name]["results"].items():
        metric, _, label = key.partition(",")
        which = "stderr" if metric.endswith("_stderr") else "value"
        metric = metric.removesuffix("_stderr")
        ours = found.get(metric if label == "none" else f"{metric},{label}")
        if ours is None or ours[which] is None:
            continue
        compared += 1
        assert ours[which] == pytest.approx(theirs, rel=1e-5 if which == "value" else 1e-12)
    assert compared


def test_generated_texts_are_those_of_the_oracle(measured: dict[str, Any]) -> None:
    _task, judged = measured["sums"]
    assert [one.generated.text for one in judged] == [item["resps"][0][0] for item in RECORDED["sums"]["items"]]


def test_without_a_spanning_token_the_safe_join_is_the_same(tasks: Path, nano: ModelBackend, measured: Any) -> None:
    for name in ("passages", "thai", "letters"):
        task, expected = measured[name]
        for one, other in zip(run_task(task, nano)[0], expected, strict=True):
            assert one.spanning == 0 and logprobs(one) == logprobs(other)


def test_a_spanning_token_is_counted_and_its_share_cancels_among_the_choices(nano: ModelBackend, measured: Any) -> None:
    task, cut = measured["spanning"]
    judged, _ = run_task(task, nano)
    assert all(one.spanning == len(one.item.choices) for one in judged)
    assert any(logprobs(one) != logprobs(other) for one, other in zip(judged, cut, strict=True))


@pytest.mark.skipif("LM_EVAL_PYTHON" not in os.environ, reason="LM_EVAL_PYTHON names no Python with lm_eval 0.4.13")
def test_the_oracle_still_says_what_was_recorded(tmp_path: Path) -> None:
    out = tmp_path / "now.json"
    script = ROOT / "tests" / "oracle" / "record.py"
    subprocess.run([os.environ["LM_EVAL_PYTHON"], str(script), str(NANO), str(out)], check=True, capture_output=True)
    now = json.loads(out.read_text("utf-8"))
    for name, recorded in RECORDED.items():
        for item, other in zip(recorded["items"], now[name]["items"], strict=True):
            if name == "sums":
                assert item["resps"] == other["resps"]
            else:
                assert recorded_logprobs(item) == pytest.approx(recorded_logprobs(other), rel=2e-6, abs=1e-3)
