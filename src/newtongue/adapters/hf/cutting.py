"""Cut stretches of text into pre-tokens as a tokenizer does inside running text, where that is proved to be the same.

Two families are read. Patterns: every character is reduced to which parts of the patterns it fits, and of all stretches
with the same reduction one is cut by the tokenizer, the others likewise. Word marks: spaces become marks, before which
text is cut, by the pre-tokenizer or by the lack of any merge across one. For all other tokenizers there is no cutter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

from newtongue.adapters.hf.stretches import Ints, Runs
from newtongue.adapters.hf.tokenizers import BYTE_OF, SPACE_MARK, FastTokenizer
from newtongue.methods.cut_patterns import CutPattern, read_pattern

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""The pattern inside `ByteLevel` (Radford et al. 2019)."""
CHARACTER_WISE = frozenset({"NFC", "NFD", "NFKC", "NFKD", "Lowercase"})
"""Normalisers that never join what stands on both sides of a space, and end no stretch in white space."""
DIGITS = "Digits"
"""Stands for the pre-tokenizer of that name among the parts of patterns."""
CODE_POINTS = 0x110000
_APART = "\U0010ffff"

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
    fits = np.stack([np.zeros(len(characters), bool), *(_fitting(part, characters) for part in sorted(parts))], axis=1)
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

    def spell(self, words: Runs) -> list[str]:
        """Write words in the byte alphabet."""
        letters = _ALPHABET[np.frombuffer(words.data, np.uint8)].tobytes().decode("utf-16-le")
        offsets = words.offsets.tolist()
        return [letters[start:end] for start, end in zip(offsets[:-1], offsets[1:], strict=True)]

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

    def spell(self, words: Runs) -> list[str]:
        """Write words as they are."""
        return words.strings()


Cutter = PatternCutter | MarkCutter


def cutter_of(tokenizer: FastTokenizer) -> Cutter | None:
    """Return how stretches are cut; None where it is not proved that cutting them is cutting the text."""
    parts = _parts(tokenizer.content.get("normalizer"), "normalizers")
    plain = [part for part in parts if part["type"] in CHARACTER_WISE]
    rest = parts[len(plain) :]
    if parts[: len(plain)] != plain or not _harmless(tokenizer.content.get("added_tokens", ()), bool(parts)):
        return None
    steps = _parts(tokenizer.content.get("pre_tokenizer"), "pretokenizers")
    normalise = _normaliser(plain) if plain else None
    if tokenizer.byte_level:
        classes = None if rest else _classes(steps)
        return None if classes is None else PatternCutter(tokenizer.backend, classes, normalise)
    return _mark_cutter(tokenizer, rest, steps, normalise)


def _parts(part: Mapping[str, Any] | None, inner: str) -> list[Mapping[str, Any]]:
    """Return the steps of a normaliser or pre-tokenizer."""
    if part is None:
        return []
    return [step for each in part[inner] for step in _parts(each, inner)] if part["type"] == "Sequence" else [part]


def _harmless(added: Sequence[Mapping[str, Any]], normalised: bool) -> bool:
    """Whether added tokens are found in a stretch as they are in the text."""
    return not any(
        token.get("rstrip") or (token.get("normalized") and normalised) or " " in token["content"]
        for token in added
    )


def _classes(steps: Sequence[Mapping[str, Any]]) -> Classes | None:
    """Return the parts of all patterns, if each step leaves both sides of a space alone and one cuts there."""
    if "ByteLevel" not in [step["type"] for step in steps[-1:]] or "ByteLevel" in [step["type"] for step in steps[:-1]]:
        return None
    patterns = [_pattern(step) for step in steps if step["type"] != "Digits"]
    if not all(pattern is not None and pattern.independent_at_spaces(_fits) for pattern in patterns):
        return None
    if not any(pattern.cuts_at_spaces(_fits) for pattern in patterns if pattern):
        return None
    digits = frozenset({DIGITS}) if len(patterns) < len(steps) else frozenset()
    marks, few = (
        frozenset().union(*some)
        for some in zip(*(pattern.behind_marks() for pattern in patterns if pattern), strict=True)
    )
    return Classes(digits.union(*(pattern.classes for pattern in patterns if pattern)), marks, few | digits)


