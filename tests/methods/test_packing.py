"""Packing loses no token, repeats none within a pass, and pairs each with its successor."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.packing import gather, narrowest, window_starts, windows_per_pass


@given(ring=st.integers(1, 500), length=st.integers(1, 64), seed=st.integers(0, 2**31), turn=st.integers(0, 3))
def test_a_pass_covers_the_ring(ring: int, length: int, seed: int, turn: int) -> None:
    count = windows_per_pass(ring, length)
    starts = window_starts(np.arange(turn * count, (turn + 1) * count), ring, length, seed)
    tokens, _ = gather(np.arange(ring, dtype=np.uint16), starts, length)
    seen = np.bincount(tokens.ravel(), minlength=ring)
    assert seen.min() >= 1
    assert seen.sum() == count * length < ring + length or ring < length


@given(ring=st.integers(2, 300), length=st.integers(1, 40), start=st.integers(0, 299))
def test_labels_are_the_next_tokens(ring: int, length: int, start: int) -> None:
    inputs, labels = gather(np.arange(ring, dtype=np.uint32), np.array([start % ring]), length)
    assert ((inputs + 1) % ring == labels).all()


def test_passes_cut_at_different_places() -> None:
    first = window_starts(np.arange(5), 100, 20, seed=0) % 20
    second = window_starts(np.arange(5, 10), 100, 20, seed=0) % 20
    assert len(set(first)) == len(set(second)) == 1 and first[0] != second[0]


def test_ids_take_two_bytes_up_to_65536_rows() -> None:
    assert narrowest(65_536) == np.uint16 and narrowest(65_537) == np.uint32
