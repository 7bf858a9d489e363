"""Orthogonal matching pursuit against the textbook loop with least squares."""

from __future__ import annotations

import numpy as np
import pytest

from newtongue.methods import matching_pursuit as module
from newtongue.methods.matching_pursuit import matching_pursuit


def textbook(target: np.ndarray, atoms: np.ndarray, nonzeros: int) -> dict[int, float]:
    """Choose, fit again by least squares, go on with what is left."""
    units = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    chosen: list[int] = []
    left, weights = target.copy(), np.zeros(0)
    for _step in range(nonzeros):
        scores = np.abs(units @ left)
        scores[chosen] = -1
        chosen.append(int(scores.argmax()))
        weights = np.linalg.lstsq(atoms[chosen].T, target, rcond=None)[0]
        left = target - atoms[chosen].T @ weights
    return dict(zip(chosen, weights.tolist(), strict=True))


@pytest.mark.parametrize("block", [1 << 25, 1])
def test_it_is_the_textbook_method(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(module, "BLOCK_VALUES", block)
    rng = np.random.default_rng(0)
    atoms, targets = rng.standard_normal((200, 64)).astype(np.float32), rng.standard_normal((6, 64)).astype(np.float32)
    found = matching_pursuit(targets, atoms, 8)
    for row in range(6):
        span = slice(found.indptr[row], found.indptr[row + 1])
        expected = textbook(targets[row].astype(np.float64), atoms.astype(np.float64), 8)
        assert found.indices[span].tolist() == list(expected)
        np.testing.assert_allclose(found.data[span], list(expected.values()), atol=1e-4)


def test_a_sparse_mixture_is_found_exactly_and_no_more_atoms_join() -> None:
    atoms = np.linalg.qr(np.random.default_rng(1).standard_normal((32, 32)))[0].astype(np.float32)
    target = 0.5 * atoms[3] - 2.0 * atoms[7]
    found = matching_pursuit(target[None], atoms, 20)
    assert found.indices.tolist() == [7, 3]
    np.testing.assert_allclose(found.data, [-2.0, 0.5], atol=1e-5)


def test_an_unknown_token_gets_nothing() -> None:
    assert len(matching_pursuit(np.zeros((1, 4), np.float32), np.eye(4, dtype=np.float32), 2).indices) == 0


def test_equal_atoms_are_used_once() -> None:
    atoms = np.asarray([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], np.float32)
    found = matching_pursuit(np.asarray([[2.0, 1.0, 5.0]], np.float32), atoms, 3)
    assert sorted(found.indices.tolist()) == [0, 2]
