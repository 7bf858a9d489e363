"""New rows of an embedding matrix as a linear function of its old rows: new rows = W times old rows.

    V  rows of the matrix before expansion    N  new tokens    D  hidden size    S  old rows that W reads

W is one sparse matrix, saved and readable; so it can be looked at ("token x = 0.5 a + 0.5 b"), bounded before the
model runs (`methods.certificates`) and put onto sibling checkpoints. All methods that find a W return an `Initialiser`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.blas_threads import products_of_one_thread
from newtongue.methods.sparsemax import SparseRows

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Spread = Literal["none", "deviation", "covariance"]
BLOCK_ROWS = 32


@dataclass(frozen=True, slots=True)
class Initialiser:
    """A linear initialiser: W in CSR form, a share of the mean row, and noise.

    Attributes:
        shape: (N, V).
        indptr: Start of each new token's entries, length N + 1.
        indices: Old ids, in [0, V).
        data: Their weights.
        mean_share: Weight of the mean of all used rows in each new row, length N. Kept apart from W because
            written out it would have V entries per token.
        noise: Factor on normal noise that is added; 0 adds none.
        noise_kind: Noise of each dimension by its own standard deviation, or by the covariance of the used rows.
        seed: Seed of the noise.
        rank: Directions new rows are reduced to before noise, the leading ones of the used rows; 0 leaves them whole.
    """

    shape: tuple[int, int]
    indptr: Ints
    indices: Ints
    data: Floats
    mean_share: Floats
    noise: float = 0.0
    noise_kind: Spread = "deviation"
    seed: int = 0
    rank: int = 0

    @property
    def spread(self) -> Spread:
        """What has to be known of how the old rows scatter to make new ones."""
        return "covariance" if self.rank else self.noise_kind if self.noise else "none"

    @property
    def reads_mean(self) -> bool:
        """Whether the mean of the old rows matters to some new row."""
        return bool(self.rank or self.mean_share.any())

    @property
    def convex(self) -> bool:
        """Whether every new row is an average of old rows: no negative weight, sum 1, no noise, nothing cut off."""
        sums = self.row_sums()
        return not (self.noise or self.rank) and bool((self.data >= 0).all() and np.allclose(sums, 1, atol=1e-4))

    def row_sums(self) -> NDArray[np.float64]:
        """Return the sum of each new token's weights, the mean's share included."""
        filled = np.concatenate([[0.0], np.cumsum(self.data, dtype=np.float64)])
        return np.asarray(filled[self.indptr[1:]] - filled[self.indptr[:-1]] + self.mean_share, np.float64)

    def row(self, token: int) -> list[tuple[int, float]]:
        """Return (old id, weight) of one new token, counted from 0."""
        span = slice(self.indptr[token], self.indptr[token + 1])
        return [(int(i), float(w)) for i, w in zip(self.indices[span], self.data[span], strict=True)]

    def support(self) -> Ints:
        """Return the old ids W reads, sorted: only these rows have to be in memory to apply it."""
        return np.flatnonzero(np.bincount(self.indices, minlength=1))

    def rows(self, support_SD: Floats, mean_D: Floats, spread: Floats, salt: int = 0) -> Floats:
        """Apply the initialiser to one matrix.

        Args:
            support_SD: Rows of the matrix at `support()`, in that order.
            mean_D: Mean of the used rows.
            spread: Their standard deviation per dimension, (D,), or a symmetric square root of their covariance,
                (D, D), as `spread` of this object asks.
            salt: Number of the matrix (0 input, 1 output), so that noise differs between them.

        Returns:
            N rows in fp32, to be rounded once by the caller.
        """
        blocks = [np.zeros((0, len(mean_D)), np.float32), *self._mixed(support_SD, mean_D)]
        out: Floats = np.concatenate(blocks)
        if self.rank:
            out = reduced(out, mean_D, spread, self.rank)
        if self.noise:
            draws = np.random.default_rng([self.seed, salt]).standard_normal(out.shape, np.float32)
            scaled = draws @ spread if self.noise_kind == "covariance" else draws * spread.astype(np.float32)
            out += np.float32(self.noise) * scaled
        return out

    def blocks(self, support_SD: Floats, mean_D: Floats, spread: Floats, salt: int = 0) -> Iterator[Floats]:
        """Yield what `rows` returns, some rows at a time where each can be made alone.

        Args:
            support_SD: As for `rows`, and the others too.
            mean_D: Mean of the used rows.
            spread: Their spread.
            salt: Number of the matrix.
        """
        if self.rank or self.noise:
            yield self.rows(support_SD, mean_D, spread, salt)
        else:
            yield from self._mixed(support_SD, mean_D)

    def _mixed(self, support_SD: Floats, mean_D: Floats) -> Iterator[Floats]:
        """Yield W times the old rows and the mean's share, some rows at a time."""
        places = np.zeros(int(self.indices.max(initial=0)) + 1, np.int64)
        places[self.support()] = np.arange(len(support_SD))
        columns, mean = places[self.indices], mean_D[None, :].astype(np.float32)
        with products_of_one_thread():
            for start in range(0, self.shape[0], BLOCK_ROWS):
                share: Floats = self.mean_share[start : start + BLOCK_ROWS, None] * mean
                yield share + _combined(self, columns, support_SD, start)


