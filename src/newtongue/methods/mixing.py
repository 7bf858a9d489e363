"""Which sequence is trained on when: a pure function of a seed and a running number.

Sample `i` of a run is `f(seed, i)`: it can be found in constant time from any step, and does not
depend on the micro-batch, the number of processes or on what was read before. A resumed run
therefore sees exactly what the uninterrupted one would have seen.

Shapes: `N` running numbers asked for at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
_ROUNDS = 4


def shuffled(index: Integers, size: int, seed: int) -> Integers:
    """Return where each running number lies in an endless stream of fresh shuffles of `size` things.

    Numbers `0 … size-1` are one permutation, `size … 2 size-1` the next, and so on.

    Args:
        index: Running numbers, shape `N`, at least 0.
        size: Number of things, at least 1.
        seed: Any integer; each (seed, pass) pair has its own permutation.

    Returns:
        Positions in `[0, size)`, shape `N`.

    Example:
        >>> sorted(shuffled(np.arange(5), 5, seed=1).tolist())
        [0, 1, 2, 3, 4]

    Source: Black and Rogaway 2002, "Ciphers with arbitrary finite domains": a Feistel network over the
    next even power of two, walked until it lands inside; splitmix64 (Steele et al. 2014) as round function.
    """
    index = np.asarray(index, dtype=np.int64)
    key = _mix(_mix(np.full(index.shape, seed, np.int64).view(np.uint64)) ^ (index // size).view(np.uint64))
    half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    value = (index % size).view(np.uint64)
    value = _feistel(value, key, half)
    while (outside := value >= size).any():
        value[outside] = _feistel(value[outside], key[outside], half)
    return value.astype(np.int64)


def interleave(index: Integers, shares: Sequence[float]) -> tuple[NDArray[np.int64], Integers]:
    """Spread several sources evenly over one stream and say which item of which source stands where.

    After any number of items each source has had its share of them, to within one item per source.

    Args:
        index: Places in the mixed stream, shape `N`, at least 0.
        shares: Share of each source; positive sum, no negative entry. They are normalised.

    Returns:
        Source of each place and the running number inside that source, both of shape `N`.

    Example:
        >>> source, number = interleave(np.arange(6), [0.5, 0.5])
        >>> source.tolist(), number.tolist()
        ([1, 0, 1, 0, 1, 0], [0, 0, 1, 1, 2, 2])

    Source: Beatty 1926 (complementary sequences), applied to one source against the rest in turn.
    """
    rest = np.asarray(index, dtype=np.int64).copy()
    source = np.full(rest.shape, len(shares) - 1, dtype=np.int64)
    number = np.zeros_like(rest)
    open_places = np.ones(rest.shape, dtype=bool)
    mass = float(sum(shares))
    for place, share in enumerate(shares[:-1]):
        weight = min(1.0, share / mass) if mass > 0 else 0.0
        before = np.floor(rest * weight).astype(np.int64)
        here = open_places & (np.floor((rest + 1) * weight).astype(np.int64) > before)
        source[here], number[here] = place, before[here]
        open_places &= ~here
        rest = rest - before
        mass -= share
    number[open_places] = rest[open_places]
    return source, number


def mixture(sizes: Mapping[str, int], weights: Mapping[str, float], replay_share: float = 0.0) -> dict[str, float]:
    """Return the share of each source in the training tokens; the source `replay` has exactly its own.

    Args:
        sizes: Tokens of each source, `replay` among them when there is one.
        weights: Relative weight of sources other than `replay`; one without a weight weighs by its size
            relative to the mean size of all that have none.
        replay_share: Share of `replay` in [0, 1).

    Returns:
        Shares in the order of `sizes`; they sum to 1.

    Example:
        >>> mixture({"news": 300, "wiki": 100, "replay": 50}, {}, 0.2)
        {'news': 0.6000000000000001, 'wiki': 0.2, 'replay': 0.2}
    """
    targets = {name: size for name, size in sizes.items() if name != "replay"}
    free = [size for name, size in targets.items() if name not in weights]
    mean = sum(free) / len(free) if free else 1.0
    raw = {name: weights.get(name, size / mean if mean else 0.0) for name, size in targets.items()}
    left = 1.0 - (replay_share if "replay" in sizes else 0.0)
    shares = {name: left * weight / sum(raw.values()) for name, weight in raw.items()}
    return shares | ({"replay": replay_share} if "replay" in sizes else {})


def hashed(seed: int, number: int) -> int:
    """Return 63 well-mixed bits of a pair of integers, the same on every machine.

    Example:
        >>> hashed(0, 1) == hashed(0, 1) != hashed(0, 2)
        True
    """
    both = np.array([seed, number], dtype=np.int64).view(np.uint64)
    return int((_mix(_mix(both[:1]) ^ both[1:]) >> np.uint64(1))[0])


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _feistel(value: NDArray[np.uint64], key: NDArray[np.uint64], half_bits: int) -> NDArray[np.uint64]:
    bits, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = value >> bits, value & mask
    for turn in range(_ROUNDS):
        left, right = right, left ^ (_mix(right ^ key ^ np.uint64(turn << 56)) & mask)
    return (left << bits) | right
