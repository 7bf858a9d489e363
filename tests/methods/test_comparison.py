"""Differences, intervals and verdicts on tables made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from newtongue.core.errors import DataError
from newtongue.methods import gate
from newtongue.methods.comparison import compare, per_document
from newtongue.methods.gate import Limits, at_least, at_most, groups_needed, retention, verdicts
from newtongue.methods.scores import share, summarise, tables, wilson

SETTINGS: dict[str, Any] = {"draws": 400, "seed": 0}


def text_rows(name: str, per_byte: float, documents: int = 40, digest: str = "x") -> list[dict[str, Any]]:
    """Rows of documents whose hardness varies around `per_byte`, equally for every model."""
    hard = np.random.default_rng(3).normal(1, 0.2, documents)
    return [
        {
            **{"set": name, "kind": "text", "item": f"d{n}#0", "group": f"d{n}", "bytes": 100 + n, "tokens": 50},
            **{"bits": per_byte * hard[n] * (100 + n), "words": 20, "ids_digest": digest},
        }
        for n in range(documents)
    ]


def generated_rows(faithful: list[bool | None], stopped: list[bool]) -> list[dict[str, Any]]:
    return [
        {"set": "g", "kind": "generation", "item": str(n), "group": str(n), "faithful": f, "stopped": s}
        for n, (f, s) in enumerate(zip(faithful, stopped, strict=True))
    ]


def test_figures_are_sums_over_sums() -> None:
    rows = [
        {"set": "t", "kind": "text", "item": "a", "group": "a", "bytes": 10, "bits": 20.0, "tokens": 6, "words": 2},
        {"set": "t", "kind": "text", "item": "b", "group": "b", "bytes": 30, "bits": 20.0, "tokens": 6, "words": 4},
    ]
    found = summarise(tables(rows)["t"], **SETTINGS)
    assert found["bits_per_byte"]["value"] == 1.0 and found["fertility"]["value"] == 2.0
    assert found["bits_per_byte"]["low"] < 1.0 < found["bits_per_byte"]["high"]
    assert (found["fertility"]["low"], found["fertility"]["high"], found["fertility"]["n"]) == (1.5, 3.0, 2)


def test_a_model_compared_with_itself_has_not_changed() -> None:
    table = tables(text_rows("t", 2.0))
    found = compare(table, table, **SETTINGS)["t"]
    nothing = {"value": 0.0, "low": 0.0, "high": 0.0, "n": 40, "error": 0.0, "p": 1.0, "detectable": 0.0}
    assert found["difference"] == nothing and found["p_holm"] == 1.0
    assert found["changed_windows"] == 0


def test_differences_are_paired_and_relative() -> None:
    found = compare(tables(text_rows("t", 2.0)), tables(text_rows("t", 1.5, digest="y")), **SETTINGS)["t"]
    assert found["relative_change"]["value"] == pytest.approx(-0.25)
    assert found["relative_change"]["high"] == pytest.approx(-0.25)
    assert found["changed_windows"] == 40


def test_other_items_are_refused_by_name() -> None:
    with pytest.raises(DataError) as caught:
        compare(tables(text_rows("t", 2.0)), tables(text_rows("t", 2.0, documents=39)), **SETTINGS)
    assert caught.value.text().startswith("set t: the two measured different items (40 and 39 items)")


def test_shares_leave_out_what_is_unknown() -> None:
    table = tables(generated_rows([True, None, False, True], [True] * 4))["g"]
    found = share(table, "faithful")
    assert found is not None and found.n == 3 and found.value == pytest.approx(2 / 3)
    assert share(table, "looped") is None


def test_wilson_interval_against_published_values() -> None:
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0 to 0.1611."""
    assert (wilson(81 / 263, 263).low, wilson(81 / 263, 263).high) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert (wilson(0, 20).low, wilson(0, 20).high) == pytest.approx((0.0, 0.1611), abs=1e-4)


