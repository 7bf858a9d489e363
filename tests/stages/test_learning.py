"""Learning around protected pairs: nothing protected moves, every token can be reached, and it beats plain dropping."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.adapters.hf.bpe_training import learn_merges, resegment
from newtongue.methods.continued_bpe import Merge, adjacent_pairs, apply_merges, filter_merges, first_merges
from newtongue.stages.tokenizer import learn as learning
from newtongue.stages.tokenizer.learn import Rules, learn

IDS = st.lists(st.integers(0, 6), min_size=1, max_size=10).map(tuple)
COUNTS = st.dictionaries(IDS, st.integers(1, 9), min_size=1, max_size=25).map(Counter)


def nothing(_pieces: tuple[int, ...]) -> None:
    return None


def ranks_of(merges: tuple[Merge, ...]) -> dict[tuple[tuple[int, ...], tuple[int, ...]], int]:
    return {(merge.left, merge.right): rank for rank, merge in enumerate(merges)}


@settings(max_examples=80, deadline=None)
@given(counts=COUNTS, protected=st.lists(IDS, max_size=5), room=st.integers(0, 15))
def test_protected_words_stay_and_learnt_tokens_are_reachable(
    counts: Counter[tuple[int, ...]], protected: list[tuple[int, ...]], room: int
) -> None:
    learnt = learn(counts, room, 1, Rules(nothing, frozenset(adjacent_pairs(protected))))
    ranks = ranks_of(learnt.merges)
    assert len(learnt.merges) <= room
    assert len({merge.pieces for merge in learnt.merges}) == len(learnt.merges)
    for ids in protected:
        assert apply_merges(ids, ranks) == [(i,) for i in ids]
    for merge in learnt.merges:
        assert apply_merges(merge.pieces, ranks) == [merge.pieces]


@settings(max_examples=80, deadline=None)
@given(counts=COUNTS, room=st.integers(0, 15))
def test_with_nothing_protected_it_is_plain_learning(counts: Counter[tuple[int, ...]], room: int) -> None:
    plain = tuple(Merge(*pair) for pair in learn_merges(counts, room + learning.SLACK if room else 0, 1))
    assert learn(counts, room, 1, Rules(nothing)).merges == first_merges(plain, room)


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS)
def test_words_written_with_merges_are_those_of_brute_force(counts: Counter[tuple[int, ...]]) -> None:
    merges = [Merge(*pair) for pair in learn_merges(counts, 8, 1)]
    ranks = ranks_of(tuple(merges))
    ids = {merge.pieces: 100 + k for k, merge in enumerate(merges)}
    expected: Counter[tuple[int, ...]] = Counter()
    for word, count in counts.items():
        expected[tuple(ids.get(part, part[0]) for part in apply_merges(word, ranks))] += count
    assert resegment(counts, merges, 100) == expected


def test_a_word_is_built_past_a_protected_pair() -> None:
    """`1 2` is protected; `1 2 3` still becomes one token, because `2 3` may merge first."""
    counts = Counter({(1, 2, 3): 50, (1, 2): 60})
    protected = frozenset({(1, 2)})
    dropped = filter_merges([Merge(*pair) for pair in learn_merges(counts, 9, 1)], protected)
    assert dropped.kept == ()
    assert [merge.pieces for merge in learn(counts, 9, 1, Rules(nothing, protected)).merges] == [(2, 3), (1, 2, 3)]


@pytest.mark.parametrize("reason", ["too long", "known"])
def test_an_objection_does_not_use_up_the_budget(reason: str) -> None:
    counts = Counter({(1, 2): 90, (3, 4): 50, (5, 6): 20})
    rules = Rules(lambda pieces: reason if pieces == (1, 2) else None)
    assert [merge.pieces for merge in learn(counts, 2, 1, rules).merges] == [(3, 4), (5, 6)]


def test_the_guard_holds_for_every_token_and_lets_others_through() -> None:
    counts = Counter({(1, 2, 9): 90, (1, 2): 80, (9, 9): 10})
    rules = Rules(nothing, frozenset(), lambda pieces: None if 9 in pieces else "no")
    learnt = learn(counts, 5, 1, rules)
    assert all(9 in merge.pieces for merge in learnt.merges)
    assert (1, 2, 9) in {merge.pieces for merge in learnt.merges}
