"""Fertility before and after, and files that let a reader check what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from newtongue.adapters.hf.tokenizers import FastTokenizer, batches, is_byte_fallback, token_text
from newtongue.methods.fertility import Fertility, fertility
from newtongue.methods.words import count_words


def measure(tokenizer: FastTokenizer, texts: Iterable[str]) -> Fertility:
    """Return the fertility of a tokenizer on some texts."""
    fragments = np.zeros(tokenizer.last_id + 1, bool)
    fragments[[i for token, i in tokenizer.ids.items() if is_fragment(tokenizer, token)]] = True
    return fertility(_parts(tokenizer, texts, fragments))


def _parts(tokenizer: FastTokenizer, texts: Iterable[str], fragments: np.ndarray) -> Iterator[Fertility]:
    for block in batches(texts):
        for text, encoding in zip(
            block, tokenizer.backend.encode_batch_fast(block, add_special_tokens=False), strict=True
        ):
            ids = encoding.ids
            intact = tokenizer.backend.decode(ids, skip_special_tokens=False).strip() == text.strip()
            yield Fertility(count_words(text), len(ids), len(text.encode()), int(fragments[ids].sum()), intact)


def is_fragment(tokenizer: FastTokenizer, token: str) -> bool:
    """Return whether a token holds no whole number of characters (a byte token, half a letter)."""
    if token in tokenizer.added:
        return False
    if not tokenizer.byte_level:
        return is_byte_fallback(token)
    try:
        token_text(tokenizer, token).decode()
    except UnicodeDecodeError:
        return True
    return False


def use_counts(tokenizer: FastTokenizer, texts: Iterable[str]) -> Counter[int]:
    """Return how often each id is used for some texts."""
    counts: Counter[int] = Counter()
    for block in batches(texts):
        for encoding in tokenizer.backend.encode_batch_fast(block, add_special_tokens=False):
            counts.update(encoding.ids)
    return counts


def readable(tokenizer: FastTokenizer, number: int) -> str:
    """Return a token as text in quotes; bytes that are no whole character are written as escapes."""
    text = token_text(tokenizer, tokenizer.names[number]).decode("utf-8", "backslashreplace")
    escaped = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return f"'{escaped}'"
