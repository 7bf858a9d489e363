"""Continued byte-pair encoding: which learned merges may join an existing tokenizer without moving one old id.

The idea: segment text with the old tokenizer, go on merging what it left, append the new merges behind
the old ones. Old merges then finish first, so every new token is a run of whole old tokens, and always the
same run (the nesting theorem). A new token is therefore written here as the tuple of old ids that spell it.
Learning itself (counting, heaps) lives in `bpe_learning`.

    `Pieces`  old ids that spell a token, in order; one id for an old token itself
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import NamedTuple

Pieces = tuple[int, ...]
Pair = tuple[int, int]


class Merge(NamedTuple):
    """One learned merge.

    Attributes:
        left: Old ids that spell the left part.
        right: Old ids that spell the right part.
    """

    left: Pieces
    right: Pieces

    @property
    def pieces(self) -> Pieces:
        """Old ids that spell the product."""
        return self.left + self.right


def adjacent_pairs(segmentations: Iterable[Sequence[int]]) -> set[Pair]:
    """Return every pair of old ids that stand side by side in some old segmentation.

    A new merge of two old tokens can fire on a text only if the two are neighbours there, so this set
    is all that has to be known of a protected corpus: its types, not its gigabytes.

    Args:
        segmentations: Old ids of each distinct protected pre-token.

    Example:
        >>> sorted(adjacent_pairs([(1, 2, 3), (2, 3)]))
        [(1, 2), (2, 3)]

    Source: own; condition stated as the pair rule in docs/design (exact on the corpus it was computed from).
    """
    return {pair for ids in segmentations for pair in itertools.pairwise(ids)}


def protects(protected: Set[Pair]) -> Callable[[Pieces, Pieces], bool]:
    """Return a test that says whether a merge could fire on protected text.

    If a merge of two old tokens were to fire on protected text, its pair would be in `protected`; a merge with a new
    part needs that part there first. So while every merge that meets the test is refused, no new token ever stands
    in protected text, and every protected text keeps its ids.

    Args:
        protected: Pairs of old ids that are neighbours in protected text (`adjacent_pairs`).

    Example:
        >>> test = protects({(1, 2)})
        >>> test((1,), (2,)), test((1, 2), (3,)), test((2,), (3,))
        (True, False, False)

    Source: own (pair rule).
    """
    return lambda left, right: len(left) == len(right) == 1 and (left[0], right[0]) in protected


def apply_merges(ids: Sequence[int], merges: Mapping[tuple[Pieces, Pieces], int]) -> list[Pieces]:
    """Segment one pre-token with appended merges, the slow and obvious way.

    Args:
        ids: Old segmentation of the pre-token.
        merges: (left, right) -> rank; the lowest rank merges first, leftmost first.

    Returns:
        The new segmentation, each token as its old pieces.

    Example:
        >>> apply_merges([1, 2, 3], {((1,), (2,)): 0})
        [(1, 2), (3,)]

    Source: Sennrich, Haddow, Birch 2016 (arXiv 1508.07909), algorithm 1, at encoding time.
    """
    parts: list[Pieces] = [(i,) for i in ids]
    while True:
        ranked = [(merges[pair], at) for at, pair in enumerate(itertools.pairwise(parts)) if pair in merges]
        if not ranked:
            return parts
        at = min(ranked)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


def covered_by_alphabet(symbols: Iterable[int], protected_alphabet: frozenset[int]) -> bool:
    """Return whether a token holds a symbol that no protected text can hold.

    If every new token does, every text over the protected alphabet keeps its ids, seen or not: no corpus is
    needed. Symbols are UTF-8 bytes: lead bytes tell scripts apart, continuation bytes need not.

    Example:
        >>> covered_by_alphabet("abٹ".encode(), frozenset(range(128)))
        True

    Source: own (alphabet rule, exact).
    """
    return any(symbol not in protected_alphabet for symbol in symbols)
