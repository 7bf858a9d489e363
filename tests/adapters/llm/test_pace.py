"""Concurrency follows the share of 429 in a window: single ones change nothing, a flood cuts, calm gives back."""

from __future__ import annotations

import random

import pytest

from newtongue.adapters.llm.pace import Pace


@pytest.mark.parametrize("most", [1, 8, 64, 256])
def test_a_tenth_at_random_slows_nothing_down(most: int) -> None:
    pace, rng, limits = Pace(most), random.Random(0), []
    for _ in range(20_000):
        pace.record(rng.random() < 0.1)
        limits.append(pace.limit)
    assert sum(limits) / len(limits) > 0.97 * most


def test_a_flood_cuts_once_per_window_and_calm_gives_it_back() -> None:
    pace = Pace(64)
    for _ in range(64):
        pace.record(True)
    assert pace.limit == pytest.approx(44.8)
    assert pace.hot
    for _ in range(2000):
        pace.record(True)
    assert pace.limit == 1.0
    for _ in range(2000):
        pace.record(False)
    assert (pace.limit, pace.hot) == (64.0, False)


def test_an_endpoint_with_a_real_limit_is_not_flooded() -> None:
    """A bucket of fifty a second, answers of 0.2 s: ten in flight are right, sixty-four were allowed."""
    pace, rng = Pace(64), random.Random(1)
    limits = []
    for _ in range(5000):
        arriving = pace.limit / 0.2
        pace.record(rng.random() < max(0.0, 1 - 50 / arriving))
        limits.append(pace.limit)
    assert 8 < sum(limits[2500:]) / 2500 < 20
