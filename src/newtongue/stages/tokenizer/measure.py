"""Fertility before and after, and files that let a reader check what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from newtongue.adapters.hf.tokenizers import FastTokenizer, batches, is_byte_fallback, token_text
from newtongue.methods.fertility import Fertility, fertility
from newtongue.methods.tokenizer_metrics import renyi_efficiency
from newtongue.methods.words import count_words, words

WORDS_AT_ONCE = 4096


def measure(tokenizer: FastTokenizer, texts: Iterable[str]) -> Fertility:
    """Return the fertility of a tokenizer on some texts."""
    return fertility(_parts(tokenizer, texts, Counter()))


def fit(tokenizer: FastTokenizer, texts: Iterable[str]) -> dict[str, Any]:
    """Return everything that is measured of a tokenizer on some texts, as plain JSON values.

    Beside fertility: the share of words that are one token (inside a text, and alone), and Rényi efficiency.
    """
    uses: Counter[int] = Counter()
    spelt: Counter[str] = Counter()
    found = fertility(_parts(tokenizer, _noted(texts, spelt), uses))
    return {
        **found.facts(),
        "single_token_words_fraction": round(_single(tokenizer, spelt, " "), 6),
        "single_token_words_alone_fraction": round(_single(tokenizer, spelt, ""), 6),
        "renyi_efficiency": round(renyi_efficiency(uses.values()), 6),
    }


def _noted(texts: Iterable[str], spelt: Counter[str]) -> Iterator[str]:
    for text in texts:
        spelt.update(words(text))
        yield text


def _single(tokenizer: FastTokenizer, spelt: Counter[str], lead: str) -> float:
    """Return the share of words that are one token behind `lead`; a bare word where the tokenizer adds the space."""
    own = lead if tokenizer.byte_level else ""
    single = 0
    for block in batches(spelt, WORDS_AT_ONCE):
        encodings = tokenizer.backend.encode_batch_fast([own + word for word in block], add_special_tokens=False)
        single += sum(spelt[w] for w, encoding in zip(block, encodings, strict=True) if len(encoding.ids) == 1)
    total = sum(spelt.values())
    return single / total if total else 0.0


def _parts(tokenizer: FastTokenizer, texts: Iterable[str], uses: Counter[int]) -> Iterator[Fertility]:
    fragments = np.zeros(tokenizer.last_id + 1, bool)
    fragments[[i for token, i in tokenizer.ids.items() if is_fragment(tokenizer, token)]] = True
    for block in batches(texts):
        for text, encoding in zip(
            block, tokenizer.backend.encode_batch_fast(block, add_special_tokens=False), strict=True
        ):
            ids = encoding.ids
            uses.update(ids)
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
