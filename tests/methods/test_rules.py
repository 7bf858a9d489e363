"""Verifiable instructions: small cases rebuilt from IFEval's and M-IFEval's rules, in several scripts."""

from __future__ import annotations

from typing import Any

import pytest

from newtongue.adapters.languages import load_card
from newtongue.methods.rules import RULES, Writing, follow, is_cased, sentences

ENGLISH = Writing(".!?", cased=True)
URDU = Writing("۔؟!", cased=False)


def kept(name: str, text: str, writing: Writing = ENGLISH, **arguments: Any) -> bool | None:
    return follow(text, [(name, arguments)], writing).strict[0]


CASES: list[tuple[str, str, dict[str, Any], bool]] = [
    ("keywords:existence", "Correlated, and experiencing it.", {"keywords": ["correlated", "experiencing"]}, True),
    ("keywords:existence", "Only correlated.", {"keywords": ["correlated", "experiencing"]}, False),
    ("keywords:frequency", "key, keys, key", {"keyword": "key", "frequency": 3, "relation": "at least"}, True),
    ("keywords:frequency", "key, keys, key", {"keyword": "key", "frequency": 3, "relation": "less than"}, False),
    ("keywords:forbidden_words", "Fielding it", {"forbidden_words": ["field"]}, True),
    ("keywords:forbidden_words", "A Field", {"forbidden_words": ["field"]}, False),
    ("keywords:letter_frequency", "Qqq", {"letter": "q", "let_frequency": 3, "let_relation": "at least"}, True),
    ("length_constraints:number_sentences", "One. Two! Three?", {"num_sentences": 3, "relation": "at least"}, True),
    ("length_constraints:number_sentences", "One. Two! Three?", {"num_sentences": 3, "relation": "less than"}, False),
    ("length_constraints:number_paragraphs", "a\n***\nb\n***\nc", {"num_paragraphs": 3}, True),
    ("length_constraints:number_paragraphs", "a\n***\n\n***\nc", {"num_paragraphs": 2}, False),
    ("length_constraints:number_words", "one two three", {"num_words": 4, "relation": "less than"}, True),
    ("detectable_content:number_placeholders", "[name] lives in [place]", {"num_placeholders": 2}, True),
    ("detectable_content:postscript", "Bye.\nP.S. Come!", {"postscript_marker": "P.S."}, True),
    ("detectable_content:postscript", "Bye. PS", {"postscript_marker": "P.S."}, False),
    ("detectable_format:number_bullet_lists", "* a\n* b\n- c", {"num_bullets": 3}, True),
    ("detectable_format:number_bullet_lists", "**bold** line\n* b", {"num_bullets": 2}, False),
    ("detectable_format:number_highlighted_sections", "*a* and **b** and ** **", {"num_highlights": 2}, True),
    ("detectable_format:number_highlighted_sections", "*a* and **", {"num_highlights": 2}, False),
    ("detectable_format:multiple_sections", "PART 1 a PART 2 b", {"section_spliter": "PART", "num_sections": 2}, True),
    ("detectable_format:json_format", '```json\n{"a": 1}\n```', {}, True),
    ("detectable_format:json_format", "{a: 1}", {}, False),
    ("detectable_format:title", "<<Song of joy>>\nla", {}, True),
    ("detectable_format:title", "<< >>", {}, False),
    ("detectable_format:constrained_response", "I say no.", {"options": ["I say yes.", "I say no."]}, True),
    ("combination:two_responses", "one\n******\ntwo", {}, True),
    ("combination:two_responses", "one\n******\none", {}, False),
    ("combination:repeat_prompt", "Say it. Yes.", {"prompt_to_repeat": "say it."}, True),
    ("startend:end_checker", 'All right. Is there anything else?"', {"end_phrase": "Is there anything else?"}, True),
    ("startend:quotation", '"quoted"', {}, True),
    ("startend:quotation", '"', {}, False),
    ("change_case:english_capital", "LOUD AND CLEAR", {}, True),
    ("change_case:english_lowercase", "quiet, Please", {}, False),
    ("change_case:capital_word_frequency", "ONE TWO", {"capital_frequency": 2, "capital_relation": "exactly"}, True),
    ("punctuation:no_comma", "no comma here", {}, True),
    ("punctuation:no_comma", "one, two", {}, False),
    (
        "length_constraints:nth_paragraph_first_word",
        "one\n\nTwo, three",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "two"},
        True,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "arguments", "expected"), CASES)
def test_english_rules(name: str, text: str, arguments: dict[str, Any], expected: bool) -> None:
    assert kept(name, text, **arguments) is expected


