"""Intervals cover what they should, pairing pays, and equal seeds give equal draws."""

from __future__ import annotations

import numpy as np
import pytest

from newtongue.methods.bootstrap import (
    difference_of_ratios,
    first_over_second,
    interval,
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
