"""Counts of tokens: distributions sum to one, and leaving one place out equals counting without it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.methods.token_counts import Predicted, TokenCounts, count_tokens

SIZE = 7


def dense(counts: TokenCounts, found: Predicted) -> np.ndarray:
    """Return the distributions, places x ids."""
    made = found.rest[:, None].astype(float) * counts.base
    for place in range(len(found.rest)):
        entries = slice(found.starts[place], found.starts[place + 1])
        np.add.at(made[place], found.tokens[entries], found.shares[entries])
    return made


def by_definition(ids: list[int], at: int, order: int, counts: TokenCounts) -> np.ndarray:
    """Return interpolated Kneser-Ney for the id at `at`, its own n-grams taken out, with plain dictionaries."""
    discounts = [part.discount for part in counts.orders]
    probability = counts.base.astype(float)
    for length in range(2, order + 1):
        if at - length + 1 < 0:
            break
        grams: dict[tuple[int, ...], set[tuple[int, ...]]] = defaultdict(set)
        plain: dict[tuple[int, ...], int] = defaultdict(int)
        longer: dict[tuple[int, ...], int] = defaultdict(int)
        for k in range(length - 1, len(ids)):
            plain[tuple(ids[k - length + 1 : k + 1])] += 1
        if length < order:
            highest: dict[tuple[int, ...], int] = defaultdict(int)
            for k in range(order - 1, len(ids)):
                highest[tuple(ids[k - order + 1 : k + 1])] += k != at
            left = {gram for gram, number in highest.items() if number}
            for size in range(order - 1, length, -1):
                whole = {tuple(ids[k - size + 1 : k + 1]) for k in range(size - 1, len(ids))}
                gone = tuple(ids[at - size + 1 : at + 1])
                stays = any(gram[1:] == gone for gram in left)
                left = {gram for gram in whole if gram != gone or stays}
            for gram in left:
                grams[gram[1:]].add(gram)
            longer = {gram: len(before) for gram, before in grams.items()}  # type: ignore[assignment]
        else:
            plain[tuple(ids[at - length + 1 : at + 1])] -= 1
            longer = plain
        history = tuple(ids[at - length + 1 : at])
        follow = {gram[-1]: number for gram, number in longer.items() if gram[:-1] == history and number > 0}
        total = sum(follow.values())
        if total:
            discount = discounts[length - 2]
            spare = discount * len(follow) / total
            probability = spare * probability
            for token, number in follow.items():
                probability[token] += (number - discount) / total
    return probability


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, SIZE - 1), min_size=12, max_size=60), st.integers(2, 4))
def test_leaving_one_out_is_counting_without_it(ids: list[int], order: int) -> None:
    counts = count_tokens(np.array(ids, np.uint16), order, SIZE)
    found = dense(counts, counts.left_out(np.array(ids[:-1]), np.array(ids[1:])))
    for at in range(order, len(ids)):
        assert found[at - 1] == pytest.approx(by_definition(ids, at, order, counts), abs=1e-5), at


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=60), st.integers(2, 6), st.data())
def test_distributions_sum_to_one_on_any_row(ids: list[int], order: int, data: st.DataObject) -> None:
    counts = count_tokens(np.array(ids, np.uint16), order, SIZE)
    row = data.draw(st.lists(st.integers(0, SIZE - 1), min_size=2, max_size=20))
    found = dense(counts, counts.left_out(np.array(row[:-1]), np.array(row[1:])))
    assert found.sum(axis=1) == pytest.approx(np.ones(len(row) - 1), abs=1e-5)
    assert found.min() >= 0


def test_what_stands_once_predicts_nothing_of_itself_and_what_stands_twice_does() -> None:
    ids = np.array([1, 2, 3, 4, 1, 2, 5, 6, 0, 1, 2, 3], np.uint16)
    counts = count_tokens(ids, 3, SIZE)
    found = dense(counts, counts.left_out(ids[:-1].astype(np.int64), ids[1:].astype(np.int64)))
    unseen = found[6, 6]  # 5 -> 6 stands nowhere else: what is left is the share of a single token
    assert unseen == pytest.approx(counts.base[6], abs=1e-6)
    assert found[1, 3] == found[1, 5] > found[1, 4]  # after 1 2, this place left out: once 3, once 5, never 4
    assert found[5, 3] > found[5, 5]  # after the other 1 2: twice 3, nothing else
