"""Lines and words in the wrong language, what does not count, and the benchmark's own figures on rebuilt cases."""

from __future__ import annotations

import pytest

from newtongue.adapters.identification import identify
from newtongue.adapters.languages import load_card
from newtongue.methods.line_fidelity import (
    Language,
    judge_lines,
    mask,
    names_in,
    native_digits,
    native_marks,
    pass_rates,
)

URDU = "مجھے کتابیں پڑھنا اچھا لگتا ہے اور میں روز ٹہلنے جاتا ہوں۔"
HINDI = "मुझे किताबें पढ़ना अच्छा लगता है और मैं रोज़ टहलने जाता हूँ।"
THAI = "ฉันชอบอ่านหนังสือและเดินเล่นในสวนทุกวันตอนเช้า"
SWAHILI = "Ninapenda kusoma vitabu na kutembea kila siku asubuhi."
ENGLISH = "I like to read books and take a walk every morning."
TEXTS = {"urd_Arab": URDU, "hin_Deva": HINDI, "tha_Thai": THAI, "swh_Latn": SWAHILI}


def language(tag: str) -> Language:
    card, english = load_card(tag), load_card("eng_Latn")
    return Language(
        card.script_ranges, card.lid, tuple(load_card(t).lid for t in card.confusables), card.spaces,
        frozenset(card.stop_words), frozenset(english.stop_words), card.digits, card.sentence_marks,
    )  # fmt: skip


@pytest.mark.parametrize("tag", TEXTS)
def test_own_lines_pass_and_english_ones_do_not(tag: str) -> None:
    assert judge_lines(TEXTS[tag], language(tag), identify).line_pass is True
    found = judge_lines(f"{TEXTS[tag]}\n{ENGLISH}", language(tag), identify)
    assert (found.line_pass, found.first_wrong) == (False, 1)


@pytest.mark.parametrize("tag", ["urd_Arab", "hin_Deva", "tha_Thai"])
def test_a_foreign_word_fails_by_word_and_not_by_line(tag: str) -> None:
    found = judge_lines(f"{TEXTS[tag]} beautiful", language(tag), identify)
    assert (found.line_pass, found.word_pass) == (True, False)


def test_foreign_words_of_the_same_script_come_from_cards() -> None:
    found = judge_lines(SWAHILI + " with", language("swh_Latn"), identify)
    assert (found.line_pass, found.word_pass) == (True, False)
    assert judge_lines(SWAHILI, language("swh_Latn"), identify).word_pass is True


@pytest.mark.parametrize("extra", [" `print(value)`", " https://example.org/page", " <b>", " Microsoft", " {name}"])
def test_code_addresses_and_names_do_not_count(extra: str) -> None:
    found = judge_lines(URDU + extra, language("urd_Arab"), identify)
    assert (found.line_pass, found.word_pass) == (True, True)


def test_names_of_the_prompt_may_be_repeated() -> None:
    text = "الف iphone15 بے مثال فون ہے اور سب کو پسند ہے۔"
    assert judge_lines(text, language("urd_Arab"), identify).word_pass is False
    assert judge_lines(text, language("urd_Arab"), identify, names_in("Tell me of iphone15")).word_pass is True
    assert "Ali" not in mask("Ali اور Alia", ["Ali"]).split()


def test_short_answers_are_not_judged_by_line() -> None:
    assert judge_lines("ہاں", language("urd_Arab"), identify).line_pass is None
    assert judge_lines("น้ำ", language("tha_Thai"), identify).line_pass is None


def test_an_identifier_that_does_not_know_the_language_leaves_the_script() -> None:
    unknown = Language(load_card("urd_Arab").script_ranges)
    assert judge_lines(URDU, unknown, identify).line_pass is True
    assert judge_lines(ENGLISH, unknown, identify).line_pass is False


@pytest.mark.parametrize(
    ("tag", "own", "other"),
    [
        ("urd_Arab", "۱۲ مئی", "12 مئی"),
        ("hin_Deva", "१२ मई", "12 मई"),
        ("tha_Thai", "๑๒", "12"),
    ],
)
def test_digit_norm(tag: str, own: str, other: str) -> None:
    digits = load_card(tag).digits
    assert (native_digits(own, digits), native_digits(other, digits)) == (True, False)


