"""How well a tokenizer fits a language: tokens per word and tokens smaller than a character."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fertility:
    """Size of one text under one tokenizer.

    Attributes:
        words: Words.
        tokens: Tokens, special ones left out.
        utf8_bytes: Bytes.
        fragments: Tokens that hold only part of a character (byte tokens of any kind).
        round_trips: Whether decoding gave every text back.
    """

    words: int
    tokens: int
    utf8_bytes: int
    fragments: int = 0
    round_trips: bool = True

    @property
    def tokens_per_word(self) -> float:
        """Fertility; 0 for no words."""
        return self.tokens / self.words if self.words else 0.0

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text one token holds; 0 for no tokens."""
        return self.utf8_bytes / self.tokens if self.tokens else 0.0

    @property
    def fragment_fraction(self) -> float:
        """Share of tokens that hold only part of a character, in [0, 1]."""
        return self.fragments / self.tokens if self.tokens else 0.0

    def facts(self) -> dict[str, float | int | bool]:
        """Return everything as plain JSON values."""
        return {
            "words": self.words,
            "tokens": self.tokens,
            "utf8_bytes": self.utf8_bytes,
            "tokens_per_word": round(self.tokens_per_word, 6),
            "bytes_per_token": round(self.bytes_per_token, 6),
            "fragment_fraction": round(self.fragment_fraction, 6),
            "round_trips": self.round_trips,
        }


def fertility(parts: Iterable[Fertility]) -> Fertility:
    """Add up the fertility of several texts (tokens and words are summed, not averaged per text).

    Example:
        >>> fertility([Fertility(2, 4, 20), Fertility(1, 2, 10)]).tokens_per_word
        2.0

    Source: Rust et al. 2021 (arXiv 2012.15613), section 3: subwords per word.
    """
    words = tokens = size = fragments = 0
    intact = True
    for part in parts:
        words, tokens, size = words + part.words, tokens + part.tokens, size + part.utf8_bytes
        fragments, intact = fragments + part.fragments, intact and part.round_trips
    return Fertility(words, tokens, size, fragments, intact)
