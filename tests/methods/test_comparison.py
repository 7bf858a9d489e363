"""Differences, intervals and verdicts on tables made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from newtongue.core.errors import DataError
from newtongue.methods import comparison
from newtongue.methods.comparison import Limits, at_least, at_most, compare, groups_needed, retention, verdicts
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
    assert found["bits_per_byte"]["value"] == 1.0 and found["fertility"] == 2.0
    assert found["bits_per_byte"]["low"] < 1.0 < found["bits_per_byte"]["high"]


def test_a_model_compared_with_itself_has_not_changed() -> None:
    table = tables(text_rows("t", 2.0))
    found = compare(table, table, **SETTINGS)["t"]
    assert found["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 40}
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
    found = retention({"sample": interval(-0.01, 0.001), "books": interval(0.02, 0.02)}, 0.03)
    assert found is not None
    assert (found["set"], found["verdict"], found["groups_needed"]) == ("books", "underpowered", 200)
    assert retention({}, 0.03) is None


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
    assert comparison.worst([]) == "underpowered"


def test_retention_falsely_passes_at_most_five_per_cent_at_the_limit() -> None:
    """True loss equal to the limit: passing is an error; a 95 % interval allows it in about 2.5 % of cases."""
    generator = np.random.default_rng(0)
    passes = 0
    for trial in range(300):
        hard, noise = generator.gamma(20, 5, 60), generator.normal(0, 2, 60)
        rows = [("a", hard), ("b", hard * 1.03 + noise)]
        built = [_bits_rows(values) for _name, values in rows]
        change = compare(tables(built[0]), tables(built[1]), draws=200, seed=trial)["t"]["relative_change"]
        passes += at_most(change, 0.03) == "pass"
    assert passes / 300 <= 0.06


def _bits_rows(bits: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"set": "t", "kind": "text", "item": str(n), "group": str(n), "bytes": 100, "bits": float(value)}
        for n, value in enumerate(bits)
    ]
