"""Rows from another model: write a token's row there as a few shared tokens' rows, and use the same mixture here.

N  new tokens    C  shared tokens    K  width of the donor's rows    J  tokens in a mixture
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.similarity_init import unit
from newtongue.methods.sparsemax import SparseRows, stacked

Floats = NDArray[np.float32]
BLOCK_VALUES = 1 << 25
"""Scores, or values of the bases, that exist at a time."""
TOLERANCE = 1e-5


def matching_pursuit(targets_NK: Floats, atoms_CK: Floats, nonzeros: int) -> SparseRows:
    """Approximate each target by a weighted sum of at most J atoms, chosen one by one.

    At each step the atom that points most along what is left over joins, and all weights are fitted again.

    Args:
        targets_NK: Rows to approximate.
        atoms_CK: Rows to build from; zero rows are never chosen.
        nonzeros: J, at least 1.

    Returns:
        Weights by atom, in the order in which atoms were chosen; they may be negative.

    Source: orthogonal matching pursuit, Pati, Rezaiifar, Krishnaprasad 1993; for embedding rows Goddard and
    Fernandes 2025 (arXiv 2506.06607, section 3). Weights are fitted through an orthonormal basis that grows by one
    vector per step, so nothing is inverted.
    """
    units, known = unit(atoms_CK)
    most = max(1, min(nonzeros, int(known.sum()), targets_NK.shape[1]))
    step = max(1, BLOCK_VALUES // max(len(atoms_CK), most * targets_NK.shape[1]))
    blocks = (targets_NK[start : start + step] for start in range(0, len(targets_NK), step))
    return stacked([_pursue(block.astype(np.float64), atoms_CK, units, most) for block in blocks])


def _pursue(targets: NDArray[np.float64], atoms: Floats, units: Floats, most: int) -> SparseRows:
    count, width = targets.shape
    chosen = np.zeros((count, most), np.int64)
    basis = np.zeros((count, most, width))
    used = np.zeros((count, most), bool)
    left = targets.copy()
    large = np.maximum(np.linalg.norm(targets, axis=1), 1e-30)
    for at in range(most):
        scores = np.abs(left.astype(np.float32) @ units.T)
        np.put_along_axis(scores, chosen[:, :at], -1, axis=1)
        chosen[:, at] = scores.argmax(1)
        fresh = _orthogonal(atoms[chosen[:, at]].astype(np.float64), basis[:, :at])
        length = np.linalg.norm(fresh, axis=1)
        used[:, at] = (length > TOLERANCE) & (np.linalg.norm(left, axis=1) > TOLERANCE * large)
        basis[:, at] = np.where(used[:, at, None], fresh / np.maximum(length, 1e-30)[:, None], 0)
        left -= np.einsum("nk,nk->n", basis[:, at], left)[:, None] * basis[:, at]
    return _weights(targets, atoms, basis, chosen, used)


def _orthogonal(vectors: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take from each vector what its basis holds, twice (once loses digits)."""
    for _time in range(2):
        vectors = vectors - np.einsum("njk,nj->nk", basis, np.einsum("njk,nk->nj", basis, vectors))
    return vectors


def _weights(
    targets: NDArray[np.float64],
    atoms: Floats,
    basis: NDArray[np.float64],
    chosen: NDArray[np.int64],
    used: NDArray[np.bool_],
) -> SparseRows:
    """Solve for the weights: atoms are a triangular mixture of the basis."""
    picked = np.where(used[:, :, None], atoms[chosen].astype(np.float64), 0)
    mixing = np.einsum("nak,njk->nja", picked, basis)
    mixing += np.eye(chosen.shape[1]) * ~used[:, :, None]
    wanted = np.einsum("njk,nk->nj", basis, targets)
    weights = np.linalg.solve(mixing, wanted[:, :, None])[:, :, 0]
    indptr = np.concatenate([[0], np.cumsum(used.sum(1))]).astype(np.int64)
    return SparseRows(indptr, chosen[used], weights[used].astype(np.float32))