@dataclass(frozen=True, slots=True)
class DenseRows:
    """Rows that no matrix W made (a hypernetwork, distillation): one array for one matrix.

    Attributes:
        values: New rows, (N, D).
        unseen: How many of them the method had nothing to learn from, so that they are still as they started.
    """

    values: Floats
    unseen: int = 0

    @property
    def spread(self) -> Spread:
        """Nothing has to be known of the old rows."""
        return "none"

    @property
    def reads_mean(self) -> bool:
        """The rows are there already."""
        return False

    @property
    def convex(self) -> bool:
        """No row is known to be an average of old ones."""
        return False

    def support(self) -> Ints:
        """Return no ids."""
        return np.zeros(0, np.int64)

    def rows(self, support_SD: Floats, mean_D: Floats, spread: Floats, salt: int = 0) -> Floats:
        """Return the rows; a bias of the output layer, which has one column, starts at its mean.

        Args:
            support_SD: Not read.
            mean_D: Mean of the used rows; its width says which matrix is asked for.
            spread: Not read.
            salt: Not read.
        """
        if len(mean_D) == self.values.shape[1]:
            return self.values
        return np.tile(mean_D.astype(np.float32), (len(self.values), 1))

    def blocks(self, support_SD: Floats, mean_D: Floats, spread: Floats, salt: int = 0) -> Iterator[Floats]:
        """Yield what `rows` returns.

        Args:
            support_SD: Not read.
            mean_D: Mean of the used rows; its width says which matrix is asked for.
            spread: Not read.
            salt: Not read.
        """
        yield self.rows(support_SD, mean_D, spread, salt)


def from_mixtures(mixtures: Sequence[Mapping[int, float]], rows: int) -> Initialiser:
    """Return the initialiser whose W has these weights by old id in each row."""
    counts = [len(mixture) for mixture in mixtures]
    return Initialiser(
        shape=(len(mixtures), rows),
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        indices=np.asarray([i for mixture in mixtures for i in mixture], np.int64),
        data=np.asarray([w for mixture in mixtures for w in mixture.values()], np.float32),
        mean_share=np.zeros(len(mixtures), np.float32),
    )


def from_sparse(found: SparseRows, columns: Ints, rows: int) -> Initialiser:
    """Return the initialiser whose W has these weights over some candidate tokens.

    Args:
        found: Weights by number of candidate.
        columns: Old id of each candidate.
        rows: V.
    """
    tokens = len(found.indptr) - 1
    return Initialiser((tokens, rows), found.indptr, columns[found.indices], found.data, np.zeros(tokens, np.float32))


def empty_tokens(init: Initialiser) -> Ints:
    """Return the new tokens nothing was found for, counted from 0."""
    return np.flatnonzero((np.diff(init.indptr) == 0) & (init.mean_share == 0) & (init.noise == 0))


def with_fallback(init: Initialiser, other: Initialiser) -> tuple[Initialiser, int]:
    """Fill the tokens nothing was found for from another initialiser; return how many they were as well.

    Args:
        init: May have empty rows.
        other: Has none; its noise is not taken over.
    """
    tokens = empty_tokens(init)
    if not len(tokens):
        return init, 0
    empty = set(tokens.tolist())
    chosen = [other if number in empty else init for number in range(init.shape[0])]
    mixtures = [dict(source.row(number)) for number, source in enumerate(chosen)]
    share = init.mean_share.copy()
    share[tokens] = other.mean_share[tokens]
    filled = from_mixtures(mixtures, init.shape[1])
    return replace(init, indptr=filled.indptr, indices=filled.indices, data=filled.data, mean_share=share), len(tokens)


def reduced(rows_ND: Floats, mean_D: Floats, spread_DD: Floats, rank: int) -> Floats:
    """Return rows without what lies outside the leading directions of the old matrix.

    With E = U S V' the old matrix, F = U S of the first `rank` columns are its coordinates and P the first rows of V'.
    Mixing coordinates and going back, W F P, is the same as W E P' P, which needs only the second moments of E.

    Args:
        rows_ND: W E.
        mean_D: Mean of the used old rows.
        spread_DD: Symmetric square root of their covariance.
        rank: Directions kept; D or more changes nothing.

    Source: Liu et al. 2024, OFA (arXiv 2311.08849, section 3.1): the factorised parametrisation, its product stored.
    """
    if rank >= rows_ND.shape[1]:
        return rows_ND
    wide = spread_DD.astype(np.float64)
    _values, vectors = np.linalg.eigh(wide @ wide + np.outer(mean_D, mean_D))
    leading = vectors[:, -rank:]
    return np.asarray((rows_ND @ leading) @ leading.T, np.float32)


def mixed_with_mean(init: Initialiser, share: float) -> Initialiser:
    """Move every new row some way towards the mean row: (1 - share) W + share / V.

    As an output row this takes probability from the new tokens that lean on frequent old ones.

    Args:
        init: The initialiser.
        share: In [0, 1].

    Source: ours; see `certificates.kl_bound`.
    """
    kept = np.float32(1 - share)
    return replace(init, data=init.data * kept, mean_share=init.mean_share * kept + np.float32(share))


def _combined(init: Initialiser, columns: Ints, support_SD: Floats, start: int) -> Floats:
    """Return the weighted sums of one block of rows: a product with the dense part of W that they need."""
    stop = min(start + BLOCK_ROWS, init.shape[0])
    span = slice(init.indptr[start], init.indptr[stop])
    read, place = np.unique(columns[span], return_inverse=True)
    owner = np.repeat(np.arange(stop - start), np.diff(init.indptr[start : stop + 1]))
    weights = np.zeros((stop - start, len(read)), np.float32)
    np.add.at(weights, (owner, place), init.data[span])
    return np.asarray(weights @ support_SD[read], np.float32)
