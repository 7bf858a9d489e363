"""Character n-grams by hash: counts that act as a small language model, without vocabulary or download.

Texts are laid end to end as code points, each with start marks before it and an end mark after it; the hash of an
n-gram is computed for all positions at once. Two n-grams may share a slot; tables are large enough that it is rare.

Shapes: P positions of the joint stream (every character and every end mark), B texts, D dimensions.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UInts = NDArray[np.uint64]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LONGEST = 6
"""Longest n-gram, characters."""
START, END = 2, 3
"""Code points that stand before and after a text."""
ODD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93)
"""Odd multipliers of the hash (golden ratio and two primes of xxHash and splitmix)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Texts end to end.

    Attributes:
        codes: Code points, LONGEST - 1 start marks before each text, one end mark after it.
        places: Index into `codes` of every character and end mark (P,).
        rows: Text each place belongs to (P,), not decreasing.
        texts: Number of texts.
    """

    codes: UInts
    places: Ints
    rows: Ints
    texts: int


def normalised(text: str) -> str:
    r"""Return a text as it is counted: NFC, case folded, white space runs as one space.

    Example:
        >>> normalised("Wie  BITTE\n?")
        'wie bitte ?'
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def stream_of(texts: Sequence[str]) -> Stream:
    """Lay texts end to end.

    Example:
        >>> stream_of(["ab", ""]).rows.tolist()
        [0, 0, 0, 1]
    """
    lead, tail = chr(START) * (LONGEST - 1), chr(END)
    joined = "".join(f"{lead}{text}{tail}" for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    sizes = np.array([len(text) + 1 for text in texts], dtype=np.int64)
    rows = np.repeat(np.arange(len(texts)), sizes)
    places = np.arange(len(rows)) + (rows + 1) * (LONGEST - 1)
    return Stream(codes, places, rows, len(texts))


def ngram_hashes(stream: Stream, order: int, salt: int | UInts = 0) -> UInts:
    """Return the hash of the n-gram that ends at every place: array (P,).

    Args:
        stream: Texts.
        order: Characters per n-gram, in [0, LONGEST]; 0 gives the same hash everywhere.
        salt: Number mixed in, one for all or one per place; different salts are different tables.
    """
    with np.errstate(over="ignore"):
        found = np.full(len(stream.places), order + 1, dtype=np.uint64) * np.uint64(ODD[2]) + np.uint64(1)
        found ^= np.asarray(salt, dtype=np.uint64) * np.uint64(ODD[1])
        for back in range(order):
            found = (found ^ stream.codes[stream.places - back]) * np.uint64(ODD[0])
            found ^= found >> np.uint64(29)
        found *= np.uint64(ODD[1])
    return found ^ (found >> np.uint64(32))


@dataclass(frozen=True, slots=True)
class CharacterModel:
    """Counts of hashed n-grams of orders 0 to `order`, as an interpolated model of characters.

    Attributes:
        counts: Slots (S,), S a power of two; every salt has its own n-grams in the same slots.
        order: Longest n-gram counted.
    """

    counts: NDArray[np.uint32]
    order: int

    def surprisal(self, stream: Stream, salt: int | UInts) -> Floats:
        """Return the bits of every character and end mark given the `order` - 1 before it: array (P,).

        Source: Witten-Bell-like interpolation with a constant weight of BACKOFF pseudo-counts for the shorter
            history (Chen and Goodman 1999, section 2); BASE_PROBABILITY below the unigram.
        """
        probability = np.full(len(stream.places), BASE_PROBABILITY)
        for order in range(1, self.order + 1):
            grams = self._counts(ngram_hashes(stream, order, salt))
            before = Stream(stream.codes, stream.places - 1, stream.rows, stream.texts)
            history = self._counts(ngram_hashes(before, order - 1, _history_salt(salt)))
            probability = (grams + BACKOFF * probability) / (np.maximum(history, grams) + BACKOFF)
        return np.asarray(-np.log2(probability))

    def _counts(self, hashes: UInts) -> Floats:
        return np.asarray(self.counts[hashes & np.uint64(len(self.counts) - 1)], dtype=np.float64)


BACKOFF = 2.0
"""Pseudo-counts a shorter history is worth."""
BASE_PROBABILITY = 1 / 4096
"""Probability of a character never seen."""


def count_characters(stream: Stream, salt: int | UInts, order: int, counts: NDArray[np.uint32]) -> CharacterModel:
    """Add the n-grams of texts to a table, in place, and return it as a model.

    Args:
        stream: Texts.
        salt: As in `ngram_hashes`.
        order: Longest n-gram counted, in [1, LONGEST].
        counts: Slots (S,), S a power of two.
    """
    slots = np.uint64(len(counts) - 1)
    before = Stream(stream.codes, stream.places - 1, stream.rows, stream.texts)
    for k in range(1, order + 1):
        for hashes in (ngram_hashes(stream, k, salt), ngram_hashes(before, k - 1, _history_salt(salt))):
            np.add.at(counts, (hashes & slots).astype(np.int64), np.uint32(1))
    return CharacterModel(counts, order)


def _history_salt(salt: int | UInts) -> UInts:
    return np.asarray(salt, dtype=np.uint64) + np.uint64(1 << 40)
