"""Bits per byte on windows of fixed byte spans, the same spans for every model.

A loss per token cannot be compared across tokenizers: the units differ. A byte is the same byte
for every model, so text is cut into windows of bytes before any tokenizer sees it, and each token's
bits are booked on the window in which the token starts. What stands here is arithmetic over offsets;
the model itself is asked in `adapters/hf/scoring.py`.

Shapes: B bytes of a document, C characters, T tokens, W windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

KNOW_NOTHING_BITS = 8.0
"""Bits per byte of a model that gives every byte the same probability: log2(256)."""


def window_spans(utf8: bytes, window_bytes: int) -> Ints:
    """Cut a document into windows of equal size, each cut moved back to the start of a character.

    Only the text and the window size decide, so two models are always compared on the same spans.

    Args:
        utf8: The document in valid UTF-8.
        window_bytes: Size of a window in bytes, at least 4 (the longest character).

    Returns:
        Array (W, 2) of first byte and byte after the last; spans touch and cover the document.
        A document without bytes has no window.

    Raises:
        ValueError: The window is smaller than a character can be.

    Example:
        >>> window_spans("abcdeé".encode(), 6).tolist()
        [[0, 5], [5, 7]]
    """
    if window_bytes < 4:
        raise ValueError(f"window_bytes is {window_bytes}; a character takes up to 4 bytes")
    cuts = [0]
    while cuts[-1] < len(utf8):
        cuts.append(_character_start(utf8, cuts[-1] + window_bytes))
    return np.column_stack([cuts[:-1], cuts[1:]]).astype(np.int64).reshape(-1, 2)


def _character_start(utf8: bytes, place: int) -> int:
    if place >= len(utf8):
        return len(utf8)
    while utf8[place] & 0xC0 == 0x80:
        place -= 1
    return place


def character_bytes(text: str) -> Ints:
    """Return the byte offset of every character and of the end: array (C + 1,).

    Example:
        >>> character_bytes("aéا").tolist()
        [0, 1, 3, 5]
    """
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.int64)
    lengths = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def token_starts(offsets: Sequence[tuple[int, int]], text: str) -> Ints:
    """Return the byte at which each token starts, from character offsets as tokenizers report them.

    Tokenizers may leave the space before a word out of its offsets; the token still spells it.
    A token therefore starts where the text covered by earlier tokens ends, unless it says it
    starts before that (several byte-level tokens that share one character).

    Args:
        offsets: Per token the first character and the character after the last, T pairs in order.
        text: The text that was tokenised.

    Returns:
        Array (T,), not decreasing, in bytes.

    Example:
        >>> token_starts([(0, 2), (3, 5), (3, 5)], "ab éd").tolist()
        [0, 2, 3]
    """
    pairs = np.asarray(offsets, dtype=np.int64).reshape(-1, 2)
    if not len(pairs):
        return np.zeros(0, dtype=np.int64)
    covered = np.concatenate([[0], np.maximum.accumulate(pairs[:, 1])[:-1]])
    starts = np.maximum.accumulate(np.minimum(pairs[:, 0], covered))
    return np.asarray(character_bytes(text)[starts], dtype=np.int64)


def windows_of_tokens(starts: Ints, spans: Ints) -> Ints:
    """Return for each token the window in which it starts: array (T,) of numbers in [0, W).

    A token that reaches over a cut counts, whole, where it starts.

    Args:
        starts: First byte of each token (T,).
        spans: Windows (W, 2) as `window_spans` makes them.
    """
    return np.asarray(np.searchsorted(spans[:, 1], starts, side="right"), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Piece:
    """One sequence to show to a model.

    Attributes:
        context: First token shown.
        first: First token scored; those before it are context.
        end: Token after the last one scored.
        shortened: Whether the model's length limit took away context the window was due.
    """

    context: int
    first: int
    end: int
    shortened: bool


def plan_pieces(starts: Ints, spans: Ints, max_tokens: int) -> list[Piece]:
    """Say which tokens to score together, and given which earlier ones.

    Every window is scored given the text of the window before it, a span of bytes and so the same
    text for every model, however many tokens it takes. The first two windows of a document are one
    piece. Where a model's limit is too small for that, windows are cut into pieces of half the limit,
    each given as much of the text due to it as fits.

    Args:
        starts: First byte of each token (T,), not decreasing.
        spans: Windows (W, 2).
        max_tokens: Most tokens in a sequence, context included, at least 2.

    Returns:
        Pieces that score every token exactly once, in order.

    Source: the sliding evaluation of Press et al. 2021 (arXiv 2012.15832, section 3), with window and
        context measured in bytes instead of tokens: in tokens, the model with the larger vocabulary
        would see more text.
    """
    bounds = np.searchsorted(starts, np.append(spans[:, 0], spans[-1:, 1])) if len(spans) else np.zeros(1, int)
    pieces: list[Piece] = []
    blocks = [(0, 0, min(2, len(spans))), *((w - 1, w, w + 1) for w in range(2, len(spans)))]
    for context, first, end in blocks:
        pieces.extend(cut_pieces(int(bounds[context]), int(bounds[first]), int(bounds[end]), max_tokens))
    return pieces


def cut_pieces(context: int, first: int, end: int, max_tokens: int) -> list[Piece]:
    """Cut a run of tokens to score into pieces that fit, each given as much of its context as fits beside it.

    Args:
        context: First token that may be shown.
        first: First token to score.
        end: Token after the last one.
        max_tokens: Most tokens in a sequence, at least 2.

    Example:
        >>> [(p.context, p.first, p.end) for p in cut_pieces(0, 2, 9, 6)]
        [(0, 2, 5), (2, 5, 8), (3, 8, 9)]
    """
    if first == end:
        return []
    if end - context <= max_tokens:
        return [Piece(context, first, end, False)]
    step = max(1, max_tokens // 2)
    cuts = range(first, end, step)
    shown = [(max(context, min(end, cut + step) - max_tokens), cut, min(end, cut + step)) for cut in cuts]
    return [Piece(start, cut, stop, start > context) for start, cut, stop in shown]


def sum_by(labels: Ints, values: Floats, count: int) -> Floats:
    """Return the sum of `values` per label in [0, count): bits per window, bytes per document.

    Example:
        >>> sum_by(np.array([0, 0, 2]), np.array([1.0, 2.0, 4.0]), 3).tolist()
        [3.0, 0.0, 4.0]
    """
    return np.bincount(labels, weights=values, minlength=count).astype(np.float64)


def bits_per_byte(bits: Floats, utf8_bytes: Ints | Floats) -> float:
    """Return total bits over total bytes: long documents weigh as much as they are long.

    Args:
        bits: Bits per window or document.
        utf8_bytes: Their sizes in bytes, with a sum above zero.

    Example:
        >>> bits_per_byte(np.array([8.0, 24.0]), np.array([4, 4]))
        4.0

    Source: Gao et al. 2020 (arXiv 2101.00027, section 3.1).
    """
    return float(np.sum(bits) / np.sum(utf8_bytes))
