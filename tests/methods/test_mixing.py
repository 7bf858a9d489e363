"""Order and mixture are exact, even and independent of how they are asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.mixing import hashed, interleave, mixture, shuffled

SEEDS = st.integers(-(2**62), 2**62)


@given(size=st.integers(1, 3000), seed=SEEDS, turn=st.integers(0, 5))
def test_every_pass_is_a_permutation(size: int, seed: int, turn: int) -> None:
    places = shuffled(np.arange(turn * size, (turn + 1) * size), size, seed)
    assert sorted(places.tolist()) == list(range(size))


def test_passes_and_seeds_differ_and_any_part_can_be_asked_for() -> None:
    whole = shuffled(np.arange(300), 100, seed=3)
    assert (shuffled(np.arange(137, 205), 100, seed=3) == whole[137:205]).all()
    assert not (whole[:100] == whole[100:200]).all()
    assert not (shuffled(np.arange(100), 100, seed=4) == whole[:100]).all()
    assert whole[:5].tolist() != [0, 1, 2, 3, 4]


@given(shares=st.lists(st.floats(0.01, 10), min_size=1, max_size=6), length=st.integers(1, 2000))
def test_shares_hold_after_any_number_of_items(shares: list[float], length: int) -> None:
    source, number = interleave(np.arange(length), shares)
    for place, share in enumerate(shares):
        mine = number[source == place]
        assert mine.tolist() == list(range(len(mine)))
        assert abs(len(mine) - length * share / sum(shares)) <= len(shares)


@given(shares=st.lists(st.floats(0.0, 1), min_size=2, max_size=4).filter(sum), start=st.integers(0, 10**9))
def test_a_part_of_the_stream_equals_the_whole(shares: list[float], start: int) -> None:
    both = np.arange(start, start + 20)
    source, number = interleave(both, shares)
    later = interleave(both[7:], shares)
    assert (source[7:] == later[0]).all() and (number[7:] == later[1]).all()


def test_mixture_gives_replay_its_share_and_sizes_decide_the_rest() -> None:
    shares = mixture({"a": 300, "b": 100, "replay": 9}, {}, 0.5)
    assert shares == {"a": 0.375, "b": 0.125, "replay": 0.5}
    assert mixture({"a": 1, "b": 1000}, {"a": 3.0, "b": 1.0}) == {"a": 0.75, "b": 0.25}


@given(SEEDS, st.integers(0, 2**40))
def test_hashes_are_positive_and_stable(seed: int, number: int) -> None:
    assert 0 <= hashed(seed, number) < 2**63
    assert hashed(0, 0) == hashed(0, 0) != hashed(0, 1)
