"""The rules that keep old ids: protected pairs, nesting, alphabets."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.methods.bpe_learning import learn_merges
from newtongue.methods.continued_bpe import Merge, adjacent_pairs, apply_merges, covered_by_alphabet, protects

IDS = st.lists(st.integers(0, 5), min_size=1, max_size=12).map(tuple)


def test_only_a_merge_of_two_neighbouring_old_tokens_can_fire() -> None:
    fires = protects(adjacent_pairs([(1, 2, 3)]))
    assert fires((1,), (2,))
    assert not fires((1,), (3,))
    assert not fires((1, 2), (3,))
    assert not fires((1,), (2, 3))


@settings(max_examples=80, deadline=None)
@given(counts=st.dictionaries(IDS, st.integers(1, 5), min_size=1, max_size=20), text=IDS)
def test_new_tokens_are_runs_of_old_ones_and_always_the_same_runs(counts: dict, text: tuple[int, ...]) -> None:
    """The nesting theorem: leaves of the merge tree are the old ids of the token alone, and of it in any context."""
    merges = learn_merges(counts, 12, 1).merges
    ranks = {(merge.left, merge.right): rank for rank, merge in enumerate(merges)}
    parts = apply_merges(text, ranks)
    assert [i for part in parts for i in part] == list(text)
    assert {part for part in parts if len(part) > 1} <= {merge.pieces for merge in merges}
    for merge in merges:
        assert apply_merges(merge.pieces, ranks) == [merge.pieces]


def test_a_merge_spells_both_parts() -> None:
    assert Merge((1, 2), (3,)).pieces == (1, 2, 3)


def test_an_alphabet_covers_a_token_when_one_byte_is_foreign() -> None:
    latin = frozenset(range(128))
    assert covered_by_alphabet("اب".encode(), latin)
    assert not covered_by_alphabet(b"the", latin)
