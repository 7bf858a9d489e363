"""Exact sparse weights from scores: against the published package, a brute force and the definition."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from newtongue.methods import sparsemax as module
from newtongue.methods.sparsemax import SparseRows, largest_scores, softmax_of_largest, sparsemax, stacked

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "initialisers_focus.json").read_text("utf-8"))
SCORES = arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 30)), elements=st.floats(-3, 3, width=32))


def dense(found: SparseRows, width: int) -> np.ndarray:
    out = np.zeros((len(found.indptr) - 1, width))
    for row in range(len(out)):
        span = slice(found.indptr[row], found.indptr[row + 1])
        out[row, found.indices[span]] = found.data[span]
    return out


def by_definition(row: np.ndarray) -> np.ndarray:
    """Projection onto the simplex by bisection on the threshold."""
    low, high = row.max() - 1.0, row.max()
    for _step in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(row - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(row - low, 0)


def test_entmax_gives_the_same() -> None:
    scores = np.random.default_rng(9).normal(0, 0.4, (6, 50)).astype(np.float32)
    np.testing.assert_allclose(dense(sparsemax(scores), 50), GOLDEN["sparsemax"], atol=1e-6)


def test_ties_share_equally_as_in_entmax() -> None:
    ties = [[0.5, 0.5, 0.5, 0.1], [1.0, 1.0, -1.0, -1.0], [3.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    np.testing.assert_allclose(dense(sparsemax(np.asarray(ties, np.float32)), 4), GOLDEN["ties"], atol=1e-6)


@settings(max_examples=150, deadline=None)
@given(SCORES)
def test_it_is_the_projection_onto_the_simplex(scores: np.ndarray) -> None:
    made = dense(sparsemax(scores), scores.shape[1])
    np.testing.assert_allclose(made, [by_definition(row.astype(np.float64)) for row in scores], atol=1e-6)


@pytest.mark.parametrize("sample", [1, 3, 8])
def test_the_sample_changes_no_weight(monkeypatch: pytest.MonkeyPatch, sample: int) -> None:
    """The bound from any sample keeps the whole support, also where the large scores come last."""
    scores = np.sort(np.random.default_rng(1).normal(0, 0.3, (20, 400)).astype(np.float32), axis=1)
    whole = sparsemax(scores)
    monkeypatch.setattr(module, "SAMPLE", sample)
    monkeypatch.setattr(module, "SAMPLE_KEPT", 2)
    assert all(np.array_equal(a, b) for a, b in zip(whole, sparsemax(scores), strict=True))


@settings(max_examples=100, deadline=None)
@given(SCORES, st.integers(1, 12))
def test_softmax_of_the_largest_is_softmax_of_the_largest(scores: np.ndarray, largest: int) -> None:
    made = dense(softmax_of_largest(scores, largest, 0.1), scores.shape[1])
    for row, weights in zip(scores.astype(np.float64), made, strict=True):
        order = np.argsort(-row, kind="stable")[:largest]
        powers = np.exp((row[order] - row.max()) / 0.1)
        np.testing.assert_allclose(weights[order], powers / powers.sum(), atol=1e-6)
        assert np.count_nonzero(weights) <= largest


def test_large_scores_do_not_overflow() -> None:
    made = softmax_of_largest(np.asarray([[900.0, 899.0]], np.float32), 2, 0.01)
    assert np.isfinite(made.data).all()
    assert made.indices[0] == 0


def test_the_largest_come_as_they_are_first_columns_first() -> None:
    found = largest_scores(np.asarray([[0.2, -0.5, 0.2, 0.1]], np.float32), 2)
    assert found.indices.tolist() == [0, 2]
    np.testing.assert_allclose(found.data, [0.2, 0.2])


def test_groups_of_rows_stack() -> None:
    scores = np.random.default_rng(2).normal(size=(7, 9)).astype(np.float32)
    parts = stacked([sparsemax(scores[:3]), sparsemax(scores[3:])])
    assert all(np.array_equal(a, b) for a, b in zip(parts, sparsemax(scores), strict=True))
    assert stacked([]).indptr.tolist() == [0]