# what IFEval's released checks say of these, worked by hand; every rule is kept once and broken once, with its border
BORDERS: list[tuple[str, str, dict[str, Any], bool]] = [
    ("keywords:existence", "CORRELATED", {"keywords": ["correlated"]}, True),
    ("keywords:frequency", "key key", {"keyword": "key", "frequency": 2, "relation": "less than"}, False),
    ("keywords:forbidden_words", "afield, fields", {"forbidden_words": ["field"]}, True),
    ("keywords:letter_frequency", "Qqq", {"letter": "q", "let_frequency": 3, "let_relation": "less than"}, False),
    ("length_constraints:number_sentences", "One.", {"num_sentences": 1, "relation": "at least"}, True),
    ("length_constraints:number_paragraphs", "***\na\n***\nb\n***", {"num_paragraphs": 2}, True),
    ("length_constraints:number_paragraphs", "a\n\nb", {"num_paragraphs": 2}, False),
    ("length_constraints:number_words", "one two three", {"num_words": 3, "relation": "at least"}, True),
    ("length_constraints:number_words", "one two three", {"num_words": 3, "relation": "less than"}, False),
    (
        "length_constraints:nth_paragraph_first_word",
        "'Two', one\n\nthree",
        {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "two"},
        True,
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        "Two\n\nthree",
        {"num_paragraphs": 3, "nth_paragraph": 1, "first_word": "two"},
        False,
    ),
    ("detectable_content:number_placeholders", "[name] only", {"num_placeholders": 2}, False),
    ("detectable_content:postscript", "Bye.\nP. S. Come!", {"postscript_marker": "P.S."}, True),
    ("detectable_content:postscript", "Bye.\nP.P.S Come!", {"postscript_marker": "P.P.S"}, True),
    ("detectable_format:number_bullet_lists", "  - a\n* b\nc", {"num_bullets": 2}, True),
    ("detectable_format:number_bullet_lists", "- a\n- b\n- c", {"num_bullets": 2}, False),
    ("detectable_format:number_highlighted_sections", "*a* *b*", {"num_highlights": 3}, False),
    ("detectable_format:multiple_sections", "Section 1 a", {"section_spliter": "Section", "num_sections": 2}, False),
    ("detectable_format:multiple_sections", "Part1 a Part2", {"section_spliter": "Part", "num_sections": 2}, True),
    ("detectable_format:json_format", "[1, 2]", {}, True),
    ("detectable_format:json_format", 'Here it is: {"a": 1}', {}, False),
    ("detectable_format:title", "<<a>> and more", {}, True),
    ("detectable_format:title", "<a>", {}, False),
    ("detectable_format:constrained_response", "Maybe.", {"options": ["I say yes.", "I say no."]}, False),
    ("combination:two_responses", "one******two******three", {}, False),
    ("combination:two_responses", "******one******two******", {}, True),
    ("combination:repeat_prompt", "First: say it.", {"prompt_to_repeat": "say it."}, False),
    ("startend:end_checker", "Is there anything else? Yes.", {"end_phrase": "Is there anything else?"}, False),
    ("startend:quotation", 'a "quoted" word', {}, False),
    ("change_case:english_capital", "LOUD and clear", {}, False),
    ("change_case:english_lowercase", "quiet, please", {}, True),
    ("change_case:capital_word_frequency", "ONE two", {"capital_frequency": 2, "capital_relation": "less than"}, True),
    ("change_case:capital_word_frequency", "ONE two", {"capital_frequency": 2, "capital_relation": "at least"}, False),
    ("punctuation:no_comma", "1.000", {}, True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "arguments", "expected"), BORDERS)
def test_both_sides_of_every_rule(name: str, text: str, arguments: dict[str, Any], expected: bool) -> None:
    assert kept(name, text, **arguments) is expected


def test_every_rule_is_seen_kept_and_broken() -> None:
    seen = {(case[0], case[3]) for case in CASES + BORDERS}
    assert seen == {(name, said) for name in RULES if name != "language:response_language" for said in (True, False)}


