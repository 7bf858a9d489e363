"""The test bed as a server: its meter, its control, its scenarios from a file."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.fault_kit import serving

from newtongue.core.errors import RecipeError
from newtongue.methods.scenario import Scenario
from newtongue.tools.testbed import load_scenario


def post(url: str, body: Any) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def ask(url: str, model: str = "m", content: str = "hello") -> tuple[int, Any]:
    return post(f"{url}/chat/completions", {"model": model, "messages": [{"role": "user", "content": content}]})


def test_the_meter_counts_and_the_control_changes_the_story() -> None:
    with serving(Scenario(price=(1.0, 2.0))) as bed:
        assert ask(bed.url)[0] == 200
        assert post(bed.url.replace("/v1", "/control"), {"rates": {"500": 1.0}, "price": [1, 2]})[0] == 200
        assert ask(bed.url, content="again")[0] == 500
        status, said = post(bed.url.replace("/v1", "/control"), {"rates": {"5oo": 1.0}})
        assert status == 400
        assert "there is no fault `5oo`" in said["error"]["message"]
        with urllib.request.urlopen(bed.url.replace("/v1", "/meter")) as reply:
            meter = json.load(reply)
    assert (meter["requests"], meter["answered"], meter["statuses"]) == (2, 1, {"answer": 1, "500": 1})
    assert meter["billed_micro_usd"] == meter["told_micro_usd"] > 0


def test_strength_is_seen_by_a_noisy_judge() -> None:
    with serving(Scenario(strengths={"good": 0.9, "poor": 0.1})) as bed:
        grades = {}
        for model in ("good", "poor"):
            answers = [ask(bed.url, model, f"q {n}")[1]["choices"][0]["message"]["content"] for n in range(40)]
            graded = [ask(bed.url, "judge", answer)[1]["choices"][0]["message"]["content"] for answer in answers]
            grades[model] = sum(map(int, graded)) / 40
    assert grades["good"] > 4 > 2.5 > grades["poor"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "the scenario cannot be read"),
        ('{"rate": {}}', "scenario: "),
        ('{"rates": {"x": 1}}', "there is no fault `x`"),
    ],
)
def test_a_scenario_file_that_cannot_be_used(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "faults.json").write_text(text, "utf-8")
    with pytest.raises(RecipeError, match=problem):
        load_scenario(tmp_path / "faults.json")
