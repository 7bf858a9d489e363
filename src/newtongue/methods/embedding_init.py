"""Where new rows of an embedding matrix start. Every method here is linear: new rows = W times old rows.

    V  rows of the matrix before expansion    N  new tokens    D  hidden size

W is one sparse matrix, the same for input and output embeddings, saved and readable; so it can be looked at
("token x = 0.5 a + 0.5 b") and put onto sibling checkpoints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from newtongue.core.errors import DataError

Floats = NDArray[np.float32]


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
        noise: Standard deviations of the used rows added as independent normal noise; 0 adds none.
        seed: Seed of the noise.
    """

    shape: tuple[int, int]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    data: Floats
    mean_share: Floats
    noise: float = 0.0
    seed: int = 0

    def row(self, token: int) -> list[tuple[int, float]]:
        """Return (old id, weight) of one new token, counted from 0."""
        span = slice(self.indptr[token], self.indptr[token + 1])
        return [(int(i), float(w)) for i, w in zip(self.indices[span], self.data[span], strict=True)]

    def support(self) -> NDArray[np.int64]:
        """Return the old ids W reads, sorted: only these rows have to be in memory to apply it."""
        return np.unique(self.indices)

    def rows(self, support_SD: Floats, mean_D: Floats, deviation_D: Floats, salt: int = 0) -> Floats:
        """Apply the initialiser to one matrix.

        Args:
            support_SD: Rows of the matrix at `support()`, in that order.
            mean_D: Mean of the used rows.
            deviation_D: Their standard deviation per dimension.
            salt: Number of the matrix (0 input, 1 output), so that noise differs between them.

        Returns:
            N rows in fp32, to be rounded once by the caller.
        """
        columns = np.searchsorted(self.support(), self.indices)
        out: Floats = self.mean_share[:, None] * mean_D[None, :].astype(np.float32)
        for span, block in _blocks(self, columns, support_SD):
            out[span] += block
        if self.noise:
            draws = np.random.default_rng([self.seed, salt]).standard_normal(out.shape, np.float32)
            out += np.float32(self.noise) * deviation_D.astype(np.float32) * draws
        return out


def subword_mean(pieces: Sequence[Sequence[int]], rows: int) -> Initialiser:
    """Start each new token at the mean of the rows of the old pieces that spell it.

    A new token inherits the place its spelling already had in the model, so the first forward pass after
    expansion stays close to the one before it. A piece that occurs twice counts twice.

    Args:
        pieces: For each new token, in order of new id, the old ids that spell it; at least one each.
        rows: V.

    Raises:
        DataError: A token has no pieces, or a piece is outside [0, V).

    Example:
        >>> subword_mean([[0, 1]], rows=2).row(0)
        [(0, 0.5), (1, 0.5)]

    Source: Gee et al. 2022 (arXiv 2402.09977), fast vocabulary transfer, eq. 1; pieces come from the tokenizer's
    own merges, not from re-encoding the token's printed form as the reference does.
    """
    indptr: list[int] = [0]
    indices: list[int] = []
    data: list[float] = []
    for number, spelling in enumerate(pieces):
        if not spelling or not all(0 <= i < rows for i in spelling):
            raise DataError(
                f"new token {number} is spelt by {list(spelling)}", expected=f"one or more ids below {rows}"
            )
        times = Counter(spelling)
        indices.extend(times)
        data.extend(count / len(spelling) for count in times.values())
        indptr.append(len(indices))
    return _initialiser(len(pieces), rows, (indptr, indices, data), mean_share=0.0)


def mean(tokens: int, rows: int) -> Initialiser:
    """Start every new token at the mean of all used rows.

    Adding m such tokens to n moves the old distribution by at most log(1 + m / n) nats.

    Source: Hewitt 2021, "Initializing new word embeddings for pretrained language models", without the noise.
    """
    return _initialiser(tokens, rows, ([0] * (tokens + 1), [], []), mean_share=1.0)


def random_normal(tokens: int, rows: int, seed: int, spread: float = 1.0) -> Initialiser:
    """Start every new token at a draw around the mean row, each dimension with its own standard deviation.

    Args:
        tokens: N.
        rows: V.
        seed: Seed of the draws.
        spread: Factor on the standard deviations.

    Source: Hewitt 2021; the covariance is taken as diagonal, so that it costs O(V D) instead of O(V D^2).
    """
    base = mean(tokens, rows)
    return Initialiser(base.shape, base.indptr, base.indices, base.data, base.mean_share, spread, seed)


def _initialiser(
    tokens: int, rows: int, csr: tuple[list[int], list[int], list[float]], mean_share: float
) -> Initialiser:
    indptr, indices, data = csr
    return Initialiser(
        shape=(tokens, rows),
        indptr=np.asarray(indptr, np.int64),
        indices=np.asarray(indices, np.int64),
        data=np.asarray(data, np.float32),
        mean_share=np.full(tokens, mean_share, np.float32),
    )


def _blocks(init: Initialiser, columns: NDArray[np.int64], support_SD: Floats) -> Iterator[tuple[slice, Floats]]:
    tokens, step = init.shape[0], 1024
    for start in range(0, tokens, step):
        stop = min(start + step, tokens)
        first, last = int(init.indptr[start]), int(init.indptr[stop])
        if first == last:
            continue
        weighted = support_SD[columns[first:last]].astype(np.float32) * init.data[first:last, None]
        sums = np.zeros((stop - start, support_SD.shape[1]), np.float32)
        owner = np.repeat(np.arange(stop - start), np.diff(init.indptr[start : stop + 1]))
        np.add.at(sums, owner, weighted)
        yield slice(start, stop), sums
