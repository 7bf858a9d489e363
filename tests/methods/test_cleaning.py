"""Cleaning keeps what spells words, in every script, and is idempotent."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.cleaning import clean

SCRIPTS = {
    "Latin": "Ba\u0323\u0301 na e\u0301te\u0301, ng'ombe!",
    "Arabic": "می\u200cخواهم اُردو میں لِکھوں۔ \u200fABC\u200f",
    "Devanagari": "क्\u200dष हिन्दी में ज़रूर लिखूँगा।",
    "Thai": "ที่นี่ไม่มี\u200bน้ำแข็ง ๑๒๓",
    "Han": "我們在\u3000東京タワーへ行く。",
    "Khmer": "ភ្នំពេញ\u200bជា\u17b6",
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_letters_marks_and_joiners_stay(text: str) -> None:
    assert clean(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("a\r\nb\rc\u2028d\x0ce\x85f", "a\nb\nc\nd\ne\nf"),
        ("a\u2029b", "a\n\nb"),
        ("a  \t\n\n\n \n b ", "a\n\n b"),
        ("\ufeffa\x00\x1b[0m\x9fb\ufffe", "a[0mb"),
        ("e\x00\u0301", "é"),
        ("if x:\n    y\tz", "if x:\n    y\tz"),
        ("evil \u202etxt.exe\u202c end", "evil txt.exe end"),
        ("ok \u2067اردو\u2069 ok", "ok \u2067اردو\u2069 ok"),
        ("open \u2067اردو\nnext", "open اردو\nnext"),
        ("\u2069\u2066 wrong way", "wrong way"),
        ("\ud800x", "x"),
        (" \n\t ", ""),
    ],
)
def test_clean_exactly(dirty: str, expected: str) -> None:
    assert clean(dirty) == expected


@given(st.text(alphabet=st.characters(), max_size=60))
def test_clean_is_idempotent_and_in_nfc(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert unicodedata.is_normalized("NFC", once)
    once.encode("utf-8")


@given(st.text(alphabet=st.sampled_from("aबक़ا\u0301\u093c\u0e34\u200c\u200d\u0651 \n\u0000\u202e"), max_size=40))
def test_clean_never_loses_a_mark_or_joiner(text: str) -> None:
    decomposed = unicodedata.normalize("NFD", text)
    cleaned = unicodedata.normalize("NFD", clean(text))

    def spelling(value: str) -> list[str]:
        return sorted(c for c in value if unicodedata.category(c) in ("Mn", "Mc", "Lo", "Ll") or c in "\u200c\u200d")

    assert spelling(cleaned) == spelling(decomposed)
