"""Linear initialisers against dense algebra."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.core.errors import DataError
from newtongue.methods.embedding_init import (
    lexical,
    mean,
    mean_noise,
    multivariate_normal,
    random_normal,
    subword_mean,
)
from newtongue.methods.initialiser import DenseRows, Initialiser, empty_tokens, mixed_with_mean, with_fallback

PIECES = st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5), min_size=1, max_size=8)


def dense(init: Initialiser) -> np.ndarray:
    out = np.zeros(init.shape)
    for token in range(init.shape[0]):
        for old, weight in init.row(token):
            out[token, old] += weight
    return out


def apply(init: Initialiser, old: np.ndarray, salt: int = 0) -> np.ndarray:
    return init.rows(old[init.support()], old.mean(0), old.std(0), salt)


@settings(max_examples=60, deadline=None)
@given(PIECES)
def test_subword_mean_is_one_sparse_matrix(pieces: list[list[int]]) -> None:
    old = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
    init = subword_mean(pieces, rows=7)
    expected = np.stack([old[spelling].mean(0) for spelling in pieces])
    np.testing.assert_allclose(apply(init, old), expected, atol=1e-6)
    np.testing.assert_allclose(dense(init) @ old, expected, atol=1e-6)
    np.testing.assert_allclose(dense(init).sum(1), 1, atol=1e-6)


def test_a_piece_that_occurs_twice_counts_twice_and_order_is_that_of_the_spelling() -> None:
    assert subword_mean([[4, 1, 4]], rows=5).row(0) == [(4, pytest.approx(2 / 3)), (1, pytest.approx(1 / 3))]


@pytest.mark.parametrize("spelling", [[], [9], [-1]])
def test_a_token_nothing_spells_is_refused(spelling: list[int]) -> None:
    with pytest.raises(DataError, match=r"new token 1 is spelt by \["):
        subword_mean([[0], spelling], rows=5)


def test_rows_mixed_in_few_coordinates_are_those_of_the_factorised_matrix() -> None:
    rng = np.random.default_rng(3)
    old = (rng.standard_normal((40, 8)) * np.arange(1, 9) + 0.5).astype(np.float32)
    whole = subword_mean([[0, 1], [5], [2, 3, 39]], rows=40)
    left, values, right = np.linalg.svd(old.astype(np.float64), full_matrices=False)
    centred = np.cov(old.T, bias=True)
    root = np.linalg.eigh(centred)
    spread = ((root[1] * np.sqrt(root[0])) @ root[1].T).astype(np.float32)
    for rank in (1, 3, 7):
        init = replace(whole, rank=rank)
        assert (init.spread, init.reads_mean, init.convex) == ("covariance", True, False)
        coordinates = (left * values)[:, :rank]
        expected = dense(init) @ coordinates @ right[:rank]
        np.testing.assert_allclose(init.rows(old[init.support()], old.mean(0), spread), expected, atol=2e-4)
    plain = apply(whole, old)
    np.testing.assert_array_equal(replace(whole, rank=8).rows(old[whole.support()], old.mean(0), spread), plain)


def test_mean_gives_every_token_the_mean_row() -> None:
    old = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_allclose(apply(mean(2, 4), old), [[4.5, 5.5, 6.5]] * 2)


def test_random_rows_have_the_spread_of_the_old_ones_and_depend_on_seed_and_matrix() -> None:
    old = np.random.default_rng(1).normal(3, 2, (500, 4)).astype(np.float32)
    init = random_normal(4000, 500, seed=7)
    made = apply(init, old)
    np.testing.assert_allclose(made.mean(0), old.mean(0), atol=0.15)
    np.testing.assert_allclose(made.std(0), old.std(0), rtol=0.05)
    np.testing.assert_array_equal(made, apply(init, old))
    assert not np.array_equal(made, apply(init, old, salt=1))
    assert not np.array_equal(made, apply(random_normal(4000, 500, seed=8), old))


def test_no_tokens_give_no_rows() -> None:
    assert apply(subword_mean([], 4), np.ones((4, 2), np.float32)).shape == (0, 2)


def test_a_little_noise_tells_rows_apart() -> None:
    old = np.random.default_rng(1).normal(3, 2, (500, 4)).astype(np.float32)
    made = apply(mean_noise(4000, 500, seed=0), old)
    np.testing.assert_allclose(made.std(0), 0.1 * old.std(0), rtol=0.05)
    assert len(np.unique(made, axis=0)) == 4000


def test_noise_by_covariance_has_the_moments_of_the_old_rows() -> None:
    """Over 100,000 draws; the square root exists although one dimension never varies."""
    rng = np.random.default_rng(2)
    old = (rng.standard_normal((400, 3)) @ rng.standard_normal((3, 4)) + 5).astype(np.float32)
    covariance = np.cov(old.T, bias=True)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    init = multivariate_normal(100_000, 400, seed=3, noise=1.0)
    assert init.spread == "covariance"
    made = init.rows(old[:0], old.mean(0), root.astype(np.float32))
    np.testing.assert_allclose(made.mean(0), old.mean(0), atol=0.03)
    np.testing.assert_allclose(np.cov(made.T), covariance, atol=0.05 * covariance.max())
    assert multivariate_normal(2, 4, 0).noise == pytest.approx(1e-5**0.5)


@pytest.mark.parametrize(("name", "other"), [("Kitabu", "kitabu"), ("کتاب", "کتاب"), ("ไทย", "ไทย")])
def test_equal_text_lends_its_row_exactly_or_apart_from_space_and_case(name: str, other: str) -> None:
    old = {name.encode(): 3, b"zz": 1, b" ": 2}
    init = lexical([name.encode(), f" {other}".encode(), b"new", b"  "], old, 5)
    assert [init.row(n) for n in range(4)] == [[(3, 1.0)], [(3, 1.0)], [], []]


def test_half_letters_match_their_own_bytes_only() -> None:
    init = lexical([b"\xd9", b"\xd8"], {b"\xd9": 4, b"x": 0}, 5)
    assert [init.row(0), init.row(1)] == [[(4, 1.0)], []]


def test_gaps_are_filled_and_counted() -> None:
    gaps = lexical([b"a", b"b", b"c"], {b"b": 2}, 4)
    assert empty_tokens(gaps).tolist() == [0, 2]
    filled, number = with_fallback(gaps, subword_mean([[0, 1], [0], [3]], 4))
    assert number == 2
    assert [filled.row(n) for n in range(3)] == [[(0, 0.5), (1, 0.5)], [(2, 1.0)], [(3, 1.0)]]
    filled, number = with_fallback(gaps, mean(3, 4))
    assert filled.mean_share.tolist() == [1, 0, 1]
    assert with_fallback(filled, mean(3, 4)) == (filled, 0)


def test_a_share_of_the_mean_keeps_rows_convex() -> None:
    old = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    init = mixed_with_mean(subword_mean([[1, 2]], 6), 0.25)
    np.testing.assert_allclose(apply(init, old)[0], 0.75 * old[1:3].mean(0) + 0.25 * old.mean(0), atol=1e-6)
    assert init.convex
    assert not mean_noise(1, 6, 0).convex


def test_made_rows_are_taken_as_they_are_and_a_bias_starts_at_its_mean() -> None:
    made = DenseRows(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert made.rows(np.zeros((0, 3)), np.ones(3), np.zeros(0)) is made.values
    np.testing.assert_array_equal(made.rows(np.zeros((0, 1)), np.full(1, 7.0), np.zeros(0)), [[7], [7]])
    assert (len(made.support()), made.spread, made.convex) == (0, "none", False)
