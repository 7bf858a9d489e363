"""How many rows may be chosen, in all and of each kind, while a choice is being made.

Several divisions can hold at once (language, task, source). In each, a named value has its own number of rows and all
other values share what is left, so with enough rows every number is met exactly when there is one division; two
divisions can contradict each other, and then a choice ends short and says by how much.

Source: a partition matroid per division (Lovász 1983); greedy choices under several are within 1 / (divisions + 1)
    of the best (Fisher, Nemhauser and Wolsey 1978); shares by largest remainder (Hamilton).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Division:
    """One way of sorting rows into kinds.

    Attributes:
        kinds: Number of the kind of every row (N,), in [0, len(most)).
        most: Rows wanted of each kind.
    """

    kinds: Ints
    most: tuple[int, ...]


class Quotas:
    """Counts what has been chosen; closes a kind when it is full."""

    def __init__(self, total: int, divisions: Sequence[Division] = ()) -> None:
        """Start with nothing chosen.

        Args:
            total: Rows to choose in all.
            divisions: Numbers per kind.
        """
        self.total, self.taken = total, 0
        self._divisions = tuple(divisions)
        self._left = [list(division.most) for division in self._divisions]

    @property
    def full(self) -> bool:
        """Whether no further row may be chosen."""
        return self.taken >= self.total

    def is_closed(self, place: int) -> bool:
        """Return whether a row's kind is full in some division."""
        return any(left[d.kinds[place]] <= 0 for d, left in zip(self._divisions, self._left, strict=True))

    def closed(self) -> list[int]:
        """Return the places of all rows of kinds that are full."""
        shut = [np.isin(d.kinds, [k for k, n in enumerate(left) if n <= 0]) for d, left in self._pairs()]
        return np.flatnonzero(np.any(shut, axis=0)).tolist() if shut else []

    def take(self, place: int) -> list[int]:
        """Count one row as chosen; return the places of rows whose kind it filled."""
        self.taken += 1
        filled: list[int] = []
        for division, left in self._pairs():
            kind = int(division.kinds[place])
            left[kind] -= 1
            if left[kind] == 0:
                filled += np.flatnonzero(division.kinds == kind).tolist()
        return filled

    def walk(self, order: Sequence[int]) -> list[int]:
        """Choose rows in a given order as far as the numbers allow."""
        found = []
        for place in order:
            if self.full:
                break
            if not self.is_closed(place):
                self.take(place)
                found.append(place)
        return found

    def _pairs(self) -> list[tuple[Division, list[int]]]:
        return list(zip(self._divisions, self._left, strict=True))


def divide(values: Sequence[str], wanted: Mapping[str, int], total: int) -> Division:
    """Return a division in which each named value has its number and all others share the rest of `total`.

    Example:
        >>> divide(["a", "b", "c"], {"a": 3}, 10).most
        (3, 7)
    """
    numbers = {value: number for number, value in enumerate(wanted)}
    rest = len(numbers)
    kinds = np.array([numbers.get(value, rest) for value in values], dtype=np.int64)
    return Division(kinds, (*wanted.values(), max(0, total - sum(wanted.values()))))


def apportion(total: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Split a number in proportion to sizes, never more than each holds, by largest remainder.

    Args:
        total: What to split.
        sizes: Name -> size; names decide between equal remainders.

    Example:
        >>> apportion(10, {"a": 30, "b": 60, "c": 1})
        {'a': 3, 'b': 7, 'c': 0}
    """
    whole = sum(sizes.values())
    total = min(total, whole)
    if not total:
        return dict.fromkeys(sizes, 0)
    found = {name: total * size // whole for name, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda name: (-(total * sizes[name] % whole), name))
    for name in by_remainder[: total - sum(found.values())]:
        found[name] += 1
    return found