def test_mark_norm() -> None:
    marks = {tag: load_card(tag).sentence_marks for tag in ("urd_Arab", "hin_Deva", "eng_Latn")}
    assert (native_marks(URDU, marks["urd_Arab"]), native_marks("ہاں. نہیں.", marks["urd_Arab"])) == (True, False)
    assert (native_marks(HINDI, marks["hin_Deva"]), native_marks("हाँ. नहीं.", marks["hin_Deva"])) == (True, False)
    assert native_marks("Yes.", marks["eng_Latn"]) is None and native_marks("3.14", marks["urd_Arab"]) is None


def test_pass_rates_as_the_benchmark_computes_them() -> None:
    """Worked by hand from the released code: skipped, line error, word error, clean, half wrong."""
    answers = [
        "",
        "नमस्ते",
        ENGLISH,
        f"{HINDI} beautiful",
        HINDI,
        f"{HINDI}\n{ENGLISH}",
        f"{HINDI}\nQ: {ENGLISH}",
    ]
    right = lambda line: any("ऀ" <= c <= "ॿ" for c in line)  # noqa: E731
    found = pass_rates(answers, str.split, right, frozenset({"beautiful"}))
    assert found["lpr"] == pytest.approx(1 - 2 / 5)
    assert found["wpr"] == pytest.approx(1 - 1 / 3)
    assert found["acc"] == pytest.approx((0 + 1 + 1 + 0.5 + 1) / 5)


def rates(*answers: str) -> dict[str, float]:
    """Pass rates of Hindi answers, with an identifier that knows lines by their script."""
    right = lambda line: any("ऀ" <= c <= "ॿ" for c in line)  # noqa: E731
    return pass_rates(answers, str.split, right, frozenset({"beautiful", "very"}))


LONG = "एक दो तीन चार पाँच"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (LONG, (1.0, 1.0, 1.0)),
        ("एक दो तीन चार", (1.0, 1.0, 1.0)),  # four tokens: skipped, like an empty answer
        (f"{ENGLISH}\n{LONG}\n{LONG}", (2 / 3, 0.0, 1.0)),  # one wrong line fails the answer, words are not looked at
        (f"very good\n{LONG}", (1.0, 1.0, 1.0)),  # short lines are left out, their words too
        (f"{LONG} Beautiful", (1.0, 1.0, 1.0)),  # the word list is in lower case, tokens are compared as written
        (f"{LONG} (beautiful)!", (1.0, 1.0, 0.0)),  # ASCII punctuation is taken away first
        (f"{LONG} beautiful।", (1.0, 1.0, 1.0)),  # other punctuation stays on the word
        (f"{LONG}—very", (1.0, 1.0, 0.0)),  # a dash parts words
        (f"`{ENGLISH}`\n{LONG}", (0.5, 0.0, 1.0)),  # code is judged like anything else
        (f"\n\n{LONG}\n", (1.0, 1.0, 1.0)),
        (f"Q: {ENGLISH}\nQ: {LONG}", (0.0, 0.0, 1.0)),  # what follows a next question does not count
    ],
)
def test_one_answer_as_the_benchmark_computes_it(answer: str, expected: tuple[float, float, float]) -> None:
    found = rates(answer)
    assert (found["acc"], found["lpr"], found["wpr"]) == pytest.approx(expected)


def test_word_errors_are_counted_among_answers_whose_lines_pass() -> None:
    found = rates(LONG, f"{LONG} very", ENGLISH, ENGLISH, "")
    assert (found["lpr"], found["wpr"]) == (pytest.approx(1 - 2 / 4), pytest.approx(1 - 1 / 2))


def test_our_figures_differ_from_the_benchmark_in_code_and_names_alone() -> None:
    urdu = language("urd_Arab")
    for extra in (f"`{ENGLISH}`", "\n```\nfor value in values: print(value)\n```"):
        assert judge_lines(f"{URDU} {extra}", urdu, identify).word_pass is True
    assert judge_lines(f"{URDU}\n{ENGLISH}", urdu, identify).line_pass is False


def test_nothing_to_judge_is_a_perfect_score_there_and_that_is_why_ours_differs() -> None:
    assert pass_rates(["", ""], str.split, lambda line: True, frozenset()) == {"acc": 1.0, "lpr": 1.0, "wpr": 1.0}
