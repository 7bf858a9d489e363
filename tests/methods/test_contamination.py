"""Copies of items in training data: found whatever their layout and script, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.contamination import LENGTHS, contaminated, normalised, run_hashes

TEXTS = [
    "The river ran quietly past the old mill, and nobody spoke of the flood that had taken it.",
    "دریا خاموشی سے پرانی چکی کے پاس سے گزرا اور کسی نے اس بڑے سیلاب کی کوئی بات کبھی نہ کی۔",
    "नदी चुपचाप पुरानी चक्की के पास से बही और किसी ने उस बड़ी बाढ़ की कोई बात कभी नहीं की।",
    "แม่น้ำไหลผ่านโรงสีเก่าอย่างเงียบงันและไม่มีใครพูดถึงน้ำท่วมครั้งใหญ่ที่พัดพามันไปเลย",
    "川は古い水車小屋のそばを静かに流れ、それを流し去った大きな洪水のことは誰も話さなかった。村の人々はみな黙っていた。",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_copy_is_found_in_every_script_whatever_its_layout(text: str) -> None:
    document = f"… before. {text.upper()} after …"
    spaced = "\n".join(text.split()) if " " in text else "\n".join([text[:20], text[20:]])
    assert contaminated([text], [document]) == contaminated([text], [spaced]) == [True]
    assert contaminated([text], [other for other in TEXTS if other != text]) == [False]


def test_a_part_of_an_item_is_enough_and_a_shorter_one_is_not() -> None:
    text = normalised(TEXTS[0])
    assert contaminated([TEXTS[0]], [text[5 : 5 + LENGTHS[0]]]) == [True]
    assert contaminated([TEXTS[0]], [text[5 : 4 + LENGTHS[0]]]) == [False]


def test_short_items_are_looked_for_whole_and_very_short_ones_not_at_all() -> None:
    assert contaminated(["What is the capital of France?", "Why?"], ["what is the capital of france. Why?"]) == [
        True,
        None,
    ]


@given(st.text("abc", min_size=3, max_size=40), st.integers(1, 5))
def test_equal_runs_have_equal_hashes_wherever_they_stand(text: str, length: int) -> None:
    hashes = run_hashes(text, length)
    runs = [text[k : k + length] for k in range(len(text) - length + 1)]
    assert len(hashes) == len(runs)
    for k, run in enumerate(runs):
        assert hashes[k] == run_hashes(run, length)[0]
    assert len(set(hashes.tolist())) == len(set(runs))


def test_nothing_is_found_in_nothing() -> None:
    assert contaminated([], ["x"]) == [] and contaminated([TEXTS[0]], []) == [False]
