"""The tokenizer's model on many words at once, each distinct fragment of them segmented once.

A symbol of byte-pair encoding is a token of the vocabulary. So where two bytes stand side by side that do so in no
token, nothing is ever joined across, and both sides are segmented apart. In a script the vocabulary hardly knows,
nearly all words come apart into single letters; in one it knows well, few do.
"""

from __future__ import annotations

from itertools import chain, pairwise
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from newtongue.adapters.hf.stretches import Ints, Runs
from newtongue.adapters.hf.tokenizers import BYTE_OF, FastTokenizer, batches

WORDS_AT_ONCE = 128
_NO_BYTE = 256
_BYTE = np.full(max(map(ord, BYTE_OF)) + 1, _NO_BYTE)
_BYTE[[ord(letter) for letter in BYTE_OF]] = list(BYTE_OF.values())
_LETTER = np.array([ord(letter) for _byte, letter in sorted((byte, c) for c, byte in BYTE_OF.items())], "<u2")


def tokenized(tokenizer: FastTokenizer, words: Runs) -> tuple[Ints, Ints]:
    """Return the ids of all words, and where each word ends among them.

    Args:
        tokenizer: Its model alone is used.
        words: Pre-tokens, as text.
    """
    if not tokenizer.byte_level:
        return _each(tokenizer, words.strings())
    if tokenizer.kind != "BPE":
        return _each(tokenizer, _spelt(words))
    fragments = Runs(words.data, _cuts(words, _together(tokenizer)))
    distinct, which = fragments.distinct()
    ids, ends = _each(tokenizer, _spelt(distinct))
    lengths, starts = np.diff(ends, prepend=0)[which], np.concatenate([[0], ends])[which]
    stops = np.cumsum(lengths)
    within = np.arange(int(lengths.sum())) - np.repeat(stops - lengths, lengths)
    return ids[np.repeat(starts, lengths) + within], stops[np.searchsorted(fragments.ends, words.ends)]


def _each(tokenizer: FastTokenizer, words: list[str]) -> tuple[Ints, Ints]:
    tokenize, number = tokenizer.backend.model.tokenize, attrgetter("id")
    ids, lengths = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for block in batches(words, WORDS_AT_ONCE):
        tokens = list(map(tokenize, block))
        lengths.append(np.fromiter(map(len, tokens), np.int64, len(tokens)))
        ids.append(np.fromiter(map(number, chain.from_iterable(tokens)), np.int64, int(lengths[-1].sum())))
    return np.concatenate(ids), np.cumsum(np.concatenate(lengths))


def _spelt(words: Runs) -> list[str]:
    """Write words in the byte alphabet."""
    letters = _LETTER[np.frombuffer(words.data, np.uint8)].tobytes().decode("utf-16-le")
    offsets = words.offsets.tolist()
    return [letters[start:end] for start, end in pairwise(offsets)]


def _together(tokenizer: FastTokenizer) -> NDArray[np.bool_]:
    """Return which two bytes stand side by side in some token; unknown ones may be joined as unknown, too."""
    vocab = tokenizer.content["model"]["vocab"]
    points = np.frombuffer(" ".join(vocab).encode("utf-32-le"), np.uint32)
    numbers = np.where(points < len(_BYTE), _BYTE[np.minimum(points, len(_BYTE) - 1)], _NO_BYTE)
    pairs = np.zeros((_NO_BYTE + 1, _NO_BYTE + 1), bool)
    pairs[numbers[:-1], numbers[1:]] = True
    unknown = np.array([byte for letter, byte in BYTE_OF.items() if letter not in vocab], np.int64)
    pairs[np.ix_(unknown, unknown)] = True
    return pairs[:_NO_BYTE, :_NO_BYTE]


def _cuts(words: Runs, together: NDArray[np.bool_]) -> Ints:
    raw = np.frombuffer(words.data, np.uint8)
    cut = np.ones(len(raw), bool)
    cut[:-1] = ~together[raw[:-1], raw[1:]]
    cut[words.ends - 1] = True
    return np.flatnonzero(cut) + 1