def _pattern(step: Mapping[str, Any]) -> CutPattern | None:
    """Return the pattern of a step, an empty one where it has none; None where it is of another kind."""
    if step["type"] == "ByteLevel" and not step.get("add_prefix_space", True):
        return read_pattern(GPT2) if step.get("use_regex", True) else CutPattern()
    isolated = step["type"] == "Split" and step["behavior"] == "Isolated" and not step.get("invert")
    return read_pattern(step["pattern"]["Regex"]) if isolated and "Regex" in step["pattern"] else None


def _mark_cutter(
    tokenizer: FastTokenizer,
    normalisers: Sequence[Mapping[str, Any]],
    steps: Sequence[Mapping[str, Any]],
    normalise: Normalise | None,
) -> MarkCutter | None:
    kinds = [part["type"] for part in normalisers]
    replaces = [part for part in normalisers if part["type"] == "Replace"]
    prepends = [part for part in normalisers if part["type"] == "Prepend"]
    if any(part["pattern"] != {"String": " "} or part["content"] != SPACE_MARK for part in replaces):
        return None
    if any(part["prepend"] != SPACE_MARK for part in prepends) or len(prepends) > 1 or len(replaces) > 1:
        return None
    if len(kinds) != len(prepends) + len(replaces) or len(steps) > 1:
        return None
    step = steps[0] if steps else {"type": ""}
    if step["type"] == "Metaspace" and step["replacement"] == SPACE_MARK and not kinds:
        scheme = step.get("prepend_scheme", "always")
        made = MarkCutter(step.get("split", True), "" if scheme == "never" else "unless marked", normalise)
    elif replaces and (not steps or (step["type"] == "Split" and step["pattern"] == {"String": " "})):
        made = MarkCutter(False, "always" if prepends else "", normalise)
    else:
        return None
    return made if made.split or _apart_at_marks(tokenizer) else None


def _apart_at_marks(tokenizer: FastTokenizer) -> bool:
    """Whether the model of running text joins nothing to a mark behind it."""
    model = tokenizer.content["model"]
    if tokenizer.kind != "BPE" or model.get("ignore_merges") or SPACE_MARK not in model["vocab"]:
        return False
    pairs = (pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"])
    return not any(right.startswith(SPACE_MARK) and not left.endswith(SPACE_MARK) for left, right in pairs)


def _normaliser(steps: Sequence[Mapping[str, Any]]) -> Normalise:
    """Return steps of a normaliser as a function of many strings."""
    apply = normalizers.Sequence([getattr(normalizers, step["type"])() for step in steps]).normalize_str

    def normalise(strings: list[str]) -> list[str]:
        joined = _APART.join(strings)
        if not strings or joined.count(_APART) >= len(strings):
            return [apply(string) for string in strings]
        return apply(joined).split(_APART)

    return normalise


def _cut_at_marks(runs: Runs) -> Words:
    raw, (one, two, three) = np.frombuffer(runs.data, np.uint8), SPACE_MARK.encode()
    marks = np.flatnonzero((raw[:-2] == one) & (raw[1:-1] == two) & (raw[2:] == three))
    offsets = runs.offsets
    cuts = np.unique(np.concatenate([offsets, marks]))
    return Words(Runs(runs.data, cuts[1:]), np.searchsorted(offsets, cuts[:-1], "right") - 1)


def _fitting(pattern: str, characters: Ints) -> NDArray[np.bool_]:
    """Return which of some code points fit a part of a pattern, by the library's own engine."""
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


@cache
def _fits(pattern: str, character: str) -> bool:
    return bool(_fitting(pattern, np.array([ord(character)]))[0])


_ALPHABET = np.array([ord(letter) for _byte, letter in sorted((byte, c) for c, byte in BYTE_OF.items())], "<u2")
"""Letter of the byte alphabet for each byte."""
