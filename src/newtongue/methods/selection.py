"""Which rows to keep: by chance, or the highest of a number per row. Ties fall by a seed, never by row order.

Source: Zhao et al. 2024 (arXiv 2402.04833) for the longest answers as a baseline that is hard to beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b


def keep_count(available: int, keep: int | None, keep_fraction: float) -> int:
    """Return how many rows to keep: `keep`, else the fraction rounded; never more than there are, never none.

    Example:
        >>> keep_count(10, None, 0.25), keep_count(10, 50, 1.0)
        (2, 10)
    """
    wanted = round(available * keep_fraction) if keep is None else keep
    return min(max(wanted, 1), available)


def draw_order(names: Sequence[str], seed: int) -> list[int]:
    """Return the places of rows in an order of chance that depends on each row's name and the seed alone.

    A row that is added or removed leaves the order of the others as it was.

    Args:
        names: Name of each row; equal names fall by place.
        seed: Seed of the draw.

    Example:
        >>> sorted(draw_order(["a", "b", "c"], seed=0))
        [0, 1, 2]
    """
    return sorted(range(len(names)), key=lambda place: (_chance(names[place], seed), place))


def highest_order(values: Sequence[float], names: Sequence[str], seed: int) -> list[int]:
    """Return the places of rows from the highest value to the lowest; ties fall as in `draw_order`.

    Example:
        >>> highest_order([1.0, 3.0, 2.0], ["a", "b", "c"], seed=0)
        [1, 2, 0]
    """
    return sorted(range(len(values)), key=lambda place: (-values[place], _chance(names[place], seed), place))


def _chance(name: str, seed: int) -> bytes:
    return blake2b(f"{seed}/{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
