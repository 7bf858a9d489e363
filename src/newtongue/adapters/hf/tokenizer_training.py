"""Train a vocabulary from scratch in the style of an existing tokenizer: same normaliser, same cuts, same flags."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from newtongue.adapters.hf.tokenizers import SPACE_MARK, FastTokenizer, is_byte_fallback


def train_like(style: FastTokenizer, texts: Sequence[str], tokens: int) -> FastTokenizer:
    """Return a tokenizer with a vocabulary learnt on some texts and everything else as in `style`.

    Args:
        style: The tokenizer to imitate. Its single-byte tokens, where it has them, are kept.
        texts: Training text.
        tokens: Size of the vocabulary, special tokens left out.
    """
    front = [token for token in style.ids if is_byte_fallback(token)] if not style.byte_level else []
    backend = style.backend
    unigram = style.kind == "Unigram"
    made = Tokenizer(models.Unigram() if unigram else models.BPE())
    made.normalizer = backend.normalizer
    made.pre_tokenizer = backend.pre_tokenizer if style.byte_level else _word_cuts(backend.pre_tokenizer)
    common: dict[str, Any] = {"vocab_size": max(1, tokens - len(front)), "show_progress": False}
    if style.byte_level:
        common["initial_alphabet"] = sorted(pre_tokenizers.ByteLevel.alphabet())
    unknown = _unknown(style)
    if unigram:
        trainer = trainers.UnigramTrainer(**common, unk_token=unknown, special_tokens=[unknown])
    else:
        trainer = trainers.BpeTrainer(**common)
    made.train_from_iterator(_lines(texts), trainer)
    return FastTokenizer({**style.content, "model": _model(style, json.loads(made.to_str())["model"], front)}, "new")


def _word_cuts(own: Any) -> Any:
    """Return cuts at the start of words: SentencePiece-style tokenizers cut nowhere, but learn within words."""
    cuts = pre_tokenizers.Split(SPACE_MARK, "merged_with_next")
    return cuts if own is None else pre_tokenizers.Sequence([own, cuts])


def _unknown(style: FastTokenizer) -> str:
    model = style.content["model"]
    return str(
        style.names.get(model.get("unk_id", -1)) if style.kind == "Unigram" else model.get("unk_token") or "<unk>"
    )


def _model(style: FastTokenizer, trained: dict[str, Any], front: list[str]) -> dict[str, Any]:
    old = style.content["model"]
    if style.kind == "Unigram":
        lowest = min(score for _token, score in trained["vocab"])
        unknown = _unknown(style)
        pieces = [[t, s] for t, s in trained["vocab"] if t != unknown and t not in style.added]
        return {**old, "unk_id": 0, "vocab": [[unknown, 0.0], *([t, lowest] for t in front), *pieces]}
    unknown = [old["unk_token"]] if old.get("unk_token") else []
    names = dict.fromkeys([*unknown, *front, *trained["vocab"]])
    return {**old, "vocab": {token: number for number, token in enumerate(names)}, "merges": trained["merges"]}


def _lines(texts: Sequence[str]) -> Iterator[str]:
    """Yield lines: whole documents take several times their size in memory."""
    for text in texts:
        yield from text.splitlines()
