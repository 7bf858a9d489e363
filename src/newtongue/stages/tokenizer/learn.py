"""Learn merges that no protected text can feel: in one pass where scripts differ, in rounds where they do not."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from newtongue.adapters.hf.bpe_training import learn_merges, resegment
from newtongue.methods.continued_bpe import Filtered, Merge, Pair, Pieces, filter_merges, first_merges

Objection = Callable[[Pieces], str | None]
SLACK = 64
MAX_PASSES = 6
ROUNDS = 12
"""More rounds follow frequencies more closely and take longer; beyond a dozen fertility hardly falls."""


@dataclass(frozen=True)
class Rules:
    """What speaks against a merge.

    Attributes:
        objection: Why a product must never become a token (too long, known already), or None.
        protected: Pairs of old ids that are neighbours in protected text.
        guard: Why a product is unsafe for texts like the protected ones, or None.
    """

    objection: Objection
    protected: frozenset[Pair] = frozenset()
    guard: Objection = lambda _pieces: None

    def refuse(self, pieces: Pieces) -> str | None:
        """Return the objection or what the guard says."""
        return self.objection(pieces) or self.guard(pieces)


@dataclass(frozen=True)
class Learnt:
    """What was learnt.

    Attributes:
        merges: Merges to append.
        free: Merges the same budget would have given without protection.
        filtered: What the rules say of `free`.
    """

    merges: tuple[Merge, ...]
    free: tuple[Merge, ...]
    filtered: Filtered


def learn(counts: Counter[Pieces], room: int, min_count: int, rules: Rules) -> Learnt:
    """Learn up to `room` merges none of which can fire on protected text.

    Args:
        counts: Old ids of each distinct pre-token and how often it occurs.
        room: Merges wanted.
        min_count: A pair must occur at least this often.
        rules: What speaks against a merge.
    """
    free = _free(counts, room, min_count, rules.objection)
    filtered = filter_merges(free, rules.protected, rules.refuse)
    if not filtered.dropped:
        return Learnt(free, free, filtered)
    return Learnt(_around(counts, room, min_count, rules), free, filtered)


def _free(counts: Counter[Pieces], room: int, min_count: int, objection: Objection) -> tuple[Merge, ...]:
    """Learn until enough merges are left after the objections, or the text has no more."""
    number = room + SLACK if room > 0 else 0
    kept: tuple[Merge, ...] = ()
    for _pass in range(MAX_PASSES):
        learned = [Merge(*pair) for pair in learn_merges(counts, number, min_count)]
        kept = filter_merges(learned, objection=objection).kept
        if len(kept) >= room or len(learned) < number:
            break
        number *= 2
    return first_merges(kept, room)


def _around(counts: Counter[Pieces], room: int, min_count: int, rules: Rules) -> tuple[Merge, ...]:
    """Learn in rounds, never across a protected pair.

    Where two old tokens stand side by side in protected text, words are cut between them, so nothing is built on
    that merge. Once one side has grown into a new token by another merge, the next round may join the two: a new
    token never stands in protected text.
    """
    state = _State(dict(counts), set(rules.protected), max((i for ids in counts for i in ids), default=0) + 1)
    kept: list[Merge] = []
    share = -(-room // ROUNDS)
    while len(kept) < room:
        number = min(share, room - len(kept))
        learned = [Merge(*pair) for pair in learn_merges(state.cut(), number + SLACK, min_count)]
        filtered = filter_merges(learned, objection=lambda pieces: rules.refuse(state.spell(pieces)))
        state.forbid(merge for merge, _reason in filtered.dropped)
        found = first_merges(filtered.kept, number)
        if not found and not filtered.dropped:
            break
        kept += [Merge(state.spell(merge.left), state.spell(merge.right)) for merge in found]
        state.advance(found)
    return tuple(kept)


class _State:
    """Words in tokens known so far: old ids, and one further id per token learnt in an earlier round."""

    def __init__(self, counts: Mapping[Pieces, int], forbidden: set[Pair], next_id: int) -> None:
        self.counts, self.forbidden, self.next_id = counts, forbidden, next_id
        self.pieces: dict[int, Pieces] = {}

    def spell(self, ids: Pieces) -> Pieces:
        """Return ids of this state as old ids."""
        return tuple(piece for i in ids for piece in self.pieces.get(i, (i,)))

    def cut(self) -> Counter[Pieces]:
        """Return the words in parts, cut between every forbidden pair."""
        parts: Counter[Pieces] = Counter()
        for ids, count in self.counts.items():
            start = 0
            for at, pair in enumerate(itertools.pairwise(ids), 1):
                if pair in self.forbidden:
                    parts[ids[start:at]] += count
                    start = at
            parts[ids[start:]] += count
        return parts

    def forbid(self, merges: Iterable[Merge]) -> None:
        """Never propose these merges of two known tokens again."""
        self.forbidden |= {(m.left[0], m.right[0]) for m in merges if len(m.left) == len(m.right) == 1}

    def advance(self, merges: tuple[Merge, ...]) -> None:
        """Write the words with the merges of a round."""
        if merges:
            self.counts = resegment(self.counts, merges, self.next_id)
        spelt = {self.next_id + k: self.spell(merge.pieces) for k, merge in enumerate(merges)}
        self.pieces |= spelt
        self.next_id += len(merges)
