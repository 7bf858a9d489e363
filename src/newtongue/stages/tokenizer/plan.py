"""Decide which tokens to add: learn more than needed, drop what the rules forbid, keep the first."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from newtongue.adapters.hf.tokenizers import (
    SPACE_MARK,
    FastTokenizer,
    count_chars,
    extend,
    is_byte_fallback,
    segment_counts,
    spelling,
    token_text,
)
from newtongue.methods.continued_bpe import Pieces, covered_by_alphabet
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.learn import Rules, learn
from newtongue.stages.tokenizer.protect import Protection

TOO_LONG = "longer than max_token_chars"
IN_ALPHABET = "holds no byte that protected text lacks"
KNOWN = "spells a token the model already has"
RAW_BYTES = "joins raw bytes of a character vocabulary"


@dataclass(frozen=True)
class Expansion:
    """The tokens to add.

    Attributes:
        tokenizer: The tokenizer with them.
        unprotected: The tokenizer the same budget would give without the protection rule, or None when equal.
        first_id: Id of the first new token.
        tokens: New tokens as `tokenizer.json` writes them, in order of id.
        pieces: Old ids that spell each, in order of id.
        dropped: Reason -> how many of the merges that plain learning would have chosen it excludes.
    """

    tokenizer: FastTokenizer
    unprotected: FastTokenizer | None
    first_id: int
    tokens: list[str]
    pieces: list[Pieces]
    dropped: dict[str, int]


def plan_expansion(
    config: TokenizerConfig, old: FastTokenizer, texts: list[str], protection: Protection, first_id: int
) -> Expansion:
    """Learn new tokens from texts.

    Args:
        config: Settings of the stage.
        old: The tokenizer to expand.
        texts: Training text.
        protection: What is known of the protected texts.
        first_id: Id of the first new token.
    """
    symbols = _new_symbols(config, old, texts, protection)
    grown = extend(old, symbols, [], first_id) if symbols else old
    counts = segment_counts(grown, texts)
    room = config.new_tokens - len(symbols)

    def objection(pieces: Pieces) -> str | None:
        token = spelling(grown, pieces)
        if token in grown.ids:
            return KNOWN
        if not old.byte_level and any(is_byte_fallback(grown.names[i]) for i in pieces):
            return RAW_BYTES
        return TOO_LONG if count_chars(token_text(grown, token)) > config.max_token_chars else None

    def guard(pieces: Pieces) -> str | None:
        text = token_text(grown, spelling(grown, pieces))
        return None if covered_by_alphabet(text, protection.alphabet) else IN_ALPHABET

    rules = Rules(objection, protection.pairs, guard if config.guarantee == "alphabet" else lambda _pieces: None)
    learnt = learn(counts, room, config.min_count, rules)
    merges = learnt.merges
    names = [*symbols, *(spelling(grown, merge.pieces) for merge in merges)]
    spelt = [_symbol_pieces(old, symbol) for symbol in symbols]
    flat = [tuple(_flatten(merge.pieces, spelt, first_id)) for merge in merges]
    return Expansion(
        tokenizer=extend(old, symbols, merges, first_id),
        unprotected=None if learnt.free == merges else extend(old, symbols, learnt.free, first_id),
        first_id=first_id,
        tokens=names,
        pieces=[*spelt, *flat],
        dropped=learnt.filtered.reasons(),
    )


def _new_symbols(config: TokenizerConfig, old: FastTokenizer, texts: list[str], protection: Protection) -> list[str]:
    """Return characters worth a token of their own, where the vocabulary is made of characters, not bytes.

    At most half of the new tokens are spent on them, the most frequent first. A character any protected text
    holds is left spelt as it was: its pieces are neighbours there.
    """
    if old.byte_level:
        return []
    counts = Counter(character for text in texts for character in text)
    wanted = [
        character
        for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if count >= config.min_count and not character.isspace() and character != SPACE_MARK
        if character not in old.ids and not _appears(character, _symbol_pieces(old, character), protection)
    ]
    return wanted[: config.new_tokens // 2]


def _appears(character: str, pieces: Pieces, protection: Protection) -> bool:
    """Whether a protected text may hold a character (a superset, from bytes and neighbours)."""
    if covered_by_alphabet(character.encode(), protection.alphabet):
        return False
    return len(pieces) < 2 or all(pair in protection.pairs for pair in itertools.pairwise(pieces))


def _symbol_pieces(old: FastTokenizer, symbol: str) -> Pieces:
    return tuple(token.id for token in old.backend.model.tokenize(symbol))


def _flatten(pieces: Pieces, symbols: list[Pieces], first_id: int) -> Iterator[int]:
    """Replace new characters by the old ids that spelt them."""
    for piece in pieces:
        yield from symbols[piece - first_id] if piece >= first_id else (piece,)
