"""Learn new tokens for a BPE tokenizer: characters first where it has none, then merges no protected text can feel."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from newtongue.adapters.hf.segmentation import CountedWords, segment_counts
from newtongue.adapters.hf.tokenizer_editing import extend
from newtongue.adapters.hf.tokenizers import (
    SPACE_MARK,
    FastTokenizer,
    count_chars,
    is_byte_fallback,
    spelling,
    token_text,
)
from newtongue.methods.bpe_learning import Learned, learn_merges, uses_after
from newtongue.methods.continued_bpe import Merge, Pieces, covered_by_alphabet, protects
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.protect import Protection

TOO_LONG = "longer than max_token_chars"
KNOWN = "spells a token the model already has"
RAW_BYTES = "joins raw bytes of a character vocabulary"
PROTECTED = "would fire on protected text"
IN_ALPHABET = "holds no byte that protected text lacks"
SAFETY = (PROTECTED, IN_ALPHABET)
"""Reasons that come from protection, and so have a price in fertility."""


@dataclass(frozen=True)
class Growth:
    """New tokens in the order they should be added.

    Attributes:
        tokens: As `tokenizer.json` writes them.
        pieces: Old ids that spell each.
        at: Number of new tokens -> the tokenizer with the first so many.
        uses: Number of new tokens -> how often each of the first so many stands in the text they were learnt on.
        free: Number -> the tokenizer with as many tokens chosen without protection; None when protection cost nothing.
        refused: Reason -> how many candidates it excluded.
    """

    tokens: list[str]
    pieces: list[Pieces]
    at: Callable[[int], FastTokenizer]
    uses: Callable[[int], Sequence[int]]
    free: Callable[[int], FastTokenizer] | None = None
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Room:
    """How many tokens are wanted.

    Attributes:
        tokens: At most so many.
        first_id: Id of the first.
        min_count: Each must occur so often.
    """

    tokens: int
    first_id: int
    min_count: int


def grow_bpe(
    config: TokenizerConfig, old: FastTokenizer, texts: Sequence[str], protection: Protection, room: Room
) -> Growth:
    """Go on merging where the old tokenizer stopped, around every pair of tokens that protected text holds."""
    symbols = new_symbols(old, texts, protection, room)
    first = room.first_id
    grown = extend(old, symbols, [], first) if symbols else old
    rules = _Rules(config, old, grown, protection)
    counts = segment_counts(grown, texts)
    number = room.tokens - len(symbols)
    learned = learn_merges(counts, number, room.min_count, rules.veto)
    reasons = Counter(reason for _merge, reason in learned.refused)
    free = None
    if any(reason in SAFETY for reason in reasons):
        plain = learn_merges(counts, number, room.min_count, rules.objection)
        free = lambda n: _cut(old, symbols, plain, n, first)  # noqa: E731
    spelt = {symbol: symbol_pieces(old, symbol) for symbol in symbols}
    for merge in learned.merges:
        spelt.setdefault(spelling(grown, merge.pieces), tuple(_flatten(merge.pieces, list(spelt.values()), first)))
    return Growth(
        tokens=list(spelt),
        pieces=list(spelt.values()),
        at=lambda n: _cut(old, symbols, learned, n, first),
        uses=lambda n: _uses(counts, learned, (first, len(symbols)), n),
        free=free,
        refused=dict(sorted(reasons.items())),
    )


def _cut(old: FastTokenizer, symbols: list[str], learned: Learned, number: int, first_id: int) -> FastTokenizer:
    """Return the tokenizer with the first so many tokens; a prefix never lacks a part of a merge."""
    merges: Sequence[Merge] = learned.merges[: max(0, number - len(symbols))]
    return extend(old, symbols[:number], merges, first_id)


def _uses(counts: CountedWords, learned: Learned, symbols: tuple[int, int], number: int) -> list[int]:
    first, size = symbols
    uses = counts.uses(first + size)[first:].tolist() if size else []
    before = {(first + k,): count for k, count in enumerate(uses)}
    return list(uses_after(learned, max(0, number - size), before).values())[:number]


class _Rules:
    """What speaks against a merge."""

    def __init__(
        self, config: TokenizerConfig, old: FastTokenizer, grown: FastTokenizer, protection: Protection
    ) -> None:
        self.grown, self.alphabet = grown, protection.alphabet
        self.by_alphabet = config.guarantee == "alphabet"
        self.longest = config.max_token_chars
        self.fires = protects(protection.pairs)
        raw = [] if old.byte_level else [i for token, i in grown.ids.items() if is_byte_fallback(token)]
        self.raw = frozenset(raw)

    def objection(self, left: Pieces, right: Pieces) -> str | None:
        """Return why the product must never become a token, protected text or not."""
        pieces = left + right
        if not self.raw.isdisjoint(pieces):
            return RAW_BYTES
        token = spelling(self.grown, pieces)
        if token in self.grown.ids:
            return KNOWN
        return TOO_LONG if count_chars(token_text(self.grown, token)) > self.longest else None

    def veto(self, left: Pieces, right: Pieces) -> str | None:
        """Return why the merge must not be made."""
        if self.fires(left, right):
            return PROTECTED
        reason = self.objection(left, right)
        if reason is None and self.by_alphabet:
            text = token_text(self.grown, spelling(self.grown, left + right))
            return None if covered_by_alphabet(text, self.alphabet) else IN_ALPHABET
        return reason


def new_symbols(old: FastTokenizer, texts: Sequence[str], protection: Protection, room: Room) -> list[str]:
    """Return characters worth a token of their own, where the vocabulary is made of characters, not bytes.

    At most half of the new tokens are spent on them, the most frequent first. A character any protected text
    holds is left spelt as it was: its pieces are neighbours there.
    """
    if old.byte_level:
        return []
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    wanted = [
        character
        for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if count >= room.min_count and not character.isspace() and character != SPACE_MARK
        if character not in old.ids and not _appears(character, symbol_pieces(old, character), protection)
    ]
    return wanted[: room.tokens // 2]


def _appears(character: str, pieces: Pieces, protection: Protection) -> bool:
    """Whether a protected text may hold a character (a superset, from bytes and neighbours)."""
    if covered_by_alphabet(character.encode(), protection.alphabet):
        return False
    return len(pieces) < 2 or all(pair in protection.pairs for pair in itertools.pairwise(pieces))


def symbol_pieces(old: FastTokenizer, symbol: str) -> Pieces:
    """Return the old ids that spell a token as `tokenizer.json` writes it."""
    return tuple(token.id for token in old.backend.model.tokenize(symbol))


def _flatten(pieces: Pieces, symbols: list[Pieces], first_id: int) -> Iterator[int]:
    """Replace new characters by the old ids that spelt them."""
    for piece in pieces:
        yield from symbols[piece - first_id] if piece >= first_id else (piece,)
