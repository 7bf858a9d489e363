"""Answers against references in five scripts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newtongue.methods.answer_metrics import best_rouge_l, exact_match, f1, normalise


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("Water.", "water"),
        ("پانی۔", "پانی"),
        ("पानी।", "पानी"),
        ("น้ำ ", "น้ำ"),
        ("水。", "水"),
        ("۴۲", "42"),
        ("４２", "42"),
    ],
)
def test_marks_case_and_digits_do_not_matter(answer: str, reference: str) -> None:
    assert exact_match(answer, [reference])
    assert f1(answer, [reference]) == best_rouge_l(answer, [reference]) == 1.0


def test_the_best_reference_counts() -> None:
    assert f1("سرخ", ["نیلا", "سرخ رنگ"]) == pytest.approx(2 / 3)
    assert exact_match("آب", ["پانی", "آب"]) and not exact_match("آبی", ["پانی", "آب"])


def test_without_words_the_signs_themselves_are_compared() -> None:
    assert exact_match("+", ["+"]) and not exact_match("+", ["−"])
    assert not exact_match("", ["x"]) and f1("", ["x"]) == 0.0


def test_order_matters_to_rouge_and_not_to_f1() -> None:
    assert f1("b a", ["a b"]) == 1.0 and best_rouge_l("b a", ["a b"]) == 0.5


@given(st.text(max_size=30), st.text(max_size=30))
def test_bounds_and_reflexivity(a: str, b: str) -> None:
    assert 0 <= f1(a, [b]) <= 1 and 0 <= best_rouge_l(a, [b]) <= 1
    assert exact_match(a, [a])
    assert normalise(normalise(a)) == normalise(a)
