"""What a stand-in teacher makes tasks from: sentences and passages of a text, examples, sentence pairs.

Source: ours.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from newtongue.methods.words import words

MIN_WORDS, MAX_WORDS = 4, 12
"""Length of the sentences tasks are made from, in words."""
MAX_PASSAGE_WORDS: Final = 32
"""Longest passage in words."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a prompt gives to make tasks from.

    Attributes:
        passages: Lists of consecutive sentences in the language.
        pairs: (sentence in another language, its translation).
        examples: Seed tasks: `instruction`, `input`, `output`, perhaps `labels`.
    """

    passages: Sequence[Sequence[str]]
    pairs: Sequence[tuple[str, str]]
    examples: Sequence[Mapping[str, Any]]

    def sentence(self, rng: Random) -> str | None:
        """Draw one sentence of a workable length."""
        fitting = [s for passage in self.passages for s in passage if MIN_WORDS <= len(words(s)) <= MAX_WORDS]
        return rng.choice(fitting) if fitting else None

    def passage(self, rng: Random, most: int = 4) -> Sequence[str] | None:
        """Draw two to `most` consecutive sentences; quotations hide where sentences end, so they are left out."""
        runs = [p[i : i + n] for p in self.passages for n in range(2, most + 1) for i in range(len(p) - n + 1)]
        fitting = [
            run for run in runs if len(words(" ".join(run))) <= MAX_PASSAGE_WORDS and not any(map(_has_quotation, run))
        ]
        return rng.choice(fitting) if fitting else None

    def two_examples(self, rng: Random) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """Draw two different examples with different answers."""
        first = rng.choice(self.examples)
        others = [other for other in self.examples if other["output"] != first["output"]]
        return (first, rng.choice(others)) if others else None

    def two_pairs(self, rng: Random) -> tuple[tuple[str, str], tuple[str, str]] | None:
        """Draw two different sentence pairs."""
        return tuple(rng.sample(self.pairs, 2)) if len(self.pairs) > 1 else None  # type: ignore[return-value]


def _has_quotation(sentence: str) -> bool:
    return any(letter == '"' or unicodedata.category(letter) in ("Pi", "Pf") for letter in sentence)


def single_words(sentence: str) -> list[str]:
    """Return the words of a sentence that occur in it once, also as a part of another word."""
    return [word for word in words(sentence) if len(word) > 2 and sentence.count(word) == 1]


def question_of(example: Mapping[str, Any]) -> str:
    """Return what an example asks, in one line."""
    return " ".join(part for part in (example["instruction"], example.get("input") or "") if part)


def sentences(text: str, marks: str) -> list[str]:
    """Return the sentences of a text: runs that end in one of `marks`, with closing quotes, and the rest.

    Example:
        >>> sentences("کیا؟ ہاں۔ بس", "۔؟")
        ['کیا؟', 'ہاں۔', 'بس']
    """
    found: list[str] = []
    start = 0
    for place, letter in enumerate(text):
        following = text[place + 1 : place + 2]
        if letter in marks and (not following or following.isspace()):
            found.append(text[start : place + 1].strip())
            start = place + 1
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]
