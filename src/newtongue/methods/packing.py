"""Cutting a stream of tokens into sequences of one fixed length.

All documents of a source stand in one long ring of tokens, each followed by the end-of-text token.
A pass over the source cuts the ring into windows; every pass cuts at other places, so that a
small corpus seen many times does not always break at the same words. Nothing is padded or lost.

Shapes: `R` tokens in the ring, `S` sequences, `T` tokens per sequence.

Source: ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.mixing import Integers, hashed, shuffled


def windows_per_pass(ring_tokens: int, length: int) -> int:
    """Return how many windows of `length` tokens cover a ring once (the last may run into the first).

    Example:
        >>> windows_per_pass(10, 4)
        3
    """
    return max(1, -(-ring_tokens // length))


def window_starts(number: Integers, ring_tokens: int, length: int, seed: int) -> Integers:
    """Return where in the ring the windows with these running numbers begin.

    Args:
        number: Running numbers of windows, shape `S`; pass `p` holds `windows_per_pass` of them.
        ring_tokens: Tokens in the ring, at least 1.
        length: Tokens per window.
        seed: Seed of order and cuts.

    Returns:
        Positions in `[0, ring_tokens)`, shape `S`.
    """
    count = windows_per_pass(ring_tokens, length)
    passes = number // count
    shift = np.zeros_like(number)
    for turn in np.unique(passes):
        shift[passes == turn] = hashed(seed, int(turn)) % ring_tokens
    return (shuffled(number, count, seed) * length + shift) % ring_tokens


def gather(ring: NDArray[np.unsignedinteger], starts: Integers, length: int) -> tuple[Integers, Integers]:
    """Read windows out of a ring, each token paired with the one that follows it.

    Args:
        ring: Tokens, shape `R`; may be a memory map.
        starts: Positions in the ring, shape `S`.
        length: Tokens per window `T`.

    Returns:
        Inputs and labels, both `S x T`: `labels[s, t]` is the token after `inputs[s, t]`.

    Example:
        >>> inputs, labels = gather(np.array([5, 6, 7], dtype=np.uint16), np.array([2]), 2)
        >>> inputs.tolist(), labels.tolist()
        ([[7, 5]], [[5, 6]])
    """
    places = (starts[:, None] + np.arange(length + 1)[None, :]) % len(ring)
    tokens = ring[places].astype(np.int64)
    return tokens[:, :-1], tokens[:, 1:]


def narrowest(vocabulary: int) -> np.dtype[np.unsignedinteger]:
    """Return the narrowest unsigned type that holds every token id.

    Example:
        >>> narrowest(4096), narrowest(128_256)
        (dtype('uint16'), dtype('uint32'))
    """
    return np.dtype(np.uint16 if vocabulary <= 1 << 16 else np.uint32)
