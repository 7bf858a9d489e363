"""How alike two texts are, for dropping near-copies from a growing pool: ROUGE-L on words of any script.

The usual tokenizer of ROUGE keeps only Latin letters and scores two identical Urdu strings 0.0, so pools
outside the Latin alphabet were never de-duplicated. Here words come from `methods.words`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.words import words

BUCKETS = 64
"""Classes of words in the bound; a matter of speed only."""


def similarity_words(text: str) -> list[str]:
    """Return the words two texts are compared by: case folded; a text without words is its own single word.

    Example:
        >>> similarity_words("Wie, BITTE?"), similarity_words("?!")
        (['wie', 'bitte'], ['?!'])
    """
    folded = text.casefold()
    return words(folded) or [folded.strip()]


def rouge_l(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Return the ROUGE-L F-measure of two sequences of words.

    Args:
        first: Words of one text.
        second: Words of the other.

    Returns:
        2 * longest common subsequence / (len(first) + len(second)), in [0, 1]; 0 when either is empty.

    Example:
        >>> rouge_l("ایک دو تین".split(), "ایک دو تین".split())
        1.0
        >>> rouge_l("a b c d".split(), "a c x y".split())
        0.5

    Source: Lin 2004 (ROUGE), section 3, with beta = 1.
    """
    if not first or not second:
        return 0.0
    return 2 * lcs_length(first, second) / (len(first) + len(second))


def lcs_length(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Return the length of the longest common subsequence, bit-parallel over the first sequence.

    Example:
        >>> lcs_length("xaybz", "ab")
        2

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    return _lcs(_places(first), len(first), second)


class Pool:
    """Texts seen so far, asked for the nearest one to a new text.

    The search is exact and skips what cannot win: words are counted in `BUCKETS` classes, and the sum of the smaller
    counts of two texts is never less than their longest common subsequence.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.names: list[str] = []
        self._texts: list[list[str]] = []
        self._counts: NDArray[np.uint16] = np.zeros((64, BUCKETS), dtype=np.uint16)
        self._lengths: NDArray[np.int64] = np.zeros(64, dtype=np.int64)

    def add(self, name: str, text: str) -> None:
        """Add a text under a name."""
        place, found = len(self.names), similarity_words(text)
        if place == len(self._lengths):
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
            self._lengths = np.concatenate([self._lengths, np.zeros_like(self._lengths)])
        self._counts[place] = _bucket_counts(found)
        self._lengths[place] = len(found)
        self._texts.append(found)
        self.names.append(name)

    def nearest(self, text: str, above: float) -> tuple[float, str] | None:
        """Return (ROUGE-L F, name) of the most similar text, the earlier one at a tie; None when none is above.

        Args:
            text: The text to look up.
            above: Scores at or below this do not count, in [0, 1].

        Example:
            >>> pool = Pool(); pool.add("a", "ایک دو تین چار")
            >>> pool.nearest("ایک دو تین پانچ", 0.7)
            (0.75, 'a')
        """
        wanted = similarity_words(text)
        places, best, name = _places(wanted), above, None
        size = len(self.names)
        most = np.minimum(self._counts[:size], _bucket_counts(wanted)).sum(axis=1, dtype=np.int64)
        totals = self._lengths[:size] + len(wanted)
        for place in np.flatnonzero(2 * most > above * totals):
            score = 2 * _lcs(places, len(wanted), self._texts[place]) / int(totals[place])
            if score > best:
                best, name = score, self.names[place]
        return None if name is None else (best, name)


def _bucket_counts(found: Sequence[str]) -> NDArray[np.uint16]:
    buckets = [crc32(word.encode("utf-8", "surrogatepass")) % BUCKETS for word in found]
    return np.minimum(np.bincount(buckets, minlength=BUCKETS), 65535).astype(np.uint16)


def _places(sequence: Sequence[Hashable]) -> dict[Hashable, int]:
    """Return for each item the bit set of its positions."""
    places: dict[Hashable, int] = defaultdict(int)
    for index, item in enumerate(sequence):
        places[item] |= 1 << index
    return places


def _lcs(places: dict[Hashable, int], length: int, second: Sequence[Hashable]) -> int:
    full = (1 << length) - 1
    row = full
    for item in second:
        matches = places.get(item, 0)
        if matches:
            shared = row & matches
            row = ((row + shared) | (row - shared)) & full
    return length - row.bit_count()