def interval(value: float, half: float, n: int = 50) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def test_non_inferiority_has_three_answers() -> None:
    assert at_most(interval(0.01, 0.01), 0.03) == "pass"
    assert at_most(interval(0.01, 0.04), 0.03) == "underpowered"
    assert at_most(interval(0.04, 0.04), 0.03) == "fail"
    assert at_most({"value": 0.0, "low": None, "high": None, "n": 1}, 0.03) == "underpowered"


def test_shares_have_three_answers() -> None:
    assert at_least(interval(0.99, 0.02), 0.95) == "pass"
    assert at_least(interval(0.96, 0.03), 0.95) == "underpowered"
    assert at_least(interval(0.90, 0.1), 0.95) == "fail"
    assert at_least(None, 0.95) == "fail"


def test_retention_is_judged_on_the_worse_set() -> None:
    changes = {"sample": interval(-0.01, 0.001), "books": interval(0.02, 0.02)}
    found = retention({n: ({"kind": "text"}, {"relative_change": c}) for n, c in changes.items()}, Limits())
    assert found is not None
    assert (found["set"], found["verdict"], found["groups_needed"]) == ("books", "underpowered", 200)
    assert [part["verdict"] for part in found["parts"]] == ["pass", "underpowered"]
    assert retention({}, Limits()) is None


def test_no_number_of_documents_mends_a_value_over_the_limit() -> None:
    assert groups_needed(interval(0.04, 0.01), 0.03) is None


def test_gain_bought_by_forgetting_fails() -> None:
    before = tables(text_rows("urdu", 9.0) + text_rows("english", 1.5))
    after = tables(text_rows("urdu", 1.6) + text_rows("english", 1.7))
    changes = compare(before, after, **SETTINGS)
    sets = {"urdu": {"kind": "text", "role": "target"}, "english": {"kind": "text", "role": "retention"}}
    found = verdicts(sets, changes, Limits())
    assert (found["gain"]["verdict"], found["retention"]["verdict"], found["overall"]) == ("pass", "fail", "fail")


def test_generations_are_judged_by_script_and_stop() -> None:
    table = tables(generated_rows([True] * 120, [True] * 100 + [False] * 20))
    sets = {"g": {"role": "target", **summarise(table["g"], **SETTINGS)}}
    found = verdicts(sets, {}, Limits())
    assert found["fidelity"]["verdict"] == "pass" and found["stopping"]["verdict"] == "fail"
    assert found["gain"] is None


def test_nothing_measured_is_underpowered() -> None:
    assert verdicts({}, {}, Limits())["overall"] == "underpowered"
    assert gate.worst([]) == "underpowered"


