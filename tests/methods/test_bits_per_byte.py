"""Windows depend on the text alone; tokens are booked where they start; every token is scored once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.methods.bits_per_byte import (
    KNOW_NOTHING_BITS,
    bits_per_byte,
    character_bytes,
    cut_pieces,
    plan_pieces,
    sum_by,
    token_starts,
    window_spans,
    windows_of_tokens,
)

FIVE_SCRIPTS = {
    "Latn": "The river ran quietly past the old mill, and nobody spoke. ",
    "Arab": "دریا خاموشی سے پرانی چکی کے پاس سے گزرا اور کتاب‌ها کچھ نہ بولیں۔ ",
    "Deva": "नदी चुपचाप पुरानी चक्की के पास से बही और कोई नहीं बोला। ",
    "Thai": "แม่น้ำไหลผ่านโรงสีเก่าอย่างเงียบงันและไม่มีใครพูดอะไร",
    "Hans": "河水静静地流过老磨坊，谁也没有说话。",
}
texts = st.one_of(st.text(max_size=300), st.sampled_from([text * 4 for text in FIVE_SCRIPTS.values()])).map(
    lambda text: text.encode("utf-8", "ignore").decode()
)


@pytest.mark.parametrize("text", FIVE_SCRIPTS.values(), ids=FIVE_SCRIPTS)
def test_windows_are_whole_characters_in_every_script(text: str) -> None:
    utf8 = (text * 5).encode()
    spans = window_spans(utf8, 64)
    assert "".join(utf8[a:b].decode() for a, b in spans) == text * 5
    assert max(b - a for a, b in spans) <= 64
    assert all(b - a > 60 for a, b in spans[:-1])


@given(texts, st.integers(4, 50))
def test_windows_cover_any_text_without_gap(text: str, size: int) -> None:
    utf8 = text.encode()
    spans = window_spans(utf8, size)
    assert b"".join(utf8[a:b] for a, b in spans) == utf8
    assert all(utf8[a:b].decode() for a, b in spans)


def test_a_window_smaller_than_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="window_bytes is 3"):
        window_spans(b"abc", 3)


@given(texts)
def test_characters_take_the_bytes_that_utf8_gives_them(text: str) -> None:
    expected = [len(text[:i].encode()) for i in range(len(text) + 1)]
    assert character_bytes(text).tolist() == expected


@settings(max_examples=60)
@given(texts, st.data())
def test_bits_per_document_are_the_same_however_a_text_is_tokenised(text: str, data: st.DataObject) -> None:
    """Two tokenizers cut the text differently; windows are equal and no token is lost or counted twice."""
    spans = window_spans(text.encode(), 16)
    for _tokenizer in range(2):
        cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=30)) | {0, len(text)})
        offsets = list(pairwise(cuts))
        labels = windows_of_tokens(token_starts(offsets, text), spans)
        counts = sum_by(labels, np.ones(len(labels)), len(spans))
        assert counts.sum() == len(offsets)


def test_a_space_left_out_of_the_offsets_belongs_to_the_token_after_it() -> None:
    assert token_starts([(0, 3), (4, 7)], "one two").tolist() == [0, 3]


def test_byte_tokens_of_one_character_start_at_its_first_byte() -> None:
    assert token_starts([(0, 1), (0, 1), (1, 2), (1, 2)], "اب").tolist() == [0, 0, 2, 2]


def test_a_token_over_a_cut_counts_where_it_starts() -> None:
    spans = window_spans(b"abcdefgh", 4)
    assert windows_of_tokens(np.array([0, 3, 6]), spans).tolist() == [0, 0, 1]


@given(st.lists(st.integers(0, 400), min_size=1, max_size=200), st.integers(4, 100), st.integers(2, 60))
def test_pieces_score_every_token_once_and_never_exceed_the_limit(starts: list[int], size: int, limit: int) -> None:
    ordered = np.array(sorted({0, *starts}))
    spans = window_spans(b"x" * (int(ordered[-1]) + 1), size)
    pieces = plan_pieces(ordered, spans, limit)
    scored = [token for piece in pieces for token in range(piece.first, piece.end)]
    assert scored == list(range(len(ordered)))
    assert all(piece.end - piece.context <= limit for piece in pieces)
    assert all(piece.context <= piece.first for piece in pieces)


def test_context_is_the_window_before_in_bytes_for_any_tokenizer() -> None:
    """A coarse and a fine tokenizer see the same text before the third window."""
    text = b"a" * 400
    spans = window_spans(text, 100)
    for width in (1, 5, 20):
        starts = np.arange(0, 400, width)
        third = next(p for p in plan_pieces(starts, spans, 10_000) if starts[p.first] == 200)
        assert starts[third.context] == 100 and not third.shortened


def test_a_model_too_short_for_its_context_says_so() -> None:
    starts = np.arange(400)
    pieces = plan_pieces(starts, window_spans(b"a" * 400, 100), 50)
    assert any(piece.shortened for piece in pieces)


def test_cutting_nothing_gives_nothing() -> None:
    assert cut_pieces(0, 3, 3, 10) == []
    assert plan_pieces(np.zeros(0, int), window_spans(b"", 10), 10) == []


def test_a_uniform_model_needs_eight_bits() -> None:
    sizes = np.array([100, 37])
    assert bits_per_byte(sizes * np.log2(256), sizes) == KNOW_NOTHING_BITS
