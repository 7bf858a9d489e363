"""Vectors from text: counts by brute force in three scripts, PPMI and SVD by closed form, pooling by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from newtongue.methods import auxiliary_vectors as module
from newtongue.methods.auxiliary_vectors import context_counts, pooled, ppmi, principal_vectors, without_rare

ROWS = 6
PIECES = [[0, 1], [2, 2, 3], [0, 1, 4]]
IDS = st.lists(st.lists(st.integers(0, ROWS + len(PIECES) - 1), max_size=8), max_size=4)


def by_hand(documents: list[list[int]], window: int) -> np.ndarray:
    """Walk over every token and every neighbour."""
    counts = np.zeros((ROWS + len(PIECES), ROWS))
    for ids in documents:
        old = [piece for i in ids for piece in (PIECES[i - ROWS] if i >= ROWS else [i])]
        spans, at = [], 0
        for i in ids:
            size = len(PIECES[i - ROWS]) if i >= ROWS else 1
            if i >= ROWS:
                spans.append((i, at, at + size))
            at += size
        spans += [(piece, k, k + 1) for k, piece in enumerate(old)]
        for owner, begin, end in spans:
            for near in [*range(begin - window, begin), *range(end, end + window)]:
                if 0 <= near < len(old):
                    counts[owner, old[near]] += 1
    return counts


@settings(max_examples=100, deadline=None)
@given(IDS, st.integers(1, 4))
def test_contexts_are_old_tokens_on_both_sides(documents: list[list[int]], window: int) -> None:
    found = context_counts([np.asarray(ids, np.int64) for ids in documents], PIECES, ROWS, window)
    np.testing.assert_array_equal(found.toarray(), by_hand(documents, window))


def test_runs_of_any_length_count_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [np.asarray([0, 6, 2, 7, 8, 5], np.int64)] * 9
    whole = context_counts(documents, PIECES, ROWS, 3)
    monkeypatch.setattr(module, "RUN_TOKENS", 7)
    np.testing.assert_array_equal(context_counts(documents, PIECES, ROWS, 3).toarray(), whole.toarray())


def test_information_is_the_logarithm_of_how_much_oftener_than_chance() -> None:
    counts = np.asarray([[4.0, 0.0], [1.0, 3.0]])
    columns = counts.sum(0) ** 0.75
    chance = counts.sum(1)[:, None] / counts.sum() * columns / columns.sum()
    with np.errstate(divide="ignore"):
        expected = np.maximum(np.log(counts / counts.sum() / chance), 0)
    np.testing.assert_allclose(ppmi(csr_array(counts)).toarray(), expected, atol=1e-12)


def test_vectors_hold_the_best_approximation() -> None:
    rng = np.random.default_rng(3)
    matrix = csr_array(rng.standard_normal((30, 4)) @ rng.standard_normal((4, 20)))
    vectors = principal_vectors(matrix, 4, seed=0).astype(np.float64)
    left, values, _right = np.linalg.svd(matrix.toarray())
    expected = (left[:, :4] * values[:4]) @ left[:, :4].T
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-4)
    assert np.array_equal(principal_vectors(matrix, 4, seed=0), principal_vectors(matrix, 4, seed=0))
    assert principal_vectors(matrix, 50, seed=0).shape == (30, 20)


def test_a_row_without_entries_has_no_vector() -> None:
    matrix = csr_array(np.asarray([[1.0, 2.0], [0.0, 0.0], [3.0, 1.0]]))
    assert not principal_vectors(matrix, 2, 0)[1].any()
    kept = without_rare(np.ones((3, 2), np.float32), csr_array(np.asarray([[5.0], [9.0], [2.0]])), 5)
    assert kept.any(1).tolist() == [True, True, False]


@pytest.mark.parametrize("words", [["kitabu", "vitabu", "ki"], ["کتاب", "کتابیں", "اب"], ["किताब", "किताबें", "ताब"]])
def test_a_token_gets_the_weighted_average_of_its_words(words: list[str]) -> None:
    letters = sorted(set("".join(words)))
    vectors = np.asarray([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]], np.float32)
    ids = [[letters.index(letter) for letter in word] for word in words]
    weights = [3.0, 1.0, 2.0]
    made = pooled(vectors, ids, len(letters) + 1, weights)
    for number, letter in enumerate(letters):
        members = [k for k, word in enumerate(words) if letter in word]
        total = sum(weights[k] for k in members)
        expected = sum(weights[k] / total * vectors[k] for k in members)
        np.testing.assert_allclose(made[number], expected, atol=1e-6)
    assert not made[-1].any()
