"""ROUGE-L on words of any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.similarity import Pool, lcs_length, rouge_l, similarity_words

SENTENCES = {
    "Latin": "The quick brown fox jumps over the lazy dog",
    "Arabic": "یہ کتاب میرے بھائی کی ہے اور بہت پرانی ہے",
    "Devanagari": "यह किताब मेरे भाई की है और बहुत पुरानी है",
    "Ethiopic": "ይህ መጽሐፍ የወንድሜ ነው እና በጣም ያረጀ ነው",
    "Cyrillic": "Эта книга принадлежит моему брату",
    "Thai": "หนังสือเล่มนี้เป็นของพี่ชาย",
    "Han": "这本书是我哥哥的",
}


@pytest.mark.parametrize("text", SENTENCES.values(), ids=SENTENCES.keys())
def test_a_text_is_identical_to_itself_in_every_script(text: str) -> None:
    assert rouge_l(similarity_words(text), similarity_words(text)) == 1.0
    pool = Pool()
    pool.add("first", text)
    assert pool.nearest(text, 0.7) == (1.0, "first")
    assert pool.nearest(text, 1.0) is None


def test_the_threshold_is_strict() -> None:
    pool = Pool()
    pool.add("ten", " ".join("abcdefghij"))
    seven_of_ten, twelve_of_seventeen = " ".join("abcdefgxyz"), " ".join("abcdefghijkl")
    assert pool.nearest(seven_of_ten, 0.7) is None
    pool.add("long", " ".join("abcdefghijklmnopqrstuv"))
    score, name = pool.nearest(twelve_of_seventeen, 0.7) or (0.0, "")
    assert (round(score, 4), name) == (round(20 / 22, 4), "ten")


def test_punctuation_and_case_do_not_hide_a_copy() -> None:
    assert rouge_l(similarity_words("کتاب، قلم!"), similarity_words("کتاب قلم")) == 1.0
    assert rouge_l(similarity_words("HELLO there"), similarity_words("hello, There")) == 1.0


def test_texts_without_words_compare_as_they_are() -> None:
    assert rouge_l(similarity_words("2 + ?"), similarity_words("2 + ?")) == 1.0
    assert rouge_l(similarity_words("?!"), similarity_words("…")) == 0.0
    assert rouge_l([], []) == 0.0


def naive_lcs(a: str, b: str) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        before = row[:]
        for j, y in enumerate(b, 1):
            row[j] = before[j - 1] + 1 if x == y else max(before[j], row[j - 1])
    return row[-1]


@given(st.text("abc", max_size=12), st.text("abc", max_size=90))
def test_bit_parallel_equals_the_textbook(a: str, b: str) -> None:
    assert lcs_length(a, b) == naive_lcs(a, b) == lcs_length(b, a)


@given(st.lists(st.text("ab ", min_size=1, max_size=12), max_size=8), st.text("ab ", min_size=1, max_size=12))
def test_the_nearest_is_the_best_of_all(texts: list[str], text: str) -> None:
    pool = Pool()
    for number, other in enumerate(texts):
        pool.add(str(number), other)
    scores = [rouge_l(similarity_words(text), similarity_words(other)) for other in texts]
    found = pool.nearest(text, 0.5)
    best = max(scores, default=0.0)
    assert (found[0] if found else 0.0) == (best if best > 0.5 else 0.0)
