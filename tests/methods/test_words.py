"""Words and clusters in the scripts the product meets."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.scripts import count_letters, script_fraction
from newtongue.methods.words import count_words, words

ARABIC = [(0x0600, 0x06FF)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, l’homme!", ["Don't", "stop", "l’homme"]),
        ("ng'ombe 'wawili'", ["ng'ombe", "wawili"]),
        ("یہ اُردو ہے۔ 42", ["یہ", "اُردو", "ہے", "42"]),
        ("کتاب\u200cها", ["کتاب\u200cها"]),
        ("हिन्दी में क्\u200dष है।", ["हिन्दी", "में", "क्\u200dष", "है"]),
        ("ที่นี่น้ำ ๒๔", ["ที่", "นี่", "น้ำ", "๒๔"]),
        ("ភ្នំពេញ", ["ភ្នំ", "ពេ", "ញ"]),
        ("ကမ္ဘာ", ["က", "မ္ဘာ"]),
        ("東京へ行く。2024年", ["東", "京", "へ", "行", "く", "2024", "年"]),
        ("한국어 단어", ["한국어", "단어"]),
        ("e\u0301te\u0301 a_b", ["e\u0301te\u0301", "a", "b"]),
        ("😀 ... 。", []),
        ("", []),
    ],
)
def test_words_by_script(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert count_words(text) == len(expected)


@given(st.text(max_size=80))
def test_words_lose_no_letter_and_add_none(text: str) -> None:
    kept = "".join(words(text))
    assert [c for c in kept if c.isalnum()] == [c for c in text if c.isalnum()]
    for word in words(text):
        assert word in text
        assert not any(unicodedata.category(c) in ("Zs", "Cc") for c in word)


def test_script_fraction_counts_letters_only() -> None:
    assert script_fraction("اردو ab 123 !۱۲", ARABIC) == pytest.approx(4 / 6)
    assert script_fraction("", ARABIC) is None
    assert script_fraction("12 — 🙂", ARABIC) is None
    assert script_fraction("हिन्दी", [(0x0900, 0x097F)]) == 1.0
    assert script_fraction("東京タワー", [(0x30A0, 0x30FF), (0x4E00, 0x9FFF)]) == 1.0
    assert script_fraction("abc", []) == 0.0
    assert count_letters("ab1 ب") == 3


def test_script_fraction_survives_lone_surrogates_and_private_use() -> None:
    assert script_fraction("\ud800a\U0010ffff", ARABIC) == 0.0