PARTS = {"section_spliter": "भाग", "num_sections": 2}
SCRIPTS: list[tuple[str, str, str, dict[str, Any], bool | None]] = [
    ("urd_Arab", "keywords:existence", "کتاب اچھی ہے۔", {"keywords": ["کتاب"]}, True),
    ("urd_Arab", "keywords:forbidden_words", "کتابیں اچھی ہیں۔", {"forbidden_words": ["کتاب"]}, True),
    ("urd_Arab", "length_constraints:number_words", "کتاب اچھی ہے۔", {"num_words": 3, "relation": "at least"}, True),
    ("urd_Arab", "startend:end_checker", "بات ختم۔", {"end_phrase": "ختم۔"}, True),
    ("urd_Arab", "punctuation:no_comma", "ایک، دو", {}, False),
    ("urd_Arab", "change_case:capital_word_frequency", "ایک", {"capital_frequency": 1}, None),
    ("hin_Deva", "length_constraints:number_sentences", "एक। दो।", {"num_sentences": 2, "relation": "at least"}, True),
    ("hin_Deva", "keywords:letter_frequency", "कमल कक्ष", {"letter": "क", "let_frequency": 4}, False),
    ("hin_Deva", "detectable_format:multiple_sections", "भाग 1 भाग 2", PARTS, True),
    ("hin_Deva", "detectable_format:multiple_sections", "भाग १ भाग २", PARTS, True),
    ("tha_Thai", "keywords:existence", "ฉันชอบหนังสือ", {"keywords": ["หนังสือ"]}, True),
    ("tha_Thai", "change_case:english_lowercase", "ฉันชอบหนังสือ", {}, None),
    ("jpn_Jpan", "startend:quotation", "「はい」", {}, True),
    ("jpn_Jpan", "punctuation:no_comma", "一、二", {}, False),
    ("jpn_Jpan", "length_constraints:number_sentences", "はい。いいえ。", {"num_sentences": 2}, True),
    ("spa_Latn", "change_case:english_capital", "¡HOLA, SEÑOR!", {}, True),
    ("spa_Latn", "length_constraints:number_sentences", "¿Qué? ¡Sí! No.", {"num_sentences": 3}, True),
]  # fmt: skip


@pytest.mark.parametrize(("tag", "name", "text", "arguments", "expected"), SCRIPTS)
def test_rules_in_other_scripts_by_the_card(
    tag: str, name: str, text: str, arguments: dict[str, Any], expected: bool | None
) -> None:
    card = load_card(tag)
    writing = Writing(card.sentence_marks, is_cased(card.script_ranges), card.spaces)
    assert kept(name, text, writing, **arguments) is expected


def test_every_rule_has_a_case_or_needs_an_identifier() -> None:
    assert set(RULES) - {case[0] for case in CASES} == {"language:response_language"}


@pytest.mark.parametrize(
    ("tag", "text", "count"),
    [
        ("urd_Arab", "یہ ایک ہے۔ کیا یہ دو ہے؟ ہاں!", 3),
        ("hin_Deva", "यह एक है। क्या यह दो है? हाँ!", 3),
        ("jpn_Jpan", "これは一つです。これは二つですか？はい。", 3),
        ("eng_Latn", "Pi is 3.14 here. Right? “Yes.”", 3),
        ("tha_Thai", "บรรทัดหนึ่ง\nบรรทัดสอง", 2),
    ],
)
def test_sentences_by_the_marks_of_the_card(tag: str, text: str, count: int) -> None:
    assert len(sentences(text, load_card(tag).sentence_marks)) == count


def test_commas_and_quotes_of_other_scripts_are_seen() -> None:
    assert kept("punctuation:no_comma", "ایک، دو", URDU) is False
    assert kept("punctuation:no_comma", "一つ、二つ", Writing("。", cased=False)) is False
    assert kept("startend:quotation", "«ہاں»", URDU) and kept("startend:quotation", "「はい」", URDU)


def test_scripts_without_capitals_are_not_asked_for_them() -> None:
    assert is_cased(load_card("swh_Latn").script_ranges)
    assert not any(is_cased(load_card(tag).script_ranges) for tag in ("urd_Arab", "hin_Deva", "tha_Thai", "jpn_Jpan"))
    found = follow("ایک", [("change_case:english_capital", {}), ("punctuation:no_comma", {})], URDU)
    assert found.strict == [None, True] and found.prompt_strict


def test_loose_reading_forgives_a_first_line_and_asterisks() -> None:
    found = follow('Sure, here it is:\n"quoted"', [("startend:quotation", {})], ENGLISH)
    assert (found.prompt_strict, found.prompt_loose) == (False, True)
    assert follow('**"quoted"**', [("startend:quotation", {})], ENGLISH).prompt_loose


def test_an_empty_answer_keeps_no_rule() -> None:
    found = follow(
        " \n", [("punctuation:no_comma", {}), ("keywords:forbidden_words", {"forbidden_words": ["a"]})], ENGLISH
    )
    assert found.strict == found.loose == [False, False]


def test_the_language_is_asked_of_the_identifier_and_may_be_unknown() -> None:
    sure = Writing(is_language=lambda text, tag: tag == "ur")
    rule = "language:response_language"
    assert kept(rule, "ہاں", sure, language="ur") is True and kept(rule, "ہاں", sure, language="hi") is False
    assert kept(rule, "ہاں", ENGLISH, language="ur") is None


def test_words_without_spaces_are_found_inside_the_text() -> None:
    thai = Writing("", cased=False, spaces=False)
    assert kept("keywords:forbidden_words", "ฉันดื่มน้ำ", thai, forbidden_words=["น้ำ"]) is False


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(KeyError, match="no:such_rule"):
        kept("no:such_rule", "text")
