"""The filters of Self-Instruct, Alpaca and Alif for any script: length, impossible words, beginnings, first character.

The published ones reject every instruction that does not begin in ASCII (Alpaca) or match words between blanks (Alif:
`image` before an Urdu comma passes, the verb in `how to make tea` does not). Word lists are data of a language.
Source: Wang et al. 2023 (arXiv 2212.10560), section 2.2; Alif (arXiv 2510.09051), released filter.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from newtongue.methods.words import words


@dataclass(frozen=True)
class InstructionFilter:
    """What an instruction must look like.

    Attributes:
        min_words: Fewer are rejected.
        max_words: More are rejected.
        blocked_words: Single words or phrases that ask for what text cannot give (`image`), compared as whole words.
        blocked_beginnings: Phrases no instruction may begin with (`write a program`).
    """

    min_words: int = 4
    max_words: int = 150
    blocked_words: Sequence[str] = ()
    blocked_beginnings: Sequence[str] = ()

    def problem(self, instruction: str) -> str:
        """Return why an instruction is rejected, a short stable phrase, or "".

        Example:
            >>> urdu = InstructionFilter(blocked_words=["تصویر"])
            >>> urdu.problem("ایک تصویر، جو خوبصورت ہو، بنائیں۔"), urdu.problem("چائے بنانے کا طریقہ بتائیں۔")
            ('blocked word', '')
        """
        found = [word.casefold() for word in words(instruction)]
        if len(found) < self.min_words:
            return "instruction too short"
        if len(found) > self.max_words:
            return "instruction too long"
        if unicodedata.category(instruction.lstrip()[0])[0] in "PS":
            return "begins with punctuation"
        if any(found[: len(phrase)] == phrase for phrase in self._beginnings):
            return "blocked beginning"
        if any(_contains(found, phrase) for phrase in self._blocked):
            return "blocked word"
        return ""

    @cached_property
    def _blocked(self) -> list[list[str]]:
        return [words(phrase.casefold()) for phrase in self.blocked_words]

    @cached_property
    def _beginnings(self) -> list[list[str]]:
        return [words(phrase.casefold()) for phrase in self.blocked_beginnings]


def _contains(found: Sequence[str], phrase: Sequence[str]) -> bool:
    size = len(phrase)
    return any(list(found[place : place + size]) == list(phrase) for place in range(len(found) - size + 1))
