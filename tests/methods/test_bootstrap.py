"""Intervals cover what they should, pairing pays, and equal seeds give equal draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.bootstrap import (
    difference_of_ratios,
    first_over_second,
    interval,
    means,
    relative_change,
    resampled_sums,
)


def test_constant_groups_have_no_spread() -> None:
    found = interval(np.array([[8.0, 4.0]] * 5), first_over_second, draws=300, seed=0)
    assert (found.value, found.low, found.high, found.n) == (2.0, 2.0, 2.0, 5)


def test_one_group_says_nothing_of_its_spread() -> None:
    found = interval(np.array([[8.0, 4.0]]), first_over_second, draws=300, seed=0)
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_equal_seeds_give_equal_draws_whatever_the_columns_hold() -> None:
    a, b = (resampled_sums(np.full((50, 1), scale), 100, 7) for scale in (1.0, 3.0))
    assert np.array_equal(3 * a, b)
    assert not np.array_equal(
        resampled_sums(np.arange(50.0)[:, None], 9, 0), resampled_sums(np.arange(50.0)[:, None], 9, 1)
    )


def test_blocks_of_draws_change_nothing_but_memory() -> None:
    assert resampled_sums(np.ones((3, 2)), 1000, 0).shape == (1000, 2)
    assert np.all(resampled_sums(np.ones((3, 2)), 1000, 0) == 3)


def test_draws_agree_with_resampling_by_indices() -> None:
    values = np.random.default_rng(1).gamma(2, size=(80, 2)) + np.array([0, 5])
    fast = interval(values, first_over_second, draws=4000, seed=0)
    generator = np.random.default_rng(2)
    slow = [first_over_second(values[generator.integers(0, 80, 80)].sum(axis=0)) for _ in range(4000)]
    assert (fast.low, fast.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), rel=0.02)


def test_pairing_narrows_the_interval() -> None:
    generator = np.random.default_rng(0)
    hard = generator.gamma(4, 50, size=200)
    sizes = np.full(200, 100.0)
    before, after = hard, 0.9 * hard + generator.normal(0, 1, 200)
    paired = interval(np.column_stack([before, after, sizes]), difference_of_ratios, draws=1000, seed=0)
    alone = interval(np.column_stack([after, sizes]), first_over_second, draws=1000, seed=0)
    assert paired.high < 0
    assert paired.high - paired.low < 0.2 * (alone.high - alone.low)


def test_relative_change_is_a_share_of_the_first() -> None:
    assert relative_change(np.array([2.0, 2.1])) == pytest.approx(0.05)


def test_means_of_three_rows_end_where_counting_all_draws_by_hand_says() -> None:
    """Of 27 draws of (0, 0, 3): mean 0 in 8, 1 in 12, 2 in 6, 3 in 1; so 3 is beyond the 95 % quantile, not 97.5 %."""
    columns = np.array([[0.0, 1.0], [0.0, 1.0], [3.0, 1.0]])
    wide, same = means(columns, draws=20_000, seed=0)
    assert (wide.value, wide.low, wide.high, wide.n) == (1.0, 0.0, 3.0, 3)
    assert wide.error == pytest.approx((2 / 3) ** 0.5, rel=0.02)
    assert (same.low, same.high, same.error) == (1.0, 1.0, 0.0)
    narrow, _same = means(columns, draws=20_000, seed=0, confidence=0.9)
    assert (narrow.low, narrow.high) == (0.0, 2.0)
    assert means(columns, draws=50, seed=4) == means(columns, draws=50, seed=4) != means(columns, draws=50, seed=5)
    assert (means(columns[:1], draws=9, seed=0)[0].low, means(columns[:1], draws=9, seed=0)[0].high) == (
        -np.inf,
        np.inf,
    )


@given(st.lists(st.lists(st.floats(-5, 5), min_size=2, max_size=2), min_size=2, max_size=30), st.integers(0, 99))
def test_a_mean_lies_inside_its_interval_and_equals_that_of_ratios(rows: list[list[float]], seed: int) -> None:
    columns = np.array(rows)
    for place, found in enumerate(means(columns, draws=200, seed=seed)):
        alone = np.column_stack([columns[:, place], np.ones(len(columns))])
        other = interval(alone, first_over_second, draws=200, seed=seed)
        assert found.value == pytest.approx(other.value, abs=1e-9) and found.n == other.n
        assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=1e-9)
        assert columns[:, place].min() - 1e-9 <= found.low <= found.high <= columns[:, place].max() + 1e-9
