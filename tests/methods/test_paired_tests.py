"""Exact tests against enumeration, Holm against his rule, and what can be detected."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.paired_tests import detectable, holm, mcnemar, normal_p, paired_p


def by_enumeration(differences: list[int]) -> float:
    reached = abs(sum(differences))
    signs = list(product((1, -1), repeat=len(differences)))
    hits = sum(abs(sum(s * d for s, d in zip(row, differences, strict=True))) >= reached for row in signs)
    return hits / len(signs)


@given(st.lists(st.integers(-4, 4), max_size=9))
def test_swapping_groups_agrees_with_enumeration(differences: list[int]) -> None:
    assert paired_p(differences) == pytest.approx(by_enumeration(differences))


@given(st.integers(0, 30), st.integers(0, 30))
def test_single_items_are_mcnemars_test(gained: int, lost: int) -> None:
    assert paired_p([1] * gained + [-1] * lost) == mcnemar(gained, lost) == mcnemar(lost, gained)


def test_mcnemar_against_a_published_table() -> None:
    """Fagerland et al. 2013, section 'airway hyper-responsiveness': 7 and 1 discordant pairs give p = 0.070."""
    assert mcnemar(7, 1) == pytest.approx(0.0703, abs=1e-4)


def test_no_disagreement_is_no_evidence() -> None:
    assert paired_p([]) == paired_p([0, 0]) == mcnemar(0, 0) == 1.0


def test_thousands_of_discordant_items_do_not_overflow() -> None:
    assert 0 < mcnemar(2000, 1800) < 0.01


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(found: dict[str, float]) -> None:
    adjusted = holm(found)
    assert adjusted.keys() == found.keys()
    assert all(found[name] - 1e-9 <= adjusted[name] <= 1 for name in found)
    ranked = sorted(found, key=found.__getitem__)
    assert [adjusted[n] for n in ranked] == sorted(adjusted.values())


def test_detectable_effects_are_detected_at_the_stated_power() -> None:
    generator, error = np.random.default_rng(0), 0.01
    least = detectable(error)
    assert least is not None
    found = [normal_p(value, error) < 0.05 for value in generator.normal(least, error, 4000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.02)
