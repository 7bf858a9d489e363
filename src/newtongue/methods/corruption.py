"""Ways to spoil a good answer on purpose: the bad half of pairs a quality scorer learns from.

Each maker is a pure function of the row, a seed and, where it needs one, another row. A maker returns None where it
cannot spoil a text (too short to cut, nothing to shuffle), so that no pair holds two equal answers.

Source: truncation, repetition, shuffling and mismatching as in learned metrics of text quality (Sellam et al. 2020,
arXiv 2004.04696, section 4.1; Zhong et al. 2022, arXiv 2210.07197, section 3.2); word dropping and local reordering as
a stand-in for translation noise from Lample et al. 2018 (arXiv 1711.00043, section 2.3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from newtongue.methods.words import words

CORRUPTIONS = (
    "truncated", "repeated", "wrong_language", "shuffled", "mismatched", "word_noise", "back_translated",
)  # fmt: skip
"""Names of the makers; `back_translated` needs texts that were translated there and back."""
MIN_WORDS = 6
"""Shorter answers are left alone."""
REORDER_WORDS = 3
"""A word moves by at most this many places under `word_noise`."""
DROPPED_FRACTION = 0.1
"""Words left out under `word_noise`."""
SENTENCE = re.compile(
    r"[^\n.!?\u061f\u06d4\u0964\u0965\u3002\uff01\uff1f]+[\n.!?\u061f\u06d4\u0964\u0965\u3002\uff01\uff1f]*\s*"
)
"""A run up to sentence marks of the scripts or a line break; only where a repeated piece begins depends on it."""


@dataclass(frozen=True, slots=True)
class Example:
    """One row as a scorer sees it.

    Attributes:
        prompt: What was asked, "" for plain text.
        answer: What is scored.
        language: Tag of the answer.
    """

    prompt: str
    answer: str
    language: str


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A good row and its spoiled twin: they differ in the answer only.

    Attributes:
        good: The row.
        bad: The row with the spoiled answer.
        kind: Name of the maker.
        place: Number of the good row.
    """

    good: Example
    bad: Example
    kind: str
    place: int


def spoil(
    rows: Sequence[Example], kinds: Sequence[str], seed: int, round_trips: Mapping[int, str] | None = None
) -> list[Spoiled]:
    """Return every row with its spoiled twins, one per kind where the maker can.

    A row's twins depend on the seed, the row and the set of rows, not on their number or order in a batch.

    Args:
        rows: Good rows.
        kinds: Names out of CORRUPTIONS.
        seed: Seed of cuts, orders and partners.
        round_trips: Number of a row -> its answer translated there and back, for `back_translated`.

    Raises:
        ValueError: A kind is unknown.
    """
    if unknown := [kind for kind in kinds if kind not in CORRUPTIONS]:
        raise ValueError(f"unknown corruption {unknown[0]!r}, one of {', '.join(CORRUPTIONS)}")
    partners = _Partners(rows)
    found = []
    for place, row in enumerate(rows):
        for kind in kinds:
            draw = np.random.default_rng(_number(f"{seed}/{kind}/{row.language}/{row.prompt}/{row.answer}"))
            bad = _spoiled(kind, place, partners, draw, round_trips or {})
            if bad is not None and bad.strip() and bad.strip() != row.answer.strip():
                found.append(Spoiled(row, Example(row.prompt, bad, row.language), kind, place))
    return found


def _spoiled(
    kind: str, place: int, partners: _Partners, draw: np.random.Generator, round_trips: Mapping[int, str]
) -> str | None:
    row = partners.rows[place]
    if kind == "mismatched":
        return partners.same_language(place, draw)
    if kind == "wrong_language":
        return partners.other_language(place, draw)
    if kind == "back_translated":
        return round_trips.get(place)
    return MAKERS[kind](row.answer, draw)


def truncate(text: str, draw: np.random.Generator) -> str | None:
    """Return the beginning of a text, cut inside its middle between two words (clusters where writing has no spaces).

    Args:
        text: An answer of at least MIN_WORDS words.
        draw: Says where to cut, between 20 and 80 % of the words.
    """
    spans = _spans(text)
    if len(spans) < MIN_WORDS:
        return None
    return text[: spans[int(draw.integers(len(spans) // 5 + 1, len(spans) * 4 // 5 + 1)) - 1][1]]


def repeat(text: str, draw: np.random.Generator) -> str | None:
    """Return a text in which one sentence stands two to four times in a row instead of what followed it."""
    sentences = [match[0] for match in SENTENCE.finditer(text)]
    if len(_spans(text)) < MIN_WORDS:
        return None
    chosen = int(draw.integers(len(sentences)))
    again = sentences[chosen].strip()
    times = int(draw.integers(2, 5))
    return "".join(sentences[:chosen]) + " ".join([again] * times)


def shuffle(text: str, draw: np.random.Generator) -> str | None:
    """Return a text with all its words in another order, what stands between words left where it was."""
    spans = _spans(text)
    if len(spans) < MIN_WORDS:
        return None
    return _reordered(text, spans, list(draw.permutation(len(spans))))


def word_noise(text: str, draw: np.random.Generator) -> str | None:
    """Return a text with a tenth of its words left out and the others moved by a few places."""
    spans = _spans(text)
    if len(spans) < MIN_WORDS:
        return None
    order = np.argsort(np.arange(len(spans)) + draw.uniform(0, REORDER_WORDS, len(spans)), kind="stable")
    return _reordered(text, spans, [int(k) for k in order], draw.random(len(spans)) < DROPPED_FRACTION)


MAKERS = {"truncated": truncate, "repeated": repeat, "shuffled": shuffle, "word_noise": word_noise}
"""Makers that need the answer alone."""


def _reordered(
    text: str, spans: list[tuple[int, int]], order: Sequence[int], dropped: Sequence[bool] | np.ndarray = ()
) -> str:
    pieces, end = [], 0
    for place, (first, last) in enumerate(spans):
        if not (len(dropped) and dropped[place]):
            chosen = spans[order[place]]
            pieces += [text[end:first], text[chosen[0] : chosen[1]]]
        end = last
    return "".join([*pieces, text[end:]])


def _spans(text: str) -> list[tuple[int, int]]:
    found, end = [], 0
    for word in words(text):
        first = text.index(word, end)
        end = first + len(word)
        found.append((first, end))
    return found


class _Partners:
    """Rows to take another answer from."""

    def __init__(self, rows: Sequence[Example]) -> None:
        self.rows = rows
        self.by_language: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            self.by_language.setdefault(row.language, []).append(place)

    def same_language(self, place: int, draw: np.random.Generator) -> str | None:
        """Return the answer of another prompt in the same language."""
        row = self.rows[place]
        others = [p for p in self.by_language[row.language] if self.rows[p].prompt != row.prompt]
        return self.rows[others[int(draw.integers(len(others)))]].answer if others else None

    def other_language(self, place: int, draw: np.random.Generator) -> str | None:
        """Return an answer in another language, languages drawn alike."""
        tags = sorted(tag for tag in self.by_language if tag != self.rows[place].language)
        if not tags:
            return None
        others = self.by_language[tags[int(draw.integers(len(tags)))]]
        return self.rows[others[int(draw.integers(len(others)))]].answer


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
