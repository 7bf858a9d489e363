"""Cutting a step into micro-batches: exact small cases, and never dearer than any other way of cutting."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from newtongue.adapters.training.micro_batches import micro_batches


def cost(lengths: list[int], slices: list[slice], overhead: int) -> int:
    return sum(overhead + (part.stop - part.start) * lengths[part.stop - 1] for part in slices)


def test_rows_of_one_length_fill_micro_batches_in_order() -> None:
    assert micro_batches([7] * 10, most=4, overhead=5) == [slice(0, 4), slice(4, 8), slice(8, 10)]


def test_no_rows_make_no_micro_batch() -> None:
    assert micro_batches([], most=4, overhead=5) == []


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=8).map(sorted),
    st.integers(1, 8),
    st.integers(0, 400),
)
def test_no_other_cut_costs_less(lengths: list[int], most: int, overhead: int) -> None:
    slices = micro_batches(lengths, most, overhead)
    assert [place for part in slices for place in range(part.start, part.stop)] == list(range(len(lengths)))
    assert all(part.stop - part.start <= most for part in slices)
    for count in range(len(lengths)):
        for cuts in combinations(range(1, len(lengths)), count):
            edges = [0, *cuts, len(lengths)]
            other = [slice(a, b) for a, b in pairwise(edges)]
            if all(part.stop - part.start <= most for part in other):
                assert cost(lengths, slices, overhead) <= cost(lengths, other, overhead)
