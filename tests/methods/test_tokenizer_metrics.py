"""Metrics of a vocabulary: golden values, limits."""

from __future__ import annotations

from collections import Counter

import pytest

from newtongue.methods.tokenizer_metrics import parity, renyi_efficiency, updates


@pytest.mark.parametrize(
    ("text", "second_order_and_a_half", "third_order"),
    [
        ("pick@@ ed pick@@ l@@ ed pick@@ les", 0.8265064834, 0.8031528501359657),
        ("pick@@ e@@ d pick@@ l@@ e@@ d pick@@ l@@ e@@ s", 0.9204840242, 0.9105681923824472),
    ],
)
def test_efficiency_equals_tokenization_scorer(text: str, second_order_and_a_half: float, third_order: float) -> None:
    uses = list(Counter(text.split()).values())
    assert renyi_efficiency(uses) == pytest.approx(second_order_and_a_half, abs=1e-9)
    assert renyi_efficiency(uses, 3) == pytest.approx(third_order, abs=1e-12)


def test_efficiency_is_one_for_equal_use_and_nothing_for_one_token() -> None:
    assert renyi_efficiency([5] * 7) == pytest.approx(1)
    assert renyi_efficiency([5, 0]) == renyi_efficiency([]) == 0
    assert renyi_efficiency([100, 1, 1]) < renyi_efficiency([40, 31, 31])


def test_parity_needs_a_reference() -> None:
    assert parity(3, 2) == 1.5
    assert parity(3, 0) == 0


def test_updates_of_no_token() -> None:
    assert updates([], 4, 50) == {"fewest": 0.0, "median": 0.0, "rare_tokens": 0}
