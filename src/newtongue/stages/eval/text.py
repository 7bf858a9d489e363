"""Held-out text in bits per byte, and the n-gram model counted for comparison."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from newtongue.adapters.hf.scoring import Encoded, Floats, ids_digest
from newtongue.adapters.tables import read_documents
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.core.rows import Document
from newtongue.methods.bits_per_byte import (
    Ints,
    Piece,
    plan_pieces,
    sum_by,
    token_starts,
    window_spans,
    windows_of_tokens,
)
from newtongue.methods.ngram import ngram_bits
from newtongue.methods.words import count_words
from newtongue.stages.eval.config import NgramControl, TextSet
from newtongue.stages.eval.subject import Subject

JOIN_CHARS = 64
"""Characters looked at on both sides of a cut, to see whether it divides a word."""

Row = dict[str, Any]


def heldout(artefact: Artefact, wanted: TextSet) -> list[Document]:
    """Return the documents to score: the held-out side, cut to `max_bytes` in row order.

    Raises:
        DataError: There is nothing to score.
    """
    room = wanted.max_bytes
    chosen: list[Document] = []
    for document in read_documents(artefact, "heldout"):
        text = document.text if room is None else document.text.encode()[:room].decode(errors="ignore")
        if text:
            key = document.id or f"row {len(chosen)}"
            chosen.append(Document(key, text, wanted.language, group=document.group or key))
        if room is not None and (room := room - len(text.encode())) <= 0:
            break
    if not chosen:
        raise DataError("no held-out text to score", place=artefact.name, fix="raise heldout_fraction in `corpus`")
    return chosen


def score_text(name: str, documents: list[Document], window_bytes: int, subject: Subject, progress: Any) -> list[Row]:
    """Return one row per window of every document."""
    encoded = [subject.encode(document.text) for document in documents]
    starts = [token_starts(e.offsets, d.text) for e, d in zip(encoded, documents, strict=True)]
    spans = [window_spans(document.text.encode(), window_bytes) for document in documents]
    pieces = [plan_pieces(s, w, subject.max_tokens - 1) for s, w in zip(starts, spans, strict=True)]
    requests = [subject.text_request(e.ids, p) for e, plan in zip(encoded, pieces, strict=True) for p in plan]
    found = iter(subject.bits(requests, progress))
    rows: list[Row] = []
    for number, document in enumerate(documents):
        bits = np.concatenate([next(found) for _ in pieces[number]] or [np.zeros(0)])
        windows = _windows(document, spans[number])
        _book(windows, encoded[number], starts[number], spans[number], bits)
        _book_shortened(windows, windows_of_tokens(starts[number], spans[number]), pieces[number])
        rows.extend({"set": name, "kind": "text", **window} for window in windows)
    return rows


def training_bytes(train: Artefact) -> list[bytes]:
    """Return the documents a control is counted on: the training side.

    Raises:
        DataError: There is none.
    """
    counted = [document.text.encode() for document in read_documents(train, "train")]
    if not counted:
        raise DataError("no training text to count n-grams on", place=train.name)
    return counted


def score_control(
    name: str, documents: list[Document], counted: list[bytes], config: NgramControl, window_bytes: int
) -> list[Row]:
    """Return one row per window, scored by an n-gram model."""
    found = ngram_bits(counted, [document.text.encode() for document in documents], config.order, config.smoothing)
    rows: list[Row] = []
    for document, bits in zip(documents, found, strict=True):
        spans = window_spans(document.text.encode(), window_bytes)
        for window, (first, end) in zip(_windows(document, spans), spans, strict=True):
            rows.append({"set": name, "kind": "control", **window, "bits": round(float(bits[first:end].sum()), 3)})
    return rows


def _windows(document: Document, spans: Ints) -> list[Row]:
    utf8 = document.text.encode()
    texts = [utf8[first:end].decode() for first, end in spans]
    return [
        {
            "item": f"{document.id}#{number}",
            "group": document.group,
            "bytes": int(end - first),
            "characters": len(texts[number]),
            "words": count_words(texts[number]) - _divides_word(texts, number),
        }
        for number, (first, end) in enumerate(spans)
    ]


def _divides_word(texts: list[str], number: int) -> int:
    """Return 1 when the cut before this window goes through a word, which then counts in the window before."""
    if number == 0:
        return 0
    left, right = texts[number - 1][-JOIN_CHARS:], texts[number][:JOIN_CHARS]
    return int(count_words(left + right) < count_words(left) + count_words(right))


def _book(windows: list[Row], encoded: Encoded, starts: Ints, spans: Ints, bits: Floats) -> None:
    """Add to each window the bits, number and ids of the tokens that start in it, and whether the last reaches out."""
    sums = sum_by(windows_of_tokens(starts, spans), bits, len(windows))
    cuts = np.searchsorted(starts, np.append(spans[:, 0], np.iinfo(np.int64).max))
    after = np.append(starts, spans[-1, 1])
    for number, window in enumerate(windows):
        first, end = int(cuts[number]), int(cuts[number + 1])
        window["bits"] = round(float(sums[number]), 3)
        window["tokens"] = end - first
        window["ids_digest"] = ids_digest(encoded.ids[first:end])
        window["spanning"] = int(end > first and after[end] > spans[number, 1])


def _book_shortened(windows: list[Row], labels: Ints, pieces: Iterable[Piece]) -> None:
    """Add the number of tokens that saw less context than due, because of the model's length limit."""
    short = np.zeros(len(labels))
    for piece in pieces:
        short[piece.first : piece.end] = piece.shortened
    for window, count in zip(windows, sum_by(labels, short, len(windows)), strict=True):
        window["shortened"] = int(count)
