"""Greedy choices equal brute force, lazy equals plain, and nothing depends on how many rows are looked at together."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from newtongue.methods.diversity import k_center, mmr
from newtongue.methods.quotas import Quotas, divide
from newtongue.methods.submodular import facility_location, facility_value, token_coverage
from newtongue.methods.unit_grid import ONE, Grid, dots, to_grid


def pool(count: int, seed: int, dimensions: int = 6, topics: int = 5) -> tuple[Grid, NDArray[np.float64]]:
    """Rows around a few topics, some exactly equal, and a quality per row with ties."""
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((topics, dimensions))
    rows = centres[draw.integers(topics, size=count)] + 0.3 * draw.standard_normal((count, dimensions))
    rows[count // 2 :: 5] = rows[0]
    return to_grid(rows), draw.integers(0, 5, count) / 4


def naive_mmr(
    rows: Grid, quality: NDArray[np.float64], weight: float, budget: int, ties: NDArray[np.int64], chosen: list[int]
) -> list[int]:
    """The definition, every cosine of every step anew."""
    taken = list(chosen)
    while len(taken) - len(chosen) < budget and len(taken) < len(rows):
        best: tuple[float, int, int] | None = None
        for place in set(range(len(rows))) - set(taken):
            likeness = max(
                (float(dots(rows[place : place + 1], rows[s : s + 1])[0, 0]) / ONE for s in taken), default=-1
            )
            key = (weight * quality[place] - (1 - weight) * likeness, -int(ties[place]), place)
            best = max(best, key) if best else key
        assert best is not None
        taken.append(best[2])
    return taken[len(chosen) :]


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_lazy_mmr_is_the_plain_one(seed: int, weight: float, pool_rows: int) -> None:
    rows, quality = pool(25, seed)
    ties = np.random.default_rng(seed).permutation(25)
    chosen = [3, 7] if seed % 2 else []
    expected = naive_mmr(rows, quality, weight, 10, ties, chosen)
    found = mmr(rows, quality, weight, Quotas(10 + len(chosen)), ties, chosen=chosen, pool_rows=pool_rows)
    assert found == expected


@pytest.mark.parametrize("pool_rows", [7, 64, 4096])
def test_the_pool_size_changes_nothing(pool_rows: int) -> None:
    rows, quality = pool(1500, 1, dimensions=24, topics=40)
    ties = np.random.default_rng(0).permutation(1500)
    reference = mmr(rows, quality, 0.5, Quotas(200), ties, pool_rows=1500)
    assert mmr(rows, quality, 0.5, Quotas(200), ties, pool_rows=pool_rows) == reference


def test_weight_one_is_the_best_by_quality_and_zero_is_farthest_first() -> None:
    rows, quality = pool(40, 2)
    ties = np.random.default_rng(2).permutation(40)
    assert mmr(rows, quality, 1.0, Quotas(15), ties) == np.lexsort((ties, -quality))[:15].tolist()
    assert mmr(rows, quality, 0.0, Quotas(15), ties) == k_center(rows, Quotas(15), ties)
    first = k_center(rows, Quotas(1), ties)
    assert ties[first[0]] == 0


@given(st.integers(0, 10_000), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_every_step_of_a_small_pool_is_the_best_there_is(seed: int, count: int) -> None:
    rows, quality = pool(count, seed)
    ties = np.arange(count)
    order = mmr(rows, quality, 0.5, Quotas(count), ties)
    assert sorted(order) == list(range(count))
    assert order == naive_mmr(rows, quality, 0.5, count, ties, [])


def test_near_copies_give_way_to_rows_of_their_own() -> None:
    draw = np.random.default_rng(0)
    copies = np.eye(32)[0] + 0.01 * draw.standard_normal((100, 32))
    rows = to_grid(np.concatenate([copies, np.eye(32)[1:11]]))
    quality = np.concatenate([np.linspace(0.8, 1, 100), np.full(10, 0.5)])
    ties = np.arange(110)
    for found in (mmr(rows, quality, 0.4, Quotas(11), ties), k_center(rows, Quotas(11), ties)):
        assert sum(place < 100 for place in found) == 1
        assert set(range(100, 110)) <= set(found)


def test_a_translation_is_kept_beside_its_original_only_where_languages_do_not_compete() -> None:
    rows = to_grid(np.array([[1, 0, 0], [1, 0.01, 0], [0, 1, 0], [0, 0, 1]]))
    ties, quality = np.arange(4), np.full(4, 0.5)
    both = mmr(rows, quality, 0.5, Quotas(3), ties)
    assert len({0, 1} & set(both)) == 1
    apart = [mmr(rows[part], quality[part], 0.5, Quotas(1), ties[part]) for part in ([0, 2], [1, 3])]
    assert apart == [[0], [0]]


def test_quotas_hold_exactly_in_one_division() -> None:
    rows, quality = pool(60, 5)
    kinds = ["a", "b", "c"] * 20
    for weight in (0.0, 0.5, 1.0):
        quotas = Quotas(20, [divide(kinds, {"a": 12, "b": 3}, 20)])
        found = mmr(rows, quality, weight, quotas, np.arange(60), pool_rows=8)
        assert [sum(kinds[place] == kind for place in found) for kind in "abc"] == [12, 3, 5]
    location = facility_location(rows, rows, Quotas(20, [divide(kinds, {"a": 12, "b": 0}, 20)]), np.arange(60))
    assert [sum(kinds[place] == kind for place in location) for kind in "abc"] == [12, 0, 8]


@given(st.integers(0, 10_000), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_facility_location_is_near_the_optimum(seed: int, budget: int) -> None:
    rows, _ = pool(9, seed)
    found = facility_location(rows, rows, Quotas(budget), np.arange(9))
    best = max(facility_value(rows, rows, list(chosen)) for chosen in combinations(range(9), budget))
    assert facility_value(rows, rows, found) >= (1 - 1 / math.e) * best


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_lazy_facility_location_is_the_plain_one(seed: int) -> None:
    rows, _ = pool(80, seed)
    ties, taken = np.random.default_rng(seed).permutation(80), list[int]()
    for _ in range(8):
        open_rows = [place for place in range(80) if place not in taken]
        taken.append(max(open_rows, key=lambda place: (facility_value(rows, rows, [*taken, place]), -ties[place])))
    assert facility_location(rows, rows, Quotas(8), ties) == taken


def test_coverage_prefers_rare_tokens_to_more_of_the_same() -> None:
    tokens = [np.array([0, 0, 0, 0]), np.array([0, 0, 0]), np.array([1, 2]), np.array([], dtype=np.int64)]
    order = token_coverage(tokens, Quotas(4), np.arange(4))
    assert order == [0, 2, 1, 3] or order == [2, 0, 1, 3]
    assert token_coverage(tokens, Quotas(1), np.arange(4), chosen=[0]) == []
    assert token_coverage(tokens, Quotas(2), np.arange(4), chosen=[0]) == [2]


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_lazy_coverage_is_the_plain_one(drawn: list[list[int]]) -> None:
    tokens = [np.array(row, dtype=np.int64) for row in drawn]
    have, expected = np.zeros(10), list[int]()
    for _ in range(min(5, len(tokens))):
        gains = {
            place: float((np.sqrt(have + np.bincount(row, minlength=10)) - np.sqrt(have)).sum().round(9))
            for place, row in enumerate(tokens)
            if place not in expected
        }
        best = max(gains, key=lambda place: (gains[place], -place))
        expected.append(best)
        have += np.bincount(tokens[best], minlength=10)
    found = token_coverage(tokens, Quotas(5), np.arange(len(tokens)))
    values = [
        np.sqrt(np.bincount(np.concatenate([tokens[p] for p in order]), minlength=10)).sum()
        for order in (found, expected)
    ]
    assert values[0] == pytest.approx(values[1])
