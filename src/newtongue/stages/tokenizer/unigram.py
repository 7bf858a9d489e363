"""Learn new pieces for a Unigram tokenizer: runs of old pieces, scored by use, none of which protected text can feel.

Which pieces a text is split into depends on all scores at once, so the pair rule of merges does not hold here. What
holds: a new piece changes a text only if the best split uses it. So protected text is split with the new pieces, those
it uses are dropped, and again, until none is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from newtongue.adapters.hf.segmentation import Stretches
from newtongue.adapters.hf.tokenizer_editing import extend_unigram, unreachable
from newtongue.adapters.hf.tokenizers import FastTokenizer, batches, count_chars, spelling, token_text
from newtongue.methods.bpe_learning import learn_merges
from newtongue.methods.continued_bpe import Pieces, covered_by_alphabet
from newtongue.methods.unigram import piece_scores, without, worth
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.grow import (
    IN_ALPHABET,
    KNOWN,
    PROTECTED,
    TOO_LONG,
    Growth,
    Room,
    new_symbols,
    symbol_pieces,
)
from newtongue.stages.tokenizer.protect import ProtectedSet, Protection

SPARE = 1.25
"""More candidates than room, because some go unused beside better ones."""
ROUNDS = 3
UNUSED = "never part of the best split"


def grow_unigram(
    config: TokenizerConfig,
    old: FastTokenizer,
    texts: Sequence[str],
    kept: tuple[Protection, Sequence[ProtectedSet]],
    room: Room,
) -> Growth:
    """Choose new pieces and their scores.

    Args:
        config: Settings of the stage.
        old: The tokenizer to expand.
        texts: Training text.
        kept: What is known of protected text, and the text.
        room: How many pieces, from which id on.
    """
    protection, sets = kept
    search = _Search(old, texts, room)
    refused: Counter[str] = Counter()
    scores = search.candidates(config, new_symbols(old, texts, protection, room), refused)
    if config.guarantee == "alphabet":
        exposed = {piece for piece in scores if not covered_by_alphabet(token_text(old, piece), protection.alphabet)}
        refused[IN_ALPHABET] = len(exposed)
        scores = without(scores, exposed)
    free = search.settled(scores, refused)
    safe, touched = _unfelt(old, free, sets, room.first_id)
    refused[PROTECTED] = touched
    chosen = list(safe)[: max(0, room.tokens)]
    plain = list(free)
    return Growth(
        tokens=chosen,
        pieces=[symbol_pieces(old, piece) for piece in chosen],
        at=lambda n: extend_unigram(old, {piece: safe[piece] for piece in chosen[:n]}, room.first_id),
        uses=lambda n: search.uses_of(chosen[:n], safe),
        free=(lambda n: extend_unigram(old, {p: free[p] for p in plain[:n]}, room.first_id)) if touched else None,
        refused={reason: count for reason, count in sorted(refused.items()) if count},
    )


class _Search:
    """Splits the training text again and again."""

    def __init__(self, old: FastTokenizer, texts: Sequence[str], room: Room) -> None:
        self.old, self.room = old, room
        self.words = Stretches.of(old, texts)
        self.floor = min(score for _token, score in old.content["model"]["vocab"])

    def candidates(self, config: TokenizerConfig, symbols: list[str], refused: Counter[str]) -> dict[str, float]:
        """Return frequent runs of old pieces, with the score their frequency gives them."""
        grown = extend_unigram(self.old, dict.fromkeys(symbols, self.floor), self.room.first_id)
        unknown = grown.content["model"].get("unk_id")
        raw = frozenset(i for token, i in grown.ids.items() if token.startswith("<0x")) | {unknown}

        def objection(left: Pieces, right: Pieces) -> str | None:
            token = spelling(grown, left + right)
            if not raw.isdisjoint(left + right) or token in grown.ids:
                return KNOWN
            return TOO_LONG if count_chars(token_text(grown, token)) > config.max_token_chars else None

        counts = self.words.segmented(grown)
        number = round(max(0, self.room.tokens - len(symbols)) * SPARE)
        learned = learn_merges(counts, number, self.room.min_count, objection)
        refused.update(reason for _merge, reason in learned.refused)
        total = counts.tokens
        uses = dict(zip((spelling(grown, m.pieces) for m in learned.merges), learned.saved, strict=True))
        return {**dict.fromkeys(symbols, self.floor), **piece_scores(uses, total, self.floor)}

    def settled(self, scores: dict[str, float], refused: Counter[str]) -> dict[str, float]:
        """Return the pieces that stay in use beside each other, those that save most first."""
        start = len(scores)
        uses: Counter[str] = Counter()
        for _ in range(ROUNDS):
            uses, total = self.uses(scores)
            scores = piece_scores({p: uses[p] for p in scores if uses[p] >= self.room.min_count}, total, self.floor)
        dead = set(unreachable(extend_unigram(self.old, scores, self.room.first_id), scores))
        refused[UNUSED] = start - len(scores) + len(dead)
        scores = without(scores, dead)
        parts = {piece: len(symbol_pieces(self.old, piece)) for piece in scores}
        return {piece: scores[piece] for piece in worth({p: uses[p] for p in scores}, parts)[: self.room.tokens]}

    def uses(self, scores: Mapping[str, float]) -> tuple[Counter[str], int]:
        """Return how often the best split uses each new piece, and its pieces in all."""
        tokenizer = extend_unigram(self.old, scores, self.room.first_id)
        uses: Counter[str] = Counter()
        counts = self.words.segmented(tokenizer)
        for number, count in enumerate(counts.uses(tokenizer.last_id + 1)[self.room.first_id :].tolist()):
            if count:
                uses[tokenizer.names[self.room.first_id + number]] = count
        return uses, max(1, counts.tokens)

    def uses_of(self, pieces: Sequence[str], scores: Mapping[str, float]) -> list[int]:
        """Return how often the best split uses each of some pieces, with no other new ones beside them."""
        uses, _total = self.uses({piece: scores[piece] for piece in pieces})
        return [uses[piece] for piece in pieces]


def _unfelt(
    old: FastTokenizer, scores: dict[str, float], sets: Sequence[ProtectedSet], first_id: int
) -> tuple[dict[str, float], int]:
    """Return the pieces no protected text uses, and how many were dropped."""
    start = len(scores)
    while scores:
        tokenizer = extend_unigram(old, scores, first_id)
        used: set[int] = set()
        for protected in sets:
            for block in batches(protected.texts()):
                for encoding in tokenizer.backend.encode_batch_fast(block):
                    used.update(i for i in encoding.ids if i >= first_id)
        if not used:
            break
        scores = without(scores, {tokenizer.names[i] for i in used})
    return scores, start - len(scores)
