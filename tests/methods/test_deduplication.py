"""Near duplicates: the same decisions as comparing all pairs, in five scripts."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newtongue.methods.deduplication import (
    choose_bands,
    comparable,
    content_hash,
    first_of_each,
    jaccard,
    minhash,
    permutations,
    shingles,
)

FUNCTIONS = permutations(112)
SENTENCES = {
    "Latn": "the quick brown fox jumps over the lazy dog while seven wizards quietly mix potions in a cold kitchen",
    "Arab": "لاہور کے پرانے بازار میں صبح سویرے لوگ چائے پیتے ہیں اور اخبار پڑھ کر دن بھر کی باتیں کرتے ہیں",
    "Deva": "सुबह होते ही गाँव के लोग खेतों की ओर निकल जाते हैं और शाम तक मेहनत करके घर लौट आते हैं",
    "Thai": "ตอนเช้าชาวบ้านไปตลาดเพื่อซื้อผักสดและปลาแล้วกลับบ้านมาทำอาหารให้ครอบครัวกินด้วยกันทุกวัน",
    "Hani": "清晨的集市上人们买来新鲜的蔬菜和鱼然后回家给一家老小做饭晚上再坐在院子里慢慢聊天说起从前的事情",
}


def decide(views: list[str], threshold: float, length: int = 5) -> list[int]:
    sets = [shingles(view, length) for view in views]
    signatures = np.array([minhash(one, FUNCTIONS) for one in sets])
    return first_of_each(signatures, threshold, lambda a, b: jaccard(sets[a], sets[b])).tolist()


def brute_force(views: list[str], threshold: float, length: int = 5) -> list[int]:
    sets = [{view[i : i + length] for i in range(max(1, len(view) - length + 1))} for view in views]
    kept: list[int] = []
    original = []
    for row, one in enumerate(sets):
        same = [k for k in kept if len(one & sets[k]) / len(one | sets[k]) >= threshold]
        original.append(same[0] if same else -1)
        if not same:
            kept.append(row)
    return original


@pytest.mark.parametrize("script", SENTENCES)
def test_decisions_equal_brute_force(script: str) -> None:
    draw = random.Random(script)
    base = SENTENCES[script]
    views = []
    for _ in range(150):
        letters = list(base if draw.random() < 0.5 else "".join(draw.sample(base, len(base))))
        for _ in range(draw.choice([0, 1, 2, 4, 8, 30])):
            letters[draw.randrange(len(letters))] = draw.choice(base)
        views.append(comparable("".join(letters)))
    assert decide(views, 0.8) == brute_force(views, 0.8)
    assert decide(views, 0.6) == brute_force(views, 0.6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(alphabet="abc اردو", min_size=1, max_size=30), min_size=1, max_size=12))
def test_equal_views_are_one_and_short_texts_work(texts: list[str]) -> None:
    views = [comparable(text) for text in texts]
    original = decide([*views, *views], 0.9)
    assert all(view in {views[o] if o >= 0 else view} for view, o in zip(views, original[len(views) :], strict=True))
    assert min(original[len(views) :]) >= 0


def test_first_stays_and_chains_are_not_swallowed() -> None:
    sets = [np.arange(start, start + 100, dtype=np.uint64) for start in (0, 10, 20, 30)]
    signatures = np.array([minhash(np.sort(one * np.uint64(0x9E3779B97F4A7C15)), FUNCTIONS) for one in sets])
    original = first_of_each(signatures, 0.8, lambda a, b: jaccard(sets[a], sets[b]))
    assert original.tolist() == [-1, 0, -1, 2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The END!", "the   end"),
        ("اُردو، زبان۔", "اردو زبان"),
        ("كتابي", "کتابی"),
        ("می\u200cخواهم", "میخواهم"),
        ("ＡＢＣ１", "abc1"),
        ("東京、へ。", "東京 へ"),
    ],
)
def test_what_makes_no_difference(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(("one", "other"), [("किताब", "कताब"), ("ที่", "ที"), ("1 2", "12"), ("!!", "??"), ("ba", "bá")])
def test_what_makes_a_difference(one: str, other: str) -> None:
    assert content_hash(comparable(one)) != content_hash(comparable(other))


def test_a_sentence_changed_in_spaceless_script_stays_similar() -> None:
    text = SENTENCES["Thai"] * 3
    assert jaccard(shingles(comparable(text), 9), shingles(comparable(text + "จบ"), 9)) > 0.8


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 9, 13])
def test_shingles_are_the_distinct_windows(length: int) -> None:
    view = comparable(SENTENCES["Arab"] * 2)
    assert len(shingles(view, length)) == len({view[i : i + length] for i in range(len(view) - length + 1)})


def test_signature_estimates_similarity() -> None:
    values = np.unique(np.random.default_rng(0).integers(0, 2**64, 4000, dtype=np.uint64))
    left, right = values[:3000], values[1000:]
    many = permutations(512)
    estimate = np.mean(minhash(left, many) == minhash(right, many))
    assert abs(estimate - jaccard(left, right)) < 0.08


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9])
def test_bands_find_a_pair_at_the_threshold(threshold: float) -> None:
    bands, rows = choose_bands(threshold, 112)
    assert bands * rows <= 112
    assert 1 - (1 - threshold**rows) ** bands >= 0.999


def test_signatures_are_frozen() -> None:
    signature = minhash(shingles(comparable(SENTENCES["Arab"]), 9), FUNCTIONS)
    assert signature[:3].tolist() == [24962978, 45007003, 15468963]
    assert content_hash("اردو").hex() == "8809c6a7a574e646f1696970b381999b"
