"""The search for supports in pieces of the product: against sparsemax of the whole matrix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newtongue.methods import similar_support
from newtongue.methods.similar_support import sparsemax_of_cosines
from newtongue.methods.similarity_init import AuxiliaryVectors, focus, unit
from newtongue.methods.sparsemax import SparseRows, sparsemax


def inputs(new: int, old: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of length 1, and others of any length of which some are zero."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((new + old, width)).astype(np.float32)
    made[new:] *= rng.uniform(0.01, 100, (old, 1)).astype(np.float32)
    made[new + 1 :: 5] = 0
    return unit(made[:new])[0], made[new:]


def dense(found: SparseRows, width: int) -> np.ndarray:
    out = np.zeros((len(found.indptr) - 1, width))
    for row in range(len(out)):
        span = slice(found.indptr[row], found.indptr[row + 1])
        assert (np.diff(found.data[span]) <= 0).all()
        out[row, found.indices[span]] = found.data[span]
    return out


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 300), st.integers(1, 9)),
    sizes=st.tuples(st.integers(1, 80), st.integers(1, 4000)),
    seed=st.integers(0, 99),
)
def test_it_is_sparsemax_of_the_whole_matrix(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int, int], sizes: tuple[int, int], seed: int
) -> None:
    monkeypatch.setattr(similar_support, "ROWS", sizes[0])
    monkeypatch.setattr(similar_support, "PIECE_SCORES", sizes[1])
    new, old = inputs(*shape, seed)
    units, known = unit(old)
    expected = np.zeros((len(new), len(old)))
    expected[:, known] = dense(sparsemax(new @ units[known].T), int(known.sum()))
    found, crowded = sparsemax_of_cosines(new, old)
    assert not len(crowded)
    np.testing.assert_allclose(dense(found, len(old)), expected, atol=2e-6)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(similar_support, "ROWS", 32)
    monkeypatch.setattr(similar_support, "PIECE_SCORES", 32 * 64)
    new, old = inputs(100, 1000, 16, 0)
    alone, shared = sparsemax_of_cosines(new, old), sparsemax_of_cosines(new, old, threads)
    assert all(np.array_equal(one, other) for one, other in zip(alone[0], shared[0], strict=True))


@pytest.mark.parametrize(("new", "old"), [(0, 5), (3, 0), (0, 0)])
def test_where_there_is_nothing_to_compare_rows_are_empty(new: int, old: int) -> None:
    vectors = AuxiliaryVectors(np.ones((new, 4), np.float32), np.ones((old, 4), np.float32), np.arange(old), 9)
    assert np.diff(focus(vectors, threads=2).indptr).tolist() == [0] * new


def test_rows_whose_scores_are_all_alike_are_told_and_weighed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of equal candidates are all in the support, more than there is room for in the search."""
    monkeypatch.setattr(similar_support, "ROOM", 64)
    new, old = inputs(6, 300, 8, 1)
    old[:200] = new[2] * 3
    found, crowded = sparsemax_of_cosines(new, old)
    assert crowded.tolist() == [2]
    assert found.indptr[3] == found.indptr[2]
    vectors = AuxiliaryVectors(new, old, np.arange(300) + 7, 400)
    row = focus(vectors).row(2)
    assert sorted(row) == [(i, pytest.approx(1 / 200)) for i in range(7, 207)]
    others = focus(replace(vectors, new_NK=new[[0, 1, 3, 4, 5]]))
    assert [focus(vectors).row(n) for n in (0, 1, 3, 4, 5)] == [others.row(n) for n in range(5)]
