"""Which tokens of a vocabulary have to stay, and the numbers they get.

A byte-pair token is made of the tokens its merges passed through; drop one of those and it can never be made again. So
a token stays only together with all of them, and only leaves of the merge tree go. Text that needs none of the dropped
tokens is then split as before: a merge that never fired cannot be missed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Set

import numpy as np
from numpy.typing import NDArray

Ranks = Mapping[tuple[str, str], int]


def merged_on_the_way(token: str, ranks: Ranks) -> set[str]:
    """Return every token that merging makes on the way from single characters to a token, itself included.

    Args:
        token: The token as the tokenizer's file writes it.
        ranks: (left, right) -> rank; the lowest merges first.

    Example:
        >>> sorted(merged_on_the_way("abc", {("b", "c"): 0, ("a", "bc"): 1, ("a", "b"): 2}))
        ['abc', 'bc']

    Source: Sennrich, Haddow, Birch 2016 (arXiv 1508.07909), algorithm 1, at encoding time.
    """
    parts = list(token)
    made: set[str] = set()
    while True:
        ranked = [(ranks[pair], at) for at, pair in enumerate(itertools.pairwise(parts)) if pair in ranks]
        if not ranked:
            return made
        at = min(ranked)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        made.add(parts[at])


def tokens_to_keep(
    uses: Mapping[str, int], always: Set[str], needs: Callable[[str], Set[str]], least: int, most: int | None
) -> set[str]:
    """Return the tokens that stay: some always, others by use, each with what it is made of.

    Args:
        uses: Token -> how often it is used.
        always: Tokens that stay whatever happens: special ones, single characters, those of protected text.
        needs: Token -> tokens it is made of.
        least: Others stay when used at least this often.
        most: Tokens in all at most, unless `always` needs more; None for no limit.

    Example:
        >>> sorted(tokens_to_keep({"abc": 5, "x": 1}, {"a"}, lambda t: {"bc"} if t == "abc" else set(), 2, None))
        ['a', 'abc', 'bc']

    Source: leaf pruning of Purason et al. 2025 (arXiv 2512.03989); counts of tokens in text as in Ushio et al. 2023
        (arXiv 2305.15020).
    """
    kept = set(always).union(*(needs(token) for token in always))
    for token in sorted(uses, key=lambda token: (-uses[token], token)):
        if uses[token] < least:
            break
        wanted = {token, *needs(token)} - kept
        if most is None or len(kept) + len(wanted) <= most:
            kept |= wanted
    return kept


def compact_ids(kept: Iterable[int], rows: int) -> NDArray[np.int64]:
    """Return the exact id map: the new id of each old row, in the old order and without holes; -1 where it goes.

    Example:
        >>> compact_ids([0, 3, 2], rows=5).tolist()
        [0, -1, 1, 2, -1]

    Source: own.
    """
    id_map = np.full(rows, -1, np.int64)
    order = np.asarray(sorted(set(kept)), np.int64)
    id_map[order] = np.arange(len(order))
    return id_map
