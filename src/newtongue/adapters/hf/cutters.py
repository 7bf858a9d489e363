"""Cut stretches of text into words as the model sees them, many at once.

Patterns: every character is reduced to which parts of the patterns it fits; of all stretches with the same reduction
one is cut by the tokenizer, the others likewise. Word marks: spaces become marks, before which text is cut, or not.
Which tokenizer may be taken apart like this is decided in `cutting`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, pre_tokenizers

from newtongue.adapters.hf.stretches import Ints, Runs
from newtongue.adapters.hf.tokenizers import SPACE_MARK

DIGITS = "Digits"
"""Stands for the pre-tokenizer of that name among the parts of patterns."""
CODE_POINTS = 0x110000

Normalise = Callable[[list[str]], list[str]]


@dataclass(frozen=True)
class Words:
    """Pre-tokens of stretches as the model sees them.

    Attributes:
        runs: Every pre-token, one stretch behind the other.
        stretches: Which stretch each is from.
    """

    runs: Runs
    stretches: Ints


@dataclass(frozen=True)
class Classes:
    """Parts of patterns that tell characters apart; `DIGITS` is the test of the pre-tokenizer of that name.

    Attributes:
        all: Every part.
        marks: Punctuation marks without which some parts never matter.
        few: The other parts.
    """

    all: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()
    few: frozenset[str] = frozenset()

    def of(self, points: NDArray[np.uint32], ends: Ints) -> NDArray[np.uint16]:
        """Return a class for each character.

        Args:
            points: Code points of strings, one behind the other.
            ends: Where each string ends.
        """
        present = np.zeros(CODE_POINTS, bool)
        present[points] = True
        characters = np.flatnonzero(present)
        marks = np.zeros(CODE_POINTS, bool)
        marks[characters] = _table(self.marks, characters) > 0
        marked = np.zeros(len(ends) + 1, bool)
        marked[np.searchsorted(ends, np.flatnonzero(marks[points]), "right")] = True
        few, every = np.zeros((2, CODE_POINTS), np.uint16)
        few[characters] = _table(self.few, characters)
        every[characters] = _table(self.all, characters) + few.max() + 1
        return np.where(np.repeat(marked[:-1], np.diff(ends, prepend=0)), every[points], few[points])


def _table(parts: frozenset[str], characters: Ints) -> Ints:
    """Return a number per character, equal for those that fit the same parts, 0 for those that fit none."""
    numbers = {bytes(len(parts)): 0}
    fits = np.stack([np.zeros(len(characters), bool), *(fitting(part, characters) for part in sorted(parts))], axis=1)
    return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in fits[:, 1:]], np.int64)


@dataclass(frozen=True)
class PatternCutter:
    """Cuts by character classes.

    Attributes:
        backend: The running tokenizer.
        classes: Which characters are cut alike.
        normalise: The normaliser, on many strings.
    """

    backend: Tokenizer
    classes: Classes
    normalise: Normalise | None

    def words(self, stretches: Runs, _opening: NDArray[np.bool_]) -> Words:
        """Cut each stretch."""
        if self.normalise is not None:
            stretches = Runs.of(self.normalise(stretches.strings()))
        points = np.frombuffer(stretches.data.decode().encode("utf-32-le"), np.uint32)
        begins = np.flatnonzero((np.frombuffer(stretches.data, np.uint8) & 0xC0) != 0x80)
        places = np.searchsorted(begins, stretches.ends)
        classes = self.classes.of(points, places)
        shapes, shape = Runs(classes.tobytes(), places * classes.itemsize).distinct()
        cuts, first = self._cut_each(shapes, shape, stretches)
        pieces = first[shape + 1] - first[shape]
        owner = np.repeat(np.arange(len(stretches)), pieces)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        starts = np.concatenate([[0], places[:-1]])[: len(places)]
        ends = starts[owner] + cuts[first[shape[owner]] + within]
        return Words(Runs(stretches.data, np.append(begins, len(stretches.data))[ends]), owner)

    def _cut_each(self, shapes: Runs, shape: Ints, stretches: Runs) -> tuple[Ints, Ints]:
        """Return, shape by shape, where its pieces end, and where each shape's ends begin."""
        example = np.zeros(len(shapes), np.int64)
        example[shape[::-1]] = np.arange(len(shape))[::-1]
        cut = self.backend.pre_tokenizer.pre_tokenize_str
        ends = [[end for _word, (_start, end) in cut(text)] for text in stretches.strings(example.tolist())]
        first = np.concatenate([[0], np.cumsum([len(some) for some in ends])]).astype(np.int64)
        return np.array([end for some in ends for end in some], np.int64), first


@dataclass(frozen=True)
class MarkCutter:
    """Cuts before word marks, or nowhere.

    Attributes:
        split: Whether text is cut before every mark; else a stretch is one word.
        opens: Whether a text gets a mark in front: "always", "unless marked", or "".
        normalise: The rest of the normaliser, on many strings.
    """

    split: bool
    opens: str
    normalise: Normalise | None

    def words(self, stretches: Runs, opening: NDArray[np.bool_]) -> Words:
        """Cut each stretch."""
        texts = stretches.strings()
        texts = texts if self.normalise is None else self.normalise(texts)
        marked = [text.replace(" ", SPACE_MARK) for text in texts]
        for k in np.flatnonzero(opening if self.opens else np.zeros(0, bool)).tolist():
            if marked[k] and (self.opens == "always" or not marked[k].startswith(SPACE_MARK)):
                marked[k] = SPACE_MARK + marked[k]
        runs = Runs.of(marked)
        return _cut_at_marks(runs) if self.split else Words(runs, np.arange(len(runs)))


Cutter = PatternCutter | MarkCutter


def _cut_at_marks(runs: Runs) -> Words:
    raw, (one, two, three) = np.frombuffer(runs.data, np.uint8), SPACE_MARK.encode()
    marks = np.flatnonzero((raw[:-2] == one) & (raw[1:-1] == two) & (raw[2:] == three))
    offsets = runs.offsets
    cuts = np.unique(np.concatenate([offsets, marks]))
    return Words(Runs(runs.data, cuts[1:]), np.searchsorted(offsets, cuts[:-1], "right") - 1)


def fitting(pattern: str, characters: Ints) -> NDArray[np.bool_]:
    """Return which of some code points fit a part of a pattern, by the library's own engine.

    Args:
        pattern: The part, or `DIGITS`.
        characters: Code points.
    """
    fits = np.zeros(len(characters), bool)
    if pattern == DIGITS:
        text = "".join(f"a{chr(point)}" for point in characters.tolist())
        spans = (span for _piece, span in pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str(text))
        fits[[start // 2 for start, end in spans if start % 2 and end == start + 1]] = True
        return fits
    text = "".join(map(chr, characters.tolist()))
    found = pre_tokenizers.Split(Regex(pattern), "removed", invert=True).pre_tokenize_str(text)
    fits[[start for _piece, (start, _end) in found]] = True
    return fits
