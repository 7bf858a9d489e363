"""Dollars per accepted row: the interval covers the truth, and says when nothing is known."""

from __future__ import annotations

from math import inf
from random import Random

import pytest

from newtongue.methods.pilot import dollars_per_row


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for trial in range(200):
        rng = Random(trial)
        costs = [rng.randint(500, 1500) for _ in range(32)]
        rows = [sum(rng.random() < 0.5 for _ in range(4)) for _ in costs]
        found = dollars_per_row(costs, rows, seed=trial)
        assert found.low <= found.likely <= found.high
        covered += found.low <= 1000e-6 / 2 <= found.high
    assert covered >= 0.88 * 200


def test_nothing_accepted_has_no_price() -> None:
    found = dollars_per_row([100] * 5, [0] * 5)
    assert (found.low, found.likely, found.high) == (inf, inf, inf)
    assert found.total(0) == (0.0, 0.0, 0.0)


def test_few_accepted_rows_cannot_be_bounded_from_above() -> None:
    found = dollars_per_row([100] * 8, [0] * 7 + [1])
    assert found.low < found.likely < found.high == inf


def test_free_teachers_cost_nothing() -> None:
    assert dollars_per_row([0] * 4, [1, 0, 2, 1]).total(1000) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("costs", "rows"), [([], []), ([1], [1, 2])])
def test_lists_that_do_not_fit(costs: list[int], rows: list[int]) -> None:
    with pytest.raises(ValueError, match="costs and"):
        dollars_per_row(costs, rows)
