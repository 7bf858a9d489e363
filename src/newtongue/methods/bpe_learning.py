"""Learn byte-pair merges on weighted words, with a veto on every merge, in arrays.

Words are strings of ids of an old vocabulary, so what is learnt here goes on where that vocabulary stopped. Training
libraries can neither resume nor be told that a merge is forbidden; this learner can, and counts each distinct word
once however often it occurs.

All words stand in one array, with links between living symbols. A pair only loses occurrences after its youngest part
was made, so the counts in the heap are upper bounds: a popped pair is recounted, and merged if its bound was exact.

    P  places in the array of all symbols    n  new id
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.continued_bpe import Merge, Pieces

Ints = NDArray[np.int64]
Veto = Callable[[Pieces, Pieces], str | None]

END = -1
"""Stands between words."""
DEAD = -2
"""Stands where the right part of a merge was."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What `learn_merges` found.

    Attributes:
        merges: Merges in the order learnt.
        saved: Tokens each merge saved on the words it was learnt on.
        refused: Merges the veto excluded, with its reason, in the order they came up.
    """

    merges: tuple[Merge, ...]
    saved: tuple[int, ...]
    refused: tuple[tuple[Merge, str], ...]


def learn_merges(
    counts: Mapping[Pieces, int], number: int, min_count: int = 2, veto: Veto = lambda _left, _right: None
) -> Learned:
    """Learn up to `number` merges on top of an old segmentation.

    The most frequent pair is merged first; ties go to the pair whose parts came first (old ids by number, then new
    ones in the order learnt). A merge the veto refuses is never made, and what it would have joined stays apart.

    Args:
        counts: Old ids of each distinct word and how often it occurs.
        number: Merges to learn at most.
        min_count: A pair must occur at least this often.
        veto: Given both parts in old ids, the reason why they must not be joined, or None.

    Example:
        >>> learn_merges({(1, 2, 3): 5, (2, 3): 4}, 2).merges
        (Merge(left=(2,), right=(3,)), Merge(left=(1,), right=(2, 3)))

    Source: Sennrich, Haddow, Birch 2016 (arXiv 1508.07909), algorithm 1; continued as in Purason et al. 2025
    (arXiv 2512.03989). The veto is ours.
    """
    words = {ids: count for ids, count in counts.items() if len(ids) > 1}
    if not words or number < 1:
        return Learned((), (), ())
    state = _Words(words, min_count)
    merges: list[Merge] = []
    saved: list[int] = []
    refused: list[tuple[Merge, str]] = []
    while state.heap and len(merges) < number:
        found = state.best()
        if found is None:
            break
        left, right, places = found
        merge = Merge(state.pieces(left), state.pieces(right))
        reason = veto(*merge)
        if reason is not None:
            refused.append((merge, reason))
            continue
        saved.append(state.merge(left, right, places))
        merges.append(merge)
    return Learned(tuple(merges), tuple(saved), tuple(refused))


def uses_after(learned: Learned, number: int, before: Mapping[Pieces, int]) -> dict[Pieces, int]:
    """Return how often each new token stands in the text it was learnt on, once the first `number` merges are made.

    A merge takes away one use of each of its parts for every token it saves, so nothing has to be segmented.

    Args:
        learned: What was learnt.
        number: Merges made.
        before: Uses of further tokens to follow, before the first merge.

    Example:
        >>> uses_after(learn_merges({(1, 2, 3): 5, (2, 3): 4}, 2), 2, {})
        {(2, 3): 4, (1, 2, 3): 5}

    Source: own.
    """
    uses = dict(before)
    for merge, saved in zip(learned.merges[:number], learned.saved, strict=False):
        for part in merge:
            if part in uses:
                uses[part] -= saved
        uses[merge.pieces] = saved
    return uses


class _Words:
    """All words as one array of symbols, and the pairs in it by frequency."""

    def __init__(self, words: Mapping[Pieces, int], min_count: int) -> None:
        self.min_count = max(1, min_count)
        lengths = np.fromiter(map(len, words), np.int64, len(words)) + 1
        size = int(lengths.sum()) + 1
        self.symbols: Ints = np.full(size, END, np.int64)
        self.weights: Ints = np.zeros(size, np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]) + 1
        inner = np.ones(size, bool)
        inner[starts - 1] = False
        inner[-1] = False
        self.symbols[inner] = np.fromiter(chain.from_iterable(words), np.int64, int(inner.sum()))
        self.weights[inner] = np.repeat(np.fromiter(words.values(), np.int64, len(words)), lengths - 1)
        self.before: Ints = np.arange(-1, size - 1)
        self.after: Ints = np.arange(1, size + 1)
        self.after[-1] = size - 1
        self.first_id = self.next_id = int(self.symbols.max()) + 1
        self.spelt: list[Pieces] = []
        self.heap: list[tuple[int, int, int]] = []
        self.places: dict[tuple[int, int], Ints] = {}
        left = np.flatnonzero(inner[:-1] & inner[1:])
        self._add(self.symbols[left], self.symbols[left + 1], left)
        heapq.heapify(self.heap)

    def pieces(self, symbol: int) -> Pieces:
        """Return a symbol as old ids."""
        return (symbol,) if symbol < self.first_id else self.spelt[symbol - self.first_id]

    def best(self) -> tuple[int, int, Ints] | None:
        """Take the most frequent pair from the heap: both parts and its places."""
        while self.heap:
            bound, left, right = heapq.heappop(self.heap)
            places = self.places[left, right]
            alive = (self.symbols[places] == left) & (self.symbols[self.after[places]] == right)
            places = places[alive]
            count = int(self.weights[places].sum())
            if count == -bound:
                del self.places[left, right]
                return left, right, places
            if count >= self.min_count:
                self.places[left, right] = places
                heapq.heappush(self.heap, (-count, left, right))
            else:
                del self.places[left, right]
        return None

    def merge(self, left: int, right: int, places: Ints) -> int:
        """Join a pair everywhere, leftmost first; return how many tokens that saves."""
        if left == right:
            places = _without_overlaps(places, self.after)
        new = self.next_id
        self.next_id += 1
        self.spelt.append(self.pieces(left) + self.pieces(right))
        gone = self.after[places]
        following = self.after[gone]
        self.symbols[places] = new
        self.symbols[gone] = DEAD
        self.after[places] = following
        self.before[following] = places
        after = self.symbols[following]
        open_right = after >= 0
        self._add_sided(places[open_right], after[open_right], new, new_first=True)
        preceding = self.before[places]
        before = self.symbols[preceding]
        open_left = (before >= 0) & (before != new)
        self._add_sided(preceding[open_left], before[open_left], new, new_first=False)
        return int(self.weights[places].sum())

    def _add_sided(self, places: Ints, others: Ints, new: int, *, new_first: bool) -> None:
        """Note the pairs of a new symbol with its neighbours on one side."""
        if len(places) == 0:
            return
        if len(places) == 1:
            groups = [(int(others[0]), places)]
        else:
            order = np.argsort(others, kind="stable")
            others, places = others[order], places[order]
            cuts = np.flatnonzero(others[1:] != others[:-1]) + 1
            bounds = [0, *cuts.tolist(), len(others)]
            if self.weights[places].sum() < self.min_count:
                return
            sums = np.add.reduceat(self.weights[places], bounds[:-1])
            keep = np.flatnonzero(sums >= self.min_count).tolist()
            groups = [(int(others[bounds[k]]), places[bounds[k] : bounds[k + 1]]) for k in keep]
        for other, at in groups:
            pair = (new, other) if new_first else (other, new)
            count = int(self.weights[at].sum())
            if count >= self.min_count:
                self.places[pair] = at
                heapq.heappush(self.heap, (-count, *pair))

    def _add(self, left: Ints, right: Ints, places: Ints) -> None:
        """Note every pair there is at the start."""
        span = self.next_id
        keys = left * span + right
        order = np.argsort(keys, kind="stable")
        keys, places = keys[order], places[order]
        cuts = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1])
        sums = np.add.reduceat(self.weights[places], cuts)
        ends = np.append(cuts[1:], len(keys))
        for k in np.flatnonzero(sums >= self.min_count).tolist():
            pair = divmod(int(keys[cuts[k]]), span)
            self.places[pair] = places[cuts[k] : ends[k]]
            self.heap.append((-int(sums[k]), *pair))


def _without_overlaps(places: Ints, after: Ints) -> Ints:
    """Return the places of a pair of equal symbols that can be merged from the left: every second one of a run."""
    places = np.sort(places)
    linked = np.concatenate([[False], after[places[:-1]] == places[1:]])
    index = np.arange(len(places))
    start = np.maximum.accumulate(np.where(linked, 0, index))
    chosen: Ints = places[(index - start) % 2 == 0]
    return chosen
