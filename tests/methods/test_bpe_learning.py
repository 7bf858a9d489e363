"""Learning merges: brute force, overlaps, vetoes; nothing protected moves, every token can be reached."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.methods.bpe_learning import learn_merges
from newtongue.methods.continued_bpe import Merge, Pieces, adjacent_pairs, apply_merges, protects

IDS = st.lists(st.integers(0, 6), min_size=1, max_size=12).map(tuple)
COUNTS = st.dictionaries(IDS, st.integers(1, 9), min_size=1, max_size=25)


def ranks_of(merges: tuple[Merge, ...]) -> dict[tuple[Pieces, Pieces], int]:
    return {(merge.left, merge.right): rank for rank, merge in enumerate(merges)}


def brute_force(counts: dict[Pieces, int], number: int, min_count: int) -> tuple[list[Merge], list[int]]:
    """Recount every pair after every merge; ties to the pair whose parts came first."""
    words = {word: [(i,) for i in word] for word in counts}
    order = {(i,): i for word in words for i in word}
    learned: list[Merge] = []
    saved: list[int] = []
    while len(learned) < number:
        pairs: Counter[tuple[Pieces, Pieces]] = Counter()
        for word, parts in words.items():
            for pair in itertools.pairwise(parts):
                pairs[pair] += counts[word]
        if not pairs or max(pairs.values()) < min_count:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], order[pair[0]], order[pair[1]]))
        order[best[0] + best[1]] = max(order.values()) + 1
        learned.append(Merge(*best))
        before = sum(len(words[word]) * count for word, count in counts.items())
        ranks = ranks_of(tuple(learned))
        words = {word: apply_merges(word, ranks) for word in words}
        saved.append(before - sum(len(words[word]) * count for word, count in counts.items()))
    return learned, saved


@settings(max_examples=150, deadline=None)
@given(counts=COUNTS, number=st.integers(0, 15), min_count=st.integers(1, 4))
def test_learning_equals_brute_force(counts: dict[Pieces, int], number: int, min_count: int) -> None:
    found = learn_merges(counts, number, min_count)
    merges, saved = brute_force(counts, number, min_count)
    assert list(found.merges) == merges
    assert list(found.saved) == saved
    assert found.refused == ()


def test_runs_of_one_symbol_merge_from_the_left() -> None:
    counts = {(1, 1, 1): 4, (1, 1, 1, 1, 1): 3, (2, 1, 1): 2}
    assert list(learn_merges(counts, 9, 1).merges) == brute_force(counts, 9, 1)[0]


@settings(max_examples=100, deadline=None)
@given(counts=COUNTS, protected=st.lists(IDS, max_size=5), room=st.integers(0, 15))
def test_protected_words_stay_and_learnt_tokens_are_reachable(
    counts: dict[Pieces, int], protected: list[Pieces], room: int
) -> None:
    fires = protects(adjacent_pairs(protected))
    merges = learn_merges(counts, room, 1, lambda left, right: "no" if fires(left, right) else None).merges
    ranks = ranks_of(merges)
    assert len(merges) <= room
    assert len({merge.pieces for merge in merges}) == len(merges)
    for ids in protected:
        assert apply_merges(ids, ranks) == [(i,) for i in ids]
    for merge in merges:
        assert apply_merges(merge.pieces, ranks) == [merge.pieces]


def test_a_word_is_built_past_a_protected_pair() -> None:
    """`1 2` is protected; `1 2 3` still becomes one token, because `2 3` may merge first."""
    fires = protects({(1, 2)})
    found = learn_merges({(1, 2, 3): 50, (1, 2): 60}, 9, 1, lambda left, right: "fires" if fires(left, right) else None)
    assert [merge.pieces for merge in found.merges] == [(2, 3), (1, 2, 3)]
    assert found.refused == ((Merge((1,), (2,)), "fires"),)


def test_a_refused_merge_does_not_use_up_the_budget() -> None:
    counts = {(1, 2): 90, (3, 4): 50, (5, 6): 20}
    found = learn_merges(counts, 2, 1, lambda left, right: "known" if left + right == (1, 2) else None)
    assert [merge.pieces for merge in found.merges] == [(3, 4), (5, 6)]


def test_a_veto_on_products_holds_for_every_token_and_lets_others_through() -> None:
    counts = {(1, 2, 9): 90, (1, 2): 80, (9, 9): 10}
    found = learn_merges(counts, 5, 1, lambda left, right: None if 9 in left + right else "no")
    assert {merge.pieces for merge in found.merges} == {(2, 9), (1, 2, 9), (9, 9)}


def test_nothing_gives_nothing() -> None:
    assert learn_merges({}, 5).merges == learn_merges({(1,): 9}, 5).merges == learn_merges({(1, 2): 9}, 0).merges == ()
