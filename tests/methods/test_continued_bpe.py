"""The rules that keep old ids: protected pairs, transitive dropping, nesting, alphabets."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.methods.continued_bpe import (
    DROPPED_PART,
    PROTECTED,
    PROTECTED_PART,
    Merge,
    adjacent_pairs,
    apply_merges,
    covered_by_alphabet,
    filter_merges,
    first_merges,
)

IDS = st.lists(st.integers(0, 5), min_size=1, max_size=12)


def learn(words: list[list[int]], number: int) -> list[Merge]:
    """Continue BPE the slow way: recount every pair after every merge; ties to the parts that came first."""
    parts = [[(i,) for i in word] for word in words]
    order = {(i,): i for word in words for i in word}
    learned: list[Merge] = []
    for _ in range(number):
        counts: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
        for word in parts:
            for pair in itertools.pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], order[pair[0]], order[pair[1]]))
        learned.append(Merge(*best))
        order.setdefault(best[0] + best[1], max(order.values()) + 1)
        ranks = {(m.left, m.right): rank for rank, m in enumerate(learned)}
        parts = [apply_merges([i for part in word for i in part], ranks) for word in parts]
    return learned


def ranks_of(merges: tuple[Merge, ...]) -> dict[tuple[tuple[int, ...], tuple[int, ...]], int]:
    return {(merge.left, merge.right): rank for rank, merge in enumerate(merges)}


def test_a_merge_that_fires_on_protected_text_is_dropped_with_everything_built_on_it() -> None:
    learned = [Merge((1,), (2,)), Merge((3,), (4,)), Merge((1, 2), (3, 4)), Merge((3, 4), (5,))]
    filtered = filter_merges(learned, protected={(1, 2)})
    assert filtered.kept == (learned[1], learned[3])
    assert [reason for _merge, reason in filtered.dropped] == [PROTECTED, PROTECTED_PART]


def test_objections_drop_a_product_and_what_is_built_on_it() -> None:
    learned = [Merge((1,), (2,)), Merge((1, 2), (3,))]
    filtered = filter_merges(learned, objection=lambda pieces: "no" if pieces == (1, 2) else None)
    assert filtered.kept == ()
    assert filtered.reasons() == {"no": 1, DROPPED_PART: 1}


def test_the_first_merges_never_lack_a_part() -> None:
    learned = learn([[1, 2, 3, 4], [1, 2, 3], [1, 2]], 9)
    for number in range(len(learned) + 1):
        known = {(i,) for i in range(5)}
        for merge in first_merges(learned, number):
            assert merge.left in known
            assert merge.right in known
            known.add(merge.pieces)


@settings(max_examples=60, deadline=None)
@given(words=st.lists(IDS, min_size=1, max_size=20), protected=st.lists(IDS, max_size=6))
def test_protected_texts_keep_their_ids(words: list[list[int]], protected: list[list[int]]) -> None:
    kept = filter_merges(learn(words, 12), adjacent_pairs(protected)).kept
    for ids in protected:
        assert apply_merges(ids, ranks_of(kept)) == [(i,) for i in ids]


@settings(max_examples=60, deadline=None)
@given(words=st.lists(IDS, min_size=1, max_size=20), text=IDS)
def test_tokens_nest_and_every_kept_one_is_reachable(words: list[list[int]], text: list[int]) -> None:
    kept = filter_merges(learn(words, 12), adjacent_pairs(words[:1])).kept
    assert [i for part in apply_merges(text, ranks_of(kept)) for i in part] == text
    for merge in kept:
        assert apply_merges(list(merge.pieces), ranks_of(kept)) == [merge.pieces]


def test_an_alphabet_covers_a_token_when_one_byte_is_foreign() -> None:
    latin = frozenset(range(128))
    assert covered_by_alphabet("اب".encode(), latin)
    assert not covered_by_alphabet(b"the", latin)
