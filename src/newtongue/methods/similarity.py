"""How alike two texts are, for dropping near-copies from a growing pool: ROUGE-L on words of any script.

The usual tokenizer of ROUGE keeps only Latin letters and scores two identical Urdu strings 0.0, so pools
outside the Latin alphabet were never de-duplicated. Here words come from `methods.words`.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from functools import lru_cache
from math import ceil
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from newtongue.methods.words import words

BUCKETS = 64
"""Classes of words in the bound; a matter of speed only."""
MIN_MATERIAL_WORDS = 3
"""Shorter quotations and endings are not what a task is about."""

_QUOTED = re.compile(r"«([^«»]+)»|“([^“”]+)”|\"([^\"]+)\"|「([^「」]+)」|‘([^‘’]{12,})’")
_COLON = re.compile(r"[:：፡]\s")


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
    """Texts seen so far, asked for those that are more similar to a new text than a threshold; exact.

    Three sieves, none of which loses a hit. Prefixes: two texts with an F above t share a word among the rarest of
    each, so only those are indexed. Lengths and counts: words are counted in `BUCKETS` classes, and the sum of the
    smaller counts is never less than the longest common subsequence. What is left is compared in full.

    Source: prefix filtering after Chaudhuri, Ganti and Kaushik 2006 ("A primitive operator for similarity joins");
        the bound for ROUGE-L is ours.
    """

    def __init__(self, above: float = 0.7) -> None:
        """Start empty.

        Args:
            above: Scores at or below this never count, in [0, 1].
        """
        self.above = above
        self.names: list[str] = []
        self._texts: list[list[str]] = []
        self._counts: NDArray[np.uint16] = np.zeros((64, BUCKETS), dtype=np.uint16)
        self._lengths: NDArray[np.int64] = np.zeros(64, dtype=np.int64)
        self._index = _RareWords(above / (2 - above))

    def __len__(self) -> int:
        return len(self.names)

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
        self._index.add(found, self._texts)

    def nearest(self, text: str, above: float | None = None) -> tuple[float, str] | None:
        """Return (ROUGE-L F, name) of the most similar text, the earlier one at a tie; None when none is above.

        Args:
            text: The text to look up.
            above: Scores at or below this do not count; the pool's own threshold when None, never below it.

        Example:
            >>> pool = Pool(); pool.add("a", "ایک دو تین چار")
            >>> pool.nearest("ایک دو تین پانچ", 0.7)
            (0.75, 'a')
        """
        found = max(self.hits(text, above), key=lambda hit: (hit[0], -hit[1]), default=None)
        return None if found is None else (found[0], self.names[found[1]])

    def hits(self, text: str, above: float | None = None) -> list[tuple[float, int]]:
        """Return (ROUGE-L F, place) of every text above the threshold, in the order they were added."""
        least = self.above if above is None else max(above, self.above)
        wanted = similarity_words(text)
        candidates = self._index.candidates(wanted)
        totals = self._lengths[candidates] + len(wanted)
        shorter = np.minimum(self._lengths[candidates], len(wanted))
        possible = candidates[2 * shorter > least * totals]
        most = np.minimum(self._counts[possible], _bucket_counts(wanted)).sum(axis=1, dtype=np.int64)
        possible = possible[2 * most > least * (self._lengths[possible] + len(wanted))]
        places = _places(wanted)
        scores = ((_score(places, len(wanted), self._texts[place]), int(place)) for place in possible)
        return [hit for hit in scores if hit[0] > least]


class _RareWords:
    """Which texts share one of their rarest words with a new text.

    The k-th occurrence of a word counts as a word of its own, so repeated words are compared as often as they stand.
    Rarity is that of the last rebuild, which happens whenever the pool has doubled; words new since are the rarest.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._rank: dict[tuple[str, int], int] = {}
        self._posting: dict[tuple[str, int], array[int]] = {}
        self._size = 0
        self._rebuild_at = 64

    def add(self, found: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
        """Index the text added last; `texts` are all of them."""
        if self._size + 1 == self._rebuild_at:
            self._rebuild_at *= 2
            counts = Counter(key for text in texts for key in _occurrences(text))
            self._rank = dict(counts)
            self._posting = {}
            for place, text in enumerate(texts):
                self._enter(place, text)
        else:
            self._enter(self._size, found)
        self._size += 1

    def candidates(self, wanted: Sequence[str]) -> NDArray[np.intp]:
        """Return the places of texts that may be similar, ascending."""
        lists = [np.frombuffer(p, dtype=np.int32) for key in self._prefix(wanted) if (p := self._posting.get(key))]
        if not lists:
            return np.zeros(0, dtype=np.intp)
        seen = np.zeros(self._size, dtype=np.bool_)
        for posting in lists:
            seen[posting] = True
        return np.flatnonzero(seen)

    def _enter(self, place: int, found: Sequence[str]) -> None:
        for key in self._prefix(found):
            self._posting.setdefault(key, array("i")).append(place)

    def _prefix(self, found: Sequence[str]) -> list[tuple[str, int]]:
        """Return so many of the rarest words that a similar text must share one of them."""
        keys = sorted(_occurrences(found), key=lambda key: (self._rank.get(key, 0), key))
        return keys[: len(keys) - ceil(self._share * len(keys)) + 1]


def material_of(instruction: str, given: str = "") -> str:
    """Return what a task is about, without the wording around it.

    That is its input, else what it quotes, else what follows a colon, else the instruction itself.

    Example:
        >>> material_of("اس جملے کا ترجمہ کریں: «میں گھر جا رہا ہوں»")
        'میں گھر جا رہا ہوں'
        >>> material_of("Name a fruit.")
        'Name a fruit.'
    """
    if given.strip():
        return given
    quoted = " ".join(part for match in _QUOTED.findall(instruction) for part in match if part)
    if len(words(quoted)) >= MIN_MATERIAL_WORDS:
        return quoted
    after = _COLON.split(instruction, maxsplit=1)[-1].strip()
    return after if len(words(after)) >= MIN_MATERIAL_WORDS else instruction


def _occurrences(found: Sequence[str]) -> list[tuple[str, int]]:
    seen: Counter[str] = Counter()
    keys = []
    for word in found:
        keys.append((word, seen[word]))
        seen[word] += 1
    return keys


def _score(places: dict[Hashable, int], length: int, other: Sequence[Hashable]) -> float:
    return 2 * _lcs(places, length, other) / (length + len(other))


def _bucket_counts(found: Sequence[str]) -> NDArray[np.uint16]:
    buckets = [_bucket(word) for word in found]
    return np.minimum(np.bincount(buckets, minlength=BUCKETS), 65535).astype(np.uint16)


@lru_cache(maxsize=200_000)
def _bucket(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass")) % BUCKETS


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
