"""ROUGE-L on words of any script."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.similarity import Pool, lcs_length, material_of, rouge_l, similarity_words

SENTENCES = {
    "Latin": "The quick brown fox jumps over the lazy dog",
    "Arabic": "یہ کتاب میرے بھائی کی ہے اور بہت پرانی ہے",
    "Devanagari": "यह किताब मेरे भाई की है और बहुत पुरानी है",
    "Ethiopic": "ይህ መጽሐፍ የወንድሜ ነው እና በጣም ያረጀ ነው",
    "Cyrillic": "Эта книга принадлежит моему брату",
    "Thai": "หนังสือเล่มนี้เป็นของพี่ชาย",
    "Han": "这本书是我哥哥的",
}
LETTERS = {
    "Latin": "abcdefghijklmnopqrstuvwxyz",
    "Arabic": "ابپتٹثجچحخدڈذرڑزژسشصضطظعغف",
    "Devanagari": "कखगघचछजझटठडढणतथदधनपफबभमयरल",
    "Ethiopic": "ሀለሐመሠረሰሸቀበተቸኀነኘአከኸወዐዘዠየደጀገ",
    "Cyrillic": "абвгдежзийклмнопрстуфхцчшщ",
    "Thai": "กขคฆงจฉชซฌญฎฏฐฑฒณดตถทธนบปผ",
    "Han": "一二三四五六七八九十百千万上中下大小月日水火木金土人",
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
    pool = Pool(0.5)
    for number, other in enumerate(texts):
        pool.add(str(number), other)
    scores = [rouge_l(similarity_words(text), similarity_words(other)) for other in texts]
    found = pool.nearest(text, 0.5)
    best = max(scores, default=0.0)
    assert (found[0] if found else 0.0) == (best if best > 0.5 else 0.0)


@pytest.mark.parametrize("above", [0.3, 0.7, 0.9])
def test_the_sieves_lose_nothing_while_the_pool_grows(above: float) -> None:
    rng = Random(f"sieves/{above}")
    common, rare = list("abcdef"), [f"w{n}" for n in range(400)]
    pool, texts = Pool(above), []
    for number in range(700):
        if texts and rng.random() < 0.5:
            text = rng.choice(texts).split()
            for _ in range(rng.randrange(4)):
                text[rng.randrange(len(text))] = rng.choice(common + rare)
        else:
            text = [rng.choice(common if rng.random() < 0.5 else rare) for _ in range(rng.randint(1, 25))]
        wanted = " ".join(text)
        scores = [rouge_l(text, other.split()) for other in texts]
        assert pool.hits(wanted) == [(score, place) for place, score in enumerate(scores) if score > above]
        pool.add(str(number), wanted)
        texts.append(wanted)


@pytest.mark.parametrize("script", SENTENCES)
def test_seven_of_ten_is_kept_and_twelve_of_seventeen_is_dropped_in_every_script(script: str) -> None:
    letters = LETTERS[script]
    ten, seventeen = Pool(0.7), Pool(0.7)
    ten.add("ten", " ".join(letters[:10]))
    seventeen.add("seventeen", " ".join(letters[:17]))
    assert ten.nearest(" ".join(letters[:7] + letters[20:23])) is None
    score, name = seventeen.nearest(" ".join(letters[:12] + letters[17:22])) or (0.0, "")
    assert (round(score, 3), name) == (0.706, "seventeen")


@pytest.mark.parametrize(
    ("instruction", "given", "material"),
    [
        ("ترجمہ کریں۔", "یہ ایک جملہ ہے", "یہ ایک جملہ ہے"),
        ("इस वाक्य का अनुवाद करें: मैं घर जा रहा हूँ।", "", "मैं घर जा रहा हूँ।"),
        ('Say "the cat sat down" again.', "", "the cat sat down"),
        ("Say “no” again.", "", "Say “no” again."),
        ("Name one fruit: quickly", "", "Name one fruit: quickly"),
    ],
)
def test_material_is_told_from_the_wording_around_it(instruction: str, given: str, material: str) -> None:
    assert material_of(instruction, given) == material
