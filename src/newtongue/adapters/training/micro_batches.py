"""How the sequences of one optimiser step are cut into micro-batches with little padding.

Sequences are sorted by length. A micro-batch is computed as a rectangle as long as its longest row, so one
long row makes every short one beside it dear; every micro-batch also costs the same again before its first token.
"""

from __future__ import annotations

from collections.abc import Sequence


def micro_batches(lengths: Sequence[int], most: int, overhead: int) -> list[slice]:
    """Return consecutive slices of at most `most` rows whose padded tokens and starts together cost least.

    Args:
        lengths: Tokens of each row, not falling, shape `S`.
        most: Rows of a micro-batch at most, at least 1.
        overhead: What starting a micro-batch costs, in tokens.

    Returns:
        Slices that cover `0 … S-1` in order. Rows of one length fill every micro-batch but the last. Time O(S x most).

    Example:
        >>> micro_batches([10, 10, 200], most=8, overhead=32)
        [slice(0, 2, None), slice(2, 3, None)]
        >>> micro_batches([10, 10, 20], most=8, overhead=32)
        [slice(0, 3, None)]
    """
    size = len(lengths)
    cost, end = [0] * (size + 1), [size] * (size + 1)
    for start in range(size - 1, -1, -1):
        ends = range(start + 1, min(start + most, size) + 1)
        # On a tie the longer micro-batch, which has fewer rows after it.
        cost[start], last = min((overhead + (j - start) * lengths[j - 1] + cost[j], -j) for j in ends)
        end[start] = -last
    slices, start = [], 0
    while start < size:
        slices.append(slice(start, end[start]))
        start = end[start]
    return slices
