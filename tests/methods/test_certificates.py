"""Bounds against the model they speak of: a dense evaluation in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.methods.certificates import OldRows, certify, column_sums, kl_bound, least_bits, limited
from newtongue.methods.embedding_init import mean, random_normal, subword_mean
from newtongue.methods.initialiser import DenseRows, Initialiser, from_mixtures, mixed_with_mean

V, D = 40, 6
RNG = np.random.default_rng(5)
HEAD = RNG.standard_normal((V, D))
HIDDEN = RNG.standard_normal((200, D))
MIXTURES = st.lists(
    st.dictionaries(st.integers(0, V - 1), st.floats(0.05, 1), min_size=1, max_size=6), min_size=1, max_size=30
)


def dense(init: Initialiser) -> np.ndarray:
    """W in double precision, the mean's share written out."""
    out = np.tile(init.mean_share[:, None].astype(np.float64) / V, (1, V))
    for token in range(init.shape[0]):
        for old, weight in init.row(token):
            out[token, old] += weight
    return out


def convex(mixtures: list[dict[int, float]]) -> Initialiser:
    return from_mixtures([{i: w / sum(m.values()) for i, w in m.items()} for m in mixtures], V)


def measured(init: Initialiser, padding: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the old distributions, KL(old || new) in bits, and whether the most likely token is old."""
    added = np.concatenate([dense(init) @ HEAD, np.tile(HEAD.mean(0), (padding, 1))])
    old, new = HIDDEN @ HEAD.T, HIDDEN @ added.T
    z_old, z_new = np.exp(old).sum(1), np.exp(new).sum(1)
    return np.exp(old) / z_old[:, None], np.log2(1 + z_new / z_old), new.max(1) <= old.max(1) + 1e-9


@settings(max_examples=60, deadline=None)
@given(MIXTURES, st.floats(0, 1), st.integers(0, 9))
def test_convex_heads_keep_greedy_decoding_and_the_bound_holds(
    mixtures: list[dict[int, float]], share: float, padding: int
) -> None:
    init = mixed_with_mean(convex(mixtures), share)
    chances, kl, kept = measured(init, padding)
    old = OldRows(V, chances.mean(0), padding)
    found = certify(init, old)
    assert found.greedy
    assert kept.all()
    assert found.worst_bits is not None
    assert found.expected_bits is not None
    assert kl.max() <= found.worst_bits + 1e-6
    assert kl.mean() <= found.expected_bits + 1e-6
    assert all(each <= kl_bound(init, old, p) + 1e-6 for each, p in zip(kl, chances, strict=True))


def test_copies_reach_the_bound() -> None:
    """Jensen is an equality where every row copies one old row."""
    init = subword_mean([[3], [5], [3]], V)
    chances, kl, _kept = measured(init)
    bounds = [kl_bound(init, OldRows(V, chances.mean(0)), p) for p in chances]
    np.testing.assert_allclose(kl, bounds, atol=1e-6)


def test_the_mean_costs_the_logarithm_of_the_growth() -> None:
    found = certify(mean(10, V), OldRows(V, np.full(V, 1 / V)))
    assert found.expected_bits == pytest.approx(np.log2(1 + 10 / V)) == pytest.approx(found.worst_bits)
    assert least_bits(8, OldRows(V, np.full(V, 1 / V), 2)) == pytest.approx(np.log2(1.25))


def test_noise_negative_weights_and_made_rows_are_not_certified() -> None:
    signed = from_mixtures([{1: 1.5, 2: -0.5}], V)
    for head in (random_normal(3, V, 0), signed, DenseRows(np.zeros((2, D), np.float32))):
        assert certify(head, OldRows(V, np.full(V, 1 / V))).facts() == {
            "greedy": False,
            "worst_bits": None,
            "expected_bits": None,
        }
    assert not measured(signed)[2].all()


def test_column_sums_count_every_weight() -> None:
    init = mixed_with_mean(subword_mean([[0, 1], [1]], 4), 0.5)
    found = column_sums(init, OldRows(4, np.full(4, 0.25), 2))
    np.testing.assert_allclose(found, [0.25 + 0.75, 0.75 + 0.75, 0.75, 0.75])


def test_a_head_is_mixed_just_enough() -> None:
    frequency = np.r_[0.9, np.full(V - 1, 0.1 / (V - 1))]
    old, head = OldRows(V, frequency), subword_mean([[0]] * 4, V)
    before = certify(head, old).expected_bits
    mixed, share = limited(head, old, 1.0)
    assert 0 < share < 1
    assert before > 1.0
    assert certify(mixed, old).expected_bits == pytest.approx(1.0, abs=1e-6)
    assert limited(head, old, before + 0.1) == (head, 0.0)
    assert limited(head, old, 0.01)[1] is None
    assert limited(subword_mean([[1]], V), old, 0.001)[1] is None
