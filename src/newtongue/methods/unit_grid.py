"""Unit vectors on a grid of integers, so that cosines are exact whatever the order of summation.

A coordinate is stored as a whole number of 1/GRID. The dot product of two such vectors, and by Cauchy and Schwarz every
partial sum of it, is a whole number below 2^24, which float32 holds exactly. A matrix product therefore gives the same
bits for every batch size, thread count and BLAS library, and choices made from it depend on none of them. Rounding
moves a cosine by about 2e-4.

Source: exactness of float32 for whole numbers below 2^24 (IEEE 754, 24-bit significand); the use of it here is ours.

Shapes: N rows, D dimensions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Grid = NDArray[np.int16]
Floats = NDArray[np.float32]

GRID = 2048
"""Steps of a coordinate between 0 and 1."""
ONE = float(GRID * GRID)
"""Dot product of a unit vector with itself, in steps."""


def to_grid(vectors: ArrayLike) -> Grid:
    """Return rows scaled to length one and rounded to the grid; a row of zeros stays zero.

    Args:
        vectors: Rows (N, D), finite.

    Raises:
        ValueError: A number is not finite.

    Example:
        >>> to_grid([[3.0, 4.0], [0.0, 0.0]]).tolist()
        [[1229, 1638], [0, 0]]
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if not np.isfinite(rows).all():
        raise ValueError(
            f"row {int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])} has a number that is not finite"
        )
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.rint(rows * (GRID / np.where(lengths > 0, lengths, 1))).astype(np.int16)


def dots(first: Grid, second: Grid) -> Floats:
    """Return all dot products in steps, exactly: array (N, M). Divide by ONE for cosines.

    Args:
        first: Rows (N, D) on the grid, no longer than two units.
        second: Rows (M, D) on the grid, no longer than two units.

    Example:
        >>> (dots(to_grid([[1, 0]]), to_grid([[1, 0], [0, 1], [-1, 0]])) / ONE).tolist()
        [[1.0, 0.0, -1.0]]
    """
    return first.astype(np.float32) @ second.astype(np.float32).T
