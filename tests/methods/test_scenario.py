"""A scenario is a pure function of seed, request and attempt, with the rates it names."""

from __future__ import annotations

import pytest

from newtongue.methods.odd_answers import odd
from newtongue.methods.scenario import Scenario


def test_rates_are_what_they_say_and_passing_faults_pass() -> None:
    scenario = Scenario(seed=3, rates={"500": 0.1, "400": 0.05}, mercy=2)
    first = [scenario.fault(f"key {n}", 0) for n in range(4000)]
    assert abs(first.count("500") / 4000 - 0.1) < 0.02
    refused = [n for n in range(4000) if first[n] == "400"]
    assert abs(len(refused) / 4000 - 0.05) < 0.015
    assert all(scenario.fault(f"key {n}", 9) == "400" for n in refused)
    assert {scenario.fault(f"key {n}", 2) for n in range(4000) if n not in set(refused)} == {""}
    assert first == [scenario.fault(f"key {n}", 0) for n in range(4000)]


def test_chosen_requests_have_their_fault() -> None:
    scenario = Scenario(chosen={"a": "reset", "b": "context"})
    assert [scenario.fault("a", n) for n in range(3)] == ["reset", "", ""]
    assert [scenario.fault("b", n) for n in range(3)] == ["context"] * 3
    assert scenario.fault("c", 0) == ""


def test_latencies_have_the_mean_they_say() -> None:
    scenario = Scenario(latency_seconds=0.2, latency_sigma=1.0)
    times = [scenario.latency(f"{n}", 0) for n in range(20_000)]
    assert abs(sum(times) / len(times) - 0.2) < 0.02
    assert min(times) < 0.05 < 0.6 < max(times)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [({"rates": {"580": 0.1}}, "there is no fault `580`"), ({"rates": {"500": 1.1}}, "at most 1")],
)
def test_a_scenario_that_cannot_be(settings: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Scenario(**settings)


def test_answers_in_other_languages_are_data() -> None:
    assert odd("sister", "اردو", {"sister": "فارسی"}) == "فارسی"
    assert odd("arabic letters", "کی", {"letters": "یک", "other_letters": "يك"}) == "كي"
    assert odd("500", "اردو", {}) == "اردو"
