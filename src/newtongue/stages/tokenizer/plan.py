"""Decide which tokens the model gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.tokenizers import FastTokenizer
from newtongue.core.errors import DataError
from newtongue.methods.continued_bpe import Pieces
from newtongue.methods.vocabulary_size import ModelSize
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.grow import Growth, Room, grow_bpe
from newtongue.stages.tokenizer.protect import ProtectedSet, Protection
from newtongue.stages.tokenizer.size import choose_size
from newtongue.stages.tokenizer.unigram import grow_unigram


@dataclass(frozen=True)
class Expansion:
    """The vocabulary the model gets.

    Attributes:
        tokenizer: The new tokenizer.
        unprotected: The tokenizer the same budget would give without the protection rule, or None when equal.
        first_id: Id of the first new token.
        tokens: New tokens as `tokenizer.json` writes them, in order of id.
        pieces: Old ids that spell each, in order of id.
        dropped: Reason -> how many candidates it excluded.
        id_map: New id of each old row, -1 where it goes; None when every old row stays.
        size: How the number of tokens was chosen, where that was left to the stage.
        wanted: Tokens that were asked for, where some were.
    """

    tokenizer: FastTokenizer
    unprotected: FastTokenizer | None
    first_id: int
    tokens: list[str]
    pieces: list[Pieces]
    dropped: dict[str, int]
    id_map: NDArray[np.int64] | None = None
    size: Mapping[str, Any] | None = None
    wanted: int | None = None


@dataclass(frozen=True)
class Ground:
    """What the choice of tokens stands on.

    Attributes:
        texts: Training text.
        sets: Texts whose ids must not change.
        protection: What is known of them.
        model: Size of the model.
        first_id: Id of the first new token.
    """

    texts: Sequence[str]
    sets: Sequence[ProtectedSet]
    protection: Protection
    model: ModelSize
    first_id: int


def plan_expansion(config: TokenizerConfig, old: FastTokenizer, ground: Ground) -> Expansion:
    """Choose the tokens to add.

    Raises:
        DataError: The text holds no token worth adding.
    """

    def grow(texts: Sequence[str], tokens: int, min_count: int) -> Growth:
        room = Room(tokens, ground.first_id, max(min_count, config.min_count))
        if old.kind == "Unigram":
            return grow_unigram(config, old, texts, (ground.protection, ground.sets), room)
        return grow_bpe(config, old, texts, ground.protection, room)

    size = choose_size(config.size, old, ground.texts, grow, ground.model) if config.new_tokens == "auto" else None
    wanted = size["new_tokens"] if size else config.new_tokens
    growth = grow(ground.texts, wanted, 1)
    number = min(wanted, len(growth.tokens))
    if wanted and not number:
        raise _nothing_to_add(config, growth)
    return Expansion(
        tokenizer=growth.at(number),
        unprotected=growth.free(number) if growth.free else None,
        first_id=ground.first_id,
        tokens=growth.tokens[:number],
        pieces=growth.pieces[:number],
        dropped=growth.refused,
        size=size,
        wanted=wanted,
    )


def _nothing_to_add(config: TokenizerConfig, growth: Growth) -> DataError:
    told = "; ".join(f"{count:,} candidates: {reason}" for reason, count in growth.refused.items())
    return DataError(
        "the tokenizer already covers this text: there is no token to add" + (f" ({told})" if told else ""),
        place=str(config.corpus),
        fix="set new_tokens: 0 (or auto) to keep the vocabulary, lower min_count, or add text of the target language",
    )