def choice_rows(correct: list[int], chance: float = 0.25, per_group: int = 1) -> list[dict[str, Any]]:
    return [
        {
            **{"set": "q", "kind": "choice", "item": str(n), "group": str(n // per_group)},
            **{"correct": bool(c), "chance": chance},
        }
        for n, c in enumerate(correct)
    ]


def kept_verdict(changes: dict[str, Any]) -> dict[str, Any]:
    sets = {name: {"kind": change["kind"], "role": "retention"} for name, change in changes.items()}
    return verdicts(sets, changes, Limits())["retention"]


def test_lost_english_answers_fail_even_when_english_text_is_kept() -> None:
    text = tables(text_rows("english", 1.5))
    before, after = (text | tables(choice_rows([1] * n + [0] * (400 - n))) for n in (300, 260))
    found = kept_verdict(compare(before, after, **SETTINGS))
    assert (found["set"], found["measure"], found["verdict"]) == ("q", "accuracy", "fail")
    assert found["loss"]["value"] == pytest.approx(0.1)
    assert {part["set"]: part["verdict"] for part in found["parts"]} == {"english": "pass", "q": "fail"}


def test_a_model_that_only_guesses_has_nothing_to_lose_and_is_not_judged() -> None:
    tables_ = [tables(choice_rows([1] * n + [0] * (400 - n))) for n in (100, 60)]
    changes = compare(*tables_, **SETTINGS)
    assert changes["q"]["nothing_to_lose"]
    assert kept_verdict(changes) is None


def test_a_model_that_is_never_right_has_nothing_to_lose_either() -> None:
    rows = [{"set": "q", "kind": "match", "item": str(n), "group": str(n), "correct": False} for n in range(50)]
    changes = compare(tables(rows), tables(rows), **SETTINGS)
    assert changes["q"]["nothing_to_lose"] and kept_verdict(changes) is None


def probe_rows(saved: float, items: int = 60) -> list[dict[str, Any]]:
    hard = np.random.default_rng(0).gamma(20, 2, items)
    return [
        {
            **{"set": "in context", "kind": "probe", "item": str(n), "group": str(n), "task": "copy", "bytes": 9},
            **{"bits": (1 - saved) * h + 0.01 * (n % 3), "bits_alone": h},
        }
        for n, h in enumerate(hard)
    ]


@pytest.mark.parametrize(("after", "verdict"), [(0.40, "pass"), (0.30, "fail")])
def test_forgotten_examples_fail_the_gate(after: float, verdict: str) -> None:
    changes = compare(tables(probe_rows(0.4)), tables(probe_rows(after)), **SETTINGS)
    found = kept_verdict(changes)
    assert (found["measure"], found["verdict"]) == ("in_context_saving", verdict)
    assert found["loss"]["value"] == pytest.approx(0.4 - after, abs=0.005)


@pytest.mark.parametrize("base", [0.0, 0.1])
def test_a_base_that_hardly_uses_examples_is_told_and_not_judged(base: float) -> None:
    changes = compare(tables(probe_rows(base)), tables(probe_rows(base - 0.5)), **SETTINGS)
    assert changes["in context"]["saving"]["value"] == pytest.approx(-0.5, abs=0.01)
    assert kept_verdict(changes) is None


def test_shares_have_exact_p_values_and_count_gains_and_losses() -> None:
    before, after = tables(choice_rows([1, 1] + [0] * 10)), tables(choice_rows([1, 0] + [1] * 9 + [0]))
    found = compare(before, after, **SETTINGS)["q"]["correct_fraction"]
    assert (found["gained"], found["lost"]) == (9, 1)
    assert found["p"] == pytest.approx(22 / 1024, abs=1e-6)


def test_items_of_one_passage_count_once() -> None:
    before, after = ([0] * 20, [1] * 20)
    alone = compare(tables(choice_rows(before)), tables(choice_rows(after)), **SETTINGS)["q"]["correct_fraction"]
    passages = [tables(choice_rows(values, per_group=10)) for values in (before, after)]
    together = compare(*passages, **SETTINGS)["q"]["correct_fraction"]
    assert alone["p"] < 1e-5 and together["p"] == 0.5 and together["n"] == 2


def test_several_sets_are_corrected_together() -> None:
    rows = text_rows("a", 2.0) + text_rows("b", 2.0)
    moved = [{**row, "bits": row["bits"] * (1 + 0.01 * (n % 3))} for n, row in enumerate(rows)]
    found = compare(tables(rows), tables(moved), **SETTINGS)
    assert all(found[n]["p_holm"] >= found[n]["difference"]["p"] for n in "ab")


def test_documents_are_counted_one_by_one() -> None:
    assert per_document(np.array([-0.5, -0.25, 0.1, 0.0])) == {
        **{"better": 2, "worse": 1, "lowest": -0.5, "lower_quartile": -0.3125, "median": -0.125},
        **{"upper_quartile": 0.025, "highest": 0.1, "sign_p": 1.0},
    }


def test_bits_per_character_divides_by_code_points() -> None:
    rows = [{**row, "characters": 50} for row in text_rows("t", 2.0)]
    found = summarise(tables(rows)["t"], **SETTINGS)
    assert found["bits_per_character"]["value"] == pytest.approx(found["bits"] / (50 * 40), abs=1e-4)
    assert "bits_per_character" not in summarise(tables(text_rows("t", 2.0))["t"], **SETTINGS)
