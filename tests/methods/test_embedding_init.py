"""Linear initialisers against dense algebra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.core.errors import DataError
from newtongue.methods.embedding_init import Initialiser, mean, random_normal, subword_mean

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
