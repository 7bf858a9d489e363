"""Answers in the language, in a neighbour's, in another script; empties and loops are failures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from newtongue.adapters.languages import load_card
from newtongue.methods.fidelity import Fidelity, is_empty, is_looping, judge

URDU = "مجھے کتابیں پڑھنا اچھا لگتا ہے اور میں روز ٹہلنے بھی جاتا ہوں۔"
PERSIAN = "من دوست دارم كتاب بخوانم و هر روز پیادهروي ميكنم."
ENGLISH = "I like to read books and take a walk every day."


def look(text: str, tag: str = "urd_Arab") -> Fidelity:
    card = load_card(tag)
    return judge(
        text,
        card.script_ranges,
        min_script_fraction=0.8,
        lead_characters=card.lead_characters,
        foreign_characters=card.foreign_characters,
    )


def test_urdu_is_urdu() -> None:
    found = look(URDU)
    assert (found.faithful, found.in_script, found.in_language) == (True, True, True)


def test_persian_shares_the_script_and_not_the_letters() -> None:
    found = look(PERSIAN)
    assert found.in_script and found.in_language is False


def test_english_is_another_script() -> None:
    assert look(ENGLISH).faithful is False


def test_a_name_in_latin_letters_does_no_harm() -> None:
    assert look(URDU + " Ali").faithful


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("hin_Deva", "मुझे किताबें पढ़ना अच्छा लगता है।"),
        ("tha_Thai", "ฉันชอบอ่านหนังสือและเดินเล่นทุกวัน"),
        ("jpn_Jpan", "私は毎日本を読んで散歩します。"),
        ("swh_Latn", "Ninapenda kusoma vitabu kila siku."),
    ],
)
def test_every_script_by_its_card(tag: str, text: str) -> None:
    assert look(text, tag).faithful
    assert look(URDU, tag).faithful is False


@pytest.mark.parametrize("text", ["", "  \n", "۔۔۔", "!?…", "\u200c\u200d"])
def test_empty_answers_fail(text: str) -> None:
    assert is_empty(text)
    assert look(text).faithful is False


def test_a_number_is_a_proper_answer_without_letters() -> None:
    found = look("۴۲")
    assert (found.empty, found.script_fraction, found.faithful) == (False, None, None)


@pytest.mark.parametrize(
    "text",
    ["ہے " * 12, "یہ اچھا ہے۔ " * 5, "नमस्ते दुनिया। " * 6, "สวัสดีครับ" * 6, "好的，" * 12, "abc. " * 9, URDU + " اور" * 12],
)
def test_loops_are_found_in_every_script(text: str) -> None:
    assert is_looping(text)
    assert look(text).faithful is not True


def test_a_list_with_running_numbers_and_one_sentence_is_a_loop() -> None:
    assert is_looping(" ".join(f"{n}. یہ ایک اچھا اور مفید کام ہے" for n in range(1, 9)))


def test_like_steps_that_never_end_are_a_loop_and_a_few_are_a_calculation() -> None:
    steps = [f"پھر {40 - 3 * n} − 3 = {37 - 3 * n}۔" for n in range(12)]
    assert is_looping("پہلے 16 × 2 = 33۔ " + " ".join(steps))
    assert not is_looping(" ".join(steps[:3]) + " جواب: 31")


@pytest.mark.parametrize("text", [URDU, PERSIAN, ENGLISH, "بہت بہت شکریہ", "ha ha ha", "۱۰۰۰۰۰۰", "哈哈哈哈"])
def test_plain_text_and_emphasis_are_not_loops(text: str) -> None:
    assert not is_looping(text)


@pytest.mark.parametrize("code", ["ur", "hi", "th", "my", "ja", "sw"])
def test_real_paragraphs_are_hardly_ever_loops(shared_data: Path, code: str) -> None:
    """At most one in two hundred, and those are program code."""
    with open(shared_data / "corpus" / f"{code}.docs.jsonl", encoding="utf-8") as stream:
        texts = [json.loads(line)["text"] for line, _n in zip(stream, range(12), strict=False)]
    paragraphs = [part for text in texts for part in text.split("\n\n") if len(part) > 40][:400]
    assert len(paragraphs) > 200
    assert sum(map(is_looping, paragraphs)) <= 0.005 * len(paragraphs)
