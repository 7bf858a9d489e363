"""The toy translation goes back exactly, whatever the text; its words are those of the other language."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.methods.toy_lexicon import NOTES, exchange, make_lexicon

LATIN = ["the cat and the dog", "The dog ran.", "a zebra quit jumping over six brown boxes"]
OTHERS = {
    "Arabic": "یہ کتاب میرے بھائی کی ہے اور بہت پرانی ہے",
    "Devanagari": "यह किताब मेरे भाई की है और बहुत पुरानी है",
    "Thai": "หนังสือ เล่ม นี้ เป็น ของ พี่ชาย ฉัน",
    "Han": "这 本 书 是 我 哥哥 的",
}


@pytest.mark.parametrize("script", OTHERS)
@settings(deadline=None)
@given(text=st.text(st.characters(exclude_characters=NOTES)))
def test_there_and_back_is_the_text(script: str, text: str) -> None:
    there = make_lexicon(LATIN, [OTHERS[script]])
    assert exchange(exchange(text, there), there.back()) == text
    assert exchange(exchange(text, there.back()), there) == text


def test_frequent_words_meet_and_case_is_kept() -> None:
    there = make_lexicon(LATIN, [OTHERS["Arabic"]])
    assert there.words["dog"] in OTHERS["Arabic"].split()
    for text in ("The DOG ran 12 km. McDonald's naïve cat!", "⟦0⟧ the ⟦1⟧\n- a cat\n\n"):
        other = exchange(text, there)
        assert [c for c in other if c.isdigit()] == [c for c in text if c.isdigit()]
        assert exchange(other, there.back()) == text
    assert exchange("the THE The", there).count(there.words["the"]) == 3
