"""Continued byte-pair encoding: which learned merges may join an existing tokenizer without moving one old id.

The idea: segment text with the old tokenizer, go on merging what it left, append the new merges behind
the old ones. Old merges then finish first, so every new token is a run of whole old tokens, and always the
same run (the nesting theorem). A new token is therefore written here as the tuple of old ids that spell it.
Learning itself (counting, heaps) lives with the tokenizer library in `adapters.hf.tokenizers`.

    `Pieces`  old ids that spell a token, in order; one id for an old token itself
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Pieces = tuple[int, ...]
Pair = tuple[int, int]

PROTECTED = "would fire on protected text"
PROTECTED_PART = "built on a merge that would fire on protected text"
DROPPED_PART = "built on a merge that was dropped"


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


@dataclass(frozen=True, slots=True)
class Filtered:
    """Merges sorted into kept and dropped.

    Attributes:
        kept: Merges to append, in learned order.
        dropped: Merges left out, with the reason of each, in learned order.
    """

    kept: tuple[Merge, ...]
    dropped: tuple[tuple[Merge, str], ...]

    def reasons(self) -> dict[str, int]:
        """Return how many merges each reason dropped."""
        counts: dict[str, int] = {}
        for _merge, reason in self.dropped:
            counts[reason] = counts.get(reason, 0) + 1
        return counts


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


def filter_merges(
    learned: Iterable[Merge],
    protected: set[Pair] | frozenset[Pair] = frozenset(),
    objection: Callable[[Pieces], str | None] = lambda _pieces: None,
) -> Filtered:
    """Keep the merges that cannot change a protected text and that nothing else speaks against.

    Dropping is transitive: a merge whose part was dropped goes too, so every kept token stays reachable.

    Args:
        learned: Merges in the order they were learned.
        protected: Pairs of old ids that are neighbours in protected text (`adjacent_pairs`).
        objection: Why a product must not become a token (too long, spells an old token), or None.

    Returns:
        Kept and dropped merges. If a merge of two old tokens were to fire on protected text its pair would be
        in `protected`; a merge with a new part needs that part there first. So no kept merge fires, and every
        protected text keeps its ids.

    Source: own (pair rule); the transitive part follows tokenizer_extension (arXiv 2512.03989), which prunes leaves.
    """
    made: dict[Pieces, str | None] = {}
    kept, dropped = [], []
    for merge in learned:
        if merge.pieces in made:
            continue
        reason = _reason(merge, protected, made) or objection(merge.pieces)
        made[merge.pieces] = reason
        if reason is None:
            kept.append(merge)
        else:
            dropped.append((merge, reason))
    return Filtered(tuple(kept), tuple(dropped))


def _reason(merge: Merge, protected: set[Pair] | frozenset[Pair], made: Mapping[Pieces, str | None]) -> str | None:
    if len(merge.left) == len(merge.right) == 1 and (merge.left[0], merge.right[0]) in protected:
        return PROTECTED
    parts = [made.get(part) for part in (merge.left, merge.right) if len(part) > 1]
    if PROTECTED in parts or PROTECTED_PART in parts:
        return PROTECTED_PART
    return DROPPED_PART if any(parts) else None


def first_merges(merges: Sequence[Merge], tokens: int) -> tuple[Merge, ...]:
    """Return the first `tokens` merges; a prefix never lacks a part, because parts are learned before products."""
    return tuple(merges[:tokens])


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
