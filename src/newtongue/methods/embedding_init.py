"""Where new rows of an embedding matrix start, by methods that need only the old tokens and how they spell new ones.

Methods that find W by similarity are in `methods.similarity_init`, those that learn it elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from newtongue.core.errors import DataError
from newtongue.methods.initialiser import Initialiser, from_mixtures

HEWITT_NOISE = 1e-5**0.5
"""Hewitt's factor 1e-5 on the covariance, as a factor on its square root."""


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
    found = []
    for number, spelling in enumerate(pieces):
        if not spelling or not all(0 <= i < rows for i in spelling):
            raise DataError(
                f"new token {number} is spelt by {list(spelling)}", expected=f"one or more ids below {rows}"
            )
        found.append({old: count / len(spelling) for old, count in Counter(spelling).items()})
    return from_mixtures(found, rows)


def mean(tokens: int, rows: int) -> Initialiser:
    """Start every new token at the mean of all used rows.

    Adding m such tokens to n moves the old distribution by at most log(1 + m / n) nats.

    Source: Hewitt 2021, "Initializing new word embeddings for pretrained language models", without the noise.
    """
    return replace(from_mixtures([{}] * tokens, rows), mean_share=np.ones(tokens, np.float32))


def mean_noise(tokens: int, rows: int, seed: int, noise: float = 0.1) -> Initialiser:
    """Start every new token at the mean row plus a little noise, so that no two start alike.

    Args:
        tokens: N.
        rows: V.
        seed: Seed of the draws.
        noise: Factor on each dimension's standard deviation.

    Source: Hewitt 2021; rows that start equal stay close for long (Token initialisation, arXiv 2604.02324).
    """
    return replace(mean(tokens, rows), noise=noise, seed=seed)


def random_normal(tokens: int, rows: int, seed: int, noise: float = 1.0) -> Initialiser:
    """Start every new token at a draw around the mean row, each dimension with its own standard deviation.

    Args:
        tokens: N.
        rows: V.
        seed: Seed of the draws.
        noise: Factor on the standard deviations.

    Source: the random rows of Minixhofer et al. 2022 (arXiv 2112.06598, section 4.2), mean and spread of the old ones.
    """
    return mean_noise(tokens, rows, seed, noise)


def multivariate_normal(tokens: int, rows: int, seed: int, noise: float = HEWITT_NOISE) -> Initialiser:
    """Start every new token at a draw from the normal distribution of the old rows, shrunk towards its mean.

    Args:
        tokens: N.
        rows: V.
        seed: Seed of the draws.
        noise: Factor on the square root of the covariance.

    Source: Hewitt 2021, "Initializing new word embeddings for pretrained language models"; Yamaguchi et al. 2024
    (arXiv 2407.05841) find it on a par with elaborate methods after training. The square root of the covariance is
    symmetric, so it exists also where a Cholesky factor does not.
    """
    return replace(mean_noise(tokens, rows, seed, noise), noise_kind="covariance")


def lexical(names: Sequence[bytes], old: Mapping[bytes, int], rows: int) -> Initialiser:
    """Start each new token at the row of an old token with the same text; other tokens get an empty row.

    Equal bytes come first, then equal text apart from white space around it and case.

    Args:
        names: Bytes of each new token.
        old: Bytes of each old token -> its id.
        rows: V.

    Source: the lexical baseline of Minixhofer et al. 2024 (arXiv 2405.07883, section 5); loose matches as in FOCUS
    (Dobler and de Melo 2023, arXiv 2305.14481, section 3.1).
    """
    loose: dict[str, int] = {}
    for text, number in sorted(old.items(), key=lambda item: item[1]):
        loose.setdefault(_loose(text), number)
    loose.pop("", None)
    found = [old.get(name, loose.get(_loose(name))) for name in names]
    return from_mixtures([{} if number is None else {number: 1.0} for number in found], rows)


def _loose(name: bytes) -> str:
    try:
        return name.decode().strip().casefold()
    except UnicodeDecodeError:
        return ""
