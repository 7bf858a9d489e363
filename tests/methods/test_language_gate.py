"""The language gate: right, wrong, unknown."""

from __future__ import annotations

import pytest

from newtongue.adapters.identification import identify
from newtongue.adapters.languages import load_card
from newtongue.methods.language_gate import Profile, has_loop, judge_answer, judge_language


def profile(tag: str) -> Profile:
    card = load_card(tag)
    return Profile(card.script_ranges, card.lid, [load_card(other).lid for other in card.confusables])


RIGHT = {
    "urd_Arab": "پاکستان کا دارالحکومت اسلام آباد ہے اور وہاں بہت سے لوگ رہتے ہیں۔",
    "hin_Deva": "भारत की राजधानी नई दिल्ली है और वहाँ बहुत से लोग रहते हैं।",
    "eng_Latn": "The capital of the country is a large city where many people live.",
    "tha_Thai": "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทยและมีคนอาศัยอยู่มาก",
    "jpn_Jpan": "東京は日本の首都であり、多くの人々が住んでいる大きな都市です。",
}


@pytest.mark.parametrize("tag", RIGHT)
def test_each_language_is_right_for_itself_and_wrong_for_the_others(tag: str) -> None:
    assert judge_language(RIGHT[tag], profile(tag), identify).outcome == "right"
    others = [judge_language(text, profile(tag), identify).outcome for other, text in RIGHT.items() if other != tag]
    assert set(others) == {"wrong"}


def test_a_sister_language_in_the_same_script_is_wrong_when_it_is_sure() -> None:
    persian = "پایتخت کشور شهر بزرگی است که مردم زیادی در آن زندگی می‌کنند و کتاب‌های خوبی دارند."
    assert judge_language(persian, profile("urd_Arab"), identify).reason == "language"


def test_short_and_unsure_texts_are_unknown_never_wrong() -> None:
    assert judge_language("مثبت", profile("urd_Arab"), identify).outcome == "unknown"
    assert judge_language("29", profile("urd_Arab"), identify).outcome == "unknown"
    unsure = judge_language(RIGHT["urd_Arab"], profile("urd_Arab"), lambda text: [("fa", 0.4)])
    assert (unsure.outcome, unsure.reason) == ("unknown", "unsure")
    nobody_knows = Profile([(0x600, 0x6FF)], "")
    assert judge_language(RIGHT["urd_Arab"], nobody_knows, identify).reason == "unsure"


def test_a_short_answer_is_judged_with_its_question() -> None:
    verdict = judge_answer(
        "مثبت", ("اس رائے کا جذبہ بتائیں: مثبت، منفی یا غیر جانبدار۔", ""), profile("urd_Arab"), identify
    )
    assert verdict.outcome == "right"


def test_code_addresses_and_numbers_do_not_count() -> None:
    text = "یہ حکم چلائیں `pip install newtongue` اور پھر https://example.org/a/long/address دیکھیں، جواب 42 آئے گا۔"
    assert judge_language(text, profile("urd_Arab"), identify).outcome == "right"


def test_an_echo_is_wrong() -> None:
    question = "پاکستان کا دارالحکومت کون سا شہر ہے؟"
    assert (
        judge_answer("پاکستان کا دارالحکومت کون سا شہر ہے", (question, ""), profile("urd_Arab"), identify).reason
        == "echo"
    )


def test_a_loop_is_wrong() -> None:
    verdict = judge_answer(
        "وہ گھر گیا اور وہ گھر گیا اور وہ گھر گیا اور", ("کہانی لکھیں۔",), profile("urd_Arab"), identify
    )
    assert (verdict.outcome, verdict.reason) == ("wrong", "loop")


@pytest.mark.parametrize(
    ("text", "looped"),
    [
        ("a b a b a b", True),
        ("a a a a", True),
        ("a a a", False),
        ("a b c a b c", False),
        ("", False),
        ("x " * 50, True),
    ],
)
def test_loops(text: str, looped: bool) -> None:
    assert has_loop(text.split()) is looped
