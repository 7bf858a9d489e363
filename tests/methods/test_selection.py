"""Orders rows are chosen by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.selection import draw_order, highest_order, keep_count

NAMES = st.lists(st.text(max_size=5), unique=True, max_size=30)


@given(NAMES, st.integers())
def test_a_draw_does_not_depend_on_the_order_of_rows(names: list[str], seed: int) -> None:
    drawn = [names[place] for place in draw_order(names, seed)]
    backwards = names[::-1]
    assert [backwards[place] for place in draw_order(backwards, seed)] == drawn
    assert sorted(drawn) == sorted(names)


@given(NAMES, st.integers(), st.data())
def test_removing_a_row_keeps_the_order_of_the_others(names: list[str], seed: int, data: st.DataObject) -> None:
    if not names:
        return
    gone = data.draw(st.sampled_from(names))
    fewer = [name for name in names if name != gone]
    assert [fewer[p] for p in draw_order(fewer, seed)] == [
        names[p] for p in draw_order(names, seed) if names[p] != gone
    ]


@given(st.lists(st.floats(allow_nan=False), max_size=30))
def test_the_highest_come_first(values: list[float]) -> None:
    ordered = [values[place] for place in highest_order(values, [str(i) for i in range(len(values))], 0)]
    assert ordered == sorted(values, reverse=True)


def test_quotas_above_what_exists_take_everything() -> None:
    assert (keep_count(5, 9, 1.0), keep_count(5, None, 0.001), keep_count(5, 2, 1.0)) == (5, 1, 2)
