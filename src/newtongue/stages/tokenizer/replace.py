"""Give the model another vocabulary: rows of tokens both have are kept, the others start from their old spelling."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np

from newtongue.adapters.hf.tokenizer_editing import renumber
from newtongue.adapters.hf.tokenizer_training import train_like
from newtongue.adapters.hf.tokenizers import BYTE_OF, FastTokenizer, is_byte_fallback, load_tokenizer, token_text
from newtongue.methods.continued_bpe import Pieces
from newtongue.stages.tokenizer.config import TokenizerConfig
from newtongue.stages.tokenizer.plan import Expansion, Ground

CHARACTER_OF = {byte: character for character, byte in BYTE_OF.items()}


def plan_replacement(config: TokenizerConfig, old: FastTokenizer, ground: Ground, donor: Path | None) -> Expansion:
    """Take the donor's vocabulary, or train one on the corpus and the protected texts, and match it with the old one.

    The model's special tokens stay, the donor's are left out: chat template and generation settings go on working.

    Args:
        config: Settings of the stage.
        old: The tokenizer to replace.
        ground: Training text, protected text, size of the model.
        donor: Model directory with the tokenizer to take, or None to train one in the old one's style.
    """
    assert config.replace is not None
    if donor is None:
        kept_texts = [text for protected in ground.sets for text in protected.texts()]
        fresh = train_like(old, [*ground.texts, *kept_texts], config.replace.tokens)
    else:
        fresh = load_tokenizer(donor)
    names = {t: i for t, i in fresh.ids.items() if t not in fresh.added or t in old.added or t == _unknown(fresh)}
    matched = _matches(old, fresh, [t for t in names if t not in old.added]) | {t: old.ids[t] for t in old.added}
    order = sorted(matched, key=lambda token: matched[token])
    new = sorted((t for t in names if t not in matched), key=lambda token: names[token])
    id_map = np.full(ground.model.rows, -1, np.int64)
    id_map[[matched[token] for token in order]] = np.arange(len(order))
    return Expansion(
        tokenizer=_assembled(old, fresh, [*order, *new]),
        unprotected=None,
        first_id=len(order),
        tokens=new,
        pieces=[spell(old, token_text(fresh, token)) for token in new],
        dropped={"not in the new vocabulary": len(old.ids) - len(order)},
        id_map=id_map,
    )


def _unknown(tokenizer: FastTokenizer) -> str | None:
    model = tokenizer.content["model"]
    return tokenizer.names.get(model.get("unk_id", -1)) if tokenizer.kind == "Unigram" else model.get("unk_token")


def _matches(old: FastTokenizer, fresh: FastTokenizer, tokens: list[str]) -> dict[str, int]:
    """Return new token -> the old id that stands for the same bytes, each old id at most once.

    Bytes are compared, not decoded text: parts of characters all decode to the same sign.
    """
    if old.byte_level == fresh.byte_level:
        return {token: old.ids[token] for token in tokens if token in old.ids}
    known: dict[bytes, int] = {}
    for raw in (True, False):
        known |= {token_text(old, t): i for t, i in old.ids.items() if t not in old.added and _is_raw(old, t) is raw}
    found: dict[str, int] = {}
    taken: set[int] = set()
    for token in sorted(tokens, key=lambda token: _is_raw(fresh, token)):
        number = known.get(token_text(fresh, token))
        if number is not None and number not in taken:
            found[token] = number
            taken.add(number)
    return found


def _is_raw(tokenizer: FastTokenizer, token: str) -> bool:
    return not tokenizer.byte_level and is_byte_fallback(token)


def spell(old: FastTokenizer, text: bytes) -> Pieces:
    """Return the old ids that spell some bytes; bytes that are no whole character are spelt one by one."""
    if old.byte_level:
        written = "".join(CHARACTER_OF[byte] for byte in text)
        return tuple(token.id for token in old.backend.model.tokenize(written))
    try:
        written = text.decode().replace(" ", "▁")
    except UnicodeDecodeError:
        raw = tuple(old.ids[f"<0x{byte:02X}>"] for byte in text if f"<0x{byte:02X}>" in old.ids)
        return raw or (old.ids[str(_unknown(old))],)
    return tuple(token.id for token in old.backend.model.tokenize(written))


def _assembled(old: FastTokenizer, fresh: FastTokenizer, order: list[str]) -> FastTokenizer:
    """Return the new model with the old one's special tokens and post-processor, ids in the given order."""
    content: dict[str, Any] = copy.deepcopy(dict(fresh.content))
    model = content["model"]
    ids = {token: number for number, token in enumerate(order)}
    if isinstance(model["vocab"], dict):
        model["vocab"] = ids
        model["merges"] = [pair for pair in model["merges"] if _whole(pair, ids)]
    else:
        scores = dict(tuple(item) for item in model["vocab"])
        lowest = min(scores.values())
        model["vocab"] = [[token, scores.get(token, lowest)] for token in order]
        model["unk_id"] = ids.get(str(_unknown(fresh)))
    content["added_tokens"] = [{**t, "id": ids[t["content"]]} for t in old.content.get("added_tokens", ())]
    content["post_processor"] = old.content.get("post_processor")
    return renumber(FastTokenizer(content, old.place), np.arange(len(order)))


def _whole(pair: str | list[str], ids: dict[str, int]) -> bool:
    left, right = pair.split(" ") if isinstance(pair, str) else pair
    return left in ids and right in ids and left + right in ids
