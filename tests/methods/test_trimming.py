"""Leaf pruning: what stays can be made, the id map is exact."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.trimming import compact_ids, merged_on_the_way, tokens_to_keep

RANKS = {("a", "b"): 0, ("b", "c"): 1, ("ab", "c"): 2, ("a", "bc"): 3, ("abc", "abc"): 4}


def needs(token: str) -> set[str]:
    return merged_on_the_way(token, RANKS)


def test_only_what_merging_really_passes_through_is_needed() -> None:
    """`abc` could also be `a` + `bc`, but `ab` merges first."""
    assert needs("abc") == {"ab", "abc"}
    assert needs("abcabc") == {"ab", "abc", "abcabc"}
    assert needs("x") == set()


def test_a_token_stays_with_all_it_is_made_of_or_goes() -> None:
    uses = {"abc": 9, "bc": 5, "xy": 1}
    assert tokens_to_keep(uses, {"a", "b", "c"}, needs, 2, None) == {"a", "b", "c", "ab", "abc", "bc"}
    assert tokens_to_keep(uses, {"a", "b", "c"}, needs, 2, 4) == {"a", "b", "c", "bc"}
    assert tokens_to_keep(uses, {"abc"}, needs, 99, 1) == {"ab", "abc"}


@given(st.sets(st.integers(0, 40)), st.integers(41, 60))
def test_the_id_map_is_a_bijection_in_order(kept: set[int], rows: int) -> None:
    id_map = compact_ids(kept, rows)
    assert len(id_map) == rows
    assert [int(id_map[i]) for i in sorted(kept)] == list(range(len(kept)))
    assert (id_map[[i for i in range(rows) if i not in kept]] == -1).all()
