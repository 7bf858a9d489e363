"""Rounds: quotas, turns, saturation, sides of the border."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.rounds import (
    REQUESTS_PER_ROUND,
    SATURATED_AFTER,
    draw,
    largest_remainder,
    make_cells,
    plan_round,
    split_seeds,
)


@given(st.dictionaries(st.text(max_size=3), st.floats(0.01, 10), min_size=1, max_size=8), st.integers(0, 500))
def test_shares_add_up_and_are_off_by_less_than_one(weights: dict[str, float], total: int) -> None:
    shares = largest_remainder(weights, total)
    assert sum(shares.values()) == total
    assert all(abs(shares[name] - total * w / sum(weights.values())) < 1 + 1e-6 for name, w in weights.items())


def test_requests_take_turns_and_bring_no_more_than_is_missing() -> None:
    cells = make_cells({"qa": 1, "ethics": 1}, 20, {})
    planned = plan_round(cells, 4, 100)
    assert [(cell.task, number) for cell, number in planned] == [
        ("qa", 0), ("ethics", 0), ("qa", 1), ("ethics", 1), ("qa", 2), ("ethics", 2),
    ]  # fmt: skip


def test_a_round_is_bounded_and_so_is_the_run() -> None:
    cells = make_cells({"qa": 1}, 1000, {})
    assert len(plan_round(cells, 1, 10**6)) == REQUESTS_PER_ROUND
    assert len(plan_round(cells, 1, 3)) == 3
    assert plan_round(cells, 1, 0) == []


def test_a_teacher_that_repeats_itself_is_given_up() -> None:
    cells = make_cells({"qa": 1}, 10, {})
    cells[0].barren = SATURATED_AFTER
    assert plan_round(cells, 1, 100) == []


def test_a_draw_depends_on_its_name_alone() -> None:
    assert draw("abcdefgh", 3, "0/qa/1") == draw("abcdefgh", 3, "0/qa/1")
    assert draw("ab", 3, "x") in (["a", "b"], ["b", "a"])


@given(st.lists(st.integers(), unique=True, max_size=30), st.floats(0, 0.99))
def test_seeds_stand_on_one_side_each(seeds: list[int], fraction: float) -> None:
    train, heldout = split_seeds(seeds, fraction)
    assert sorted(train + heldout) == sorted(seeds)
    assert train or not seeds
    assert bool(heldout) == (fraction > 0 and len(seeds) > 1)
