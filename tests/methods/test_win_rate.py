"""Win rates: swapped positions, ties, intervals."""

from __future__ import annotations

import numpy as np
import pytest

from newtongue.methods.win_rate import consistency, win_rate


def test_a_judge_that_always_says_first_gives_exactly_one_half() -> None:
    found = win_rate(["first"] * 31, ["first"] * 31)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert consistency(["first"] * 31, ["first"] * 31) == 0


def test_ties_count_half_and_a_sure_judge_counts_whole() -> None:
    assert win_rate(["tie", "tie"], ["tie", "tie"]).value == 0.5
    assert win_rate(["first", "tie", "second"], ["second", "tie", "first"]).value == 0.5
    assert win_rate(["first", "first"], ["second", "tie"]).value == 0.875


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    draw, held = np.random.default_rng(0), 0
    for number in range(200):
        won = draw.random(80) < 0.6
        ours = ["first" if w else "second" for w in won]
        swapped = ["second" if w else "first" for w in won]
        found = win_rate(ours, swapped, draws=400, seed=number)  # type: ignore[arg-type]
        held += found.low <= 0.6 <= found.high
    assert 0.9 <= held / 200 <= 0.99


def test_groups_are_resampled_whole() -> None:
    ours, swapped = ["first", "second"] * 20, ["second", "first"] * 20
    alone = win_rate(ours, swapped)  # type: ignore[arg-type]
    together = win_rate(ours, swapped, ["a", "b"] * 20)  # type: ignore[arg-type]
    assert together.high - together.low > alone.high - alone.low


def test_unequal_orders_are_refused() -> None:
    with pytest.raises(ValueError, match="1 verdicts in one order and 0 in the other"):
        win_rate(["tie"], [])
