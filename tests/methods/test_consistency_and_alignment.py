"""The same items in several languages, several wordings, and sentence vectors of two languages."""

from __future__ import annotations

import time

import numpy as np
import pytest

from newtongue.methods.alignment import (
    language_ranker,
    mexa,
    nearest_both_ways,
    position_weighted,
    sentence_shares,
    similarities,
    spoiled_alone,
)
from newtongue.methods.consistency import agreement, all_correct, gap, spread


def test_agreement_is_the_mean_over_pairs_of_languages() -> None:
    assert agreement([["a", "b"], ["a", "b"]]) == 1.0
    assert agreement([["a", "b"], ["a", "c"], ["x", "c"]]) == pytest.approx((0.5 + 0.0 + 0.5) / 3)
    assert np.isnan(agreement([["a"]]))


def test_all_correct_asks_every_language() -> None:
    assert all_correct(np.array([[1, 1, 0], [1, 0, 0]], dtype=bool)) == pytest.approx(1 / 3)


def test_the_gap_is_paired() -> None:
    generator = np.random.default_rng(0)
    english = (generator.random(400) < 0.8).astype(float)
    urdu = english * (generator.random(400) < 0.75)
    found = gap(english, urdu, np.arange(400), draws=1000, seed=0)
    assert found["difference"].high < 0
    assert found["fraction_of_reference"].low < 0.75 < found["fraction_of_reference"].high
    assert found["fraction_of_reference"].value == pytest.approx(urdu.sum() / english.sum())


def test_wordings_have_a_spread() -> None:
    found = spread([0.4, 0.6, 0.5])
    assert found == {"mean": 0.5, "lowest": 0.4, "highest": 0.6, "range": 0.2, "deviation": 0.1}
    assert spread([0.3])["deviation"] == 0.0


def test_translations_that_lie_closest_are_counted_strictly() -> None:
    vectors = np.eye(4)
    assert mexa(similarities(vectors, vectors)) == 1.0
    assert mexa(similarities(vectors, vectors[[1, 0, 2, 3]])) == 0.5
    assert mexa(np.ones((3, 3))) == 0.0


def test_alignment_equals_its_definition_by_loops() -> None:
    """Row and column maxima by hand, as the released code takes them."""
    matrix = np.random.default_rng(0).random((30, 30)) + np.eye(30) * 0.4
    hits = sum(
        matrix[i, i] > max(np.delete(matrix[i], i)) and matrix[i, i] > max(np.delete(matrix[:, i], i))
        for i in range(30)
    )
    assert mexa(matrix) == pytest.approx(hits / 30) and 0 < hits < 30
    assert language_ranker(matrix) == pytest.approx(np.mean([matrix[i, i] for i in range(30)]))


def test_a_sentence_spoils_alone_what_would_be_right_without_it() -> None:
    """Leaving sentences out one by one, as the definition says, and counting again."""
    matrix = np.random.default_rng(1).random((25, 25)) + np.eye(25) * 0.6
    right, spoils = nearest_both_ways(matrix), spoiled_alone(matrix)
    for k in range(25):
        left = np.delete(np.delete(matrix, k, 0), k, 1)
        assert nearest_both_ways(left).sum() == right.sum() - right[k] + spoils[k]
    assert spoils.max() > 0
    assert sentence_shares(right.astype(float), spoils.astype(float)).mean() == pytest.approx(right.mean())


def test_similarities_are_cosines() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 5, 8))
    cosine = a[2] @ b[3] / np.linalg.norm(a[2]) / np.linalg.norm(b[3])
    assert similarities(a, b)[2, 3] == pytest.approx(cosine)
    assert np.isfinite(similarities(np.zeros((2, 3)), a[:2, :3])).all()


def test_later_tokens_weigh_more() -> None:
    assert position_weighted(np.array([[0.0], [0.0], [6.0]])).tolist() == [3.0]


def test_a_thousand_pairs_in_33_layers_take_little_time() -> None:
    vectors = np.random.default_rng(0).normal(size=(1000, 64))
    start = time.process_time()
    for _layer in range(33):
        mexa(similarities(vectors, vectors))
    assert time.process_time() - start < 6
