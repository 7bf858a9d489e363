"""How alike two texts are, for dropping near-copies from a growing pool: ROUGE-L on words of any script.

The usual tokenizer of ROUGE keeps only Latin letters and scores two identical Urdu strings 0.0, so pools
outside the Latin alphabet were never de-duplicated. Here words come from `methods.words`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from newtongue.methods.words import words


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


@dataclass(slots=True)
class Pool:
    """Texts seen so far, asked for the nearest one to a new text.

    Attributes:
        names: Name of each text, in order of arrival.
    """

    names: list[str] = field(default_factory=list)
    _texts: list[list[str]] = field(default_factory=list)

    def add(self, name: str, text: str) -> None:
        """Add a text."""
        self.names.append(name)
        self._texts.append(similarity_words(text))

    def nearest(self, text: str, above: float) -> tuple[float, str] | None:
        """Return (ROUGE-L F, name) of the most similar text, or None when none scores more than `above`.

        Args:
            text: The text to look up.
            above: Scores at or below this do not count; a pair whose lengths alone rule it out is skipped.

        Example:
            >>> pool = Pool(); pool.add("a", "ایک دو تین چار")
            >>> pool.nearest("ایک دو تین پانچ", 0.7)
            (0.75, 'a')
        """
        wanted = similarity_words(text)
        places, length = _places(wanted), len(wanted)
        best, name = above, None
        for other, label in zip(self._texts, self.names, strict=True):
            total = length + len(other)
            if 2 * min(length, len(other)) <= best * total:
                continue
            score = 2 * _lcs(places, length, other) / total
            if score > best:
                best, name = score, label
        return None if name is None else (best, name)


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
